/*
 * tests/chaos/chaos_schedule.c
 *    chaos_schedule SEED SECONDS: prints the faults of a run, see schedule.h. Does nothing to anybody.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/chaos/schedule.h"

int main(int argc, char **argv)
{
	static struct chaos_fault faults[CHAOS_MAX];
	static char text[CHAOS_MAX * 96];
	int seconds = argc == 3 ? (int)strtol(argv[2], NULL, 10) : 0;
	size_t n;

	if (seconds < 1 || seconds > 24 * 3600) {
		fputs("Usage: chaos_schedule SEED SECONDS\n", stderr);
		return 2;
	}
	n = chaos_schedule(strtoull(argv[1], NULL, 10), seconds, faults);
	if (!chaos_print(faults, n, text, sizeof(text)))
		return 2;
	fputs(text, stdout);
	return 0;
}

/*
 * tests/lib/latency.c
 *    A histogram of times, 0.1 ms fine up to 20 s; what is longer counts as 20 s.
 */
#include "tests/lib/latency.h"

#include <string.h>

void latency_reset(struct latency *latency)
{
	memset(latency, 0, sizeof(*latency));
}

void latency_add(struct latency *latency, int64_t us)
{
	int64_t slot = us < 0 ? 0 : us / LATENCY_SLOT_US;

	latency->slots[slot < LATENCY_SLOTS ? slot : LATENCY_SLOTS - 1]++;
	latency->n++;
	if (us > latency->max_us)
		latency->max_us = us;
}

double latency_ms(const struct latency *latency, double share)
{
	uint64_t wanted = (uint64_t)((double)latency->n * share);
	uint64_t sum = 0;

	for (int i = 0; i < LATENCY_SLOTS; i++) {
		sum += latency->slots[i];
		if (sum > wanted)
			return (double)(i + 1) * LATENCY_SLOT_US / 1000;
	}
	return (double)latency->max_us / 1000;
}

void latency_print(const struct latency *latency, FILE *out)
{
	fprintf(out, "p50 %.1f ms  p99 %.1f ms  max %.1f ms", latency_ms(latency, 0.5),
		latency_ms(latency, 0.99), (double)latency->max_us / 1000);
}

/*
 * tests/fuzz/replay.c
 *    Feeds each file of a corpus to a fuzz target once, so that `make check` keeps every find for ever.
 *
 * Usage: fuzz_NAME [FILE or FOLDER ...]; without arguments tests/fuzz/corpus/NAME. Prints TAP: one line a
 * file. Does not fuzz: `make fuzz` links the same target with libFuzzer instead of this file.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base.h"

enum { REPLAY_MAX_BYTES = 16 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned n_run;
static unsigned n_bad;

static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *data;
	size_t size;

	n_run++;
	if (!file || fstat(fileno(file), &st) < 0 || st.st_size > REPLAY_MAX_BYTES) {
		printf("not ok %u - %s # cannot be read\n", n_run, path);
		n_bad++;
		if (file)
			(void)fclose(file); /* read only: nothing is lost */
		return;
	}
	/* An allocation of exactly this size: a read behind its end is then seen by ASan. */
	data = malloc(st.st_size ? (size_t)st.st_size : 1);
	if (!data)
		abort();
	size = fread(data, 1, (size_t)st.st_size, file);
	(void)fclose(file); /* read only: nothing is lost */
	(void)LLVMFuzzerTestOneInput(data, size); /* targets return 0 or die */
	free(data);
	printf("ok %u - %s\n", n_run, path);
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay(const char *path)
{
	struct dirent **entries;
	struct stat st;
	int n;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	n = scandir(path, &entries, not_hidden, alphasort);
	if (n < 0) {
		printf("not ok %u - %s # cannot be listed\n", ++n_run, path);
		n_bad++;
		return;
	}
	for (int i = 0; i < n; i++) {
		char file[4096];

		(void)snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		replay_file(file);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	const char *program = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];

	(void)setvbuf(stdout, NULL, _IOLBF, 0); /* the last line names the file that killed us */
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (argc == 1) {
		char corpus[4096];

		(void)snprintf(corpus, sizeof(corpus), "tests/fuzz/corpus/%s",
			       strncmp(program, "fuzz_", 5) == 0 ? program + 5 : program);
		replay(corpus);
	}
	printf("1..%u\n", n_run);
	return n_bad || !n_run ? 1 : 0;
}

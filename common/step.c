/*
 * common/step.c
 *    See common/step.h. Empty in builds without PGSHOVEL_TEST_HOOKS.
 *
 * Does not use the log: a step must change nothing that a test can observe but the stop itself.
 */
#include "common/step.h"

#ifdef PGSHOVEL_TEST_HOOKS

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base.h"

enum { STEPS_MAX = 64 };

/* Passes through the wanted steps so far, by all threads; in the order of the list. */
static atomic_ulong passes[STEPS_MAX];

/* One entry of the list, up to `len`. */
static bool entry_matches(const char *entry, size_t len, const char *label, atomic_ulong *passed)
{
	size_t label_len = strlen(label);
	unsigned long nth = 1;

	if (len < label_len || strncmp(entry, label, label_len) != 0)
		return false;
	if (len > label_len && entry[label_len] == ':')
		nth = strtoul(entry + label_len + 1, NULL, 10);
	else if (len > label_len)
		return false;
	return atomic_fetch_add(passed, 1) + 1 == nth;
}

static bool wanted_matches(const char *wanted, const char *label)
{
	for (size_t i = 0; i < STEPS_MAX; i++) {
		size_t len = strcspn(wanted, ",");

		if (entry_matches(wanted, len, label, &passes[i]))
			return true;
		if (!wanted[len])
			break;
		wanted += len + 1;
	}
	return false;
}

static void step_note(const char *path, const char *line)
{
	PGS_CLEANUP(pgs_closep) int fd = -1;
	ssize_t len = (ssize_t)strlen(line);

	if (!path || !*path)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)len) != len)
		return;
}

void pgs_step(const char *label)
{
	const char *wanted = getenv("PGSHOVEL_STOP_AT"), *trace = getenv("PGSHOVEL_STEP_TRACE");
	char line[128];

	if (trace) {
		(void)snprintf(line, sizeof(line), "%s\n", label);
		step_note(trace, line);
	}
	if (!wanted || !*wanted || !wanted_matches(wanted, label))
		return;
	(void)snprintf(line, sizeof(line), "%s %ld\n", label, (long)getpid());
	step_note(getenv("PGSHOVEL_STOP_FILE"), line);
	(void)raise(SIGSTOP); /* cannot fail for a valid signal */
}

unsigned long pgs_test_number(const char *name, unsigned long usual)
{
	const char *text = getenv(name);
	const unsigned long number = text ? strtoul(text, NULL, 10) : 0;

	return number ? number : usual;
}

#else

/* ISO C wants a declaration in every translation unit. */
typedef int pgs_step_is_off;

#endif

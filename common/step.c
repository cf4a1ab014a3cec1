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

/* Passes through the wanted step so far, by all threads. */
static atomic_ulong passes;

static bool wanted_matches(const char *wanted, const char *label)
{
	size_t len = strlen(label);
	unsigned long nth = 1;

	if (strncmp(wanted, label, len) != 0)
		return false;
	if (wanted[len] == ':')
		nth = strtoul(wanted + len + 1, NULL, 10);
	else if (wanted[len] != '\0')
		return false;
	return atomic_fetch_add(&passes, 1) + 1 == nth;
}

static void step_note(const char *label)
{
	const char *path = getenv("PGSHOVEL_STOP_FILE");
	PGS_CLEANUP(pgs_closep) int fd = -1;
	char line[128];
	int len;

	if (!path || !*path)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	len = snprintf(line, sizeof(line), "%s %ld\n", label, (long)getpid());
	/* A note that is lost shows as a time-out of the test that waits for it. */
	if (fd < 0 || len < 0 || write(fd, line, (size_t)len) != len)
		return;
}

void pgs_step(const char *label)
{
	const char *wanted = getenv("PGSHOVEL_STOP_AT");

	if (!wanted || !*wanted || !wanted_matches(wanted, label))
		return;
	step_note(label);
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

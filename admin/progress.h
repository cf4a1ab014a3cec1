/*
 * admin/progress.h
 *    "capture triggers: 340 of 1000": a line now and then for work that takes long. Short work says nothing.
 *
 * Measures no speed and guesses no end.
 */
#ifndef PGSHOVEL_ADMIN_PROGRESS_H
#define PGSHOVEL_ADMIN_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct progress {
	const char *database; /* NULL: not of one alone */
	const char *what;
	size_t total;
	size_t done;
	uint64_t next_us; /* when the next line is due; 0 at first */
};

/* One more is done. Logs at notice, not before five seconds have passed and at most every five. */
void progress_step(struct progress *p);

#endif

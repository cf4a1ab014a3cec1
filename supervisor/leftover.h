/*
 * supervisor/leftover.h
 *    Locks that a taken-over session holds and that this supervisor does not want: given back.
 */
#ifndef PGSHOVEL_SUPERVISOR_LEFTOVER_H
#define PGSHOVEL_SUPERVISOR_LEFTOVER_H

#include <stdbool.h>
#include <stddef.h>

struct supervisor;

/* All zero: nothing to look for. */
struct leftover {
	bool wanted; /* a session was taken over and its locks were not looked at */
	bool asked; /* a request is under way */
	char **names; /* of the locks; the ones from `next` on are to be looked at */
	size_t n, next;
};

/* After the first complete look, once. Never waits. */
void leftover_pump(struct supervisor *sup);

/* A new session has no leftovers. */
void leftover_forget(struct supervisor *sup);

#endif

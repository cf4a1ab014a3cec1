/*
 * supervisor/abandoned.h
 *    Rollouts that an admin left open: found, and ended by a child "pgshovel txn recover".
 *
 * The supervisor knows no database; the child does all of it and takes the admin's lock itself.
 */
#ifndef PGSHOVEL_SUPERVISOR_ABANDONED_H
#define PGSHOVEL_SUPERVISOR_ABANDONED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "common/backoff.h"

struct supervisor;

/* All zero but the back-off: nothing is known. */
struct abandoned {
	bool asked; /* a request is under way */
	bool claimed; /* /CLUSTER/recovering is ours */
	uint64_t look_at_us;
	uint64_t
		open_since_us; /* since then every look found an intent and no admin; 0: the last one did not */
	uint64_t try_at_us; /* not before */
	unsigned n_open;
	struct pgs_backoff backoff;
	pid_t pid; /* 0: no child */
	int pidfd; /* only while there is one */
	sd_event_source *child;
};

/* Ask, decide, start. Never waits. */
void abandoned_pump(struct supervisor *sup);

/* A new session: the claim went with the old one. */
void abandoned_forget(struct supervisor *sup);

/* The end of the supervisor: a child may go on by itself, but is asked to stop. */
void abandoned_done(struct supervisor *sup);

#endif

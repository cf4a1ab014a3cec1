/*
 * supervisor/reconcile.h
 *    What to do next with one set: a pure table.
 *
 * Contract: no clock, no system call, no log, no memory. supervisor/pass.c builds the view and acts.
 */
#ifndef PGSHOVEL_SUPERVISOR_RECONCILE_H
#define PGSHOVEL_SUPERVISOR_RECONCILE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ctlproto.h"

enum slot_state {
	SLOT_IDLE, /* no worker, and nothing in the way of one */
	SLOT_STARTING, /* a worker that has not said READY */
	SLOT_UP,
	SLOT_STOPPING, /* asked to stop; the ladder of stop.c is running */
	SLOT_BACKOFF, /* failed; tried again at the deadline */
	SLOT_PARKED, /* an operator must change something; tried again slowly */
};
enum { N_SLOT_STATES = SLOT_PARKED + 1 };

enum slot_want {
	WANT_RUN, /* exists, readable, and ours */
	WANT_PARK, /* exists and ours, but its document cannot be used */
	WANT_REST, /* exists, not ours (or we are stopping) */
	WANT_GONE, /* does not exist any more */
};
enum { N_SLOT_WANTS = WANT_GONE + 1 };

enum slot_action {
	ACT_NONE,
	ACT_SPAWN,
	ACT_STOP, /* first rung: ask */
	ACT_ESCALATE, /* next rung */
	ACT_KILL, /* hung: the last rung at once */
	ACT_PARK,
	ACT_REST, /* back to IDLE without a worker */
	ACT_FORGET, /* the slot itself goes, and its lock */
};

struct slot_view {
	enum slot_state state;
	enum slot_want want;
	bool stale; /* the wanted version is not the one that runs or failed */
	/* The set's node was written, or SIGHUP came, since the worker failed or one of its sources was parked. */
	bool touched;
	bool may_start; /* false: too many are starting just now */
	/* STARTING and UP: silent or stuck for too long. STOPPING: next rung. BACKOFF, PARKED: next try. */
	uint64_t deadline_us;
};

enum slot_action reconcile_step(const struct slot_view *view, uint64_t now_us);

/* What follows from the end of a worker. */
struct exit_view {
	bool intended; /* we had asked it to stop */
	bool signalled; /* killed by a signal; code is the signal */
	int code;
};

enum exit_verdict {
	EXIT_EXPECTED, /* IDLE, counts for nothing */
	EXIT_RESTART, /* BACKOFF, counts as a failure */
	EXIT_PARK, /* PARKED */
	EXIT_LOOK_AGAIN, /* fenced: look at the lock, then as EXIT_RESTART */
};

enum exit_verdict reconcile_exit(const struct exit_view *view);

/*
 * Time limits of a phase. `named`: after this long people are told (0: never). `killed`: after this long the
 * process is killed (0: never); only where so much time cannot be legitimate.
 */
struct phase_limit {
	uint64_t named_us;
	uint64_t killed_us;
};

struct phase_limit reconcile_phase_limit(enum ctl_phase phase);

#endif

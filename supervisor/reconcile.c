/*
 * supervisor/reconcile.c
 *    Decides the next step for one set, what follows from a worker's end, and how long a phase may take.
 *
 * Pure: no clock, no system calls, no logging. spawn.c, stop.c and reap.c act on the answer; slots.c remembers.
 */
#include "supervisor/reconcile.h"

#include "common/exitcode.h"

#define SECONDS(n) ((uint64_t)(n)*1000 * 1000)

/* A running worker: `due` means that it has been silent or stuck for too long, whatever is wanted of it. */
static enum slot_action step_running(const struct slot_view *view, bool due)
{
	if (due)
		return ACT_KILL;
	if (view->want != WANT_RUN || view->stale || view->touched)
		return ACT_STOP;
	return ACT_NONE;
}

/* No worker runs; `ready` means that nothing but the stagger forbids a start. */
static enum slot_action step_down(const struct slot_view *view, bool ready)
{
	switch (view->want) {
	case WANT_RUN:
		return ready && view->may_start ? ACT_SPAWN : ACT_NONE;
	case WANT_PARK:
		return view->state == SLOT_PARKED ? ACT_NONE : ACT_PARK;
	case WANT_REST:
		return view->state == SLOT_IDLE ? ACT_NONE : ACT_REST;
	case WANT_GONE:
		return ACT_FORGET;
	}
	return ACT_NONE;
}

enum slot_action reconcile_step(const struct slot_view *view, uint64_t now_us)
{
	bool due = now_us >= view->deadline_us;

	switch (view->state) {
	case SLOT_IDLE:
		return step_down(view, true);
	case SLOT_STARTING:
	case SLOT_UP:
		return step_running(view, due);
	case SLOT_STOPPING:
		return due ? ACT_ESCALATE : ACT_NONE;
	case SLOT_BACKOFF:
	case SLOT_PARKED:
		/* A new version or a touch of the node ends the wait. */
		return step_down(view, due || view->stale || view->touched);
	}
	return ACT_NONE;
}

enum exit_verdict reconcile_exit(const struct exit_view *view)
{
	if (view->intended)
		return EXIT_EXPECTED;
	if (view->signalled)
		return EXIT_RESTART;
	switch (view->code) {
	case PGS_EXIT_USAGE:
	case PGS_EXIT_CONFIG:
		return EXIT_PARK;
	case PGS_EXIT_FENCED:
		return EXIT_LOOK_AGAIN;
	default: /* not an enum: any program may return any number; 0 unasked is a failure too */
		return EXIT_RESTART;
	}
}

struct phase_limit reconcile_phase_limit(enum ctl_phase phase)
{
	switch (phase) {
	case CTL_PHASE_CONNECT:
	case CTL_PHASE_KAFKA:
	case CTL_PHASE_FLUSH:
	case CTL_PHASE_UPKEEP:
		return (struct phase_limit){ .named_us = SECONDS(60) };
	case CTL_PHASE_COMMIT:
		return (struct phase_limit){ .named_us = SECONDS(120) };
	case CTL_PHASE_WINDOW:
	case CTL_PHASE_ENCODE:
		return (struct phase_limit){ .named_us = SECONDS(60), .killed_us = SECONDS(600) };
	case CTL_PHASE_IDLE:
	case CTL_PHASE_BACKOFF:
		break;
	}
	return (struct phase_limit){ 0 };
}

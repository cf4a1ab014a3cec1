/*
 * admin/steps.h
 *    The places where a crash test may hold an admin: one table.
 *
 * ADMIN_STEP(NAME) marks the place; a name that is not in the table does not compile. In builds without
 * test hooks it is nothing. "pgshovel --list-steps" prints the labels.
 */
#ifndef PGSHOVEL_ADMIN_STEPS_H
#define PGSHOVEL_ADMIN_STEPS_H

#include "common/step.h"

/* X(name, label, kinds): kinds says which commands pass here: c create, u upgrade, d drop, x cluster upgrade, r recover; none: only beside another admin. */
#define ADMIN_STEPS(X)                                                                             \
	X(LOCKED, "locked", "cudxr")                                                               \
	X(INSTALL, "install", "c")                                                                 \
	X(STUB, "stub", "cu")                                                                      \
	X(STUBBED, "stubbed", "cudx")                                                              \
	X(INTENT, "intent", "cudx")                                                                \
	X(PREPARE, "prepare", "cudx")                                                              \
	X(PREPARED, "prepared", "cudx")                                                            \
	X(DECIDE, "decide", "cudx")                                                                \
	X(DECIDED, "decided", "cudx")                                                              \
	X(COMMITTED, "committed", "cudxr")                                                         \
	X(ALL_COMMITTED, "all-committed", "cudxr")                                                 \
	X(RELAY_STOPPED, "relay-stopped", "d")                                                     \
	X(POSITIONS_DELETED, "positions-deleted", "d")                                             \
	X(TRIGGER_DROPPED, "trigger-dropped", "udr")                                               \
	X(FORGOTTEN, "forgotten", "cudr")                                                          \
	X(CLEANED, "cleaned", "cudxr")                                                             \
	X(ABORTED, "aborted", "r")                                                                 \
	X(ROLLED_BACK, "rolled-back", "r")                                                         \
	X(CLOSED, "closed", "cudxr")                                                               \
	X(FENCING, "fencing", "")

enum admin_step {
#define ADMIN_STEP_ENUM(name, label, kinds) ADMIN_STEP_##name,
	ADMIN_STEPS(ADMIN_STEP_ENUM)
#undef ADMIN_STEP_ENUM
		ADMIN_N_STEPS,
};

struct admin_step_info {
	const char *label;
	const char *kinds;
};
extern const struct admin_step_info admin_steps[ADMIN_N_STEPS];

#define ADMIN_STEP(name) PGS_STEP(admin_steps[ADMIN_STEP_##name].label)

#endif

/*
 * worker/steps.h
 *    Every step of relay.c at which a crash test can hold a relay, in the order in which they are passed.
 *
 * One table: the enumeration and the test's list (pgshovel-kafka-relay --steps) are made from it, so that a
 * step cannot be left out. RELAY_STEP does nothing in builds without PGSHOVEL_TEST_HOOKS.
 */
#ifndef PGSHOVEL_WORKER_STEPS_H
#define PGSHOVEL_WORKER_STEPS_H

#include "common/step.h"

/* name, where */
#define RELAY_STEPS(X)                                                                             \
	X(probed, "Kafka answered, nothing is taken over yet")                                     \
	X(identified, "the source is known, its lock is another's still")                          \
	X(locked, "the source's lock is ours")                                                     \
	X(acquired, "earlier producers are fenced")                                                \
	X(position_read, "the position is known and judged")                                       \
	X(started, "START is complete, the new nonce is flushed")                                  \
	X(window_read, "a window with events is in memory")                                        \
	X(flushed, "the source has flushed what the window shows")                                 \
	X(begun, "the Kafka transaction is open")                                                  \
	X(produced_one, "one event is produced")                                                   \
	X(produced_all, "every event of the window is produced")                                   \
	X(position_produced, "the position is produced")                                           \
	X(commit_begun, "where more waits the commit goes on by itself")                           \
	X(committed, "the commit is acknowledged")                                                 \
	X(hinted, "the hint is written")                                                           \
	X(before_mark, "before the consumer's mark is moved")                                      \
	X(marked, "the mark is moved")

#define RELAY_STEP_ENUM(name, where) RELAY_STEP_##name,
enum relay_step { RELAY_STEPS(RELAY_STEP_ENUM) RELAY_N_STEPS };

/* The name is checked at compile time even where the step is nothing. */
#define RELAY_STEP(name)                                                                           \
	do {                                                                                       \
		(void)RELAY_STEP_##name;                                                           \
		PGS_STEP(#name);                                                                   \
	} while (0)

#endif

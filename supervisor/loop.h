/*
 * supervisor/loop.h
 *    The event loop: signals, sessions, when to make a pass, when to end.
 */
#ifndef PGSHOVEL_SUPERVISOR_LOOP_H
#define PGSHOVEL_SUPERVISOR_LOOP_H

#include <stdint.h>

#include "common/err.h"
#include "supervisor/supervisor.h"

/* Blocks the signals that the loop reads. Before anything else, threads and children included. */
void loop_block_signals(void);

/* Runs until stopped; returns the exit code. sup holds the configuration and credentials. */
int loop_run(struct supervisor *sup);

/* Something changed: look at every slot soon. Cheap; may be called from any callback. */
void loop_wake(struct supervisor *sup);

/* Look at every slot at this time at the latest. */
void loop_wake_at(struct supervisor *sup, uint64_t at_us);

/* The generation changed: every worker gets a new token. */
void loop_tokens_changed(struct supervisor *sup);

/* End with this code as soon as no worker is left. */
void loop_finish(struct supervisor *sup, int exit_code);

#endif

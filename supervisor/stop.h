/*
 * supervisor/stop.h
 *    The ladder that ends a worker: asked, terminated, killed.
 */
#ifndef PGSHOVEL_SUPERVISOR_STOP_H
#define PGSHOVEL_SUPERVISOR_STOP_H

#include "supervisor/supervisor.h"

/* Write down that we want it, ask the worker, and give it the grace period. reason is for the log. */
void stop_begin(struct supervisor *sup, struct slot *slot, const char *reason);

/* The next rung: the grace of the present one is over. */
void stop_escalate(struct supervisor *sup, struct slot *slot);

/* It hangs: kill at once. Counts as a failure unless a stop was under way. */
void stop_kill(struct supervisor *sup, struct slot *slot, const char *why);

/* Second request to end the whole program: no grace any more. */
void stop_hurry(struct supervisor *sup, struct slot *slot);

#endif

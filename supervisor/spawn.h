/*
 * supervisor/spawn.h
 *    Starts workers.
 */
#ifndef PGSHOVEL_SUPERVISOR_SPAWN_H
#define PGSHOVEL_SUPERVISOR_SPAWN_H

#include "common/err.h"
#include "supervisor/supervisor.h"

/* Find the worker's binary and hold it open, so that every worker until the next call is the same program. */
int spawn_open_relay(struct supervisor *sup, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Start the worker of a slot with the slot's document. On success the slot is in state STARTING. On -1 there is
 * no worker; class CONFIG when another try cannot help.
 */
int spawn_worker(struct supervisor *sup, struct slot *slot, struct pgs_err *reterr) PGS_MUST_CHECK;

/* The process of a slot is no more: give back what belonged to it. */
void spawn_forget(struct slot *slot);

#endif

/*
 * supervisor/spread.h
 *    Keeps the list of active hosts and says of each slot whether it is placed here.
 *
 * One watch on the children of /hosts. A host that an operator drains has a second node there, HOST~drained:
 * so the list of names alone tells who takes sets.
 */
#ifndef PGSHOVEL_SUPERVISOR_SPREAD_H
#define PGSHOVEL_SUPERVISOR_SPREAD_H

#include <stdbool.h>

#include "supervisor/supervisor.h"

/* A new session: the list has to be read again. What is placed here stays so until then. */
void spread_forget(struct supervisor *sup);

bool spread_on_watch(struct supervisor *sup, const char *path); /* true: the path was ours */

/* Ask for the list when it is due; place the sets anew when one of the two lists has changed. Never waits. */
void spread_pump(struct supervisor *sup);

/* The hosts are known and the sets are placed accordingly. */
bool spread_complete(const struct supervisor *sup);

/* The set is placed on another host, and has been for long enough: what runs here stops and gives the lock back. */
bool spread_leaves(const struct supervisor *sup, const struct slot *slot);

void spread_done(struct supervisor *sup);

#endif

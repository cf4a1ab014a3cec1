/*
 * supervisor/locks.h
 *    The ephemeral nodes that make this host the owner of its sets.
 */
#ifndef PGSHOVEL_SUPERVISOR_LOCKS_H
#define PGSHOVEL_SUPERVISOR_LOCKS_H

#include <stdbool.h>

#include "supervisor/supervisor.h"

/* A new session: every lock has to be taken again. What we own is believed until an answer says otherwise. */
void locks_forget(struct supervisor *sup);

/* A watch fired. True when the path was a lock's. */
bool locks_on_watch(struct supervisor *sup, const char *path);

/* With every full look: at locks that are too many to be watched. */
void locks_look_again(struct supervisor *sup);

/* Send the requests that are due. Never waits. */
void locks_pump(struct supervisor *sup);

/* A newer owner fenced the worker; whether there is one ZooKeeper is being asked. Until then nothing is started. */
bool locks_in_doubt(const struct supervisor *sup, const struct slot *slot);

/* Give a lock back. True when there is nothing (more) to give back; else call again after a pass. */
bool locks_release(struct supervisor *sup, struct slot *slot);

#endif

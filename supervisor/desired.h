/*
 * supervisor/desired.h
 *    What ZooKeeper wants: the cluster's generation, the list of sets and the document of each.
 */
#ifndef PGSHOVEL_SUPERVISOR_DESIRED_H
#define PGSHOVEL_SUPERVISOR_DESIRED_H

#include <stdbool.h>

#include "supervisor/supervisor.h"

/* Everything has to be read again. */
void desired_forget(struct supervisor *sup);

/* A watch fired. True when the path was one of desired's. */
bool desired_on_watch(struct supervisor *sup, const char *path);

/* Send the requests that are due; needs a connection to do anything. Never waits. */
void desired_pump(struct supervisor *sup);

/* Nothing is known to be out of date: the look is complete. */
bool desired_complete(const struct supervisor *sup);

/* An answer failed: note when to ask again. */
void desired_request_failed(struct supervisor *sup, const struct pgs_err *err);

enum { DESIRED_MAX_REQUESTS = 256 };

#endif

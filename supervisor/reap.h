/*
 * supervisor/reap.h
 *    The end of a worker: noticed by pidfd, judged by reconcile_exit().
 */
#ifndef PGSHOVEL_SUPERVISOR_REAP_H
#define PGSHOVEL_SUPERVISOR_REAP_H

#include "common/err.h"
#include "supervisor/supervisor.h"

int reap_watch(struct supervisor *sup, struct slot *slot, struct pgs_err *reterr) PGS_MUST_CHECK;

/* A start failed before there was a process: as if a worker had ended with this error. */
void reap_failed_start(struct supervisor *sup, struct slot *slot, const struct pgs_err *err);

/* A worker was fenced by a newer owner, and ZooKeeper knows of none: it went back in time. Parks the set. */
void reap_owner_after_all(struct supervisor *sup, struct slot *slot);

enum { REAP_PARK_RETRY_US = 300 * 1000 * 1000 };

#endif

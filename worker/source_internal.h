/*
 * worker/source_internal.h
 *    What source*.c share with one another and with nobody else.
 */
#ifndef PGSHOVEL_WORKER_SOURCE_INTERNAL_H
#define PGSHOVEL_WORKER_SOURCE_INTERNAL_H

#include "worker/source.h"

/* The session lock of the source; a holder with an older token is terminated. */
int source_lock(struct source *s, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Class CONFIG when another server process answered than the one that we connected to. */
int source_check_pid(const struct source *s, int pid, struct pgs_err *reterr) PGS_MUST_CHECK;

/* A session of its own, with password; replication: that of a walsender. Class CONFIG: refused. */
int source_connect(struct source *s, const char *application_name, bool replication, PGconn **ret,
		   struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

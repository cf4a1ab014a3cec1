/*
 * worker/pgpass.h
 *    Finds a password in the text of a libpq password file.
 *
 * The file came through the assignment and is nowhere on disk for this process, so libpq cannot read it.
 */
#ifndef PGSHOVEL_WORKER_PGPASS_H
#define PGSHOVEL_WORKER_PGPASS_H

#include "common/base.h"
#include "common/err.h"

/* *ret: malloc'ed, NULL when no line matches host, port, database and user of the conninfo. */
int pgpass_find(const char *file, const char *conninfo, char **ret,
		struct pgs_err *reterr) PGS_MUST_CHECK;

/* Wipes and frees: clean-up attribute. */
void pgpass_freep(char **password);

#endif

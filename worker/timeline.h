/*
 * worker/timeline.h
 *    The history of timelines as PostgreSQL writes it (pg_wal/0000000N.history). Pure.
 */
#ifndef PGSHOVEL_WORKER_TIMELINE_H
#define PGSHOVEL_WORKER_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"

/*
 * Where `timeline` was left, by the history of a later one. *ret_found false: it is none of its ancestors. Class
 * CONFIG: the text is no history.
 */
int timeline_fork(const char *text, size_t len, int64_t timeline, bool *ret_found,
		  uint64_t *ret_lsn, struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

/*
 * worker/snapshot.h
 *    PostgreSQL snapshots as text "xmin:xmax:xip,xip": what each shows, and which shows more.
 *
 * Pure. A transaction is visible in a snapshot when it had ended before it; whether it committed or rolled
 * back is PostgreSQL's matter (events of the latter do not exist).
 */
#ifndef PGSHOVEL_WORKER_SNAPSHOT_H
#define PGSHOVEL_WORKER_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"

enum {
	SNAPSHOT_MAX_XIP = 262144
}; /* more than max_connections can be; a ceiling, not a limit of use */

struct snapshot {
	uint64_t xmin;
	uint64_t xmax; /* the first transaction id that was not given out yet */
	uint64_t *xip; /* in progress, ascending, xmin <= x < xmax */
	size_t n_xip;
};

/* Class BUG: not a snapshot. *ret must be empty or a snapshot; it is replaced only on success. */
int snapshot_parse(const char *text, struct snapshot *ret, struct pgs_err *reterr) PGS_MUST_CHECK;
void snapshot_done(struct snapshot *s); /* clean-up attribute; empty is fine */

bool snapshot_visible(const struct snapshot *s, uint64_t txid);

/* Everything visible in b is visible in a. */
bool snapshot_contains(const struct snapshot *a, const struct snapshot *b);

/* The canonical text, appended. */
void snapshot_put(const struct snapshot *s, struct pgs_buf *out);

/* "{1,2,3}": the transactions in progress, as an array literal. */
void snapshot_put_xip_array(const struct snapshot *s, struct pgs_buf *out);

/*
 * Append the condition-free core of a window: SELECT `columns` of the events of `table` that `upper` shows
 * and `lower` does not. `condition` (NULL: none) is added to each branch with AND.
 */
void snapshot_put_window_sql(const struct snapshot *lower, const struct snapshot *upper,
			     const char *table, const char *columns, const char *condition,
			     struct pgs_buf *out);

#endif

/*
 * worker/window_read.h
 *    The three statements that read windows, and the choice of the tick at which a backlog is cut.
 *
 * Rows go to a store; what a window means is window.c's matter. Nothing here waits but for the server.
 */
#ifndef PGSHOVEL_WORKER_WINDOW_READ_H
#define PGSHOVEL_WORKER_WINDOW_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "worker/position.h"
#include "worker/snapshot.h"
#include "worker/source.h"
#include "worker/window_store.h"

/* Prepare the live statement on the main session; once per session. */
int read_live_prepare(struct source *s, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * One statement: everything after `from` that is visible now, at most max_events rows and max_bytes bytes.
 * *ret_over: there was more; the store is then incomplete and of no use. ret_snapshot: the statement's own.
 */
int read_live(struct source *s, const struct snapshot *from, size_t max_events, size_t max_bytes,
	      struct store *st, struct pgs_buf *ret_snapshot, uint64_t *ret_lsn, bool *ret_over,
	      struct pgs_err *reterr) PGS_MUST_CHECK;

/* The state of the tick chooser: the newest tick known to be covered by what was read. */
struct tick_base {
	int64_t id;
	int64_t event_seq;
};

/*
 * A tick whose snapshot shows everything that `from` shows and more, holding about batch_events events
 * after the base. *ret_found false: there is none. lsn: of now.
 */
int read_choose_tick(struct source *s, const struct snapshot *from, int64_t batch_events,
		     struct tick_base *base, struct snapshot *ret_upper, uint64_t *ret_lsn,
		     bool *ret_found, struct pgs_err *reterr) PGS_MUST_CHECK;

/* "Now" as a snapshot, for a window that no tick cuts. */
int read_now(struct source *s, struct snapshot *ret, uint64_t *ret_lsn,
	     struct pgs_err *reterr) PGS_MUST_CHECK;

/* The largest ev_id of a transaction. */
int read_transaction_end(struct source *s, int64_t txid, int64_t *ret,
			 struct pgs_err *reterr) PGS_MUST_CHECK;

/* Does any table of the set, as it is or was, have events that are chained? */
int read_may_chain(struct source *s, bool *ret, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Did triggers write rows of this transaction again so that an event comes before the one that it follows? And
 * about how large a store holds all of it. Looks at the whole transaction: seconds for a million events.
 */
int read_chain_inverted(struct source *s, int64_t txid, bool *ret, int64_t *ret_bytes,
			struct pgs_err *reterr) PGS_MUST_CHECK;

/* What COPY is to give of the window (lower, upper]. All lent. */
struct read_copy {
	const struct snapshot *lower;
	const struct snapshot *upper;
	const struct position_state
		*after; /* NULL: all of it; else only what follows cut_tx and ev_id */
	bool by_transaction; /* the order is (largest ev_id of the transaction, ev_id), not ev_id */
	bool ordered; /* in that order, not as the heap gives it; costs a sort on the server */
};

/*
 * Start COPY on the bulk session. read_copy_row: 1: one more event is in the store; 0 at the end. *first: true
 * at the start; the first row may take as long as the server sorts.
 */
int read_copy_open(struct source *s, const struct read_copy *what,
		   struct pgs_err *reterr) PGS_MUST_CHECK;
int read_copy_row(struct source *s, struct store *st, bool *first,
		  struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

/*
 * worker/window.h
 *    The next events of a source: window after window, each in one piece or in parts.
 *
 * A window is what one snapshot shows and an earlier one does not. Three ways to read one, chosen here:
 * live (one prepared statement, "now" is its own snapshot), backlog (COPY up to a tick), and stream (a window
 * that does not fit in memory, ordered by the server). Memory is bounded by the set's window_memory; a part
 * holds at most batch_events events and batch_bytes bytes. One thread.
 */
#ifndef PGSHOVEL_WORKER_WINDOW_H
#define PGSHOVEL_WORKER_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"
#include "worker/event.h"
#include "worker/order.h"
#include "worker/position.h"
#include "worker/source.h"

/* What one Kafka transaction carries. Everything is lent until the next window_next(). */
struct window {
	const struct event *events;
	const uint32_t *order; /* n indexes into events, in the order of sending */
	size_t n; /* 0: nothing new; the state has moved on all the same */
	/*
	 * The window is sent in whole transactions: per event, the largest ev_id of its transaction. NULL: by ev_id.
	 * A window that a restart goes on in keeps the order in which it was begun.
	 */
	const int64_t *last;
	uint64_t lsn; /* the source must have flushed this before the events may be published */
	bool more; /* more is known to wait: read on at once */
	int64_t newest_ev_id;
	int64_t newest_time_us; /* largest ev_time */
	int64_t asked_at_us; /* wall clock, when its upper snapshot was asked for */
	int64_t read_at_us; /* wall clock, when the last of its events had come */
	struct position_state after; /* where reading goes on when these are delivered */
};

struct reader;

/* key and ctx: see order_chain(). All lent. */
int reader_new(struct source *source, order_key_fn *key, void *ctx, struct reader **ret,
	       struct pgs_err *reterr) PGS_MUST_CHECK;
void reader_free(struct reader *r);

/*
 * Read what comes after `from`, which is the state of the last delivered part, or where START begins. Code
 * "interrupt": stop was asked. After any error the reader must be freed.
 */
int window_next(struct reader *r, const struct position_state *from, const struct window **ret,
		struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Less of the part that was handed out last: its first n events (n > 0), or the few more that must go together
 * with them. The window that window_next() gave is changed in place; what was cut off comes with the next one.
 */
int window_shorten(struct reader *r, size_t n, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Give memory of large windows back to the system; cheap when there is none. */
void reader_trim(struct reader *r);

#endif

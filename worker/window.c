/*
 * worker/window.c
 *    Chooses how the next window is read and hands it out in parts. See worker/window.h.
 *
 *    start inside a window ──▶ COPY of its rest ──fits──▶ parts from memory
 *    backlog known ──▶ COPY up to a tick ────────┴─too large──▶ COPY in the order of sending, chunk by chunk
 *    else ──▶ live statement ──fits──▶ parts from memory;   too large: backlog known
 *
 * The order of sending does not depend on how a window was read, so that a restart may read it another way.
 */
#include "worker/window.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/snapshot.h"
#include "worker/window_read.h"
#include "worker/window_store.h"

struct reader {
	struct source *source;
	const struct setdoc *doc;
	order_key_fn *key;
	void *ctx;
	bool prepared; /* the live statement */
	bool backlog; /* ticks may hold more than a live statement should read */
	struct tick_base base;

	/* The window at hand: what was not visible in `lower` and is in `upper`. */
	struct snapshot lower;
	struct snapshot upper;
	struct pgs_buf lower_text;
	struct pgs_buf upper_text;
	uint64_t lsn;
	int64_t asked_at_us;
	int64_t read_at_us;
	bool by_transaction; /* the order of sending; else by ev_id */
	bool streaming; /* the server sorts, the store holds a chunk; else the store holds all */
	bool chained; /* streaming: rows may be written again by triggers */
	bool copy_first;
	bool ended; /* nothing is left to be read */

	struct store store;
	uint32_t *order; /* the store's events in the order of sending */
	uint32_t *rank; /* an event's place before chaining; NULL: chaining changed nothing */
	int64_t *last; /* by_transaction only */
	size_t at; /* in order: what was handed out ends here */
	size_t part_at; /* and began here */
	int64_t end_txid; /* the transaction that was asked about last */
	int64_t end_id; /* its largest ev_id */
	int64_t straight_txid; /* the transaction that was found to need no chaining last */
	size_t peak_bytes; /* largest window since the last trim */
	struct window window;
};

enum { SNAPSHOT_TEXT_MAX = 8 * 1024 * 1024, TRIM_BYTES = 4 * 1024 * 1024 };

int reader_new(struct source *source, order_key_fn *key, void *ctx, struct reader **ret,
	       struct pgs_err *reterr)
{
	struct reader *r = calloc(1, sizeof(*r));
	if (!r)
		return pgs_err_nomem(reterr);
	r->source = source;
	r->doc = source->config.doc;
	r->key = key;
	r->ctx = ctx;
	r->backlog = true; /* after a start there may be any amount */
	r->ended = true;
	r->base.id = source->mark - 1;
	r->lower_text = PGS_BUF_INIT(SNAPSHOT_TEXT_MAX);
	r->upper_text = PGS_BUF_INIT(SNAPSHOT_TEXT_MAX);
	*ret = r;
	return 0;
}

static void forget_order(struct reader *r)
{
	free(r->order);
	free(r->rank);
	free(r->last);
	r->order = r->rank = NULL;
	r->last = NULL;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	forget_order(r);
	store_done(&r->store);
	snapshot_done(&r->lower);
	snapshot_done(&r->upper);
	pgs_buf_done(&r->lower_text);
	pgs_buf_done(&r->upper_text);
	position_state_done(&r->window.after);
	free(r);
}

/* Everything of the window is handed out. */
static bool is_idle(const struct reader *r)
{
	return r->ended && r->at == r->store.n;
}

void reader_trim(struct reader *r)
{
	if (r->peak_bytes < TRIM_BYTES || !is_idle(r))
		return;
	r->at = 0;
	forget_order(r);
	store_done(&r->store);
	r->peak_bytes = 0;
	source_bulk_close(r->source);
	(void)malloc_trim(0); /* says whether it found any; nothing depends on it */
}

/* ---- Order, and where a part may end. ---- */

/* The largest ev_id of a transaction of the window. */
static int transaction_end(struct reader *r, int64_t txid, int64_t *ret, struct pgs_err *reterr)
{
	if (r->end_txid != txid) {
		r->end_txid = 0;
		if (read_transaction_end(r->source, txid, &r->end_id, reterr))
			return -1;
		r->end_txid = txid;
	}
	*ret = r->end_id;
	return 0;
}

/* A chunk comes in the order of sending; its last transaction may go on in the next one. */
static int order_of_chunk(struct reader *r, struct pgs_err *reterr)
{
	const struct event *events = r->store.events;
	int64_t end = 0;
	for (size_t i = 0; i < r->store.n; i++)
		r->order[i] = (uint32_t)i;
	for (size_t i = r->by_transaction ? r->store.n : 0; i > 0; i--) {
		const bool newest = i == r->store.n;
		if (newest && !r->ended && transaction_end(r, events[i - 1].txid, &end, reterr))
			return -1;
		if (newest ? r->ended : events[i].txid != events[i - 1].txid)
			end = events[i - 1].id;
		r->last[i - 1] = end;
	}
	return 0;
}

static int arrange(struct reader *r, struct pgs_err *reterr)
{
	const struct store *st = &r->store;
	forget_order(r);
	if (!st->n)
		return 0;
	r->order = malloc(st->n * sizeof(*r->order));
	r->last = r->by_transaction ? malloc(st->n * sizeof(*r->last)) : NULL;
	if (!r->order || (r->by_transaction && !r->last))
		return pgs_err_nomem(reterr);
	if (r->streaming        ? order_of_chunk(r, reterr)
	    : r->by_transaction ? order_by_transaction(st->events, st->n, r->order, r->last, reterr)
				: order_by_id(st->events, st->n, r->order, reterr))
		return -1;

	size_t n_chained = 0;
	for (size_t i = 0; i < st->n && n_chained < 2; i++)
		n_chained += st->events[i].old_ctid.text || st->events[i].new_ctid.text;
	if (n_chained < 2)
		return 0;
	PGS_CLEANUP(pgs_freep) uint32_t *rank = malloc(st->n * sizeof(*rank));
	if (!rank)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < st->n; i++)
		rank[r->order[i]] = (uint32_t)i;
	if (order_chain(st->events, st->n, r->order, r->key, r->ctx, reterr))
		return -1;
	for (size_t i = 0; i < st->n && !r->rank; i++)
		if (rank[r->order[i]] != i)
			r->rank = PGS_STEAL(rank);
	return 0;
}

static size_t event_bytes(const struct event *ev)
{
	return (size_t)ev->new_row.len + ev->old_row.len;
}

static bool part_is_full(const struct reader *r, size_t n, size_t bytes)
{
	return n >= (size_t)r->doc->relay.batch_events || bytes >= r->doc->relay.batch_bytes;
}

/*
 * A restart goes on behind one event of the unchained order, so a part must hold just the events up to that
 * one: where chaining moved some across its end, the part grows to the next place where it did not.
 */
static size_t closed_end(const struct reader *r, size_t at, size_t end)
{
	size_t largest_rank = at;
	for (size_t i = at; r->rank && i < r->store.n; i++) {
		const size_t rank = r->rank[r->order[i]];
		largest_rank = rank > largest_rank ? rank : largest_rank;
		if (i + 1 >= end && largest_rank == i)
			return i + 1;
	}
	return end;
}

/* The end of the part that begins at `at`: at least one event, when there is any. */
static size_t part_end(const struct reader *r, size_t at)
{
	const struct event *events = r->store.events;
	size_t bytes = 0;
	size_t end = at;
	while (end < r->store.n && (end == at || !part_is_full(r, end - at, bytes)))
		bytes += event_bytes(&events[r->order[end++]]);
	return closed_end(r, at, end);
}

/* The event behind which a restart goes on: the last one of [.., end) before chaining moved any. */
static const struct event *cut_event(const struct reader *r, size_t at, size_t end)
{
	size_t i = end - 1;
	while (r->rank && i > at && r->rank[r->order[i]] != end - 1)
		i--;
	return &r->store.events[r->order[i]];
}

/* Hand out order[part_at, at). */
static int hand_out(struct reader *r, struct pgs_err *reterr)
{
	struct window *w = &r->window;
	const struct event *events = r->store.events;
	w->events = events;
	w->order = r->order ? r->order + r->part_at : NULL;
	w->n = r->at - r->part_at;
	w->last = r->last;
	w->lsn = r->lsn;
	w->asked_at_us = r->asked_at_us;
	w->read_at_us = r->read_at_us;
	for (size_t i = r->part_at; i < r->at; i++) {
		const struct event *ev = &events[r->order[i]];
		w->newest_ev_id = ev->id > w->newest_ev_id ? ev->id : w->newest_ev_id;
		w->newest_time_us =
			ev->time_us > w->newest_time_us ? ev->time_us : w->newest_time_us;
	}
	if (is_idle(r)) {
		w->more = r->backlog;
		return position_state_set(&w->after, pgs_buf_str(&r->upper_text), NULL, 0, 0,
					  reterr);
	}
	w->more = true;
	const struct event *cut = cut_event(r, r->part_at, r->at);
	return position_state_set(&w->after, pgs_buf_str(&r->lower_text),
				  pgs_buf_str(&r->upper_text), r->last ? r->last[cut - events] : 0,
				  cut->id, reterr);
}

/* ---- A window that does not fit: chunks of it, as the server sorts them. ---- */

/*
 * A chunk is one part. Where rows may be written again by triggers it goes on to the end of the transaction,
 * as far as memory allows: chaining needs to see all of it.
 */
static int chunk_is_full(struct reader *r, size_t bytes, bool *ret, struct pgs_err *reterr)
{
	const struct store *st = &r->store;
	int64_t end = 0;
	*ret = part_is_full(r, st->n, bytes);
	if (!*ret || !r->chained || st->bytes >= r->doc->relay.window_memory_bytes)
		return 0;
	const struct event *ev = &st->events[st->n - 1];
	if (transaction_end(r, ev->txid, &end, reterr))
		return -1;
	*ret = ev->id == end;
	return 0;
}

/*
 * The end of the chunk's last transaction did not fit: fine, unless an event in the rest belongs before one in
 * the chunk. Nothing of the transaction is sent then: in the wrong order it would leave a wrong row behind.
 */
static int check_cut_chain(struct reader *r, struct pgs_err *reterr)
{
	const struct store *st = &r->store;
	int64_t end = 0;
	bool inverted = false;
	int64_t bytes = 0;
	if (!r->chained || r->ended || !st->n)
		return 0;
	const struct event *ev = &st->events[st->n - 1];
	if (ev->txid == r->straight_txid)
		return 0;
	if (transaction_end(r, ev->txid, &end, reterr))
		return -1;
	if (ev->id == end)
		return 0;
	if (read_chain_inverted(r->source, ev->txid, &inverted, &bytes, reterr))
		return -1;
	r->straight_txid = ev->txid;
	if (!inverted)
		return 0;
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "window_memory",
			   "transaction %" PRId64
			   " has rows that triggers wrote again, and must be in "
			   "memory as a whole to be put in order: raise relay.window_memory to "
			   "\"%" PRId64 "MB\"",
			   ev->txid, (bytes >> 20) + 1);
}

static int read_chunk(struct reader *r, struct pgs_err *reterr)
{
	struct store *st = &r->store;
	size_t bytes = 0;
	store_reset(st);
	r->at = 0;
	for (bool full = false; !full && !r->ended;) {
		const int rc = read_copy_row(r->source, st, &r->copy_first, reterr);
		if (rc < 0)
			return -1;
		r->ended = rc == 0;
		if (r->ended)
			break;
		bytes += event_bytes(&st->events[st->n - 1]);
		if (chunk_is_full(r, bytes, &full, reterr))
			return -1;
	}
	r->read_at_us = pgs_wall_us();
	r->peak_bytes = st->bytes > r->peak_bytes ? st->bytes : r->peak_bytes;
	return check_cut_chain(r, reterr) ? -1 : arrange(r, reterr);
}

/* after: as for read_by_copy(). */
static int stream_open(struct reader *r, const struct position_state *after, struct pgs_err *reterr)
{
	bool may_chain = false;
	if (read_may_chain(r->source, &may_chain, reterr))
		return -1;
	r->streaming = true;
	r->by_transaction = r->by_transaction || (may_chain && !after);
	r->chained = may_chain && r->by_transaction;
	r->copy_first = true;
	r->ended = false;
	const struct read_copy what = { .lower = &r->lower,
					.upper = &r->upper,
					.after = after,
					.by_transaction = r->by_transaction,
					.ordered = true };
	return read_copy_open(r->source, &what, reterr) ? -1 : read_chunk(r, reterr);
}

static int next_part(struct reader *r, struct pgs_err *reterr)
{
	if (r->at == r->store.n && !r->ended && read_chunk(r, reterr))
		return -1;
	r->part_at = r->at;
	r->at = part_end(r, r->part_at);
	return hand_out(r, reterr);
}

int window_shorten(struct reader *r, size_t n, struct pgs_err *reterr)
{
	const size_t end = closed_end(r, r->part_at, r->part_at + n);
	if (end >= r->at)
		return 0;
	r->at = end;
	return hand_out(r, reterr);
}

/* ---- A new window. ---- */

static int set_text(struct pgs_buf *buf, const struct snapshot *s, struct pgs_err *reterr)
{
	pgs_buf_reset(buf);
	snapshot_put(s, buf);
	return pgs_buf_failed(buf) ? pgs_err_nomem(reterr) : 0;
}

static void now_in_memory(struct reader *r)
{
	r->streaming = false;
	r->ended = true;
}

/* The window, or what comes after `after` in it, by COPY without order; too large, it becomes a stream. */
static int read_by_copy(struct reader *r, const struct position_state *after,
			struct pgs_err *reterr)
{
	bool first = true;
	const struct read_copy what = { .lower = &r->lower,
					.upper = &r->upper,
					.after = after,
					.by_transaction = r->by_transaction };
	if (read_copy_open(r->source, &what, reterr))
		return -1;
	for (int rc = 1; rc;) {
		rc = read_copy_row(r->source, &r->store, &first, reterr);
		if (rc < 0)
			return -1;
		if (r->store.bytes <= r->doc->relay.window_memory_bytes)
			continue;
		pgs_log(PGS_LOG_INFO, r->source->prefix,
			"a window holds more than %" PRIu64
			" bytes; streaming it in the server's order",
			r->doc->relay.window_memory_bytes);
		r->peak_bytes = r->store.bytes;
		store_done(&r->store);
		source_bulk_close(r->source); /* quicker than reading the rest away */
		return stream_open(r, after, reterr);
	}
	now_in_memory(r);
	return 0;
}

static int read_backlog(struct reader *r, bool *ret_done, struct pgs_err *reterr)
{
	bool found = false;
	if (read_choose_tick(r->source, &r->lower, r->doc->relay.batch_events, &r->base, &r->upper,
			     &r->lsn, &found, reterr))
		return -1;
	*ret_done = found;
	if (!found)
		return 0;
	return set_text(&r->upper_text, &r->upper, reterr) ? -1 : read_by_copy(r, NULL, reterr);
}

/* Everything up to now, small or not: no tick is in between. */
static int read_newest(struct reader *r, struct pgs_err *reterr)
{
	bool over = false;
	if (!r->prepared && read_live_prepare(r->source, reterr))
		return -1;
	r->prepared = true;
	if (read_live(r->source, &r->lower, (size_t)r->doc->relay.batch_events,
		      r->doc->relay.window_memory_bytes, &r->store, &r->upper_text, &r->lsn, &over,
		      reterr))
		return -1;
	if (!over) {
		now_in_memory(r);
		r->backlog = false;
		return 0;
	}
	store_reset(&r->store);
	bool done = false;
	r->backlog = true;
	if (read_backlog(r, &done, reterr) || done)
		return done ? 0 : -1;
	if (read_now(r->source, &r->upper, &r->lsn, reterr) ||
	    set_text(&r->upper_text, &r->upper, reterr))
		return -1;
	return read_by_copy(r, NULL, reterr);
}

/* A restart inside a cut window: its rest, in the order in which it was begun. */
static int read_rest(struct reader *r, const struct position_state *from, struct pgs_err *reterr)
{
	PGS_CLEANUP(snapshot_done) struct snapshot now = { .xmin = 0 };
	if (snapshot_parse(from->upto, &r->upper, reterr) ||
	    set_text(&r->upper_text, &r->upper, reterr) ||
	    read_now(r->source, &now, &r->lsn, reterr))
		return -1;
	r->by_transaction = from->cut_tx != 0;
	return read_by_copy(r, from, reterr);
}

static int open_window(struct reader *r, const struct position_state *from, struct pgs_err *reterr)
{
	store_reset(&r->store);
	r->asked_at_us = pgs_wall_us();
	r->at = 0;
	r->end_txid = r->straight_txid = 0;
	r->by_transaction = r->doc->format.transactions;
	if (snapshot_parse(from->snapshot, &r->lower, reterr) ||
	    set_text(&r->lower_text, &r->lower, reterr))
		return -1;
	if (from->upto) {
		if (read_rest(r, from, reterr))
			return -1;
	} else {
		bool done = false;
		if (r->backlog && read_backlog(r, &done, reterr))
			return -1;
		if (!done && read_newest(r, reterr))
			return -1;
	}
	if (r->streaming)
		return 0; /* its first chunk is arranged */
	r->read_at_us = pgs_wall_us();
	r->peak_bytes = r->store.bytes > r->peak_bytes ? r->store.bytes : r->peak_bytes;
	return arrange(r, reterr);
}

int window_next(struct reader *r, const struct position_state *from, const struct window **ret,
		struct pgs_err *reterr)
{
	if ((is_idle(r) && open_window(r, from, reterr)) || next_part(r, reterr))
		return -1;
	*ret = &r->window;
	return 0;
}

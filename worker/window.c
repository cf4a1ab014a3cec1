/*
 * worker/window.c
 *    Chooses how the next window is read and hands it out in parts. See worker/window.h.
 *
 *    IDLE ──backlog known──▶ COPY up to a tick ──fits──▶ MEMORY ──parts──▶ IDLE
 *      │                          └──too large──▶ STREAM ──parts──▶ IDLE
 *      └──else──▶ live statement ──fits──▶ MEMORY;   too large: backlog known
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

enum reader_mode {
	READER_IDLE, /* no window is open */
	READER_MEMORY, /* a whole window is in the store; parts of it are handed out */
	READER_STREAM, /* COPY is running in ev_id order; one part at a time is in the store */
};

struct reader {
	struct source *source;
	const struct setdoc *doc;
	order_key_fn *key;
	void *ctx;
	enum reader_mode mode;
	bool prepared; /* the live statement */
	bool backlog; /* ticks may hold more than a live statement should read */
	struct tick_base base;
	struct snapshot lower;
	struct snapshot upper;
	struct pgs_buf lower_text;
	struct pgs_buf upper_text;
	uint64_t lsn;
	int64_t read_at_us;
	struct store store;
	uint32_t *order; /* the store's events in the order of sending */
	uint32_t *rank; /* an event's place before chaining; NULL: chaining changed nothing */
	int64_t *last; /* with transactions only */
	size_t at; /* MEMORY: parts begin here */
	bool copy_first; /* STREAM */
	bool copy_ended;
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

void reader_trim(struct reader *r)
{
	if (r->peak_bytes < TRIM_BYTES || r->mode != READER_IDLE)
		return;
	forget_order(r);
	store_done(&r->store);
	r->peak_bytes = 0;
	source_bulk_close(r->source);
	(void)malloc_trim(0); /* says whether it found any; nothing depends on it */
}

/* ---- Order, and where a part may end. ---- */

static int arrange(struct reader *r, struct pgs_err *reterr)
{
	const struct store *st = &r->store;
	const bool whole_transactions = r->doc->format.transactions;
	forget_order(r);
	if (!st->n)
		return 0;
	r->order = malloc(st->n * sizeof(*r->order));
	r->last = whole_transactions ? malloc(st->n * sizeof(*r->last)) : NULL;
	if (!r->order || (whole_transactions && !r->last))
		return pgs_err_nomem(reterr);
	if (whole_transactions ? order_by_transaction(st->events, st->n, r->order, r->last, reterr)
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

/*
 * The end of the part that begins at `at`: batch_events and batch_bytes, at least one event. A restart goes
 * on behind one event of the unchained order, so a part must hold just the events up to that one: where
 * chaining moved some across its end, the part grows to the next place where it did not.
 */
static size_t part_end(const struct reader *r, size_t at)
{
	const struct event *events = r->store.events;
	const size_t n = r->store.n;
	size_t bytes = 0;
	size_t end = at;
	while (end < n && (end == at || (end - at < (size_t)r->doc->relay.batch_events &&
					 bytes < r->doc->relay.batch_bytes)))
		bytes += event_bytes(&events[r->order[end++]]);
	if (!r->rank)
		return end;
	size_t largest_rank = at;
	for (size_t i = at; i < n; i++) {
		const size_t rank = r->rank[r->order[i]];
		largest_rank = rank > largest_rank ? rank : largest_rank;
		if (i + 1 >= end && largest_rank == i)
			return i + 1;
	}
	return n;
}

/* The event behind which a restart goes on: the last one of [.., end) before chaining moved any. */
static const struct event *cut_event(const struct reader *r, size_t at, size_t end)
{
	size_t i = end - 1;
	while (r->rank && i > at && r->rank[r->order[i]] != end - 1)
		i--;
	return &r->store.events[r->order[i]];
}

/* Hand out order[at, end); `whole`: the window ends with it. */
static int hand_out(struct reader *r, size_t at, size_t end, bool whole, struct pgs_err *reterr)
{
	struct window *w = &r->window;
	const struct event *events = r->store.events;
	w->events = events;
	w->order = r->order ? r->order + at : NULL;
	w->n = end - at;
	w->last = r->last;
	w->lsn = r->lsn;
	w->read_at_us = r->read_at_us;
	int64_t largest = 0;
	for (size_t i = at; i < end; i++) {
		const struct event *ev = &events[r->order[i]];
		largest = ev->id > largest ? ev->id : largest;
		w->newest_time_us =
			ev->time_us > w->newest_time_us ? ev->time_us : w->newest_time_us;
	}
	w->newest_ev_id = largest > w->newest_ev_id ? largest : w->newest_ev_id;
	if (whole) {
		w->more = r->backlog;
		r->mode = READER_IDLE;
		return position_state_set(&w->after, pgs_buf_str(&r->upper_text), NULL, 0, 0,
					  reterr);
	}
	w->more = true;
	const struct event *cut = cut_event(r, at, end);
	return position_state_set(&w->after, pgs_buf_str(&r->lower_text),
				  pgs_buf_str(&r->upper_text), r->last ? r->last[cut - events] : 0,
				  cut->id, reterr);
}

static int next_in_memory(struct reader *r, struct pgs_err *reterr)
{
	const size_t at = r->at;
	r->at = part_end(r, at);
	return hand_out(r, at, r->at, r->at == r->store.n, reterr);
}

/* ---- Stream: the window does not fit, or a restart goes on inside one. ---- */

static int stream_open(struct reader *r, const struct position_state *resume,
		       struct pgs_err *reterr)
{
	char condition[128];
	const bool by_transaction = r->doc->format.transactions;
	const char *where = NULL;
	if (resume && resume->upto) {
		where = condition;
		if (by_transaction && resume->cut_tx)
			(void)snprintf(condition, sizeof(condition),
				       "(cut_tx, ev_id) > (%" PRId64 "::int8, %" PRId64 "::int8)",
				       resume->cut_tx, resume->ev_id);
		else
			(void)snprintf(condition, sizeof(condition), "ev_id > %" PRId64,
				       resume->ev_id);
	}
	r->mode = READER_STREAM;
	r->copy_first = true;
	r->copy_ended = false;
	return read_copy_open(r->source, &r->lower, &r->upper, where, true, by_transaction, reterr);
}

/* A transaction may go on in the next part: only the server knows its largest ev_id. */
static int complete_last(struct reader *r, struct pgs_err *reterr)
{
	const struct store *st = &r->store;
	if (!r->last || r->copy_ended || !st->n)
		return 0;
	const int64_t txid = st->events[r->order[st->n - 1]].txid;
	int64_t largest = 0;
	if (read_transaction_end(r->source, txid, &largest, reterr))
		return -1;
	for (size_t i = st->n; i > 0 && st->events[r->order[i - 1]].txid == txid; i--)
		r->last[r->order[i - 1]] = largest;
	return 0;
}

static int next_in_stream(struct reader *r, struct pgs_err *reterr)
{
	struct store *st = &r->store;
	size_t bytes = 0;
	store_reset(st);
	for (size_t seen = 0; !r->copy_ended && st->n < (size_t)r->doc->relay.batch_events &&
			      bytes < r->doc->relay.batch_bytes;) {
		const int rc = read_copy_row(r->source, st, &r->copy_first, reterr);
		if (rc < 0)
			return -1;
		r->copy_ended = rc == 0;
		for (; seen < st->n; seen++)
			bytes += event_bytes(&st->events[seen]);
	}
	r->read_at_us = pgs_wall_us();
	r->peak_bytes = st->bytes > r->peak_bytes ? st->bytes : r->peak_bytes;
	if (arrange(r, reterr) || complete_last(r, reterr))
		return -1;
	return hand_out(r, 0, st->n, r->copy_ended, reterr);
}

/* ---- A new window. ---- */

static int set_text(struct pgs_buf *buf, const struct snapshot *s, struct pgs_err *reterr)
{
	pgs_buf_reset(buf);
	snapshot_put(s, buf);
	return pgs_buf_failed(buf) ? pgs_err_nomem(reterr) : 0;
}

/* The window [lower, upper) by COPY without order; a larger one than window_memory becomes a stream. */
static int read_by_copy(struct reader *r, struct pgs_err *reterr)
{
	bool first = true;
	if (read_copy_open(r->source, &r->lower, &r->upper, NULL, false, false, reterr))
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
		return stream_open(r, NULL, reterr) ? -1 : next_in_stream(r, reterr);
	}
	r->mode = READER_MEMORY;
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
	return set_text(&r->upper_text, &r->upper, reterr) ? -1 : read_by_copy(r, reterr);
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
		r->mode = READER_MEMORY;
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
	return read_by_copy(r, reterr);
}

static int open_window(struct reader *r, const struct position_state *from, struct pgs_err *reterr)
{
	if (snapshot_parse(from->snapshot, &r->lower, reterr) ||
	    set_text(&r->lower_text, &r->lower, reterr))
		return -1;
	if (from->upto) {
		/* A restart inside a cut window. */
		if (snapshot_parse(from->upto, &r->upper, reterr) ||
		    set_text(&r->upper_text, &r->upper, reterr))
			return -1;
		PGS_CLEANUP(snapshot_done) struct snapshot now = { .xmin = 0 };
		if (read_now(r->source, &now, &r->lsn, reterr) || stream_open(r, from, reterr))
			return -1;
		return next_in_stream(r, reterr);
	}
	bool done = false;
	if (r->backlog && read_backlog(r, &done, reterr))
		return -1;
	if (!done && read_newest(r, reterr))
		return -1;
	if (r->mode != READER_MEMORY)
		return 0; /* a stream, whose first part is handed out */
	r->read_at_us = pgs_wall_us();
	r->at = 0;
	r->peak_bytes = r->store.bytes > r->peak_bytes ? r->store.bytes : r->peak_bytes;
	return arrange(r, reterr) ? -1 : next_in_memory(r, reterr);
}

int window_next(struct reader *r, const struct position_state *from, const struct window **ret,
		struct pgs_err *reterr)
{
	int rc = -1;
	switch (r->mode) {
	case READER_IDLE:
		store_reset(&r->store);
		rc = open_window(r, from, reterr);
		break;
	case READER_MEMORY:
		rc = next_in_memory(r, reterr);
		break;
	case READER_STREAM:
		rc = next_in_stream(r, reterr);
		break;
	}
	if (!rc)
		*ret = &r->window;
	return rc;
}

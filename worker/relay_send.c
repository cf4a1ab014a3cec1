/*
 * worker/relay_send.c
 *    One window in one transaction: flushed, begin, encode and produce, position, commit.
 *
 * An event that cannot be sent stops the source with its coordinates, or (on_poison = "quarantine") is kept in
 * the source and a skeleton is sent in its place: nothing is ever left out in silence.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/quarantine.h"
#include "worker/relay.h"
#include "worker/steps.h"

/* ---- Records, whole events of them. ---- */

static size_t keep_bytes(struct pgs_buf *text, const char *bytes, size_t len)
{
	const size_t at = text->len;
	pgs_buf_put(text, bytes ? bytes : "", len);
	return at;
}

static int hold(struct relay_held *h, const struct encode_record *record, struct pgs_err *reterr)
{
	struct encode_record *copy = &h->records[h->n++];
	*copy = *record;
	/* Offsets until the buffer has stopped growing; NULL stays NULL. */
	const size_t key = keep_bytes(&h->text, record->key, record->key_len);
	const size_t value = keep_bytes(&h->text, record->value, record->value_len);
	copy->key = record->key ? (const char *)(uintptr_t)(key + 1) : NULL;
	copy->value = record->value ? (const char *)(uintptr_t)(value + 1) : NULL;
	if (h->n == 1) {
		const struct encode_header *header = &record->headers[0];
		const size_t at = keep_bytes(&h->text, header->value, header->value_len);
		h->header = (struct encode_header){ .name = header->name,
						    .value = (const char *)(uintptr_t)(at + 1),
						    .value_len = header->value_len };
	}
	return pgs_buf_failed(&h->text) ? pgs_err_nomem(reterr) : 0;
}

static const char *at_offset(const struct relay_held *h, const char *offset)
{
	return offset ? h->text.data + ((uintptr_t)offset - 1) : NULL;
}

static void drop_held(struct relay_held *h)
{
	h->n = 0;
	pgs_buf_reset(&h->text);
}

static int send_held(struct relay *r, struct pgs_err *reterr)
{
	struct relay_held *h = &r->held;
	int rc = 0;
	if (!h->n)
		return 0;
	h->header.value = at_offset(h, h->header.value);
	for (size_t i = 0; i < h->n && !rc; i++) {
		struct encode_record *record = &h->records[i];
		record->key = at_offset(h, record->key);
		record->value = at_offset(h, record->value);
		record->headers = &h->header;
		rc = r->sink->ops->write(r->sink, record, reterr);
	}
	drop_held(h);
	return rc;
}

static int emit(void *ctx, const struct encode_record *record, struct pgs_err *reterr)
{
	struct relay *r = ctx;
	/* Only the first records of a key change have this header. */
	if (r->quarantine_topic && record->n_headers &&
	    r->held.n < PGS_ARRAY_LEN(r->held.records) &&
	    strcmp(record->headers[0].name, "__debezium.newkey") == 0)
		return hold(&r->held, record, reterr);
	return send_held(r, reterr) ? -1 : r->sink->ops->write(r->sink, record, reterr);
}

int relay_relation(struct relay *r, const struct event *ev, struct relation **ret,
		   struct pgs_err *reterr)
{
	struct relation *rel = NULL;
	if (r->last_relation && source_relation_is(r->last_relation, ev)) {
		*ret = r->last_relation;
		return 0;
	}
	if (source_relation(r->source, ev, &rel, reterr))
		return -1;
	if (!rel->topic) {
		if (encode_prepare(r->encoder, rel, reterr))
			return -1;
		const char *topics[] = { rel->topic };
		if (r->sink->ops->ensure_topics(r->sink, topics, 1, true, reterr))
			return -1;
	}
	*ret = r->last_relation = rel;
	return 0;
}

int relay_order_key(void *ctx, const struct event *ev, bool old, struct pgs_buf *out,
		    struct pgs_err *reterr)
{
	struct relay *r = ctx;
	struct relation *rel = NULL;
	if (relay_relation(r, ev, &rel, reterr))
		return -1;
	/* Rows without a key are told apart by their versions alone. */
	if (rel->n_key == 0) {
		pgs_buf_put(out, &ev->id, sizeof(ev->id));
		return 0;
	}
	const size_t len = out->len;
	if (!encode_key(r->encoder, rel, old ? ev->old_row : ev->new_row, out, reterr))
		return 0;
	if (!r->quarantine_topic || !quarantine_is_poison(reterr))
		return -1;
	/* It will be quarantined; until then its place does not matter. */
	if (out->len > len)
		out->data[out->len = len] = '\0';
	return 0;
}

/* ---- Poison. ---- */

/* An event is there; say it as an error of an operator's class, with its coordinates. */
static int poisoned(const struct event *ev, const struct relation *rel, const char *key,
		    struct pgs_err *reterr)
{
	reterr->cls = PGS_ERR_CONFIG;
	return pgs_err_prefix(reterr,
			      "event %" PRId64 " of transaction %" PRId64
			      ", table \"%s.%s\", key %.120s, "
			      "cannot be sent",
			      ev->id, ev->txid, rel ? rel->schema : "?", rel ? rel->table : "?",
			      *key ? key : "unknown");
}

/* In its place a skeleton goes out, in the same transaction. */
static int quarantine(struct relay *r, const struct event *ev, const struct relation *rel,
		      const char *key, const struct pgs_err *why, int64_t now_us,
		      struct pgs_err *reterr)
{
	unsigned held_back = 0;
	/* Without ownership nothing is written to the source. */
	if (r->config.owned && quarantine_keep(r->source, ev, why->msg, reterr))
		return -1;
	if (pgs_log_allowed(&r->poison_limit, pgs_now_us(), &held_back)) {
		struct pgs_err line = *why;
		(void)poisoned(ev, rel, key, &line);
		pgs_log(PGS_LOG_WARNING, r->log_prefix,
			"%s; it is kept in quarantine (%u such lines held back)", line.msg,
			held_back);
	}
	pgs_buf_reset(&r->skeleton);
	quarantine_put_skeleton(r->source, rel, ev, key, why->msg, now_us, &r->skeleton);
	if (pgs_buf_failed(&r->skeleton))
		return pgs_err_nomem(reterr);
	const struct encode_record record = { .topic = r->quarantine_topic,
					      .value = r->skeleton.data,
					      .value_len = r->skeleton.len,
					      .timestamp_ms = now_us / 1000 };
	r->sink->event_id = 0;
	return r->sink->ops->write(r->sink, &record, reterr);
}

/* *reterr is poison: quarantine it, or stop. */
static int judge_poison(struct relay *r, const struct event *ev, const struct relation *rel,
			int64_t now_us, struct pgs_err *reterr)
{
	const struct pgs_err why = *reterr;
	const struct event_text row = ev->new_row.text ? ev->new_row : ev->old_row;
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf key = PGS_BUF_INIT(QUARANTINE_MAX_KEY);
	drop_held(&r->held);
	if (!rel || !row.text || encode_key(r->encoder, rel, row, &key, NULL) ||
	    pgs_buf_failed(&key))
		pgs_buf_reset(&key);
	return r->quarantine_topic ? quarantine(r, ev, rel, pgs_buf_str(&key), &why, now_us, reterr)
				   : poisoned(ev, rel, pgs_buf_str(&key), reterr);
}

/* A batch was refused: not yet an error, its events are sent again in smaller ones. */
static int refused(struct relay *r, struct pgs_err *reterr)
{
	const struct pgs_err why = *reterr;
	if (refusal_note(&r->refusal, &r->sink->refusal, &why, reterr))
		return -1;
	reterr->cls = PGS_ERR_RETRY;
	(void)snprintf(reterr->code, sizeof(reterr->code), "narrowed");
	return pgs_err_prefix(reterr, "among events %" PRId64 " to %" PRId64,
			      r->sink->refusal.first, r->sink->refusal.last);
}

/* ---- Transaction boundaries. ---- */

static int end_transaction(struct relay *r, int64_t now_us, struct pgs_err *reterr)
{
	struct position_transaction *t = &r->transaction;
	struct encode_collection counts[64] = { { .name = NULL } };
	struct encode_collection *list = counts;
	if (!t->txid)
		return 0;
	if (t->n_collections > PGS_ARRAY_LEN(counts)) {
		list = calloc(t->n_collections, sizeof(*list));
		if (!list)
			return pgs_err_nomem(reterr);
	}
	for (size_t i = 0; i < t->n_collections; i++)
		list[i] = (struct encode_collection){ .name = t->collections[i].name,
						      .events = t->collections[i].events };
	const int64_t txid = t->txid;
	t->txid = 0;
	return encode_transaction_end(r->encoder, txid, list, t->n_collections, now_us, emit, r,
				      reterr);
}

static int begin_transaction(struct relay *r, int64_t txid, int64_t now_us, struct pgs_err *reterr)
{
	position_transaction_done(&r->transaction);
	r->transaction.txid = txid;
	return encode_transaction_begin(r->encoder, txid, now_us, emit, r, reterr);
}

/* The place of one more event of the open transaction; the encoder counts. */
static int place_event(struct relay *r, const struct relation *rel, struct encode_transaction *ret,
		       struct pgs_err *reterr)
{
	struct position_transaction *t = &r->transaction;
	char name[160];
	size_t i = 0;
	(void)snprintf(name, sizeof(name), "%s.%s", rel->schema,
		       rel->table); /* identifiers: 63 bytes each */
	while (i < t->n_collections && strcmp(t->collections[i].name, name) != 0)
		i++;
	if (i == t->n_collections) {
		struct position_collection *more =
			realloc(t->collections, (t->n_collections + 1) * sizeof(*more));
		if (!more)
			return pgs_err_nomem(reterr);
		t->collections = more;
		more[i] = (struct position_collection){ .name = strdup(name) };
		if (!more[i].name)
			return pgs_err_nomem(reterr);
		t->n_collections++;
	}
	*ret = (struct encode_transaction){ .txid = t->txid,
					    .total_order = &t->total,
					    .collection_order = &t->collections[i].events };
	return 0;
}

/* Before an event: is it the first of its transaction? */
static int follow_transaction(struct relay *r, const struct event *ev, const struct relation *rel,
			      int64_t now_us, struct encode_transaction *ret,
			      struct pgs_err *reterr)
{
	if (ev->txid != r->transaction.txid &&
	    (end_transaction(r, now_us, reterr) || begin_transaction(r, ev->txid, now_us, reterr)))
		return -1;
	return place_event(r, rel, ret, reterr);
}

/* ---- One window. ---- */

/* The records of one event, all of them or none. */
static int encode_whole(struct relay *r, const struct relation *rel, const struct event *ev,
			struct encode_transaction *tx, int64_t now_us, struct pgs_err *reterr)
{
	const char *known = refusal_of(&r->refusal, ev->id);
	const int64_t total = tx ? *tx->total_order : 0;
	const int64_t collection = tx ? *tx->collection_order : 0;
	if (known)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "refused", "%s", known);
	r->sink->event_id = ev->id;
	if (!encode_event(r->encoder, rel, ev, tx, now_us, emit, r, reterr))
		return 0;
	if (tx) {
		*tx->total_order = total;
		*tx->collection_order = collection;
	}
	return -1;
}

static int send_event(struct relay *r, const struct event *ev, bool boundaries, int64_t now_us,
		      struct pgs_err *reterr)
{
	struct encode_transaction tx;
	struct relation *rel = NULL;
	if (refusal_settle_before(&r->refusal, ev->id) && r->sink->ops->settle(r->sink, reterr))
		return -1;
	int rc = ev->foreign ? event_foreign(ev, reterr) : relay_relation(r, ev, &rel, reterr);
	if (!rc && boundaries && follow_transaction(r, ev, rel, now_us, &tx, reterr))
		return -1;
	if (!rc)
		rc = encode_whole(r, rel, ev, boundaries ? &tx : NULL, now_us, reterr);
	/* What a broker said meanwhile is about earlier events. */
	if (rc && (r->sink->refusal.n || !quarantine_is_poison(reterr) ||
		   judge_poison(r, ev, rel, now_us, reterr)))
		return -1;
	return refusal_settle_after(&r->refusal, ev->id) ? r->sink->ops->settle(r->sink, reterr)
							 : 0;
}

/* A transaction that lasts is ended here; the clock is looked at now and then. */
static int end_in_time(struct relay *r, size_t n, uint64_t begun_us, struct pgs_err *reterr)
{
	enum { LOOK_EVERY = 64 };
	const uint64_t max_us = r->sink->transaction_max_us;
	if (!max_us || n % LOOK_EVERY || pgs_now_us() - begun_us < max_us)
		return 0;
	return window_shorten(r->reader, n, reterr);
}

/* Leaves fewer events in *w when they would take too long. */
static int send_events(struct relay *r, const struct window *w, struct pgs_err *reterr)
{
	const uint64_t begun_us = pgs_now_us();
	const int64_t now_us = pgs_wall_us();
	/* The rest of a window that was cut by a version without boundaries is not in whole transactions. */
	const bool boundaries = r->config.doc->format.transactions && w->last;
	for (size_t i = 0; i < w->n; i++) {
		const uint32_t at = w->order[i];
		if (send_event(r, &w->events[at], boundaries, now_us, reterr))
			return -1;
		if (i == 0)
			RELAY_STEP(produced_one);
		/* Its last event: END does not wait for the next transaction to begin. */
		if (boundaries && w->last[at] == w->events[at].id &&
		    end_transaction(r, now_us, reterr))
			return -1;
		if (end_in_time(r, i + 1, begun_us, reterr))
			return -1;
	}
	return 0;
}

/* The witness of what is sent: the event that was written last. */
static struct position_event newest_of(const struct window *w)
{
	const struct event *newest = NULL;
	for (size_t i = 0; i < w->n; i++) {
		const struct event *ev = &w->events[w->order[i]];
		if (!newest || ev->id > newest->id)
			newest = ev;
	}
	return newest ? (struct position_event){ .id = newest->id,
						 .txid = newest->txid,
						 .time_us = newest->time_us }
		      : (struct position_event){ .id = 0 };
}

static int write_position(struct relay *r, const struct window *w, struct pgs_err *reterr)
{
	struct source *s = r->source;
	const struct position pos = { .state = w->after,
				      .transaction = r->transaction,
				      .version = r->config.assignment->version,
				      .system = s->system,
				      .database = s->database,
				      .timeline = s->timeline,
				      .lsn = w->lsn,
				      .nonce = *s->hint.nonce ? s->hint.nonce : NULL,
				      .tick = r->retention.tick,
				      .host = r->config.assignment->host,
				      .token = s->token_text,
				      .at_us = pgs_wall_us(),
				      .last = newest_of(w) };
	pgs_buf_reset(&r->text);
	position_write(&pos, &r->text);
	if (pgs_buf_failed(&r->text))
		return pgs_err_nomem(reterr);
	return r->sink->ops->position(r->sink, pgs_buf_str(&r->key), r->key.len, r->text.data,
				      r->text.len, reterr);
}

static int send_window(struct relay *r, const struct window *w, struct pgs_err *reterr)
{
	status_phase(r->status, CTL_PHASE_FLUSH);
	if (source_flushed(r->source, w->lsn, reterr))
		return -1;
	RELAY_STEP(flushed);
	status_phase(r->status, CTL_PHASE_ENCODE);
	if (r->sink->ops->begin(r->sink, reterr))
		return -1;
	RELAY_STEP(begun);
	if (send_events(r, w, reterr))
		return -1;
	RELAY_STEP(produced_all);
	if (write_position(r, w, reterr))
		return -1;
	RELAY_STEP(position_produced);
	return 0;
}

int relay_send(struct relay *r, const struct window *w, struct pgs_err *reterr)
{
	drop_held(&r->held);
	if (send_window(r, w, reterr))
		return r->sink->refusal.n ? refused(r, reterr) : -1;
	r->sent = (struct relay_sent){ .events = w->n,
				       .newest_ev_id = w->newest_ev_id,
				       .newest_time_us = w->newest_time_us,
				       .asked_at_us = w->asked_at_us,
				       .read_at_us = w->read_at_us,
				       .lsn = w->lsn };
	if (w->more)
		r->sink->ops->commit_begin(r->sink);
	RELAY_STEP(commit_begun);
	return 0;
}

int relay_follow(struct relay *r, uint64_t lsn, struct pgs_err *reterr)
{
	const struct position_state *to = &r->read;
	if (position_state_set(&r->state, to->snapshot, to->upto, to->cut_tx, to->ev_id, reterr))
		return -1;
	status_position(r->status, r->state.snapshot, lsn, r->retention.tick);
	return 0;
}

int relay_settle(struct relay *r, struct pgs_err *reterr)
{
	const struct relay_sent sent = r->sent;
	if (!sent.events)
		return 0;
	status_phase(r->status, CTL_PHASE_COMMIT);
	if (r->sink->ops->commit(r->sink, reterr))
		return r->sink->refusal.n ? refused(r, reterr) : -1;
	RELAY_STEP(committed);
	r->sent.events = 0;
	r->sent_at_us = pgs_now_us();
	refusal_committed(&r->refusal);
	const struct status_window told = { .events = sent.events,
					    .ev_time_us = sent.newest_time_us,
					    .asked_us = sent.asked_at_us,
					    .read_us = sent.read_at_us,
					    .acknowledged_us = pgs_wall_us() };
	status_sent(r->status, &told);
	retention_delivered(&r->retention, sent.newest_ev_id, sent.newest_time_us, sent.lsn);
	return relay_follow(r, sent.lsn, reterr);
}

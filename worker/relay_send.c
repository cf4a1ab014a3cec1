/*
 * worker/relay_send.c
 *    One window in one transaction: begin, encode and produce, flushed, position, commit.
 *
 * An event that cannot be sent stops the source with its coordinates: nothing is ever left out in silence.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "worker/relay.h"
#include "worker/steps.h"

static int emit(void *ctx, const struct encode_record *record, struct pgs_err *reterr)
{
	struct relay *r = ctx;
	return r->sink->ops->write(r->sink, record, reterr);
}

int relay_relation(struct relay *r, int32_t id, struct relation **ret, struct pgs_err *reterr)
{
	struct relation *rel = NULL;
	if (r->last_relation && r->last_relation->id == id) {
		*ret = r->last_relation;
		return 0;
	}
	if (source_relation(r->source, id, &rel, reterr))
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
	if (relay_relation(r, ev->relation, &rel, reterr))
		return -1;
	return encode_key(r->encoder, rel, old ? ev->old_row : ev->new_row, out, reterr);
}

/* Coordinates for the operator: which event, of which table, with which key. */
static int poisoned(struct relay *r, const struct event *ev, const struct relation *rel,
		    struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf key = PGS_BUF_INIT(4096);
	const struct event_text row = ev->new_row.text ? ev->new_row : ev->old_row;
	if (reterr->cls != PGS_ERR_CONFIG)
		return -1;
	if (!rel || !row.text || encode_key(r->encoder, rel, row, &key, NULL))
		pgs_buf_reset(&key);
	return pgs_err_prefix(reterr,
			      "event %" PRId64 " of transaction %" PRId64
			      ", table \"%s.%s\", key %.120s, "
			      "cannot be sent",
			      ev->id, ev->txid, rel ? rel->schema : "?", rel ? rel->table : "?",
			      key.len ? key.data : "unknown");
}

/* ---- Transaction boundaries. ---- */

static int end_transaction(struct relay *r, int64_t now_us, struct pgs_err *reterr)
{
	struct relay_transaction *t = &r->transaction;
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
	struct relay_transaction *t = &r->transaction;
	for (size_t i = 0; i < t->n_collections; i++)
		free(t->collections[i].name);
	t->n_collections = 0;
	t->total = 0;
	t->txid = txid;
	return encode_transaction_begin(r->encoder, txid, now_us, emit, r, reterr);
}

/* The place of one more event of the open transaction; the encoder counts. */
static int place_event(struct relay *r, const struct relation *rel, struct encode_transaction *ret,
		       struct pgs_err *reterr)
{
	struct relay_transaction *t = &r->transaction;
	char name[160];
	size_t i = 0;
	(void)snprintf(name, sizeof(name), "%s.%s", rel->schema,
		       rel->table); /* identifiers: 63 bytes each */
	while (i < t->n_collections && strcmp(t->collections[i].name, name) != 0)
		i++;
	if (i == t->n_collections) {
		struct relay_collection *more =
			realloc(t->collections, (t->n_collections + 1) * sizeof(*more));
		if (!more)
			return pgs_err_nomem(reterr);
		t->collections = more;
		more[i] = (struct relay_collection){ .name = strdup(name) };
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

static int send_event(struct relay *r, const struct event *ev, int64_t now_us,
		      struct pgs_err *reterr)
{
	struct encode_transaction tx;
	const bool boundaries = r->config.doc->format.transactions;
	struct relation *rel = NULL;
	if (relay_relation(r, ev->relation, &rel, reterr) ||
	    (boundaries && follow_transaction(r, ev, rel, now_us, &tx, reterr)) ||
	    encode_event(r->encoder, rel, ev, boundaries ? &tx : NULL, now_us, emit, r, reterr))
		return poisoned(r, ev, rel, reterr);
	return 0;
}

static int send_events(struct relay *r, const struct window *w, struct pgs_err *reterr)
{
	const int64_t now_us = pgs_wall_us();
	for (size_t i = 0; i < w->n; i++) {
		const uint32_t at = w->order[i];
		if (send_event(r, &w->events[at], now_us, reterr))
			return -1;
		if (i == 0)
			RELAY_STEP(produced_one);
		/* Its last event: END does not wait for the next transaction to begin. */
		if (w->last && w->last[at] == w->events[at].id &&
		    end_transaction(r, now_us, reterr))
			return -1;
	}
	return 0;
}

static int write_position(struct relay *r, const struct window *w, struct pgs_err *reterr)
{
	struct source *s = r->source;
	const struct position pos = { .state = w->after,
				      .version = r->config.assignment->version,
				      .system = s->system,
				      .database = s->database,
				      .timeline = s->timeline,
				      .lsn = w->lsn,
				      .nonce = *s->hint.nonce ? s->hint.nonce : NULL,
				      .tick = r->retention.tick,
				      .host = r->config.assignment->host,
				      .token = s->token_text,
				      .at_us = pgs_wall_us() };
	pgs_buf_reset(&r->text);
	position_write(&pos, &r->text);
	if (pgs_buf_failed(&r->text))
		return pgs_err_nomem(reterr);
	return r->sink->ops->position(r->sink, pgs_buf_str(&r->key), r->key.len, r->text.data,
				      r->text.len, reterr);
}

int relay_send(struct relay *r, const struct window *w, struct pgs_err *reterr)
{
	status_phase(r->status, CTL_PHASE_ENCODE);
	if (r->sink->ops->begin(r->sink, reterr))
		return -1;
	RELAY_STEP(begun);
	if (send_events(r, w, reterr))
		return -1;
	RELAY_STEP(produced_all);
	status_phase(r->status, CTL_PHASE_FLUSH);
	if (source_flushed(r->source, w->lsn, reterr))
		return -1;
	RELAY_STEP(flushed);
	if (write_position(r, w, reterr))
		return -1;
	RELAY_STEP(position_produced);
	status_phase(r->status, CTL_PHASE_COMMIT);
	if (r->sink->ops->commit(r->sink, reterr))
		return -1;
	RELAY_STEP(committed);
	status_sent(r->status, w->n, (uint64_t)w->newest_time_us, (uint64_t)w->read_at_us,
		    (uint64_t)pgs_wall_us());
	return 0;
}

/*
 * worker/relay_start.c
 *    START: Kafka first (who cannot deliver must not take over), then lock, fence, position, nonce, topics.
 *
 * The order is the whole point; see docs/protocol.md 3 and the comments at each step.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/relay.h"
#include "worker/sink_kafka.h"
#include "worker/steps.h"
#include "worker/wait.h"

static bool writes_kafka(const struct relay *r)
{
	return r->config.assignment->output == ASSIGNMENT_KAFKA;
}

/* What Kafka holds, checked against the source; *found false: nothing, and nothing is missing. */
static int read_position(struct relay *r, struct position *pos, bool *found, struct pgs_err *reterr)
{
	struct source *s = r->source;
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf why = PGS_BUF_INIT(4096);
	if (r->sink->ops->read_position(r->sink, pgs_buf_str(&r->key), r->key.len, &r->text,
					reterr))
		return -1;
	*found = r->text.len > 0;
	if (*found && position_read(r->text.data, r->text.len, pos, reterr))
		return -1;
	if (!r->config.owned)
		return 0;
	/* Who took over since then has ended this session: a position of theirs is no rewind. */
	if (source_check(s, reterr))
		return -1;
	enum position_verdict verdict = POSITION_REWIND;
	if (source_judge(s, *found ? pos : NULL, &verdict, &why, reterr))
		return -1;
	switch (verdict) {
	case POSITION_FIRST:
	case POSITION_GOES_ON:
		break;
	case POSITION_REWIND:
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "%s", pgs_buf_str(&why));
	case POSITION_NEWER_OWNER: /* whether it really is, ZooKeeper knows: the supervisor asks */
		return pgs_err_set(reterr, PGS_ERR_FENCED, "", "%s", pgs_buf_str(&why));
	}
	if (*found && pos->timeline && pos->timeline != s->timeline)
		pgs_log(PGS_LOG_NOTICE, r->log_prefix,
			"the source is on timeline %" PRId64
			" now, the position was written on %" PRId64,
			s->timeline, pos->timeline);
	return 0;
}

static int new_nonce(struct relay *r, const struct position *pos, struct pgs_err *reterr)
{
	char nonce[POSITION_NONCE_MAX];
	if (source_new_nonce(nonce, reterr))
		return -1;
	position_hint_start(&r->source->hint, pos, nonce);
	return source_write_hint(r->source, reterr);
}

/* Every topic that this version of the set writes from this database. */
struct topics {
	struct setdoc_topic *all;
	size_t n_all;
	const char **names; /* lent by `all` */
	size_t n;
};

static void topics_done(struct topics *t)
{
	free(t->names);
	setdoc_topics_free(t->all, t->n_all);
}

static int topics_init(struct topics *t, const struct relay *r, struct pgs_err *reterr)
{
	const struct setdoc *doc = r->config.doc;
	*t = (struct topics){ .n = 0 };
	if (setdoc_topics(doc, r->config.assignment->set, &t->all, &t->n_all, reterr))
		return -1;
	t->names = calloc(t->n_all + 1, sizeof(*t->names));
	if (!t->names)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < t->n_all; i++) {
		bool written = t->all[i].database == r->config.db;
		switch (t->all[i].kind) {
		case SETDOC_TOPIC_TABLE:
		case SETDOC_TOPIC_SINGLE:
		case SETDOC_TOPIC_TRUNCATE:
			break;
		case SETDOC_TOPIC_TRANSACTION:
			written = written && doc->format.transactions;
			break;
		case SETDOC_TOPIC_QUARANTINE:
			written = written && doc->relay.on_poison == SETDOC_POISON_QUARANTINE;
			break;
		}
		if (written)
			t->names[t->n++] = t->all[i].name;
	}
	return 0;
}

/* Where reading begins: the position, or what the caller or the set says. */
static int set_state(struct relay *r, const struct position *pos, struct pgs_err *reterr)
{
	const char *from = r->config.assignment->from;
	if (pos)
		return position_state_set(&r->state, pos->state.snapshot, pos->state.upto,
					  pos->state.cut_tx, pos->state.ev_id, reterr);
	return position_state_set(&r->state, from && *from ? from : r->source->start_snapshot, NULL,
				  0, 0, reterr);
}

static int make_parts(struct relay *r, struct position *pos, struct pgs_err *reterr)
{
	const struct encode_config config = { .doc = r->config.doc,
					      .prefix = r->prefix,
					      .database = r->source->database_name,
					      .partitions = r->config.assignment->partitions,
					      .record_max_bytes = r->sink->record_max_bytes };
	/* Inside a transaction counting goes on, and BEGIN is in Kafka already. */
	position_transaction_done(&r->transaction);
	if (r->config.doc->format.transactions) {
		r->transaction = pos->transaction;
		pos->transaction = (struct position_transaction){ .txid = 0 };
	}
	r->sent_at_us = pgs_now_us();
	retention_start(&r->retention, r->source);
	return encoder_new(&config, &r->encoder, reterr) ||
			       reader_new(r->source, relay_order_key, r, &r->reader, reterr)
		       ? -1
		       : 0;
}

/* Fence, then read and judge; `pos` is the caller's to free. */
static int fence_and_read(struct relay *r, const struct topics *topics, struct position *pos,
			  bool *found, struct pgs_err *reterr)
{
	struct sink *sink = r->sink;
	/* Still the owner? Only then may an earlier producer be fenced. */
	if (source_check(r->source, reterr))
		return -1;
	status_phase(r->status, CTL_PHASE_KAFKA);
	if (writes_kafka(r))
		sink_kafka_set_node(r->sink, r->source->node);
	if (sink->ops->acquire(sink, reterr))
		return -1;
	RELAY_STEP(acquired);
	pgs_buf_reset(&r->key);
	position_key(r->source->node, r->source->rollout, &r->key);
	if (sink->ops->mend(sink, topics->names, topics->n, pgs_buf_str(&r->key), r->key.len,
			    reterr))
		return -1;
	if (read_position(r, pos, found, reterr) || set_state(r, *found ? pos : NULL, reterr))
		return -1;
	RELAY_STEP(position_read);
	/* A topic that this version had when a position was written cannot be missing now. */
	const bool may_create = !*found || !pos->version ||
				strcmp(pos->version, r->config.assignment->version) != 0;
	return sink->ops->ensure_topics(sink, topics->names, topics->n, may_create, reterr);
}

static int take_over(struct relay *r, struct position *pos, bool *found, struct pgs_err *reterr)
{
	struct topics topics;
	const int rc =
		topics_init(&topics, r, reterr) || fence_and_read(r, &topics, pos, found, reterr)
			? -1
			: 0;
	topics_done(&topics);
	return rc;
}

/* While Kafka is away status goes on to say what waits. A session without the lock, for a moment. */
static void tell_queue(struct relay *r)
{
	struct source_config config = r->config;
	struct source *s = NULL;
	struct pgs_err err;
	config.owned = false;
	/* What is wrong with the source, START will say. */
	if (source_new(&config, &s, &err) || source_open(s, &err) ||
	    retention_tell_queue(&r->retention, s, r->status, &err))
		pgs_log(PGS_LOG_DEBUG, r->log_prefix, "%s", err.msg);
	source_free(s);
}

int relay_start(struct relay *r, struct pgs_err *reterr)
{
	struct position pos = { .at_us = 0 };
	bool found = false;
	status_phase(r->status, CTL_PHASE_KAFKA);
	if (r->sink->ops->probe(r->sink, reterr)) {
		if (r->config.owned && !wait_event_is_set(r->config.stop_fd))
			tell_queue(r);
		return -1;
	}
	RELAY_STEP(probed);
	status_phase(r->status, CTL_PHASE_CONNECT);
	if (source_new(&r->config, &r->source, reterr) || source_open(r->source, reterr))
		return -1;
	RELAY_STEP(locked);
	int rc = take_over(r, &pos, &found, reterr);
	if (!rc && r->config.owned)
		rc = new_nonce(r, found ? &pos : NULL, reterr);
	if (!rc)
		rc = make_parts(r, &pos, reterr);
	if (!rc) {
		RELAY_STEP(started);
		pgs_log(PGS_LOG_INFO, r->log_prefix, "relaying from %s %.60s",
			found ? "position" : "the start,", r->state.snapshot);
	}
	position_done(&pos);
	return rc;
}

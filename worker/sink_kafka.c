/*
 * worker/sink_kafka.c
 *    The producer: take over, begin, produce. See worker/sink_kafka.h; the commit is in worker/kafka_commit.c.
 *
 * Never aborts: an abort can overtake the registration of partitions and then ends fatally. A handle with a
 * doubt is destroyed, and the next init_transactions resolves what it left.
 */
#include "worker/sink_kafka.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "worker/kafka_internal.h"
#include "worker/wait.h"

enum {
	SLICE_MS = 5000, /* of init_transactions: authentication errors are looked at between two */
	WHY_MS = 2000, /* for the report that says why a record was not taken */
	PROBE_SLICE_MS = 1000,
	PROBE_TIMEOUT_US = 10 * 1000 * 1000,
	INIT_TIMEOUT_US = 90 * 1000 * 1000,
	FULL_FLUSH_MS = 10,
	SETTLE_MS = 300,
	POLL_EVERY = 512, /* records between looks at callbacks */
	PAUSE_US = 2000, /* between a commit and the next begin: brokers still write markers */
};

static struct kafka_sink *self(struct sink *sink)
{
	return (struct kafka_sink *)sink;
}

static void let_go(struct sink *sink)
{
	struct kafka_sink *k = self(sink);
	if (!k->rk)
		return;
	kafka_commit_wait(k);
	k->committing = KAFKA_COMMIT_NONE;
	/*
	 * librdkafka 2.0.2 asserts when a handle goes while its partitions are being registered with the
	 * coordinator (txn_req_cnt > 0): let the answer come. What goes out is never committed.
	 */
	if (k->open && k->transactional)
		(void)rd_kafka_flush(k->rk, SETTLE_MS);
	/* Queued messages must not go out any more; fails only for handles that have none. */
	(void)rd_kafka_purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
					    RD_KAFKA_PURGE_F_NON_BLOCKING);
	kafka_topics_done(k);
	rd_kafka_destroy(k->rk);
	k->rk = NULL;
	k->open = false;
	*k->anew_text = '\0';
	k->auth_error = k->delivery_error = RD_KAFKA_RESP_ERR_NO_ERROR;
	k->delivery_failures = 0;
}

/* Kafka names its brokers itself; one behind a port that we gave up would look like a broker that is away. */
static int check_ports(const struct kafka_sink *k, const struct rd_kafka_metadata *md,
		       struct pgs_err *reterr)
{
	const struct confine *c = k->config.confine;

	if (!c || !(c->pieces & CONFINE_NETWORK))
		return 0;
	for (int i = 0; i < md->broker_cnt; i++)
		if (!confine_ports_has(&c->ports, (unsigned)md->brokers[i].port))
			return pgs_err_set(
				reterr, PGS_ERR_CONFIG, "",
				"kafka names broker %.100s:%d, whose port is none of the "
				"bootstrap servers'; permit it by \"worker_ports\" of "
				"pgshoveld.conf",
				md->brokers[i].host, md->brokers[i].port);
	return 0;
}

static int probe_metadata(struct kafka_sink *k, rd_kafka_t *rk, struct pgs_err *reterr)
{
	const uint64_t give_up = pgs_now_us() + PROBE_TIMEOUT_US;
	for (;;) {
		const struct rd_kafka_metadata *md = NULL;
		const rd_kafka_resp_err_t code =
			rd_kafka_metadata(rk, 0, NULL, &md, PROBE_SLICE_MS);
		(void)rd_kafka_poll(rk, 0);
		if (!code) {
			const int rc = check_ports(k, md, reterr);
			rd_kafka_metadata_destroy(md);
			return rc;
		}
		if (kafka_check_auth(k, reterr))
			return -1;
		if (wait_event_is_set(k->config.stop_fd))
			return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt", "asked to stop");
		if (pgs_now_us() >= give_up)
			return kafka_fail(k, code, "could not reach kafka", NULL, reterr);
	}
}

static int probe(struct sink *sink, struct pgs_err *reterr)
{
	struct kafka_sink *k = self(sink);
	rd_kafka_t *rk = NULL;
	let_go(sink);
	if (kafka_handle_new(k, KAFKA_PROBE, &rk, reterr))
		return -1;
	const int rc = probe_metadata(k, rk, reterr);
	rd_kafka_destroy(rk);
	return rc;
}

static int init_transactions(struct kafka_sink *k, struct pgs_err *reterr)
{
	const uint64_t give_up = pgs_now_us() + INIT_TIMEOUT_US;
	for (;;) {
		rd_kafka_error_t *error = rd_kafka_init_transactions(k->rk, SLICE_MS);
		(void)rd_kafka_poll(k->rk, 0);
		if (!error)
			return 0;
		if (kafka_check_auth(k, reterr)) {
			rd_kafka_error_destroy(error);
			return -1;
		}
		if (!rd_kafka_error_is_retriable(error) || pgs_now_us() >= give_up)
			return kafka_fail_error(k, error,
						"could not take over the transactional id", reterr);
		rd_kafka_error_destroy(error);
		if (wait_event_is_set(k->config.stop_fd))
			return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt", "asked to stop");
	}
}

static int acquire(struct sink *sink, struct pgs_err *reterr)
{
	struct kafka_sink *k = self(sink);
	let_go(sink);
	sink->refusal = (struct sink_refusal){ .n = 0 };
	if (kafka_handle_new(k, KAFKA_PRODUCER, &k->rk, reterr))
		return -1;
	return k->transactional ? init_transactions(k, reterr) : 0;
}

static int mend(struct sink *sink, const char *const *topics, size_t n, const char *key,
		size_t key_len, struct pgs_err *reterr)
{
	struct kafka_sink *k = self(sink);
	return k->transactional ? kafka_hanging_end(k, topics, n, key, key_len, reterr) : 0;
}

static int read_position(struct sink *sink, const char *key, size_t key_len,
			 struct pgs_buf *ret_value, struct pgs_err *reterr)
{
	struct kafka_sink *k = self(sink);
	if (kafka_positions_ensure(k, true, reterr))
		return -1;
	return kafka_position_read(k, key, key_len, ret_value, reterr);
}

static int ensure_topics(struct sink *sink, const char *const *topics, size_t n, bool may_create,
			 struct pgs_err *reterr)
{
	kafka_commit_wait(self(sink)); /* callbacks run in one thread at a time */
	return kafka_topics_ensure(self(sink), topics, n, may_create, reterr);
}

static void ready(struct sink *sink)
{
	struct kafka_sink *k = self(sink);
	if (k->transactional)
		(void)wait_until(-1, k->committed_at_us + PAUSE_US);
}

static int begin(struct sink *sink, struct pgs_err *reterr)
{
	struct kafka_sink *k = self(sink);
	if (k->transactional) {
		ready(sink);
		rd_kafka_error_t *error = rd_kafka_begin_transaction(k->rk);
		if (error)
			return kafka_fail_error(k, error, "could not begin a transaction", reterr);
	}
	k->open = true;
	k->since_poll = 0;
	return 0;
}

static int make_headers(const struct encode_record *record, rd_kafka_headers_t **ret,
			struct pgs_err *reterr)
{
	if (!record->n_headers)
		return 0;
	rd_kafka_headers_t *headers = rd_kafka_headers_new(record->n_headers);
	for (size_t i = 0; i < record->n_headers; i++) {
		const struct encode_header *h = &record->headers[i];
		if (rd_kafka_header_add(headers, h->name, -1, h->value, (ssize_t)h->value_len)) {
			rd_kafka_headers_destroy(headers);
			return pgs_err_nomem(reterr);
		}
	}
	*ret = headers;
	return 0;
}

static rd_kafka_resp_err_t produce(struct kafka_sink *k, rd_kafka_topic_t *rkt,
				   const struct encode_record *record, int64_t event_id,
				   rd_kafka_headers_t *headers)
{
	/* Comes back with the delivery report. */
	void *opaque = (void *)(intptr_t)event_id;
	/* librdkafka takes pointers that are not const and leaves what they point to alone. */
	void *key = (void *)(uintptr_t)record->key;
	void *value = (void *)(uintptr_t)record->value;
	if (headers)
		return rd_kafka_producev(
			k->rk, RD_KAFKA_V_RKT(rkt), RD_KAFKA_V_PARTITION(record->partition),
			RD_KAFKA_V_KEY(key, record->key_len),
			RD_KAFKA_V_VALUE(value, record->value_len),
			RD_KAFKA_V_TIMESTAMP(record->timestamp_ms),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(opaque),
			RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
	return rd_kafka_producev(
		k->rk, RD_KAFKA_V_RKT(rkt), RD_KAFKA_V_PARTITION(record->partition),
		RD_KAFKA_V_KEY(key, record->key_len), RD_KAFKA_V_VALUE(value, record->value_len),
		RD_KAFKA_V_TIMESTAMP(record->timestamp_ms),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(opaque),
		RD_KAFKA_V_END);
}

/* Why it was not taken. A transaction that failed refuses all records: a broker said why of an earlier one. */
static int not_taken(struct kafka_sink *k, const struct encode_record *record,
		     rd_kafka_resp_err_t code, struct pgs_err *reterr)
{
	char what[320];
	if (code == RD_KAFKA_RESP_ERR__STATE)
		(void)rd_kafka_flush(k->rk, WHY_MS); /* runs the callbacks */
	if (kafka_check_deliveries(k, reterr))
		return -1;
	(void)snprintf(what, sizeof(what), "could not produce to topic \"%.240s\"", record->topic);
	return kafka_fail(k, code, what, NULL, reterr);
}

/* A full queue is the brokers' pressure: wait for it, but not longer than a transaction may last. */
static int produce_patiently(struct kafka_sink *k, rd_kafka_topic_t *rkt,
			     const struct encode_record *record, int64_t event_id,
			     struct pgs_err *reterr)
{
	uint64_t give_up = 0;
	rd_kafka_headers_t *headers = NULL;
	if (make_headers(record, &headers, reterr))
		return -1;
	for (;;) {
		const rd_kafka_resp_err_t code = produce(k, rkt, record, event_id, headers);
		if (!code)
			return 0; /* the headers are librdkafka's now */
		int rc = 0;
		const uint64_t now = pgs_now_us();
		give_up = give_up ? give_up : now + k->transaction_timeout_us;
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || now >= give_up) {
			rc = not_taken(k, record, code, reterr);
		} else {
			(void)rd_kafka_flush(k->rk, FULL_FLUSH_MS); /* a time-out is expected */
			rc = kafka_check_deliveries(k, reterr);
		}
		if (rc) {
			if (headers)
				rd_kafka_headers_destroy(headers);
			return -1;
		}
	}
}

static int write_record(struct sink *sink, const struct encode_record *record,
			struct pgs_err *reterr)
{
	struct kafka_sink *k = self(sink);
	if (record->topic != k->last_name ||
	    strcmp(rd_kafka_topic_name(k->last_rkt), record->topic) != 0) {
		if (kafka_topic(k, record->topic, &k->last_rkt, reterr))
			return -1;
		k->last_name = record->topic;
	}
	if (produce_patiently(k, k->last_rkt, record, sink->event_id, reterr))
		return -1;
	if (++k->since_poll < POLL_EVERY)
		return 0;
	k->since_poll = 0;
	(void)rd_kafka_poll(k->rk, 0);
	return kafka_check_deliveries(k, reterr);
}

static int settle(struct sink *sink, struct pgs_err *reterr)
{
	return kafka_flush(self(sink), reterr);
}

static int position(struct sink *sink, const char *key, size_t key_len, const char *value,
		    size_t value_len, struct pgs_err *reterr)
{
	struct kafka_sink *k = self(sink);
	rd_kafka_topic_t *rkt = NULL;
	if (!k->transactional && kafka_flush(k, reterr))
		return -1;
	const struct encode_record record = { .topic = k->positions,
					      .key = key,
					      .key_len = key_len,
					      .value = value,
					      .value_len = value_len,
					      .timestamp_ms = pgs_wall_us() / 1000 };
	return kafka_topic(k, k->positions, &rkt, reterr)
		       ? -1
		       : produce_patiently(k, rkt, &record, 0, reterr);
}

static void commit_begin(struct sink *sink)
{
	kafka_commit_begin(self(sink));
}

static int commit(struct sink *sink, struct pgs_err *reterr)
{
	struct kafka_sink *k = self(sink);
	if (kafka_commit_end(k, reterr))
		return -1;
	k->open = false;
	return kafka_check_anew(k, reterr);
}

static void free_sink(struct sink *sink)
{
	struct kafka_sink *k = self(sink);
	let_go(sink);
	(void)pthread_mutex_destroy(&k->log_lock);
	free(k);
}

static const struct sink_ops kafka_ops = {
	.probe = probe,
	.acquire = acquire,
	.mend = mend,
	.read_position = read_position,
	.ensure_topics = ensure_topics,
	.ready = ready,
	.begin = begin,
	.write = write_record,
	.settle = settle,
	.position = position,
	.commit_begin = commit_begin,
	.commit = commit,
	.drop = let_go,
	.free = free_sink,
};

int sink_kafka_new(const struct sink_kafka_config *config, struct sink **ret,
		   struct pgs_err *reterr)
{
	struct kafka_sink *k = calloc(1, sizeof(*k));
	if (!k)
		return pgs_err_nomem(reterr);
	k->sink.ops = &kafka_ops;
	k->config = *config;
	switch (config->doc->relay.delivery) {
	case SETDOC_DELIVERY_EXACTLY_ONCE:
		k->transactional = true;
		break;
	case SETDOC_DELIVERY_AT_LEAST_ONCE:
		break;
	}
	k->log_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	k->log_limit = (struct pgs_log_limit){ .interval_us = 10 * 1000 * 1000, .burst = 5 };
	/* Names are at most 24 characters each. */
	(void)snprintf(k->positions, sizeof(k->positions), "%s.%s.positions",
		       config->assignment->cluster, config->assignment->set);
	*ret = &k->sink;
	return 0;
}

void sink_kafka_set_node(struct sink *sink, const char *node)
{
	struct kafka_sink *k = self(sink);
	(void)snprintf(k->node, sizeof(k->node), "%s", node); /* a uuid */
	(void)snprintf(k->transactional_id, sizeof(k->transactional_id), "pgshovel.%s.%s.%s",
		       k->config.assignment->cluster, k->config.assignment->set, k->node);
}

int sink_kafka_check_properties(struct sink *sink, struct pgs_err *reterr)
{
	struct kafka_sink *k = self(sink);
	rd_kafka_t *rk = NULL;
	sink_kafka_set_node(sink, "check");
	/* Only a handle tells whether they fit together. */
	if (kafka_handle_new(k, KAFKA_PRODUCER, &rk, reterr))
		return -1;
	rd_kafka_destroy(rk);
	return 0;
}

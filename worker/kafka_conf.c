/*
 * worker/kafka_conf.c
 *    The configuration of librdkafka: ours, the set's, the credentials'; and its callbacks.
 *
 * Order: defaults that a set may change, the set's properties, the credential file, what no set may change.
 * Messages name properties, never the values of secrets.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "worker/kafka_internal.h"

enum { HEADER_BYTES = 64, SOCKET_TIMEOUT_MS = 30000 };

struct property {
	const char *name;
	const char *value;
};

/* reference: batches of 1 MB fill a broker's default limit; Nagle and slow reconnects cost latency. */
static const struct property defaults[] = {
	{ "compression.type", "zstd" },
	{ "compression.level", "1" },
	{ "linger.ms", "5" },
	{ "batch.size", "1000000" },
	{ "batch.num.messages", "100000" },
	{ "message.max.bytes", "1000000" },
	{ "queue.buffering.max.messages", "100000" },
	{ "queue.buffering.max.kbytes", "65536" },
	{ "socket.nagle.disable", "true" },
	{ "socket.keepalive.enable", "true" },
	{ "socket.timeout.ms", "30000" }, /* SOCKET_TIMEOUT_MS */
	{ "reconnect.backoff.ms", "50" },
	{ "reconnect.backoff.max.ms", "1000" },
	{ "log.connection.close", "false" },
	/* message.timeout.ms follows it by itself. */
	{ "transaction.timeout.ms", "60000" },
};

static const struct property reader_settings[] = {
	{ "group.id", "pgshovel-positions" }, /* never committed to: needs no right */
	{ "enable.auto.commit", "false" },       { "enable.auto.offset.store", "false" },
	{ "isolation.level", "read_committed" }, { "enable.partition.eof", "true" },
	{ "auto.offset.reset", "earliest" },     { "fetch.wait.max.ms", "10" },
	{ "fetch.message.max.bytes", "262144" }, { "queued.max.messages.kbytes", "4096" },
};

static int set_property(rd_kafka_conf_t *conf, const char *name, const char *value,
			struct pgs_err *reterr)
{
	char why[512];
	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
		return 0;
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "kafka property \"%s\": %s", name, why);
}

static int set_all(rd_kafka_conf_t *conf, const struct property *p, size_t n,
		   struct pgs_err *reterr)
{
	for (size_t i = 0; i < n; i++)
		if (set_property(conf, p[i].name, p[i].value, reterr))
			return -1;
	return 0;
}

/* Lines name=value; "#" begins a comment line. */
static int set_credentials(rd_kafka_conf_t *conf, const struct assignment_credential *file,
			   struct pgs_err *reterr)
{
	int line = 0;
	for (const char *at = file->data; at && *at;) {
		const size_t len = strcspn(at, "\r\n");
		char text[4096];
		line++;
		if (len && *at != '#') {
			if (len >= sizeof(text))
				return pgs_err_set(
					reterr, PGS_ERR_CONFIG, "",
					"credential file \"%s\", line %d is longer than %zu bytes",
					file->name, line, sizeof(text) - 1);
			memcpy(text, at, len);
			text[len] = '\0';
			char *equals = strchr(text, '=');
			if (!equals)
				return pgs_err_set(
					reterr, PGS_ERR_CONFIG, "",
					"credential file \"%s\", line %d is not name=value",
					file->name, line);
			*equals = '\0';
			/* The library's own text may repeat the value, so only the name is said. */
			char why[512];
			const bool ok = rd_kafka_conf_set(conf, text, equals + 1, why,
							  sizeof(why)) == RD_KAFKA_CONF_OK;
			explicit_bzero(equals + 1, len - (size_t)(equals + 1 - text));
			explicit_bzero(why, sizeof(why));
			if (!ok)
				return pgs_err_set(
					reterr, PGS_ERR_CONFIG, "",
					"credential file \"%s\", line %d: librdkafka refuses "
					"\"%s\"",
					file->name, line, text);
			explicit_bzero(text, sizeof(text));
		}
		at += len;
		at += *at == '\r';
		at += *at == '\n';
	}
	return 0;
}

/* ---- Callbacks. ---- */

static void on_log(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
	struct kafka_sink *k = rd_kafka_opaque(rk);
	unsigned held_back = 0;
	/* CONFWARN: a property of producers given to a consumer, which is how we use them. */
	const bool quiet = level > 5 || strcmp(fac, "CONFWARN") == 0;
	/* A restart that finds an open transaction, a handle that is dropped: both are our own doing. */
	const bool expected = strcmp(fac, "GETPID") == 0 || strcmp(fac, "TERMINATE") == 0;
	if (!k)
		return;
	(void)pthread_mutex_lock(&k->log_lock);
	const bool allowed = quiet || pgs_log_allowed(&k->log_limit, pgs_now_us(), &held_back);
	(void)pthread_mutex_unlock(&k->log_lock);
	if (!allowed)
		return;
	if (held_back)
		pgs_log(PGS_LOG_NOTICE, k->config.log_prefix, "kafka: %u similar lines held back",
			held_back);
	pgs_log(quiet ? PGS_LOG_DEBUG : (level <= 4 && !expected ? PGS_LOG_WARNING : PGS_LOG_INFO),
		k->config.log_prefix, "kafka: %s: %s", fac, text);
}

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
	struct kafka_sink *k = opaque;
	(void)rk;
	if (k && (code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL)) {
		k->auth_error = code;
		(void)snprintf(k->auth_text, sizeof(k->auth_text), "%s",
			       text); /* cut when too long */
	}
}

/* Which events the refused records are of; the batch's other records fail with the bad one. */
static void note_refusal(struct sink_refusal *refusal, int64_t event_id)
{
	if (!refusal->n || event_id < refusal->first)
		refusal->first = event_id;
	if (!refusal->n || event_id > refusal->last)
		refusal->last = event_id;
	refusal->n++;
}

/*
 * Failures are noted; deliveries are confirmed by the commit. They are reported all the same: a report is what
 * wakes a flush, and so a commit, which otherwise looks only every 10 ms.
 */
/* The only sign of a topic that was deleted and made again while a handle writes to it. */
static void watch_offset(struct kafka_sink *k, const rd_kafka_message_t *message)
{
	struct kafka_last *last = rd_kafka_topic_opaque(message->rkt);
	if (!last || message->partition >= last->n || message->offset < 0)
		return;
	int64_t *offset = &last->offset[message->partition];
	if (message->offset <= *offset && !*k->anew_text)
		(void)snprintf(
			k->anew_text, sizeof(k->anew_text),
			"topic \"%.200s\" [%d] took a record at offset %lld after one at %lld",
			rd_kafka_topic_name(message->rkt), (int)message->partition,
			(long long)message->offset, (long long)*offset);
	*offset = message->offset;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct kafka_sink *k = opaque;
	(void)rk;
	if (!message->err) {
		watch_offset(k, message);
		return;
	}
	k->delivery_failures++;
	if (message->_private && kafka_code_is_of_record(message->err))
		note_refusal(&k->sink.refusal, (int64_t)(intptr_t)message->_private);
	/* A purged message says nothing; the first permanent error says most. */
	if (!k->delivery_error || (!kafka_code_is_permanent(k->delivery_error) &&
				   kafka_code_is_permanent(message->err))) {
		k->delivery_error = message->err;
		(void)snprintf(k->delivery_text, sizeof(k->delivery_text), "topic \"%s\", key %.*s",
			       rd_kafka_topic_name(message->rkt),
			       (int)(message->key_len < 80 ? message->key_len : 80),
			       message->key ? (const char *)message->key : "");
	}
}

static int finish_producer(struct kafka_sink *k, rd_kafka_conf_t *conf, struct pgs_err *reterr)
{
	const struct property settings[] = {
		{ "enable.idempotence", "true" },
		/* For questions about ends: those of the log, open transactions included. */
		{ "isolation.level", "read_uncommitted" },
	};
	if (set_all(conf, settings, PGS_ARRAY_LEN(settings), reterr))
		return -1;
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	return k->transactional
		       ? set_property(conf, "transactional.id", k->transactional_id, reterr)
		       : 0;
}

static uint64_t get_number(const rd_kafka_conf_t *conf, const char *name, uint64_t fallback)
{
	char text[64];
	size_t size = sizeof(text);
	if (rd_kafka_conf_get(conf, name, text, &size) != RD_KAFKA_CONF_OK)
		return fallback;
	return strtoull(text, NULL, 10);
}

/* The library refuses a request that may outlive a transaction; who shortens the latter need not know. */
static int fit_socket_timeout(rd_kafka_conf_t *conf, struct pgs_err *reterr)
{
	const uint64_t transaction_ms = get_number(conf, "transaction.timeout.ms", 60000);
	char text[24];
	if (get_number(conf, "socket.timeout.ms", 0) != SOCKET_TIMEOUT_MS ||
	    transaction_ms >= SOCKET_TIMEOUT_MS)
		return 0;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)transaction_ms);
	return set_property(conf, "socket.timeout.ms", text, reterr);
}

static int fill(struct kafka_sink *k, enum kafka_role role, rd_kafka_conf_t *conf,
		struct pgs_err *reterr)
{
	const struct assignment *a = k->config.assignment;
	const struct setdoc *doc = k->config.doc;
	char name[64];
	(void)snprintf(name, sizeof(name), "pgshovel-%s", a->set);
	if (set_all(conf, defaults, PGS_ARRAY_LEN(defaults), reterr) ||
	    set_property(conf, "client.id", name, reterr))
		return -1;
	for (size_t i = 0; i < doc->n_kafka; i++)
		if (set_property(conf, doc->kafka[i].name, doc->kafka[i].value, reterr))
			return -1;
	(void)snprintf(name, sizeof(name), "kafka.%s", a->set);
	const struct assignment_credential *file = assignment_credential(a, name);
	if (!file)
		file = assignment_credential(a, "kafka");
	if ((file && set_credentials(conf, file, reterr)) || fit_socket_timeout(conf, reterr))
		return -1;
	rd_kafka_conf_set_opaque(conf, k);
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_error_cb(conf, on_error);
	switch (role) {
	case KAFKA_PROBE:
		break;
	case KAFKA_PRODUCER:
		k->transaction_timeout_us =
			get_number(conf, "transaction.timeout.ms", 60000) * 1000;
		/* Half of it is for what is sent to arrive, and for the commit. */
		k->sink.transaction_max_us = k->transactional ? k->transaction_timeout_us / 2 : 0;
		/* The library counts the lengths of headers too. */
		k->sink.record_max_bytes =
			get_number(conf, "message.max.bytes", 1000000) - HEADER_BYTES;
		return finish_producer(k, conf, reterr);
	case KAFKA_READER:
		return set_all(conf, reader_settings, PGS_ARRAY_LEN(reader_settings), reterr);
	case KAFKA_READER_ALL:
		if (set_all(conf, reader_settings, PGS_ARRAY_LEN(reader_settings), reterr))
			return -1;
		return set_property(conf, "isolation.level", "read_uncommitted", reterr);
	}
	return 0;
}

static int kafka_conf_new(struct kafka_sink *k, enum kafka_role role, rd_kafka_conf_t **ret,
			  struct pgs_err *reterr)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	if (fill(k, role, conf, reterr)) {
		rd_kafka_conf_destroy(conf);
		return -1;
	}
	*ret = conf;
	return 0;
}

int kafka_handle_new(struct kafka_sink *k, enum kafka_role role, rd_kafka_t **ret,
		     struct pgs_err *reterr)
{
	rd_kafka_conf_t *conf = NULL;
	char why[512];
	if (kafka_conf_new(k, role, &conf, reterr))
		return -1;
	const bool reader = role == KAFKA_READER || role == KAFKA_READER_ALL;
	rd_kafka_t *rk = rd_kafka_new(reader ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, why,
				      sizeof(why));
	if (!rk) {
		rd_kafka_conf_destroy(conf);
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "kafka properties do not fit together: %s", why);
	}
	k->auth_error = RD_KAFKA_RESP_ERR_NO_ERROR;
	*ret = rk;
	return 0;
}

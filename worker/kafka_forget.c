/*
 * worker/kafka_forget.c
 *    The end of a set in Kafka: its producers are fenced, its positions become tombstones.
 *
 * Runs after the set's relay has ended (`set drop`). Data topics stay.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "worker/kafka_internal.h"

enum { MAX_KEYS = 65536, FLUSH_TIMEOUT_MS = 15000 };

struct keys {
	char **texts;
	size_t n;
};

static int remember(void *ctx, const char *key, size_t key_len, const char *value, size_t value_len,
		    struct pgs_err *reterr)
{
	struct keys *keys = ctx;
	(void)value;
	(void)value_len;
	for (size_t i = 0; i < keys->n; i++)
		if (strlen(keys->texts[i]) == key_len && memcmp(keys->texts[i], key, key_len) == 0)
			return 0;
	if (!key_len || keys->n >= MAX_KEYS)
		return 0;
	char **more = realloc(keys->texts, (keys->n + 1) * sizeof(*more));
	if (!more)
		return pgs_err_nomem(reterr);
	keys->texts = more;
	more[keys->n] = strndup(key, key_len);
	return more[keys->n] ? (keys->n++, 0) : pgs_err_nomem(reterr);
}

/* The node of a key ["NODE","ROLLOUT"], "" when it is not one. */
static void node_of_key(const char *key, char ret[40])
{
	json_error_t why;
	json_t *pair = json_loads(key, 0, &why);
	const char *node = json_string_value(json_array_get(pair, 0));
	(void)snprintf(ret, 40, "%s", node && strlen(node) < 40 ? node : "");
	json_decref(pair);
}

static int fence(struct kafka_sink *k, const char *key, struct pgs_err *reterr)
{
	char node[40];
	node_of_key(key, node);
	if (!*node || !k->transactional)
		return 0;
	sink_kafka_set_node(&k->sink, node);
	return k->sink.ops->acquire(&k->sink, reterr);
}

static int bury(struct kafka_sink *k, const struct keys *keys, struct pgs_err *reterr)
{
	rd_kafka_topic_t *rkt = NULL;
	if (kafka_topic(k, k->positions, &rkt, reterr))
		return -1;
	for (size_t i = 0; i < keys->n; i++) {
		const rd_kafka_resp_err_t code =
			rd_kafka_producev(k->rk, RD_KAFKA_V_RKT(rkt), RD_KAFKA_V_PARTITION(0),
					  RD_KAFKA_V_KEY(keys->texts[i], strlen(keys->texts[i])),
					  RD_KAFKA_V_VALUE(NULL, 0),
					  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
		if (code)
			return kafka_fail(k, code, "could not write a tombstone", NULL, reterr);
	}
	const rd_kafka_resp_err_t code = rd_kafka_flush(k->rk, FLUSH_TIMEOUT_MS);
	if (code || k->delivery_error)
		return kafka_fail(k, code ? code : k->delivery_error,
				  "could not write the tombstones", NULL, reterr);
	return 0;
}

/* Without transactions of its own: it must not look like an owner. */
static int plain_handle(struct kafka_sink *k, struct pgs_err *reterr)
{
	const bool transactional = k->transactional;
	k->transactional = false;
	const int rc = k->sink.ops->acquire(&k->sink, reterr);
	k->transactional = transactional;
	return rc;
}

bool kafka_positions_exist(struct kafka_sink *k, int *rc, struct pgs_err *reterr)
{
	const struct rd_kafka_metadata *md = NULL;
	bool found = false;
	const rd_kafka_resp_err_t code = rd_kafka_metadata(k->rk, 1, NULL, &md, 10000);
	(void)rd_kafka_poll(k->rk, 0);
	if (code) {
		*rc = kafka_fail(k, code, "could not list the topics", NULL, reterr);
		return false;
	}
	for (int i = 0; i < md->topic_cnt && !found; i++)
		found = strcmp(md->topics[i].topic, k->positions) == 0;
	rd_kafka_metadata_destroy(md);
	return found;
}

int sink_kafka_forget(struct sink *sink, size_t *ret_n, struct pgs_err *reterr)
{
	struct kafka_sink *k = (struct kafka_sink *)sink;
	struct keys keys = { .n = 0 };
	int rc = plain_handle(k, reterr);
	if (!rc && kafka_positions_exist(k, &rc, reterr)) {
		rc = kafka_position_scan(k, remember, &keys, reterr);
		for (size_t i = 0; !rc && i < keys.n; i++)
			rc = fence(k, keys.texts[i], reterr);
		if (!rc)
			rc = plain_handle(k, reterr);
		if (!rc)
			rc = kafka_positions_ensure(k, false, reterr);
		if (!rc)
			rc = bury(k, &keys, reterr);
	}
	*ret_n = keys.n;
	for (size_t i = 0; i < keys.n; i++)
		free(keys.texts[i]);
	free(keys.texts);
	sink->ops->drop(sink);
	return rc;
}

/*
 * worker/kafka_position.c
 *    Reads positions back: a temporary read_committed consumer at the tail of the positions topic.
 *
 * The end is what a handle with read_uncommitted is told: a read_committed consumer by itself
 * would stop in front of an open transaction and miss what that one is about to commit.
 */
#include <string.h>

#include "common/clock.h"
#include "worker/kafka_internal.h"
#include "worker/wait.h"

enum {
	TAIL_RECORDS = 16,
	TAIL_GROWTH = 16,
	POLL_MS = 100,
	READ_TIMEOUT_US =
		90 * 1000 * 1000, /* longer than another source's transaction may be open */
};

/* Everything in [from, end) to `record`. */
static int consume(struct kafka_sink *k, rd_kafka_t *consumer, int64_t from, int64_t end,
		   kafka_record_fn *record, void *ctx, struct pgs_err *reterr)
{
	const uint64_t give_up = pgs_now_us() + READ_TIMEOUT_US;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, k->positions, 0)->offset = from;
	const rd_kafka_resp_err_t code = rd_kafka_assign(consumer, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (code)
		return kafka_fail(k, code, "could not read the positions topic", NULL, reterr);
	for (;;) {
		if (wait_event_is_set(k->config.stop_fd))
			return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt", "asked to stop");
		if (pgs_now_us() >= give_up)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "_TIMED_OUT",
					   "could not read topic \"%s\" to its end: a transaction "
					   "is open in it",
					   k->positions);
		rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, POLL_MS);
		if (!message) {
			if (kafka_check_auth(k, reterr))
				return -1;
			continue;
		}
		int rc = 0;
		bool done = false;
		if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			done = message->offset >= end;
		else if (message->err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
			 message->err == RD_KAFKA_RESP_ERR__TRANSPORT)
			rc = 0; /* the library connects again */
		else if (message->err)
			rc = kafka_fail(k, message->err, "could not read the positions topic",
					rd_kafka_message_errstr(message), reterr);
		else
			rc = record(ctx, message->key, message->key ? message->key_len : 0,
				    message->payload, message->payload ? message->len : 0, reterr);
		rd_kafka_message_destroy(message);
		if (rc || done)
			return rc;
	}
}

int kafka_reader_new(struct kafka_sink *k, rd_kafka_t **ret, struct pgs_err *reterr)
{
	if (kafka_handle_new(k, KAFKA_READER, ret, reterr))
		return -1;
	(void)rd_kafka_poll_set_consumer(*ret);
	return 0;
}

void kafka_reader_end(rd_kafka_t *consumer)
{
	(void)rd_kafka_consumer_close(consumer); /* no group: nothing can be left behind */
	rd_kafka_destroy(consumer);
}

static int watermarks(struct kafka_sink *k, int64_t *low, int64_t *high, struct pgs_err *reterr)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, k->positions, 0);
	int rc = kafka_offsets(k, k->rk, list, RD_KAFKA_OFFSET_BEGINNING, reterr);
	*low = list->elems[0].offset;
	if (!rc)
		rc = kafka_offsets(k, k->rk, list, RD_KAFKA_OFFSET_END, reterr);
	*high = list->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(list);
	return rc;
}

struct wanted {
	const char *key;
	size_t key_len;
	struct pgs_buf *value;
	bool seen; /* a tombstone counts */
};

static int keep_newest(void *ctx, const char *key, size_t key_len, const char *value,
		       size_t value_len, struct pgs_err *reterr)
{
	struct wanted *w = ctx;
	if (key_len != w->key_len || memcmp(key, w->key, key_len) != 0)
		return 0;
	w->seen = true;
	pgs_buf_reset(w->value);
	if (value)
		pgs_buf_put(w->value, value, value_len);
	return pgs_buf_failed(w->value) ? pgs_err_nomem(reterr) : 0;
}

int kafka_position_read(struct kafka_sink *k, const char *key, size_t key_len,
			struct pgs_buf *ret_value, struct pgs_err *reterr)
{
	struct wanted w = { .key = key, .key_len = key_len, .value = ret_value };
	rd_kafka_t *consumer = NULL;
	int64_t low = 0;
	int64_t high = 0;
	pgs_buf_reset(ret_value);
	if (watermarks(k, &low, &high, reterr))
		return -1;
	if (low >= high)
		return 0;
	if (kafka_reader_new(k, &consumer, reterr))
		return -1;
	int rc = 0;
	for (int64_t back = TAIL_RECORDS; !w.seen; back *= TAIL_GROWTH) {
		const int64_t from = high - back > low ? high - back : low;
		rc = consume(k, consumer, from, high, keep_newest, &w, reterr);
		if (rc || from == low)
			break;
	}
	kafka_reader_end(consumer);
	return rc;
}

int kafka_position_scan(struct kafka_sink *k, kafka_record_fn *record, void *ctx,
			struct pgs_err *reterr)
{
	rd_kafka_t *consumer = NULL;
	int64_t low = 0;
	int64_t high = 0;
	if (watermarks(k, &low, &high, reterr))
		return -1;
	if (low >= high)
		return 0;
	if (kafka_reader_new(k, &consumer, reterr))
		return -1;
	const int rc = consume(k, consumer, low, high, record, ctx, reterr);
	kafka_reader_end(consumer);
	return rc;
}

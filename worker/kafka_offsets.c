/*
 * worker/kafka_offsets.c
 *    Many partitions at once: their ends, and what lies in them.
 *
 * Every call has a time limit of its own; rd_kafka_query_watermark_offsets() does not keep the one it is given.
 */
#include <string.h>

#include "common/clock.h"
#include "worker/kafka_internal.h"
#include "worker/wait.h"

enum {
	OFFSETS_TIMEOUT_MS = 10000,
	POLL_MS = 100,
	SCAN_TIMEOUT_US = 60 * 1000 * 1000,
};

int kafka_offsets(struct kafka_sink *k, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list,
		  int64_t when, struct pgs_err *reterr)
{
	for (int i = 0; i < list->cnt; i++) {
		list->elems[i].offset = when;
		list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
	}
	rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(rk, list, OFFSETS_TIMEOUT_MS);
	for (int i = 0; i < list->cnt && !code; i++)
		code = list->elems[i].err;
	(void)rd_kafka_poll(rk, 0);
	return code ? kafka_fail(k, code, "could not find the ends of the topics", NULL, reterr)
		    : 0;
}

static int index_of(const rd_kafka_topic_partition_list_t *list, const rd_kafka_message_t *message)
{
	const char *topic = message->rkt ? rd_kafka_topic_name(message->rkt) : "";
	for (int i = 0; i < list->cnt; i++)
		if (list->elems[i].partition == message->partition &&
		    strcmp(list->elems[i].topic, topic) == 0)
			return i;
	return -1;
}

/* One message of a scan. *ret_left: partitions that are not at their end. */
static int take(struct kafka_sink *k, const rd_kafka_message_t *message,
		rd_kafka_topic_partition_list_t *ends, kafka_scan_fn *each, void *ctx,
		int *ret_left, struct pgs_err *reterr)
{
	const int i = index_of(ends, message);
	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		if (i >= 0 && ends->elems[i].offset >= 0 &&
		    message->offset >= ends->elems[i].offset) {
			ends->elems[i].offset = -1; /* done */
			(*ret_left)--;
		}
		return 0;
	}
	if (message->err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
	    message->err == RD_KAFKA_RESP_ERR__TRANSPORT)
		return 0; /* the library connects again */
	if (message->err)
		return kafka_fail(k, message->err, "could not read",
				  rd_kafka_message_errstr(message), reterr);
	if (i >= 0 && ends->elems[i].offset >= 0)
		each(ctx, i, message);
	return 0;
}

int kafka_scan(struct kafka_sink *k, rd_kafka_t *consumer,
	       const rd_kafka_topic_partition_list_t *from, rd_kafka_topic_partition_list_t *ends,
	       kafka_scan_fn *each, void *ctx, struct pgs_err *reterr)
{
	const uint64_t give_up = pgs_now_us() + SCAN_TIMEOUT_US;
	int left = ends->cnt;
	int rc = 0;
	const rd_kafka_resp_err_t code = rd_kafka_assign(consumer, from);
	if (code)
		return kafka_fail(k, code, "could not read", NULL, reterr);
	while (!rc && left) {
		if (wait_event_is_set(k->config.stop_fd))
			rc = pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt", "asked to stop");
		else if (pgs_now_us() >= give_up)
			rc = pgs_err_set(reterr, PGS_ERR_RETRY, "_TIMED_OUT",
					 "could not read topics to their ends");
		if (rc)
			break;
		rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, POLL_MS);
		if (!message)
			continue;
		rc = take(k, message, ends, each, ctx, &left, reterr);
		rd_kafka_message_destroy(message);
	}
	(void)rd_kafka_assign(consumer, NULL);
	return rc;
}

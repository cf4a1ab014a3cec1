/*
 * worker/kafka_hanging.c
 *    Ends transactions of ours whose end the brokers have lost.
 *
 * When init_transactions() has succeeded, nothing of ours is open for the coordinator. The partitions may know
 * better: Kafka 4.3.0 and 4.3.1 leave out the markers of every partition that has no leader at that moment
 * (KAFKA-20734), and when a broker comes back there is none for an instant. Then read_committed readers wait
 * there for ever, this program for its own position among them, and the next commit to such a partition would show
 * what was rolled back.
 *
 * A partition whose committed end lies before its end is such a one, if nobody else writes there. As a rule the whole transaction
 * hangs, or all of it that there is: a record is added everywhere and the transaction rolled back, markers and
 * all. Where a part of it was committed, the rest cannot be by any means that readers would not see; that is
 * an error of class CONFIG, never silence.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/kafka_internal.h"
#include "worker/wait.h"

enum {
	LOOK_AGAIN_US = 200 * 1000,
	OTHERS_MARGIN_US = 10 * 1000 * 1000, /* brokers look for expired transactions so often */
	FLUSH_MS = 2000,
	APPEND_TIME_SLACK_MS =
		1000, /* the brokers' clocks, and the order in which batches arrive */
	NEVER = -1,
};

/* Partitions that hang, and what there is to know about them. Lists of one order, of equal length. */
struct hanging {
	const char *key; /* of our positions */
	size_t key_len;
	const char *positions;
	rd_kafka_topic_partition_list_t *from; /* the committed ends */
	rd_kafka_topic_partition_list_t *to; /* the ends */
	rd_kafka_topic_partition_list_t *whole; /* the others, their committed ends */
	int64_t position_ms; /* timestamp of the position that readers see; NEVER: none */
	bool position_hangs;
	int part_of_position; /* index of records that belong to it; -1: none do */
	char shown[280]; /* topic [partition] that shows more than the position says */
};

static void hanging_done(struct hanging *h)
{
	if (h->from)
		rd_kafka_topic_partition_list_destroy(h->from);
	if (h->to)
		rd_kafka_topic_partition_list_destroy(h->to);
	if (h->whole)
		rd_kafka_topic_partition_list_destroy(h->whole);
	h->from = h->to = h->whole = NULL;
}

static void add(rd_kafka_topic_partition_list_t *list, const rd_kafka_topic_partition_t *p,
		int64_t offset)
{
	rd_kafka_topic_partition_list_add(list, p->topic, p->partition)->offset = offset;
}

/* Sorts `all` into those that hang and the others. The lists of *h are empty before. */
static int look(struct kafka_sink *k, rd_kafka_t *reader,
		const rd_kafka_topic_partition_list_t *all, struct hanging *h,
		struct pgs_err *reterr)
{
	rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_copy(all);
	rd_kafka_topic_partition_list_t *stable = rd_kafka_topic_partition_list_copy(all);
	h->from = rd_kafka_topic_partition_list_new(all->cnt);
	h->to = rd_kafka_topic_partition_list_new(all->cnt);
	h->whole = rd_kafka_topic_partition_list_new(all->cnt);
	/* In this order: what is committed between the two questions hangs for neither. */
	const int rc = kafka_offsets(k, k->rk, ends, RD_KAFKA_OFFSET_END, reterr) ||
				       kafka_offsets(k, reader, stable, RD_KAFKA_OFFSET_END, reterr)
			       ? -1
			       : 0;
	for (int i = 0; !rc && i < all->cnt; i++) {
		if (stable->elems[i].offset < ends->elems[i].offset) {
			add(h->from, &all->elems[i], stable->elems[i].offset);
			add(h->to, &all->elems[i], ends->elems[i].offset);
		} else {
			add(h->whole, &all->elems[i], stable->elems[i].offset);
		}
	}
	rd_kafka_topic_partition_list_destroy(ends);
	rd_kafka_topic_partition_list_destroy(stable);
	return rc;
}

static int find_positions(const struct hanging *h)
{
	for (int i = 0; i < h->from->cnt; i++)
		if (strcmp(h->from->elems[i].topic, h->positions) == 0)
			return i;
	return -1;
}

/* Other sources of the set write positions too: what is open there may be theirs, and end by itself. */
static int look_patiently(struct kafka_sink *k, rd_kafka_t *reader,
			  const rd_kafka_topic_partition_list_t *all, struct hanging *h,
			  struct pgs_err *reterr)
{
	const uint64_t give_up = pgs_now_us() + k->transaction_timeout_us + OTHERS_MARGIN_US;
	for (;;) {
		if (look(k, reader, all, h, reterr))
			return -1;
		if (k->config.doc->n_databases < 2 || find_positions(h) < 0 ||
		    pgs_now_us() >= give_up)
			return 0;
		hanging_done(h);
		if (wait_for(k->config.stop_fd, -1, false, LOOK_AGAIN_US) == WAIT_STOP)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt", "asked to stop");
	}
}

/* ---- What is known of the transaction. ---- */

static bool is_ours(const struct hanging *h, const rd_kafka_message_t *message)
{
	return message->key && message->key_len == h->key_len &&
	       memcmp(message->key, h->key, h->key_len) == 0;
}

static void note_position(void *ctx, int i, const rd_kafka_message_t *message)
{
	struct hanging *h = ctx;
	(void)i;
	if (is_ours(h, message))
		h->position_ms = rd_kafka_message_timestamp(message, NULL);
}

/* The position that readers see now: the newest in front of what hangs. */
static int find_position(struct kafka_sink *k, rd_kafka_t *reader, struct hanging *h,
			 struct pgs_err *reterr)
{
	rd_kafka_topic_partition_list_t *from = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_t *to = rd_kafka_topic_partition_list_new(1);
	const int at = find_positions(h);
	h->position_ms = NEVER;
	rd_kafka_topic_partition_list_add(from, h->positions, 0)->offset =
		RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_topic_partition_list_add(to, h->positions, 0);
	int rc = kafka_offsets(k, reader, to, RD_KAFKA_OFFSET_END, reterr);
	if (at >= 0 && !rc && to->elems[0].offset > h->from->elems[at].offset)
		to->elems[0].offset = h->from->elems[at].offset;
	if (!rc && to->elems[0].offset > 0)
		rc = kafka_scan(k, reader, from, to, note_position, h, reterr);
	rd_kafka_topic_partition_list_destroy(from);
	rd_kafka_topic_partition_list_destroy(to);
	return rc;
}

/*
 * Records carry the time at which their transaction was begun, a position that at which all of them were
 * produced: those of a later transaction are younger than it, its own are not. Only brokers that write times
 * of their own blur that.
 */
static void note_hanging(void *ctx, int i, const rd_kafka_message_t *message)
{
	struct hanging *h = ctx;
	rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
	int64_t ms = rd_kafka_message_timestamp(message, &type);
	if (strcmp(h->from->elems[i].topic, h->positions) == 0) {
		h->position_hangs = h->position_hangs || is_ours(h, message);
		return;
	}
	if (type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME)
		ms -= APPEND_TIME_SLACK_MS;
	if (ms <= h->position_ms && message->offset == h->from->elems[i].offset)
		h->part_of_position = i;
}

static int read_hanging(struct kafka_sink *k, struct hanging *h, struct pgs_err *reterr)
{
	rd_kafka_t *reader = NULL;
	rd_kafka_topic_partition_list_t *to = rd_kafka_topic_partition_list_copy(h->to);
	int rc = kafka_handle_new(k, KAFKA_READER_ALL, &reader, reterr);
	if (!rc) {
		(void)rd_kafka_poll_set_consumer(reader);
		rc = kafka_scan(k, reader, h->from, to, note_hanging, h, reterr);
		kafka_reader_end(reader);
	}
	rd_kafka_topic_partition_list_destroy(to);
	return rc;
}

static void note_shown(void *ctx, int i, const rd_kafka_message_t *message)
{
	struct hanging *h = ctx;
	(void)i;
	if (rd_kafka_message_timestamp(message, NULL) > h->position_ms)
		(void)snprintf(h->shown, sizeof(h->shown), "\"%.240s\" [%" PRId32 "]",
			       rd_kafka_topic_name(message->rkt), message->partition);
}

/* With a position that hangs: do readers see records of its transaction somewhere? */
static int find_shown(struct kafka_sink *k, rd_kafka_t *reader, struct hanging *h,
		      struct pgs_err *reterr)
{
	rd_kafka_topic_partition_list_t *younger = rd_kafka_topic_partition_list_copy(h->whole);
	rd_kafka_topic_partition_list_t *from = rd_kafka_topic_partition_list_new(h->whole->cnt);
	rd_kafka_topic_partition_list_t *to = rd_kafka_topic_partition_list_new(h->whole->cnt);
	int rc = kafka_offsets(k, k->rk, younger, h->position_ms + 1, reterr);
	for (int i = 0; !rc && i < younger->cnt; i++) {
		if (younger->elems[i].offset < 0 ||
		    younger->elems[i].offset >= h->whole->elems[i].offset)
			continue;
		add(from, &younger->elems[i], younger->elems[i].offset);
		add(to, &younger->elems[i], h->whole->elems[i].offset);
	}
	if (!rc && from->cnt)
		rc = kafka_scan(k, reader, from, to, note_shown, h, reterr);
	rd_kafka_topic_partition_list_destroy(younger);
	rd_kafka_topic_partition_list_destroy(from);
	rd_kafka_topic_partition_list_destroy(to);
	return rc;
}

/* Nothing of what hangs was committed elsewhere. */
static int judge(struct kafka_sink *k, rd_kafka_t *reader, struct hanging *h,
		 struct pgs_err *reterr)
{
	static const char advice[] =
		"see \"A transaction without an end\" in docs/operations.md for what to do";
	h->part_of_position = -1;
	if (find_position(k, reader, h, reterr) || read_hanging(k, h, reterr))
		return -1;
	if (h->position_ms == NEVER)
		return 0; /* the first transaction of all: nothing can be a part of an earlier one */
	if (h->part_of_position >= 0) {
		const rd_kafka_topic_partition_t *p = &h->from->elems[h->part_of_position];
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"topic \"%s\" [%" PRId32 "] hides records from offset %" PRId64
			" on that the committed position counts as delivered: the brokers have "
			"lost the end of a transaction; %s",
			p->topic, p->partition, p->offset, advice);
	}
	if (h->position_hangs && find_shown(k, reader, h, reterr))
		return -1;
	if (*h->shown)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "topic %s shows records of a transaction whose position readers "
				   "do not see: the brokers have lost its end in other topics; %s",
				   h->shown, advice);
	return 0;
}

/* ---- The end. ---- */

static int produce_everywhere(struct kafka_sink *k, const struct hanging *h, struct pgs_err *reterr)
{
	const uint64_t give_up = pgs_now_us() + k->transaction_timeout_us;
	rd_kafka_error_t *error = rd_kafka_begin_transaction(k->rk);
	if (error)
		return kafka_fail_error(k, error, "could not begin a transaction", reterr);
	k->open = true;
	for (int i = 0; i < h->from->cnt; i++) {
		/* A key, since compacted topics take nothing without one. */
		const rd_kafka_resp_err_t code =
			rd_kafka_producev(k->rk, RD_KAFKA_V_TOPIC(h->from->elems[i].topic),
					  RD_KAFKA_V_PARTITION(h->from->elems[i].partition),
					  RD_KAFKA_V_KEY(h->key, h->key_len),
					  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
		if (code)
			return kafka_fail(k, code, "could not end a transaction", NULL, reterr);
	}
	while (rd_kafka_flush(k->rk, FLUSH_MS))
		if (pgs_now_us() >= give_up || wait_event_is_set(k->config.stop_fd))
			return pgs_err_set(reterr, PGS_ERR_RETRY, "_TIMED_OUT",
					   "could not end a transaction: the brokers take nothing");
	return k->delivery_error ? kafka_fail(k, k->delivery_error, "could not end a transaction",
					      k->delivery_text, reterr)
				 : 0;
}

/* The next init_transactions() rolls it back: markers in every partition that it touched. */
static int end_them(struct kafka_sink *k, const struct hanging *h, struct pgs_err *reterr)
{
	if (produce_everywhere(k, h, reterr) || k->sink.ops->acquire(&k->sink, reterr))
		return -1;
	pgs_log(PGS_LOG_WARNING, k->config.log_prefix,
		"rolled back a transaction whose end the brokers had lost: it hung in %d "
		"partitions, among them \"%s\" [%" PRId32 "] from offset %" PRId64 " on",
		h->from->cnt, h->from->elems[0].topic, h->from->elems[0].partition,
		h->from->elems[0].offset);
	return 0;
}

static int mend(struct kafka_sink *k, rd_kafka_t *reader,
		const rd_kafka_topic_partition_list_t *all, const char *key, size_t key_len,
		struct pgs_err *reterr)
{
	struct hanging h = { .key = key, .key_len = key_len, .positions = k->positions };
	struct hanging after = h;
	int rc = look_patiently(k, reader, all, &h, reterr);
	if (!rc && h.from->cnt) {
		rc = judge(k, reader, &h, reterr) || end_them(k, &h, reterr) ||
				     look(k, reader, all, &after, reterr)
			     ? -1
			     : 0;
		if (!rc && after.from->cnt)
			pgs_log(PGS_LOG_WARNING, k->config.log_prefix,
				"another producer has a transaction open in topic \"%s\" [%" PRId32
				"]: readers see nothing from offset %" PRId64 " on until it ends",
				after.from->elems[0].topic, after.from->elems[0].partition,
				after.from->elems[0].offset);
	}
	hanging_done(&after);
	hanging_done(&h);
	return rc;
}

int kafka_hanging_end(struct kafka_sink *k, const char *const *names, size_t n, const char *key,
		      size_t key_len, struct pgs_err *reterr)
{
	rd_kafka_topic_partition_list_t *all = NULL;
	rd_kafka_t *reader = NULL;
	if (kafka_topics_partitions(k, names, n, &all, reterr))
		return -1;
	int rc = all->cnt ? kafka_reader_new(k, &reader, reterr) : 0;
	if (!rc && all->cnt) {
		rc = mend(k, reader, all, key, key_len, reterr);
		kafka_reader_end(reader);
	}
	rd_kafka_topic_partition_list_destroy(all);
	return rc;
}

/*
 * tests/lib/reader.c
 *    Reads topics of a prefix from their beginning, read_committed, without a consumer group.
 *
 * The end of a partition comes from a second, read_uncommitted handle: a transaction whose commit was just
 * answered may still lack its markers, and must be waited for, not missed.
 */
#include "tests/lib/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ASK_MS = 10000, POLL_MS = 100, PARTITIONS_MAX = 8192 };

struct part {
	char *topic;
	int32_t partition;
	int64_t end;
	bool done;
};

struct reader {
	rd_kafka_t *consumer;
	rd_kafka_t *ends; /* read_uncommitted, asked for high watermarks only */
	char *prefix;
	struct part parts[PARTITIONS_MAX];
	size_t n_parts;
};

static rd_kafka_t *open_handle(const struct reader_options *options, const char *isolation)
{
	const char *const fixed[][2] = {
		{ "bootstrap.servers", options->brokers },
		{ "group.id", "pgshovel-tests" }, /* demanded, never used: nothing is committed */
		{ "enable.auto.commit", "false" },
		{ "enable.auto.offset.store", "false" },
		{ "auto.offset.reset", "earliest" },
		{ "enable.partition.eof", "true" },
		{ "allow.auto.create.topics", "false" },
		{ "isolation.level", isolation },
		{ "fetch.wait.max.ms", "50" },
		{ "fetch.error.backoff.ms", "20" },
		{ "topic.metadata.refresh.interval.ms",
		  "1000" }, /* a leader that is dead already is not missed */
		{ "log_level", "3" },
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *handle;
	char error[512];

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (rd_kafka_conf_set(conf, fixed[i][0], fixed[i][1], error, sizeof(error)))
			goto bad;
	}
	for (size_t i = 0; i < options->n_properties; i++) {
		const char *equals = strchr(options->properties[i], '=');
		char name[128];

		if (!equals || (size_t)(equals - options->properties[i]) >= sizeof(name)) {
			(void)snprintf(error, sizeof(error), "\"%s\" is not name=value",
				       options->properties[i]);
			goto bad;
		}
		(void)snprintf(name, sizeof(name), "%.*s", (int)(equals - options->properties[i]),
			       options->properties[i]);
		if (rd_kafka_conf_set(conf, name, equals + 1, error, sizeof(error)))
			goto bad;
	}
	handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
	if (handle)
		return handle;
bad:
	fprintf(stderr, "reader: %s\n", error);
	rd_kafka_conf_destroy(conf);
	return NULL;
}

struct reader *reader_new(const struct reader_options *options)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->prefix = strdup(options->prefix);
	reader->ends = open_handle(options, "read_uncommitted");
	reader->consumer = reader->ends ? open_handle(options, "read_committed") : NULL;
	if (!reader->prefix || !reader->consumer) {
		reader_free(reader);
		return NULL;
	}
	rd_kafka_poll_set_consumer(reader->consumer);
	return reader;
}

static void forget_parts(struct reader *reader)
{
	for (size_t i = 0; i < reader->n_parts; i++)
		free(reader->parts[i].topic);
	reader->n_parts = 0;
}

void reader_free(struct reader *reader)
{
	if (!reader)
		return;
	forget_parts(reader);
	if (reader->consumer) {
		(void)rd_kafka_consumer_close(reader->consumer);
		rd_kafka_destroy(reader->consumer);
	}
	if (reader->ends)
		rd_kafka_destroy(reader->ends);
	free(reader->prefix);
	free(reader);
}

static bool is_wanted(const struct reader *reader, const char *topic, enum reader_which which)
{
	size_t len = strlen(reader->prefix);
	const char *suffix;
	bool truncates;

	if (strncmp(topic, reader->prefix, len) != 0 || topic[len] != '.')
		return false;
	/* a prefix may stand for the topics of several databases */
	suffix = strrchr(topic, '.');
	truncates = suffix && strcmp(suffix, ".truncate") == 0;
	return which == READER_ALL || truncates == (which == READER_TRUNCATES);
}

static struct part *find_part(struct reader *reader, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < reader->n_parts; i++) {
		if (reader->parts[i].partition == partition &&
		    strcmp(reader->parts[i].topic, topic) == 0)
			return &reader->parts[i];
	}
	return NULL;
}

/* Partitions that are not in reader->parts yet are put there and into `list`. */
static int discover(struct reader *reader, enum reader_which which, int64_t begin,
		    rd_kafka_topic_partition_list_t *list)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t err = rd_kafka_metadata(reader->ends, 1, NULL, &metadata, ASK_MS);

	if (err) {
		fprintf(stderr, "reader: could not list the topics: %s\n", rd_kafka_err2str(err));
		return -1;
	}
	for (int i = 0; i < metadata->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];

		if (!is_wanted(reader, topic->topic, which))
			continue;
		for (int32_t p = 0; p < topic->partition_cnt; p++) {
			if (find_part(reader, topic->topic, p) || reader->n_parts == PARTITIONS_MAX)
				continue;
			reader->parts[reader->n_parts++] =
				(struct part){ .topic = strdup(topic->topic), .partition = p };
			rd_kafka_topic_partition_list_add(list, topic->topic, p)->offset = begin;
		}
	}
	rd_kafka_metadata_destroy(metadata);
	return 0;
}

/* `when`: RD_KAFKA_OFFSET_BEGINNING or _END of every partition of the list. */
static rd_kafka_resp_err_t ask(struct reader *reader, rd_kafka_topic_partition_list_t *list,
			       int64_t when)
{
	for (int i = 0; i < list->cnt; i++) {
		list->elems[i].offset = when;
		list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
	}
	rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(reader->ends, list, ASK_MS);
	for (int i = 0; i < list->cnt && !err; i++)
		err = list->elems[i].err;
	return err;
}

/* A leader may die between the question which it is and the question to it: asked again until the limit. */
static int ask_ends(struct reader *reader, const rd_kafka_topic_partition_list_t *list,
		    time_t limit)
{
	rd_kafka_topic_partition_list_t *low = rd_kafka_topic_partition_list_copy(list);
	rd_kafka_topic_partition_list_t *end = rd_kafka_topic_partition_list_copy(list);
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

	while (list->cnt > 0) {
		err = ask(reader, low, RD_KAFKA_OFFSET_BEGINNING);
		if (!err)
			err = ask(reader, end, RD_KAFKA_OFFSET_END);
		if (!err || time(NULL) > limit)
			break;
	}
	if (err)
		fprintf(stderr, "reader: no end offsets: %s\n", rd_kafka_err2str(err));
	for (int i = 0; i < list->cnt && !err; i++) {
		struct part *part = find_part(reader, end->elems[i].topic, end->elems[i].partition);
		part->end = end->elems[i].offset;
		part->done = low->elems[i].offset >= part->end;
	}
	rd_kafka_topic_partition_list_destroy(low);
	rd_kafka_topic_partition_list_destroy(end);
	return err ? -1 : 0;
}

/* A null key and an empty one differ, and so do values. */
static struct piece lend(const void *ptr, size_t len)
{
	if (!ptr)
		return (struct piece){ 0 };
	return (struct piece){ len ? ptr : "", len };
}

static bool hand_over(rd_kafka_message_t *message, reader_fn *each, void *ctx)
{
	struct record record = {
		.topic = rd_kafka_topic_name(message->rkt),
		.partition = message->partition,
		.offset = message->offset,
		.key = lend(message->key, message->key_len),
		.value = lend(message->payload, message->len),
	};
	rd_kafka_headers_t *headers;
	const void *value;
	size_t size;

	if (!rd_kafka_message_headers(message, &headers)) {
		record.newkey =
			!rd_kafka_header_get_last(headers, "__debezium.newkey", &value, &size);
		record.oldkey =
			!rd_kafka_header_get_last(headers, "__debezium.oldkey", &value, &size);
	}
	return each(ctx, &record, message);
}

static bool all_done(const struct reader *reader)
{
	for (size_t i = 0; i < reader->n_parts; i++) {
		if (!reader->parts[i].done)
			return false;
	}
	return true;
}

static void say_what_lacks(struct reader *reader)
{
	fputs("reader: time is over before the end of", stderr);
	for (size_t i = 0; i < reader->n_parts; i++) {
		if (!reader->parts[i].done)
			fprintf(stderr, " %s [%" PRId32 "] (%" PRId64 ")", reader->parts[i].topic,
				reader->parts[i].partition, reader->parts[i].end);
	}
	fputs(": is a transaction open?\n", stderr);
}

int reader_read(struct reader *reader, enum reader_which which, int timeout_s, reader_fn *each,
		void *ctx)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(64);
	time_t limit = time(NULL) + timeout_s;
	int rc = -1;

	forget_parts(reader);
	if (discover(reader, which, RD_KAFKA_OFFSET_BEGINNING, list) < 0 ||
	    ask_ends(reader, list, limit) < 0 || rd_kafka_assign(reader->consumer, list))
		goto out;
	while (!all_done(reader)) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(reader->consumer, POLL_MS);
		struct part *part;
		bool more = true;

		if (message && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			part = find_part(reader, rd_kafka_topic_name(message->rkt),
					 message->partition);
			if (part && message->offset >= part->end)
				part->done = true;
		} else if (message && !message->err) {
			more = hand_over(message, each, ctx);
		}
		if (message)
			rd_kafka_message_destroy(message);
		if (!more)
			break;
		if (time(NULL) > limit) {
			say_what_lacks(reader);
			goto out;
		}
	}
	rc = 0;
out:
	rd_kafka_topic_partition_list_destroy(list);
	(void)rd_kafka_assign(reader->consumer, NULL);
	return rc;
}

int reader_follow(struct reader *reader, bool from_end, reader_fn *each, reader_tick_fn *tick,
		  void *ctx)
{
	int64_t begin = from_end ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
	time_t looked = 0;
	bool more = true;

	forget_parts(reader);
	while (more && tick(ctx)) {
		rd_kafka_message_t *message;

		if (time(NULL) > looked) {
			rd_kafka_topic_partition_list_t *list =
				rd_kafka_topic_partition_list_new(64);
			rd_kafka_error_t *error = NULL;

			/* An error passes: a broker that restarts is part of some tests. */
			if (discover(reader, READER_ALL, begin, list) == 0 && list->cnt > 0)
				error = rd_kafka_incremental_assign(reader->consumer, list);
			if (error) {
				fprintf(stderr, "reader: %s\n", rd_kafka_error_string(error));
				rd_kafka_error_destroy(error);
			}
			rd_kafka_topic_partition_list_destroy(list);
			begin = RD_KAFKA_OFFSET_BEGINNING;
			looked = time(NULL);
		}
		message = rd_kafka_consumer_poll(reader->consumer, POLL_MS);
		if (message && !message->err)
			more = hand_over(message, each, ctx);
		if (message)
			rd_kafka_message_destroy(message);
	}
	return 0;
}

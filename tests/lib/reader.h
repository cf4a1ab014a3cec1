/*
 * tests/lib/reader.h
 *    Reads topics of a prefix from their beginning, read_committed, without a consumer group.
 *
 * Blocks in librdkafka's poll only. Prints errors to stderr. One thread.
 */
#ifndef PGSHOVEL_TESTS_READER_H
#define PGSHOVEL_TESTS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "tests/lib/record.h"

struct reader;

struct reader_options {
	const char *brokers;
	const char *prefix; /* topics "<prefix>.…" */
	const char *const *properties; /* "name=value" of librdkafka */
	size_t n_properties;
};

/* Called per record, in order inside a partition; message gives headers and timestamp. False: stop. */
typedef bool reader_fn(void *ctx, const struct record *record, rd_kafka_message_t *message);

/* Called about ten times a second while following. False: stop. */
typedef bool reader_tick_fn(void *ctx);

enum reader_which { READER_TRUNCATES, READER_OTHERS, READER_ALL };

/* NULL: said on stderr. */
struct reader *reader_new(const struct reader_options *options);
void reader_free(struct reader *reader);

/*
 * To the ends that the partitions had when it was called (open transactions included: it waits for their
 * end). 0, or -1 after timeout_s without success: said on stderr, with the partitions that lack.
 */
int reader_read(struct reader *reader, enum reader_which which, int timeout_s, reader_fn *each,
		void *ctx);

/*
 * For ever, with topics that appear meanwhile; until a callback says stop. from_end: of topics that exist
 * already only what comes from now on.
 */
int reader_follow(struct reader *reader, bool from_end, reader_fn *each, reader_tick_fn *tick,
		  void *ctx);

#endif

/*
 * worker/encode.h
 *    Events to records: topic, partition, key, headers, value. The bytes are docs/stream.md's.
 *
 * Pure: the same event and configuration give the same bytes (the clock is a parameter). Not thread-safe:
 * one encoder per source. encode.c is the frame; encode_key.c, encode_json.c, encode_types*.c the parts.
 */
#ifndef PGSHOVEL_WORKER_ENCODE_H
#define PGSHOVEL_WORKER_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/setdoc.h"
#include "worker/event.h"
#include "worker/relation.h"

struct encode_config {
	const struct setdoc *doc; /* format, topics.layout */
	const char *prefix; /* topic prefix of this database, cleaned */
	const char *database; /* current_database(), for source.db */
	int partitions; /* as recorded, not as the broker says now */
	size_t record_max_bytes; /* a record over it is poison: class CONFIG, code "too-large"; 0: no limit */
};

struct encode_header {
	const char *name;
	const char *value;
	size_t value_len;
};

/* One Kafka record; everything lent until the next call on the encoder. key or value NULL: Kafka null. */
struct encode_record {
	const char *topic;
	int32_t partition;
	const char *key;
	size_t key_len;
	const char *value;
	size_t value_len;
	const struct encode_header *headers;
	size_t n_headers;
	int64_t timestamp_ms;
};

struct encoder;

int encoder_new(const struct encode_config *config, struct encoder **ret,
		struct pgs_err *reterr) PGS_MUST_CHECK;
void encoder_free(struct encoder *enc);
void encoder_freep(struct encoder **enc);

/*
 * Choose an encoder for each column and the topic of the relation. Once per relation, before its events;
 * a second call does it anew (for another encoder's configuration).
 */
int encode_prepare(struct encoder *enc, struct relation *rel,
		   struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Place in a transaction, for transactions = true; NULL otherwise. The caller keeps one total per transaction
 * and one per table of it; encode_event() counts both on (a change of the key is two data changes).
 */
struct encode_transaction {
	int64_t txid;
	int64_t *total_order; /* data changes of the transaction so far; 0 at its start */
	int64_t *collection_order; /* those of this event's table */
};

/*
 * The records of one event, in order, through `emit`. An update that changes the key gives delete, tombstone,
 * insert; a delete gives a tombstone behind it when the set says so. now_us: wall clock for ts_ms outside
 * source. Class CONFIG, code "poison" or "too-large": this event cannot be encoded; class BUG: its rows are not
 * record text of the relation; emit's error otherwise. Records before the error may have been emitted.
 */
typedef int encode_emit_fn(void *ctx, const struct encode_record *record, struct pgs_err *reterr);
int encode_event(struct encoder *enc, const struct relation *rel, const struct event *ev,
		 const struct encode_transaction *tx, int64_t now_us, encode_emit_fn *emit,
		 void *ctx, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * BEGIN / END records on <prefix>.transaction, for transactions = true. counts: "schema.table" and number
 * of events of each, for END.
 */
struct encode_collection {
	const char *name;
	int64_t events;
};
int encode_transaction_begin(struct encoder *enc, int64_t txid, int64_t now_us,
			     encode_emit_fn *emit, void *ctx,
			     struct pgs_err *reterr) PGS_MUST_CHECK;
int encode_transaction_end(struct encoder *enc, int64_t txid,
			   const struct encode_collection *counts, size_t n, int64_t now_us,
			   encode_emit_fn *emit, void *ctx, struct pgs_err *reterr) PGS_MUST_CHECK;

/* The key of an event as bytes (new row's, or old's for D): appended to out. For quarantine and chaining. */
int encode_key(struct encoder *enc, const struct relation *rel, struct event_text row,
	       struct pgs_buf *out, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Kafka's murmur2, and the partition of a key: (murmur2 & 0x7fffffff) mod n; null key: 0. */
uint32_t encode_murmur2(const void *key, size_t len);
int32_t encode_partition(const void *key, size_t len, int n_partitions);

/* The names of the side topics: "<prefix>.truncate" and so on. malloc'ed. */
char *encode_topic_truncate(const char *prefix);
char *encode_topic_transaction(const char *prefix);
char *encode_topic_quarantine(const char *prefix);

#endif

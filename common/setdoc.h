/*
 * common/setdoc.h
 *    The set document: parse, validate, canonical text, version.
 *
 * Knows the file alone. What needs a catalog, another set or a broker (does the column exist, is the key
 * unique, is the topic taken) is checked by admin/plan.c and by the relay.
 */
#ifndef PGSHOVEL_COMMON_SETDOC_H
#define PGSHOVEL_COMMON_SETDOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"

enum {
	SETDOC_MAX_BYTES = 64 * 1024,
	SETDOC_DIGEST_HEX = 64,
	SETDOC_SHOWN_HEX = 12, /* of the digest, to people */
};

enum setdoc_capture { SETDOC_CAPTURE_ROW, SETDOC_CAPTURE_STATEMENT };
enum setdoc_partitions { SETDOC_PARTITIONS_ROOT, SETDOC_PARTITIONS_LEAF };
enum setdoc_on_error { SETDOC_ON_ERROR_FAIL, SETDOC_ON_ERROR_COUNT };
enum setdoc_envelope {
	SETDOC_ENVELOPE_DEBEZIUM_JSON,
	SETDOC_ENVELOPE_DEBEZIUM_JSON_SCHEMA,
	SETDOC_ENVELOPE_FLAT,
};
enum setdoc_decimal { SETDOC_DECIMAL_STRING, SETDOC_DECIMAL_DOUBLE, SETDOC_DECIMAL_PRECISE };
enum setdoc_time {
	SETDOC_TIME_ADAPTIVE,
	SETDOC_TIME_MICROSECONDS,
	SETDOC_TIME_CONNECT,
	SETDOC_TIME_ISOSTRING,
};
enum setdoc_interval { SETDOC_INTERVAL_NUMERIC, SETDOC_INTERVAL_STRING };
enum setdoc_binary { SETDOC_BINARY_BYTES, SETDOC_BINARY_BASE64, SETDOC_BINARY_HEX };
enum setdoc_delivery { SETDOC_DELIVERY_EXACTLY_ONCE, SETDOC_DELIVERY_AT_LEAST_ONCE };
enum setdoc_layout { SETDOC_LAYOUT_PER_TABLE, SETDOC_LAYOUT_SINGLE };
enum setdoc_poison { SETDOC_POISON_STOP, SETDOC_POISON_QUARANTINE };

struct setdoc_database {
	char *name;
	char *conninfo; /* never holds a password: the parser refuses it */
	int line; /* in the file, for messages */
};

struct setdoc_table {
	char *schema; /* "public" when the file gave none */
	char *table;
	char **columns; /* NULL and 0: all columns, also later ones */
	size_t n_columns;
	char **key; /* NULL: the primary key; not NULL with n_key 0: records have no key */
	size_t n_key;
	enum setdoc_capture capture;
	enum setdoc_partitions partitions;
	enum setdoc_on_error on_capture_error;
	int line;
};

/* One "name=value" of kafka = [...]. */
struct setdoc_property {
	char *name;
	char *value;
	int line;
};

/* What the file says, defaults filled in. Immutable after setdoc_parse(). */
struct setdoc {
	char *filename; /* for messages */
	char *name; /* NULL: the file does not say */
	struct setdoc_database *databases;
	size_t n_databases;
	struct setdoc_table *tables;
	size_t n_tables;
	struct {
		char *prefix; /* NULL: the set's name; may hold "{database}" */
		int partitions;
		int replication; /* -1: the broker's default */
		enum setdoc_layout layout;
	} topics;
	struct {
		enum setdoc_envelope envelope;
		enum setdoc_decimal decimal;
		enum setdoc_time time;
		enum setdoc_interval interval;
		enum setdoc_binary binary;
		bool tombstones;
		bool transactions;
	} format;
	struct setdoc_property *kafka;
	size_t n_kafka;
	struct {
		enum setdoc_delivery delivery;
		enum setdoc_poison on_poison;
		bool sync_standbys;
		uint64_t poll_us;
		int64_t batch_events;
		uint64_t batch_bytes;
		uint64_t window_memory_bytes;
	} relay;
	char *canonical; /* the canonical text, NUL-terminated */
	size_t canonical_len;
	char version[SETDOC_DIGEST_HEX + 1]; /* SHA-256 of the canonical text */
};

/*
 * Parse and validate. `filename` appears in messages ("file:line: what, what to do"). The canonical text
 * parses to an equal document with the same version. Errors are of class CONFIG (RETRY: no memory).
 */
int setdoc_parse(const char *text, size_t len, const char *filename, struct setdoc **ret,
		 struct pgs_err *reterr) PGS_MUST_CHECK;

/* Read FILE ("-": standard input) and parse it. At most SETDOC_MAX_BYTES. */
int setdoc_load(const char *filename, struct setdoc **ret, struct pgs_err *reterr) PGS_MUST_CHECK;

void setdoc_free(struct setdoc *doc);
void setdoc_freep(struct setdoc **doc);

/* The topic prefix of one database: topics.prefix or the set's name, "{database}" replaced. malloc'ed. */
int setdoc_topic_prefix(const struct setdoc *doc, const char *set, const struct setdoc_database *db,
			char **ret, struct pgs_err *reterr) PGS_MUST_CHECK;

/* A topic name in Kafka's alphabet: characters outside [A-Za-z0-9._-] become "_". Appends. */
void setdoc_topic_clean(struct pgs_buf *out, const char *text);

enum setdoc_topic_kind {
	SETDOC_TOPIC_TABLE, /* events of one table */
	SETDOC_TOPIC_SINGLE, /* events of the whole set, layout = "single" */
	SETDOC_TOPIC_TRUNCATE,
	SETDOC_TOPIC_TRANSACTION, /* written with format.transactions only, reserved always */
	SETDOC_TOPIC_QUARANTINE, /* written with relay.on_poison = "quarantine" only, reserved always */
};

struct setdoc_topic {
	enum setdoc_topic_kind kind;
	const struct setdoc_database *database;
	const struct setdoc_table *table; /* SETDOC_TOPIC_TABLE, else NULL */
	char *name; /* in Kafka's alphabet */
	char *collision; /* the name with "." as "_": two topics with an equal one exclude each other */
};

/*
 * The topics of the set, positions topic not included, in the order of the document: database by database,
 * side topics last. Fails (CONFIG) when two of them collide or one is longer than Kafka permits. The
 * document must outlive them; free with setdoc_topics_free().
 */
int setdoc_topics(const struct setdoc *doc, const char *set, struct setdoc_topic **ret,
		  size_t *ret_n, struct pgs_err *reterr) PGS_MUST_CHECK;
void setdoc_topics_free(struct setdoc_topic *topics, size_t n);

/* "schema.table" as the set file writes it, names with a dot or a quote in double quotes. Appends. */
void setdoc_table_name(struct pgs_buf *out, const struct setdoc_table *table);

/* SHA-256 in lower-case hex of any bytes; ret holds 65. */
void setdoc_sha256_hex(const void *bytes, size_t len, char ret[SETDOC_DIGEST_HEX + 1]);

/* The first four bytes of SHA-256("cluster/set") as a signed number: the advisory lock key of a set. */
int32_t setdoc_lock_key(const char *cluster, const char *set);

/*
 * Every key of the set file, for the manual and for the check of docs: group ("", "databases", "tables",
 * "topics", "format", "relay"), name, type as people call it, range or values, default, help.
 */
struct setdoc_key {
	const char *group;
	const char *name;
	const char *type;
	const char *range;
	const char *fallback; /* the default, or words: "required", "none", "the primary key" */
	const char *help;
	const struct setdoc_rule *rule; /* for common/setdoc_*.c only */
};
const struct setdoc_key *setdoc_keys(size_t *ret_n);

/* The value of a key of the groups topics, format and relay, as it counts: defaults are written, too. Appends. */
void setdoc_put_option(struct pgs_buf *out, const struct setdoc *doc, const struct setdoc_key *key);

#endif

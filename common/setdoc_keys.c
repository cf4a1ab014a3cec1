/*
 * common/setdoc_keys.c
 *    The table of keys of the set file: what the parser accepts, the canonical text's order, the manual.
 *
 * Does not read or check anything: setdoc_read.c does, by the rule of each key.
 */
#include "common/setdoc_internal.h"

#include <string.h>

#define DOC(field)   offsetof(struct setdoc, field)
#define DB(field)    offsetof(struct setdoc_database, field)
#define TABLE(field) offsetof(struct setdoc_table, field)
#define RULE(...)    (&(const struct setdoc_rule){ __VA_ARGS__ })
#define VALUES(...)                                                                                \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

enum { MB = 1024 * 1024 };

/* The order within a group is the order of the canonical text: new keys go where they read best, never move. */
static const struct setdoc_key keys[] = {
	{ "", "name", "string", "a letter a-z, then a-z, 0-9 and \"_\", at most 24", "none",
	  "name of the set; lets \"set create\" and \"set upgrade\" do without one on the command "
	  "line",
	  RULE(.kind = SETDOC_KIND_SET_NAME, .offset = DOC(name)) },
	{ "", "databases", "list of groups", "1 to 64 groups", "required",
	  "the databases that hold the tables; each has its own queue and position",
	  RULE(.kind = SETDOC_KIND_DATABASES, .required = true) },
	{ "", "tables", "list of groups", "1 or more groups", "required",
	  "the captured tables, the same in every database",
	  RULE(.kind = SETDOC_KIND_TABLES, .required = true) },
	{ "", "topics", "group", "a group", "none", "names and shape of the topics",
	  RULE(.kind = SETDOC_KIND_GROUP) },
	{ "", "format", "group", "a group", "none", "how records are written",
	  RULE(.kind = SETDOC_KIND_GROUP) },
	{ "", "kafka", "array of strings", "1 to 256 strings \"property=value\"", "required",
	  "properties of librdkafka; bootstrap.servers is required, secrets are refused",
	  RULE(.kind = SETDOC_KIND_PROPERTIES, .required = true) },
	{ "", "relay", "group", "a group", "none", "how the relay works",
	  RULE(.kind = SETDOC_KIND_GROUP) },

	{ "databases", "name", "string", "letters, digits, \"_\" and \"-\", at most 63", "required",
	  "what messages and \"{database}\" in topics.prefix call this database",
	  RULE(.kind = SETDOC_KIND_DATABASE_NAME, .required = true, .offset = DB(name)) },
	{ "databases", "conninfo", "string", "\"keyword=value ...\" or \"postgresql://...\"",
	  "required", "connection string of libpq, without a password",
	  RULE(.kind = SETDOC_KIND_CONNINFO, .required = true, .offset = DB(conninfo)) },

	{ "tables", "name", "string", "\"table\" or \"schema.table\"", "required",
	  "the table, in schema public when none is given; case counts; names with a dot or a "
	  "quote in double quotes",
	  RULE(.kind = SETDOC_KIND_TABLE_NAME, .required = true) },
	{ "tables", "columns", "array of strings", "1 to 1600 column names",
	  "all columns, also later ones", "the captured columns, in the order of the records",
	  RULE(.kind = SETDOC_KIND_COLUMNS, .offset = TABLE(columns), .offset_n = TABLE(n_columns),
	       .max_n = SETDOC_MAX_COLUMNS) },
	{ "tables", "key", "array of strings", "0 to 32 column names", "the primary key",
	  "the columns of the record key: unique, not null, among the captured columns; [ ]: "
	  "records without a key, for tables that have none",
	  RULE(.kind = SETDOC_KIND_COLUMNS, .offset = TABLE(key), .offset_n = TABLE(n_key),
	       .max_n = SETDOC_MAX_KEY_COLUMNS, .may_be_empty = true) },
	{ "tables", "capture", "string", "row, statement", "row",
	  "kind of trigger; statement triggers cost less on large statements",
	  RULE(.kind = SETDOC_KIND_CHOICE, .has_default = true, .offset = TABLE(capture),
	       .values = VALUES("row", "statement")) },
	{ "tables", "partitions", "string", "root, leaf", "root",
	  "records of a partitioned table name the table itself, or the partition that holds the "
	  "row, which then has a topic of its own",
	  RULE(.kind = SETDOC_KIND_CHOICE, .has_default = true, .offset = TABLE(partitions),
	       .values = VALUES("root", "leaf")) },
	{ "tables", "on_capture_error", "string", "fail, count", "fail",
	  "a change that cannot be captured fails the application's statement, or is lost, "
	  "counted and reported",
	  RULE(.kind = SETDOC_KIND_CHOICE, .has_default = true, .offset = TABLE(on_capture_error),
	       .values = VALUES("fail", "count")) },

	{ "topics", "prefix", "string",
	  "letters, digits, \".\", \"_\", \"-\" and \"{database}\", at most 120",
	  "the name of the set",
	  "first part of every topic name; with several databases it must hold \"{database}\"",
	  RULE(.kind = SETDOC_KIND_PREFIX, .offset = DOC(topics.prefix)) },
	{ "topics", "partitions", "number", "1 to 10000", "1",
	  "partitions of each topic; recorded when the set is created, cannot be changed later",
	  RULE(.kind = SETDOC_KIND_INT, .has_default = true, .offset = DOC(topics.partitions),
	       .min = 1, .max = 10000) },
	{ "topics", "replication", "number", "1 to 100", "the broker's default",
	  "replicas of each topic that pgshovel creates",
	  RULE(.kind = SETDOC_KIND_INT, .offset = DOC(topics.replication), .min = 1, .max = 100) },
	{ "topics", "layout", "string", "per-table, single", "per-table",
	  "one topic a table, or the whole set in order on one topic with one partition",
	  RULE(.kind = SETDOC_KIND_CHOICE, .has_default = true, .offset = DOC(topics.layout),
	       .values = VALUES("per-table", "single")) },

	{ "format", "envelope", "string", "debezium-json, debezium-json-schema, flat",
	  "debezium-json", "the shape of keys and values",
	  RULE(.kind = SETDOC_KIND_CHOICE, .has_default = true, .offset = DOC(format.envelope),
	       .values = VALUES("debezium-json", "debezium-json-schema", "flat")) },
	{ "format", "decimal", "string", "string, double, precise", "string",
	  "how numeric is written",
	  RULE(.kind = SETDOC_KIND_CHOICE, .has_default = true, .offset = DOC(format.decimal),
	       .values = VALUES("string", "double", "precise")) },
	{ "format", "time", "string", "adaptive, microseconds, connect, isostring", "adaptive",
	  "how dates and times are written",
	  RULE(.kind = SETDOC_KIND_CHOICE, .has_default = true, .offset = DOC(format.time),
	       .values = VALUES("adaptive", "microseconds", "connect", "isostring")) },
	{ "format", "interval", "string", "numeric, string", "numeric", "how interval is written",
	  RULE(.kind = SETDOC_KIND_CHOICE, .has_default = true, .offset = DOC(format.interval),
	       .values = VALUES("numeric", "string")) },
	{ "format", "binary", "string", "bytes, base64, hex", "bytes", "how bytea is written",
	  RULE(.kind = SETDOC_KIND_CHOICE, .has_default = true, .offset = DOC(format.binary),
	       .values = VALUES("bytes", "base64", "hex")) },
	{ "format", "tombstones", "boolean", "true, false", "true",
	  "a record with an empty value behind each delete, so that compaction forgets the key",
	  RULE(.kind = SETDOC_KIND_BOOL, .has_default = true, .offset = DOC(format.tombstones)) },
	{ "format", "transactions", "boolean", "true, false", "false",
	  "the transaction block in each record, and BEGIN and END on the topic "
	  "<prefix>.transaction",
	  RULE(.kind = SETDOC_KIND_BOOL, .has_default = true, .offset = DOC(format.transactions)) },

	{ "relay", "delivery", "string", "exactly-once, at-least-once", "exactly-once",
	  "at-least-once is faster; after a crash the last events can come again",
	  RULE(.kind = SETDOC_KIND_CHOICE, .has_default = true, .offset = DOC(relay.delivery),
	       .values = VALUES("exactly-once", "at-least-once")) },
	{ "relay", "on_poison", "string", "stop, quarantine", "stop",
	  "what happens with an event that cannot be encoded or that the broker refuses for good",
	  RULE(.kind = SETDOC_KIND_CHOICE, .has_default = true, .offset = DOC(relay.on_poison),
	       .values = VALUES("stop", "quarantine")) },
	{ "relay", "sync_standbys", "boolean", "true, false", "false",
	  "deliver only what the synchronous standbys have flushed",
	  RULE(.kind = SETDOC_KIND_BOOL, .has_default = true, .offset = DOC(relay.sync_standbys)) },
	{ "relay", "poll", "duration", "1ms to 10s", "5ms",
	  "pause between two looks at the queue while events come; idle sets are polled less",
	  RULE(.kind = SETDOC_KIND_DURATION, .has_default = true, .offset = DOC(relay.poll_us),
	       .min = 1000, .max = 10 * 1000 * 1000) },
	{ "relay", "batch_events", "number", "1 to 1000000", "20000",
	  "about how many events one Kafka transaction holds when there is a backlog",
	  RULE(.kind = SETDOC_KIND_INT64, .has_default = true, .offset = DOC(relay.batch_events),
	       .min = 1, .max = 1000000) },
	{ "relay", "batch_bytes", "size", "64kB to 1GB", "16MB",
	  "about how many bytes one Kafka transaction holds",
	  RULE(.kind = SETDOC_KIND_SIZE, .has_default = true, .offset = DOC(relay.batch_bytes),
	       .min = 64 * 1024, .max = 1024 * MB) },
	{ "relay", "window_memory", "size", "1MB to 4GB", "32MB",
	  "memory for one window of events; a larger window is streamed",
	  RULE(.kind = SETDOC_KIND_SIZE, .has_default = true,
	       .offset = DOC(relay.window_memory_bytes), .min = MB, .max = (int64_t)4096 * MB) },
};

const struct setdoc_key *setdoc_keys(size_t *ret_n)
{
	*ret_n = PGS_ARRAY_LEN(keys);
	return keys;
}

const struct setdoc_key *setdoc_key_find(const char *group, const char *name)
{
	for (size_t i = 0; i < PGS_ARRAY_LEN(keys); i++) {
		if (strcmp(keys[i].group, group) == 0 && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

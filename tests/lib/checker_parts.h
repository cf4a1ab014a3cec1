/*
 * tests/lib/checker_parts.h
 *    What the files of the checker share: its tables of event ids and rows. Nobody else includes it.
 *
 * Memory that ends is the end of the program.
 */
#ifndef PGSHOVEL_TESTS_CHECKER_PARTS_H
#define PGSHOVEL_TESTS_CHECKER_PARTS_H

#include "tests/lib/checker.h"

enum { TOPICS_MAX = 4096 };

/* Two halves of a key change share an event id; the parts tell them apart. */
enum part { PART_WHOLE, PART_OLD_KEY, PART_NEW_KEY, PART_TRUNCATE };

struct seen {
	uint64_t db; /* hash of its name; 0: free slot */
	int64_t ev_id;
	uint32_t topic;
	uint32_t part; /* enum part + partition of a truncate */
};

struct row {
	uint32_t topic;
	int32_t partition; /* -1: not known yet */
	char *key;
	size_t key_len;
	char *after; /* NULL: no row */
	size_t after_len;
	uint64_t hash;
	int64_t ev_id; /* of its last event, -1: none */
	int64_t txid;
	bool known; /* seen before, or given as initial */
	bool wants_tombstone;
	bool repeated; /* its last delete was a repeat: so is the tombstone */
	bool in_use;
};

struct truncate {
	uint64_t db;
	uint64_t table; /* hash of "schema.table" */
	int64_t ev_id;
};

struct topic {
	char *name;
	uint64_t db;
	uint64_t table;
};

struct checker {
	struct checker_options options;
	struct checker_counts counts;
	struct seen *seen;
	size_t n_seen;
	size_t seen_cap;
	struct row *rows;
	size_t n_rows;
	size_t rows_cap;
	struct truncate *truncates;
	size_t n_truncates;
	struct topic topics[TOPICS_MAX];
	uint32_t n_topics;
	uint32_t last_topic;
};

/* NULL ends the program. */
void *checker_must(void *memory);

uint64_t checker_hash_start(uint64_t seed);
uint64_t checker_hash_bytes(uint64_t hash, const void *bytes, size_t len);
uint64_t checker_hash_mix(uint64_t hash);

/* ---- checker_seen.c ---- */

bool checker_seen_has(const struct checker *checker, uint64_t db, int64_t ev_id, uint32_t topic,
		      uint32_t part);
void checker_seen_add(struct checker *checker, uint64_t db, int64_t ev_id, uint32_t topic,
		      uint32_t part);

/* True: this event is new. One event id is either one whole event or the two halves of a key change. */
bool checker_first_time(struct checker *checker, uint64_t db, int64_t ev_id, enum part part);

/* ---- checker_rows.c ---- */

uint32_t checker_topic(struct checker *checker, const char *name);

/* Made when there is none; valid until the next call. */
struct row *checker_row(struct checker *checker, uint32_t topic, struct piece key);
void checker_row_set(struct row *row, struct piece after);

/* A truncate between the row's last event and `until` has emptied the table meanwhile. */
bool checker_row_truncated(const struct checker *checker, const struct row *row, int64_t until);

/* ---- checker_chain.c ---- */

/* before says what the last after of its key said. Other columns: those that both know. */
bool checker_chained(struct piece last, struct piece before);

/* The record's key and the row agree in every key column (with a schema, the key's payload). */
bool checker_key_fits(struct piece key, struct piece row);

#endif

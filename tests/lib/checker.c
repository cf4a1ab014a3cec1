/*
 * tests/lib/checker.c
 *    What every stream of pgshovel's must obey, checked record by record; and the rows that result.
 *
 * Two hash tables: event ids that were seen, and the state of each (topic, key).
 */
#include "tests/lib/checker.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { PROBLEMS_SHOWN = 50, TOPICS_MAX = 4096, TEXT_SHOWN = 150 };

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

/* ---- helpers ---- */

static void *must(void *memory)
{
	if (!memory) {
		fputs("checker: out of memory\n", stderr);
		abort();
	}
	return memory;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return hash;
}

static uint64_t hash_start(uint64_t seed)
{
	return 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u);
}

static uint64_t hash_mix(uint64_t hash)
{
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdu;
	hash ^= hash >> 33;
	return hash;
}

/* For "%.*s": length and text, cut, with null said. */
#define SHOWN(piece) shown_len(piece), ((piece).ptr ? (piece).ptr : "null")

static int shown_len(struct piece piece)
{
	if (!piece.ptr)
		return 4;
	return piece.len < TEXT_SHOWN ? (int)piece.len : TEXT_SHOWN;
}

static void problem(struct checker *checker, const struct record *record, const char *rule,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void problem(struct checker *checker, const struct record *record, const char *rule,
		    const char *fmt, ...)
{
	char what[512];
	char text[1024];
	va_list args;

	if (checker->counts.problems++ >= PROBLEMS_SHOWN || !checker->options.problem)
		return;
	va_start(args, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	(void)snprintf(text, sizeof(text), "%s: %s [%" PRId32 "] offset %" PRId64 " key %.*s: %s",
		       rule, record->topic, record->partition, record->offset, SHOWN(record->key),
		       what);
	checker->options.problem(checker->options.ctx, text);
}

static uint32_t topic_find(struct checker *checker, const char *name)
{
	if (checker->last_topic < checker->n_topics &&
	    strcmp(checker->topics[checker->last_topic].name, name) == 0)
		return checker->last_topic;
	for (uint32_t i = 0; i < checker->n_topics; i++) {
		if (strcmp(checker->topics[i].name, name) == 0) {
			checker->last_topic = i;
			return i;
		}
	}
	if (checker->n_topics == TOPICS_MAX) {
		fputs("checker: too many topics\n", stderr);
		abort();
	}
	checker->topics[checker->n_topics].name = must(strdup(name));
	checker->last_topic = checker->n_topics;
	return checker->n_topics++;
}

/* ---- event ids ---- */

static struct seen *seen_slot(struct seen *table, size_t cap, const struct seen *wanted)
{
	uint64_t hash = hash_mix(wanted->db ^
				 hash_mix((uint64_t)wanted->ev_id ^ ((uint64_t)wanted->part << 48) ^
					  ((uint64_t)wanted->topic << 32)));
	size_t i = hash & (cap - 1);

	while (table[i].db && (table[i].db != wanted->db || table[i].ev_id != wanted->ev_id ||
			       table[i].topic != wanted->topic || table[i].part != wanted->part))
		i = (i + 1) & (cap - 1);
	return &table[i];
}

static void seen_grow(struct checker *checker)
{
	size_t cap = checker->seen_cap ? checker->seen_cap * 2 : 4096;
	struct seen *table = must(calloc(cap, sizeof(*table)));

	for (size_t i = 0; i < checker->seen_cap; i++) {
		if (checker->seen[i].db)
			*seen_slot(table, cap, &checker->seen[i]) = checker->seen[i];
	}
	free(checker->seen);
	checker->seen = table;
	checker->seen_cap = cap;
}

static bool seen_has(struct checker *checker, uint64_t db, int64_t ev_id, uint32_t topic,
		     uint32_t part)
{
	struct seen wanted = { .db = db, .ev_id = ev_id, .topic = topic, .part = part };

	return checker->seen_cap && seen_slot(checker->seen, checker->seen_cap, &wanted)->db;
}

static void seen_add(struct checker *checker, uint64_t db, int64_t ev_id, uint32_t topic,
		     uint32_t part)
{
	struct seen wanted = { .db = db, .ev_id = ev_id, .topic = topic, .part = part };

	if (checker->n_seen * 10 >= checker->seen_cap * 7)
		seen_grow(checker);
	*seen_slot(checker->seen, checker->seen_cap, &wanted) = wanted;
	checker->n_seen++;
}

/* True: this event is new. One event id is either one whole event or the two halves of a key change. */
static bool first_time(struct checker *checker, uint64_t db, int64_t ev_id, enum part part)
{
	bool other;

	if (part == PART_WHOLE)
		other = seen_has(checker, db, ev_id, 0, PART_OLD_KEY) ||
			seen_has(checker, db, ev_id, 0, PART_NEW_KEY);
	else
		other = seen_has(checker, db, ev_id, 0, PART_WHOLE);
	if (other || seen_has(checker, db, ev_id, 0, (uint32_t)part))
		return false;
	seen_add(checker, db, ev_id, 0, (uint32_t)part);
	return true;
}

/* ---- rows ---- */

static struct row *row_slot(struct row *table, size_t cap, uint64_t hash, uint32_t topic,
			    struct piece key)
{
	size_t i = hash & (cap - 1);

	while (table[i].in_use &&
	       (table[i].hash != hash || table[i].topic != topic || table[i].key_len != key.len ||
		memcmp(table[i].key, key.ptr, key.len) != 0))
		i = (i + 1) & (cap - 1);
	return &table[i];
}

static void rows_grow(struct checker *checker)
{
	size_t cap = checker->rows_cap ? checker->rows_cap * 2 : 1024;
	struct row *table = must(calloc(cap, sizeof(*table)));

	for (size_t i = 0; i < checker->rows_cap; i++) {
		struct row *row = &checker->rows[i];

		if (row->in_use)
			*row_slot(table, cap, row->hash, row->topic,
				  (struct piece){ row->key, row->key_len }) = *row;
	}
	free(checker->rows);
	checker->rows = table;
	checker->rows_cap = cap;
}

static struct row *row_find(struct checker *checker, uint32_t topic, struct piece key)
{
	uint64_t hash = hash_mix(hash_bytes(hash_start(topic), key.ptr, key.len));
	struct row *row;

	if (checker->n_rows * 10 >= checker->rows_cap * 7)
		rows_grow(checker);
	row = row_slot(checker->rows, checker->rows_cap, hash, topic, key);
	if (!row->in_use) {
		*row = (struct row){
			.topic = topic,
			.partition = -1,
			.key = must(malloc(key.len + 1)),
			.key_len = key.len,
			.hash = hash,
			.ev_id = -1,
			.in_use = true,
		};
		memcpy(row->key, key.ptr, key.len);
		row->key[key.len] = '\0';
		checker->n_rows++;
	}
	return row;
}

static void row_set(struct row *row, struct piece after)
{
	free(row->after);
	row->after = NULL;
	row->after_len = after.len;
	if (after.ptr) {
		row->after = must(malloc(after.len + 1));
		memcpy(row->after, after.ptr, after.len);
		row->after[after.len] = '\0';
	}
}

/* A truncate between the row's last event and `until` has emptied the table meanwhile. */
static bool row_truncated(const struct checker *checker, const struct row *row, int64_t until)
{
	const struct topic *topic = &checker->topics[row->topic];

	for (size_t i = 0; i < checker->n_truncates; i++) {
		const struct truncate *truncate = &checker->truncates[i];

		if (truncate->db == topic->db && truncate->table == topic->table &&
		    truncate->ev_id > row->ev_id && truncate->ev_id < until)
			return true;
	}
	return false;
}

/* Equal in every column that both have, and they have one in common. */
static bool same_where_known(struct piece a, struct piece b)
{
	struct piece name;
	struct piece value;
	size_t pos = 0;
	size_t common = 0;

	while (piece_next(a, &pos, &name, &value)) {
		struct piece found;
		struct piece other;
		size_t at = 0;

		while (piece_next(b, &at, &found, &other)) {
			if (!piece_equal(found, name))
				continue;
			if (!piece_equal(value, other))
				return false;
			common++;
			break;
		}
	}
	return common > 0;
}

static bool same_names(struct piece a, struct piece b)
{
	struct piece name;
	struct piece other;
	struct piece value;
	size_t pos = 0;
	size_t at = 0;

	while (piece_next(a, &pos, &name, &value))
		if (!piece_next(b, &at, &other, &value) || !piece_equal(name, other))
			return false;
	return !piece_next(b, &at, &other, &value);
}

static bool chained(struct piece last, struct piece before)
{
	if (piece_equal(last, before))
		return true;
	if (!last.ptr || !before.ptr)
		return false;
	/* Other columns: the set or the table was changed between the two. */
	return !same_names(last, before) && same_where_known(last, before);
}

/* ---- rules ---- */

static bool shape_is_right(const struct change *change)
{
	switch (change->op) {
	case 'c':
	case 'r':
		return !change->before.ptr && change->after.ptr;
	case 'u':
		return change->before.ptr && change->after.ptr;
	case 'd':
		return change->before.ptr && !change->after.ptr;
	default:
		return false;
	}
}

/* The record's key and the row must agree in every key column (with a schema, the key's payload). */
static bool key_fits(struct piece key, struct piece row)
{
	struct piece payload;
	struct piece name;
	struct piece value;
	size_t pos = 0;

	if (piece_member(key, "payload", &payload))
		key = payload;
	while (piece_next(key, &pos, &name, &value)) {
		struct piece found;
		struct piece other;
		size_t at = 0;
		bool match = false;

		while (!match && piece_next(row, &at, &found, &other))
			match = piece_equal(found, name) && piece_equal(value, other);
		if (!match)
			return false;
	}
	return pos > 0;
}

static void check_order(struct checker *checker, const struct record *record, const struct row *row,
			const struct change *change)
{
	if (change->ev_id > row->ev_id || change->txid == row->txid)
		return;
	problem(checker, record, "order",
		"event %" PRId64 " of transaction %" PRId64 " comes after event %" PRId64
		" of transaction %" PRId64,
		change->ev_id, change->txid, row->ev_id, row->txid);
}

static void check_chain(struct checker *checker, const struct record *record, const struct row *row,
			const struct change *change)
{
	struct piece last = { row->after, row->after_len };

	if (!row->known) {
		if (!checker->options.complete)
			return;
		last = (struct piece){ 0 };
	}
	if (last.ptr && row_truncated(checker, row, change->ev_id))
		last = (struct piece){ 0 };
	if (!chained(last, change->before))
		problem(checker, record, "chain",
			"event %" PRId64
			" (%c): before is %.*s, the last after was %.*s (event %" PRId64 ")",
			change->ev_id, change->op, SHOWN(change->before), SHOWN(last), row->ev_id);
}

static void change_event(struct checker *checker, const struct record *record,
			 const struct change *change, uint64_t db)
{
	uint32_t topic = topic_find(checker, record->topic);
	struct row *row;

	checker->topics[topic].db = db;
	if (!checker->topics[topic].table)
		checker->topics[topic].table = hash_bytes(
			hash_bytes(hash_start(1), change->schema.ptr, change->schema.len),
			change->table.ptr, change->table.len);
	if (!record->key.ptr) {
		problem(checker, record, "key", "event %" PRId64 " has no key", change->ev_id);
		return;
	}
	if (!shape_is_right(change)) {
		problem(checker, record, "shape", "op \"%c\" does not fit before and after",
			change->op);
		return;
	}
	if ((change->before.ptr && !key_fits(record->key, change->before)) ||
	    (change->after.ptr && !key_fits(record->key, change->after)))
		problem(checker, record, "key", "event %" PRId64 ": the row has another key",
			change->ev_id);
	row = row_find(checker, topic, record->key);
	if (!first_time(checker, db, change->ev_id,
			record->newkey ? PART_OLD_KEY
				       : (record->oldkey ? PART_NEW_KEY : PART_WHOLE))) {
		checker->counts.repeats++;
		row->repeated = true;
		if (!checker->options.repeats)
			problem(checker, record, "twice", "event %" PRId64 " was here before",
				change->ev_id);
		return;
	}
	row->repeated = false;
	if (row->wants_tombstone)
		problem(checker, record, "tombstone", "none behind the delete, event %" PRId64,
			row->ev_id);
	if (row->partition >= 0 && row->partition != record->partition)
		problem(checker, record, "key", "was in partition %" PRId32 " before",
			row->partition);
	check_order(checker, record, row, change);
	check_chain(checker, record, row, change);
	row->known = true;
	row->partition = record->partition;
	row->ev_id = change->ev_id;
	row->txid = change->txid;
	row->wants_tombstone = change->op == 'd' && !checker->options.no_tombstones;
	row_set(row, change->after);
}

static void truncate_event(struct checker *checker, const struct record *record,
			   const struct change *change, uint64_t db)
{
	uint32_t topic = topic_find(checker, record->topic);
	uint32_t part = PART_TRUNCATE + (uint32_t)record->partition;

	checker->counts.truncates++;
	if (seen_has(checker, db, change->ev_id, topic + 1, part)) {
		checker->counts.repeats++;
		if (!checker->options.repeats)
			problem(checker, record, "twice", "truncate %" PRId64 " was here before",
				change->ev_id);
		return;
	}
	seen_add(checker, db, change->ev_id, topic + 1, part);
	checker->truncates = must(realloc(checker->truncates, (checker->n_truncates + 1) *
								      sizeof(*checker->truncates)));
	checker->truncates[checker->n_truncates++] = (struct truncate){
		.db = db,
		.table = hash_bytes(
			hash_bytes(hash_start(1), change->schema.ptr, change->schema.len),
			change->table.ptr, change->table.len),
		.ev_id = change->ev_id,
	};
}

static void tombstone(struct checker *checker, const struct record *record)
{
	struct row *row;

	checker->counts.tombstones++;
	if (!record->key.ptr) {
		problem(checker, record, "tombstone", "key and value are null");
		return;
	}
	row = row_find(checker, topic_find(checker, record->topic), record->key);
	if (row->repeated && checker->options.repeats)
		return;
	if (!row->wants_tombstone)
		problem(checker, record, "tombstone", "no delete before it");
	row->wants_tombstone = false;
}

/* ---- interface ---- */

struct checker *checker_new(const struct checker_options *options)
{
	struct checker *checker = calloc(1, sizeof(*checker));

	if (checker)
		checker->options = *options;
	return checker;
}

void checker_free(struct checker *checker)
{
	if (!checker)
		return;
	for (size_t i = 0; i < checker->rows_cap; i++) {
		free(checker->rows[i].key);
		free(checker->rows[i].after);
	}
	for (uint32_t i = 0; i < checker->n_topics; i++)
		free(checker->topics[i].name);
	free(checker->rows);
	free(checker->seen);
	free(checker->truncates);
	free(checker);
}

void checker_initial(struct checker *checker, const char *topic, struct piece key,
		     struct piece row_text)
{
	struct row *row = row_find(checker, topic_find(checker, topic), key);

	row->known = true;
	row_set(row, row_text);
}

void checker_record(struct checker *checker, const struct record *record)
{
	struct change change;
	const char *why = "";
	uint64_t db;

	checker->counts.records++;
	if (!record->value.ptr) {
		tombstone(checker, record);
		return;
	}
	if (!record_change(record, &change, &why)) {
		problem(checker, record, "shape", "%s", why);
		return;
	}
	if (!change.op) {
		checker->counts.others++;
		return;
	}
	db = hash_bytes(hash_start(2), change.db.ptr, change.db.len) | 1;
	checker->counts.events++;
	if (change.op == 't')
		truncate_event(checker, record, &change, db);
	else
		change_event(checker, record, &change, db);
}

void checker_end(struct checker *checker)
{
	for (size_t i = 0; i < checker->rows_cap; i++) {
		const struct row *row = &checker->rows[i];

		if (row->in_use && row->wants_tombstone)
			problem(checker,
				&(struct record){ .topic = checker->topics[row->topic].name,
						  .partition = row->partition,
						  .offset = -1,
						  .key = { row->key, row->key_len } },
				"tombstone", "none behind the delete, event %" PRId64, row->ev_id);
	}
}

void checker_count(const struct checker *checker, struct checker_counts *ret)
{
	*ret = checker->counts;
	ret->keys = checker->n_rows;
}

/* Appends the chosen columns of a row; false when one is missing. */
static bool project(FILE *out, struct piece row, const char *columns)
{
	const char *sep = "{";

	while (*columns) {
		struct piece column = { columns, strcspn(columns, ",") };
		struct piece name;
		struct piece value;
		size_t pos = 0;
		bool found = false;

		while (!found && piece_next(row, &pos, &name, &value))
			found = piece_equal(name, column);
		if (!found)
			return false;
		fprintf(out, "%s\"%.*s\":%.*s", sep, (int)name.len, name.ptr, (int)value.len,
			value.ptr);
		sep = ",";
		columns += column.len + (columns[column.len] == ',');
	}
	fputc('}', out);
	return true;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

long checker_rows(struct checker *checker, const char *topic, const char *columns, FILE *out)
{
	uint32_t wanted = topic_find(checker, topic);
	char **lines = must(calloc(checker->n_rows + 1, sizeof(*lines)));
	long n = 0;
	bool whole = true;

	for (size_t i = 0; i < checker->rows_cap; i++) {
		const struct row *row = &checker->rows[i];
		size_t len = 0;
		FILE *line;

		if (!row->in_use || row->topic != wanted || !row->after ||
		    row_truncated(checker, row, INT64_MAX))
			continue;
		line = must(open_memstream(&lines[n], &len));
		fprintf(line, "%s\t", row->key);
		if (!columns)
			fputs(row->after, line);
		else if (!project(line, (struct piece){ row->after, row->after_len }, columns))
			whole = false;
		if (fclose(line) != 0)
			must(NULL);
		n++;
	}
	qsort(lines, (size_t)n, sizeof(*lines), compare_lines);
	for (long i = 0; i < n; i++) {
		fprintf(out, "%s\n", lines[i]);
		free(lines[i]);
	}
	free(lines);
	return whole ? n : -1;
}

/*
 * tests/lib/checker.c
 *    What every stream of pgshovel's must obey, checked record by record.
 */
#include "tests/lib/checker.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/checker_parts.h"

enum { PROBLEMS_SHOWN = 50, TEXT_SHOWN = 150 };

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
	if (last.ptr && checker_row_truncated(checker, row, change->ev_id))
		last = (struct piece){ 0 };
	if (!checker_chained(last, change->before))
		problem(checker, record, "chain",
			"event %" PRId64
			" (%c): before is %.*s, the last after was %.*s (event %" PRId64 ")",
			change->ev_id, change->op, SHOWN(change->before), SHOWN(last), row->ev_id);
}

static void change_event(struct checker *checker, const struct record *record,
			 const struct change *change, uint64_t db)
{
	uint32_t topic = checker_topic(checker, record->topic);
	struct row *row;

	checker->topics[topic].db = db;
	if (!checker->topics[topic].table)
		checker->topics[topic].table = checker_hash_bytes(
			checker_hash_bytes(checker_hash_start(1), change->schema.ptr,
					   change->schema.len),
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
	if ((change->before.ptr && !checker_key_fits(record->key, change->before)) ||
	    (change->after.ptr && !checker_key_fits(record->key, change->after)))
		problem(checker, record, "key", "event %" PRId64 ": the row has another key",
			change->ev_id);
	row = checker_row(checker, topic, record->key);
	if (!checker_first_time(checker, db, change->ev_id,
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
	checker_row_set(row, change->after);
}

static void truncate_event(struct checker *checker, const struct record *record,
			   const struct change *change, uint64_t db)
{
	uint32_t topic = checker_topic(checker, record->topic);
	uint32_t part = PART_TRUNCATE + (uint32_t)record->partition;

	checker->counts.truncates++;
	if (checker_seen_has(checker, db, change->ev_id, topic + 1, part)) {
		checker->counts.repeats++;
		if (!checker->options.repeats)
			problem(checker, record, "twice", "truncate %" PRId64 " was here before",
				change->ev_id);
		return;
	}
	checker_seen_add(checker, db, change->ev_id, topic + 1, part);
	checker->truncates = checker_must(realloc(
		checker->truncates, (checker->n_truncates + 1) * sizeof(*checker->truncates)));
	checker->truncates[checker->n_truncates++] = (struct truncate){
		.db = db,
		.table = checker_hash_bytes(checker_hash_bytes(checker_hash_start(1),
							       change->schema.ptr,
							       change->schema.len),
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
	row = checker_row(checker, checker_topic(checker, record->topic), record->key);
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
	struct row *row = checker_row(checker, checker_topic(checker, topic), key);

	row->known = true;
	checker_row_set(row, row_text);
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
	db = checker_hash_bytes(checker_hash_start(2), change.db.ptr, change.db.len) | 1;
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

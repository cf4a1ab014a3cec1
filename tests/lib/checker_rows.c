/*
 * tests/lib/checker_rows.c
 *    The state of each (topic, key), a hash table that only grows; and the rows that are left at the end.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/checker_parts.h"

uint32_t checker_topic(struct checker *checker, const char *name)
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
	checker->topics[checker->n_topics].name = checker_must(strdup(name));
	checker->last_topic = checker->n_topics;
	return checker->n_topics++;
}

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
	struct row *table = checker_must(calloc(cap, sizeof(*table)));

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

struct row *checker_row(struct checker *checker, uint32_t topic, struct piece key)
{
	uint64_t hash =
		checker_hash_mix(checker_hash_bytes(checker_hash_start(topic), key.ptr, key.len));
	struct row *row;

	if (checker->n_rows * 10 >= checker->rows_cap * 7)
		rows_grow(checker);
	row = row_slot(checker->rows, checker->rows_cap, hash, topic, key);
	if (!row->in_use) {
		*row = (struct row){
			.topic = topic,
			.partition = -1,
			.key = checker_must(malloc(key.len + 1)),
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

void checker_row_set(struct row *row, struct piece after)
{
	free(row->after);
	row->after = NULL;
	row->after_len = after.len;
	if (after.ptr) {
		row->after = checker_must(malloc(after.len + 1));
		memcpy(row->after, after.ptr, after.len);
		row->after[after.len] = '\0';
	}
}

bool checker_row_truncated(const struct checker *checker, const struct row *row, int64_t until)
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
	uint32_t wanted = checker_topic(checker, topic);
	char **lines = checker_must(calloc(checker->n_rows + 1, sizeof(*lines)));
	long n = 0;
	bool whole = true;

	for (size_t i = 0; i < checker->rows_cap; i++) {
		const struct row *row = &checker->rows[i];
		size_t len = 0;
		FILE *line;

		if (!row->in_use || row->topic != wanted || !row->after ||
		    checker_row_truncated(checker, row, INT64_MAX))
			continue;
		line = checker_must(open_memstream(&lines[n], &len));
		fprintf(line, "%s\t", row->key);
		if (!columns)
			fputs(row->after, line);
		else if (!project(line, (struct piece){ row->after, row->after_len }, columns))
			whole = false;
		if (fclose(line) != 0)
			checker_must(NULL);
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

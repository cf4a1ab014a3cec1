/*
 * tests/lib/checker.h
 *    What every stream of pgshovel's must obey, checked record by record; and the rows that result.
 *
 * Pure: no Kafka. Feed it the records of all topics of a set, each partition in order; the side topic of
 * truncates first. Memory grows with the number of keys and events: for tests.
 *
 * The rules (each problem has the rule's name in its text):
 *   twice     no event id (source.sequence[1]) of a database comes twice; only the two halves of a key
 *             change share one, and a truncate may come once to each partition
 *   order     per key event ids increase; inside one transaction they may not (a trigger that writes the
 *             row again logs its write first)
 *   chain     `before` equals the last `after` of its key; a missing row has none: null before an insert.
 *             Only columns that both know are compared when a set has changed. The first event of a key
 *             that was never seen may have any `before`, unless the stream is said to be complete
 *   key       a key of a table stays in one partition; a row's key columns say what the record's key says
 *   tombstone behind each delete, before anything else of its key; and nowhere else
 *   shape     op, before and after fit one another
 */
#ifndef PGSHOVEL_TESTS_CHECKER_H
#define PGSHOVEL_TESTS_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/lib/record.h"

struct checker;

struct checker_options {
	bool complete; /* the tables were empty when the stream began: an unknown key has no row */
	bool no_tombstones;
	/* At-least-once: an event that was seen before is ignored, together with its tombstone. */
	bool repeats;
	/* One line per problem, the first 50. */
	void (*problem)(void *ctx, const char *text);
	void *ctx;
};

struct checker_counts {
	uint64_t records;
	uint64_t events;
	uint64_t tombstones;
	uint64_t truncates;
	uint64_t others; /* BEGIN, END and what is not ours */
	uint64_t repeats;
	uint64_t keys;
	uint64_t problems;
};

/* NULL: no memory. */
struct checker *checker_new(const struct checker_options *options);
void checker_free(struct checker *checker);

/* A row that was there before the stream began. key and row are copied. */
void checker_initial(struct checker *checker, const char *topic, struct piece key,
		     struct piece row);

void checker_record(struct checker *checker, const struct record *record);

/* What can only be known at the end. */
void checker_end(struct checker *checker);

void checker_count(const struct checker *checker, struct checker_counts *ret);

/*
 * The rows of a topic that are left: lines "KEY<tab>ROW" in the order of their bytes. columns: only these,
 * in this order ("a,b"), NULL all. Returns the number of rows, -1 when a row lacks a column.
 */
long checker_rows(struct checker *checker, const char *topic, const char *columns, FILE *out);

#endif

/*
 * tests/unit/test_order.c
 *    The order of sending, over shuffled windows.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/runner.h"
#include "worker/order.h"

#define LEN(a) PGS_ARRAY_LEN(a)

static void shuffle(struct event *events, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		const size_t k = (size_t)rand() % i;
		const struct event swap = events[i - 1];
		events[i - 1] = events[k];
		events[k] = swap;
	}
}

START_TEST(test_by_id)
{
	enum { MAX = 700 };
	static struct event events[MAX];
	uint32_t order[MAX];
	struct pgs_err err;
	srand(2);
	for (size_t n = 0; n <= MAX; n += n < 80 ? 1 : 37) {
		for (size_t i = 0; i < n; i++)
			events[i] = (struct event){ .id = (int64_t)i * 3 };
		if (n % 3)
			shuffle(events, n);
		ck_assert_int_eq(order_by_id(events, n, order, &err), 0);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(events[order[i]].id, (int64_t)i * 3);
	}
}
END_TEST

START_TEST(test_by_transaction)
{
	/* Transactions 7, 8, 9 end with ids 6, 9, 8: whole ones in the order 7, 9, 8. */
	static const int64_t wanted[] = { 1, 6, 2, 5, 8, 3, 4, 7, 9 };
	for (int round = 0; round < 100; round++) {
		struct event events[] = {
			{ .id = 1, .txid = 7 }, { .id = 2, .txid = 9 }, { .id = 3, .txid = 8 },
			{ .id = 4, .txid = 8 }, { .id = 5, .txid = 9 }, { .id = 6, .txid = 7 },
			{ .id = 7, .txid = 8 }, { .id = 8, .txid = 9 }, { .id = 9, .txid = 8 },
		};
		uint32_t order[LEN(events)];
		int64_t last[LEN(events)];
		struct pgs_err err;
		shuffle(events, LEN(events));
		ck_assert_int_eq(order_by_transaction(events, LEN(events), order, last, &err), 0);
		for (size_t i = 0; i < LEN(events); i++) {
			ck_assert_int_eq(events[order[i]].id, wanted[i]);
			ck_assert_int_eq(last[i], events[i].txid == 7   ? 6
						  : events[i].txid == 8 ? 9
									: 8);
		}
	}
}
END_TEST

/* Rows are "k…": the key is the first character. */
static int first_character(void *ctx, const struct event *ev, bool old, struct pgs_buf *out,
			   struct pgs_err *reterr)
{
	(void)ctx;
	(void)reterr;
	pgs_buf_put(out, old ? ev->old_row.text : ev->new_row.text, 1);
	return 0;
}

static struct event_text text(const char *t)
{
	return (struct event_text){ .text = t, .len = t ? (uint32_t)strlen(t) : 0 };
}

static struct event chained(int64_t id, int64_t txid, const char *old_row, const char *new_row,
			    const char *old_ctid, const char *new_ctid)
{
	return (struct event){ .id = id,
			       .txid = txid,
			       .relation = 1,
			       .type = !old_row   ? 'I'
				       : !new_row ? 'D'
						  : 'U',
			       .old_row = text(old_row),
			       .new_row = text(new_row),
			       .old_ctid = text(old_ctid),
			       .new_ctid = text(new_ctid) };
}

static void check_chain(struct event *events, size_t n, const int64_t *wanted)
{
	for (int round = 0; round < 50; round++) {
		uint32_t order[32];
		struct pgs_err err;
		shuffle(events, n);
		ck_assert_int_eq(order_by_id(events, n, order, &err), 0);
		ck_assert_int_eq(order_chain(events, n, order, first_character, NULL, &err), 0);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(events[order[i]].id, wanted[i]);
	}
}

START_TEST(test_nested_update)
{
	/* The inner update (b→c) is logged before the outer one (a→b); another row stays where it was. */
	struct event events[] = {
		chained(1, 5, "k2", "k3", "(0,2)", "(0,3)"),
		chained(2, 5, "x1", "x2", "(1,1)", "(1,2)"),
		chained(3, 5, "k1", "k2", "(0,1)", "(0,2)"),
	};
	check_chain(events, LEN(events), (const int64_t[]){ 3, 2, 1 });
}
END_TEST

START_TEST(test_nested_insert)
{
	/* A trigger updates the row that is being inserted, then deletes it. */
	struct event events[] = {
		chained(1, 5, "k2", NULL, "(0,2)", NULL),
		chained(2, 5, "k1", "k2", "(0,1)", "(0,2)"),
		chained(3, 5, NULL, "k1", NULL, "(0,1)"),
	};
	check_chain(events, LEN(events), (const int64_t[]){ 3, 2, 1 });
}
END_TEST

START_TEST(test_delete_and_insert_again)
{
	/* The new row of the same key was logged first: the old row's life must end before it begins. */
	struct event events[] = {
		chained(1, 5, NULL, "k9", NULL, "(0,9)"),
		chained(2, 5, "k1", NULL, "(0,1)", NULL),
	};
	check_chain(events, LEN(events), (const int64_t[]){ 2, 1 });
}
END_TEST

START_TEST(test_key_change)
{
	/* k becomes m, then a new k comes; logged the other way round. */
	struct event events[] = {
		chained(1, 5, NULL, "k9", NULL, "(0,9)"),
		chained(2, 5, "k1", "m1", "(0,1)", "(0,2)"),
	};
	check_chain(events, LEN(events), (const int64_t[]){ 2, 1 });
}
END_TEST

START_TEST(test_other_transactions_stay)
{
	struct event events[] = {
		chained(1, 5, "k2", "k3", "(0,2)", "(0,3)"),
		chained(2, 6, "x1", "x2", "(2,1)", "(2,2)"),
		chained(3, 5, "k1", "k2", "(0,1)", "(0,2)"),
		chained(4, 7, "k3", "k4", "(0,3)", "(0,4)"),
		chained(5, 6, "y1", "y2", "(0,2)", "(0,3)"),
	};
	check_chain(events, LEN(events), (const int64_t[]){ 3, 2, 1, 4, 5 });
}
END_TEST

START_TEST(test_chain_is_quick)
{
	/* One transaction, every row updated twice, inner-first: 200,000 events. */
	enum { N = 100000 };
	struct event *events = calloc(2 * N, sizeof(*events));
	uint32_t *order = calloc(2 * N, sizeof(*order));
	char(*names)[3][16] = calloc(N, sizeof(*names));
	struct pgs_err err;
	ck_assert(events && order && names);
	for (size_t i = 0; i < N; i++) {
		for (size_t v = 0; v < 3; v++)
			snprintf(names[i][v], sizeof(names[i][v]), "(%zu,%zu)", i, v + 1);
		/* Keys differ by their first byte only in this test: one group of all would be slow to write. */
		events[2 * i] =
			chained((int64_t)(2 * i + 1), 5, NULL, NULL, names[i][1], names[i][2]);
		events[2 * i + 1] =
			chained((int64_t)(2 * i + 2), 5, NULL, NULL, names[i][0], names[i][1]);
	}
	ck_assert_int_eq(order_by_id(events, 2 * N, order, &err), 0);
	ck_assert_int_eq(order_chain(events, 2 * N, order, first_character, NULL, &err), 0);
	for (size_t i = 0; i < N; i++) {
		ck_assert_uint_eq(order[2 * i], 2 * i + 1);
		ck_assert_uint_eq(order[2 * i + 1], 2 * i);
	}
	free(events);
	free(order);
	free(names);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("all");

	tcase_set_timeout(tcase, 20);
	tcase_add_test(tcase, test_by_id);
	tcase_add_test(tcase, test_by_transaction);
	tcase_add_test(tcase, test_nested_update);
	tcase_add_test(tcase, test_nested_insert);
	tcase_add_test(tcase, test_delete_and_insert_again);
	tcase_add_test(tcase, test_key_change);
	tcase_add_test(tcase, test_other_transactions_stay);
	tcase_add_test(tcase, test_chain_is_quick);
	return runner_run("order", tcase);
}

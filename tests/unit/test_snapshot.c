/*
 * tests/unit/test_snapshot.c
 *    Snapshots against a model: a set of transactions, each visible or not.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/runner.h"
#include "worker/snapshot.h"

static struct snapshot parsed(const char *text)
{
	struct snapshot s = { .xmin = 0 };
	struct pgs_err err;
	ck_assert_msg(snapshot_parse(text, &s, &err) == 0, "%s", text);
	return s;
}

START_TEST(test_parse)
{
	static const char *const bad[] = {
		"",       "1",      "1:2",      "2:1:",
		"1:2:2",  "1:3:0",  "1:5:3,2",  "1:5:2,2",
		"1:5:2,", "1:5:2 ", "-1:5:",    "1:5:x",
		" 1:5:",  "1:5:,2", "1:5:2,,3", "99999999999999999999:99999999999999999999:"
	};
	struct snapshot s = parsed("10:20:10,13,19");
	ck_assert_uint_eq(s.xmin, 10);
	ck_assert_uint_eq(s.xmax, 20);
	ck_assert_uint_eq(s.n_xip, 3);
	struct pgs_buf text = PGS_BUF_INIT(100);
	snapshot_put(&s, &text);
	ck_assert_str_eq(pgs_buf_str(&text), "10:20:10,13,19");
	pgs_buf_reset(&text);
	snapshot_put_xip_array(&s, &text);
	ck_assert_str_eq(pgs_buf_str(&text), "{10,13,19}");
	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++) {
		ck_assert_msg(snapshot_parse(bad[i], &s, NULL) == -1, "\"%s\" passed", bad[i]);
		ck_assert_uint_eq(s.xmax, 20); /* untouched */
	}
	pgs_buf_done(&text);
	snapshot_done(&s);
}
END_TEST

START_TEST(test_visible)
{
	struct snapshot s = parsed("10:20:10,13,19");
	for (uint64_t x = 0; x < 30; x++)
		ck_assert_int_eq(snapshot_visible(&s, x), x < 20 && x != 10 && x != 13 && x != 19);
	snapshot_done(&s);
}
END_TEST

enum { WORLD = 12 };

/* A random snapshot of WORLD transactions, beginning at 100. */
static struct snapshot random_snapshot(void)
{
	char text[200];
	uint64_t xip[WORLD];
	size_t n = 0;
	const uint64_t xmax = 100 + (uint64_t)(rand() % (WORLD + 1));
	uint64_t xmin = xmax;
	for (uint64_t x = 100; x < xmax; x++)
		if (rand() % 3 == 0)
			xip[n++] = x;
	if (n)
		xmin = xip[0];
	int at = snprintf(text, sizeof(text), "%llu:%llu:", (unsigned long long)xmin,
			  (unsigned long long)xmax);
	for (size_t i = 0; i < n; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%s%llu", i ? "," : "",
			       (unsigned long long)xip[i]);
	return parsed(text);
}

START_TEST(test_contains)
{
	unsigned n_true = 0;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		struct snapshot a = random_snapshot();
		struct snapshot b = random_snapshot();
		bool wanted = true;
		for (uint64_t x = 90; x < 100 + WORLD + 5; x++)
			wanted = wanted && (!snapshot_visible(&b, x) || snapshot_visible(&a, x));
		ck_assert_int_eq(snapshot_contains(&a, &b), wanted);
		n_true += wanted;
		snapshot_done(&a);
		snapshot_done(&b);
	}
	ck_assert_uint_gt(n_true, 1000);
}
END_TEST

START_TEST(test_window_sql)
{
	struct pgs_buf sql = PGS_BUF_INIT(1000);
	struct snapshot lower = parsed("10:20:10,13,19");
	struct snapshot upper = parsed("13:25:13,22");
	snapshot_put_window_sql(&lower, &upper, "t", "c", "ev_id > 5", &sql);
	ck_assert_str_eq(
		pgs_buf_str(&sql),
		"SELECT c FROM t WHERE ev_txid >= 20 AND ev_txid < 25 AND ev_txid NOT IN (22) AND "
		"ev_id > 5 UNION ALL SELECT c FROM t WHERE ev_txid IN (10,19) AND ev_id > 5");
	pgs_buf_reset(&sql);
	snapshot_done(&lower);
	snapshot_done(&upper);
	lower = parsed("20:20:");
	upper = parsed("25:25:");
	snapshot_put_window_sql(&lower, &upper, "t", "c", NULL, &sql);
	ck_assert_str_eq(pgs_buf_str(&sql), "SELECT c FROM t WHERE ev_txid >= 20 AND ev_txid < 25");
	snapshot_done(&lower);
	snapshot_done(&upper);
	pgs_buf_done(&sql);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, test_parse);
	tcase_add_test(tcase, test_visible);
	tcase_add_test(tcase, test_contains);
	tcase_add_test(tcase, test_window_sql);
	return runner_run("snapshot", tcase);
}

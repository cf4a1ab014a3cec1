/*
 * tests/unit/test_parse.c
 *    common/parse.c: what is taken, what is refused, at the edges.
 *
 * Does not test the set file's own values.
 */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "tests/unit/runner.h"

static void number_ok(const char *text, int64_t want)
{
	int64_t got = 4711;
	struct pgs_err err = { 0 };

	ck_assert_msg(pgs_parse_i64(text, INT64_MIN, INT64_MAX, &got, &err) == 0, "\"%s\": %s",
		      text, err.msg);
	ck_assert_int_eq(got, want);
}

static void number_refused(const char *text, int64_t min, int64_t max)
{
	int64_t got = 4711;
	struct pgs_err err = { 0 };

	ck_assert_msg(pgs_parse_i64(text, min, max, &got, &err) == -1, "\"%s\" was taken", text);
	ck_assert_int_eq(got, 4711);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
}

START_TEST(numbers)
{
	static const char *const bad[] = { "",
					   " 1",
					   "1 ",
					   "+1",
					   "--1",
					   "-",
					   "0x10",
					   "1e3",
					   "a",
					   "1.0",
					   "9223372036854775808",
					   "-9223372036854775809",
					   "99999999999999999999999" };

	number_ok("0", 0);
	number_ok("-0", 0);
	number_ok("007", 7);
	number_ok("9223372036854775807", INT64_MAX);
	number_ok("-9223372036854775808", INT64_MIN);
	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++)
		number_refused(bad[i], INT64_MIN, INT64_MAX);
	number_refused("0", 1, 9);
	number_refused("10", 1, 9);
	number_refused("-1", 0, 9);
}
END_TEST

START_TEST(message_names_text_and_range)
{
	int64_t number;
	uint64_t amount;
	struct pgs_err err;

	ck_assert_int_eq(pgs_parse_i64("x", -1, 9, &number, &err), -1);
	ck_assert_str_eq(err.msg, "\"x\" is not a number from -1 to 9");
	ck_assert_int_eq(pgs_parse_duration_us("5", 1000, 60000000, &amount, &err), -1);
	ck_assert_str_eq(err.msg, "\"5\" is not a duration from 1ms to 1min, such as \"5ms\"");
	ck_assert_int_eq(pgs_parse_size_bytes("x", 1024, 1 << 24, &amount, &err), -1);
	ck_assert_str_eq(err.msg, "\"x\" is not a size from 1kB to 16MB, such as \"16MB\"");
}
END_TEST

START_TEST(durations)
{
	static const struct {
		const char *text;
		uint64_t want;
	} good[] = { { "5ms", 5000 },
		     { "2s", 2000000 },
		     { "1min", 60000000 },
		     { "1h", 3600000000 },
		     { "100us", 100 },
		     { "0s", 0 },
		     { "18446744073709551615us", UINT64_MAX } };
	static const char *const bad[] = { "",           "5",    "ms",
					   "5 ms",       "5MS",  "5m",
					   "1.5s",       "-1s",  " 5ms",
					   "5ms ",       "5msx", "5mss",
					   "+5s",        "5hs",  "18446744073709551616us",
					   "5200000000h" };

	for (size_t i = 0; i < PGS_ARRAY_LEN(good); i++) {
		uint64_t got = 1;

		ck_assert_int_eq(pgs_parse_duration_us(good[i].text, 0, UINT64_MAX, &got, NULL), 0);
		ck_assert_uint_eq(got, good[i].want);
	}
	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++) {
		uint64_t got = 1;

		ck_assert_msg(pgs_parse_duration_us(bad[i], 0, UINT64_MAX, &got, NULL) == -1,
			      "\"%s\" was taken", bad[i]);
		ck_assert_uint_eq(got, 1);
	}
}
END_TEST

START_TEST(sizes)
{
	static const struct {
		const char *text;
		uint64_t want;
	} good[] = { { "16MB", 16 << 20 },
		     { "64kB", 64 << 10 },
		     { "1GB", 1 << 30 },
		     { "123B", 123 },
		     { "123", 123 } };
	static const char *const bad[] = { "",      "MB",    "16mb", "16M",
					   "16 MB", "1.5MB", "-1",   "99999999999999GB",
					   "1TB" };

	for (size_t i = 0; i < PGS_ARRAY_LEN(good); i++) {
		uint64_t got = 1;

		ck_assert_int_eq(pgs_parse_size_bytes(good[i].text, 0, UINT64_MAX, &got, NULL), 0);
		ck_assert_uint_eq(got, good[i].want);
	}
	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++) {
		uint64_t got = 1;

		ck_assert_msg(pgs_parse_size_bytes(bad[i], 0, UINT64_MAX, &got, NULL) == -1,
			      "\"%s\" was taken", bad[i]);
	}
	ck_assert_int_eq(pgs_parse_size_bytes("2kB", 0, 2047, &(uint64_t){ 0 }, NULL), -1);
	ck_assert_int_eq(pgs_parse_size_bytes("2kB", 2048, 2048, &(uint64_t){ 0 }, NULL), 0);
	ck_assert_int_eq(pgs_parse_size_bytes("2kB", 2049, 4096, &(uint64_t){ 0 }, NULL), -1);
}
END_TEST

START_TEST(names)
{
	static const char *const both[] = { "a", "shop", "a1", "abcdefghijklmnopqrstuvwx" };
	static const char *const neither[] = { "",
					       "1a",
					       "A",
					       "aB",
					       "a-b",
					       "a.b",
					       "_a",
					       "a/b",
					       "a b",
					       "\xc3\xa4",
					       "abcdefghijklmnopqrstuvwxy",
					       "a__b",
					       "a_" };

	for (size_t i = 0; i < PGS_ARRAY_LEN(both); i++) {
		ck_assert(pgs_cluster_name_ok(both[i]));
		ck_assert(pgs_set_name_ok(both[i]));
	}
	for (size_t i = 0; i < PGS_ARRAY_LEN(neither); i++) {
		ck_assert_msg(!pgs_cluster_name_ok(neither[i]), "cluster \"%s\"", neither[i]);
		ck_assert_msg(!pgs_set_name_ok(neither[i]), "set \"%s\"", neither[i]);
	}
	ck_assert(pgs_set_name_ok("a_b_1"));
	ck_assert(!pgs_cluster_name_ok("a_b_1"));
	/* ZooKeeper's own node */
	ck_assert(!pgs_cluster_name_ok("zookeeper"));
	ck_assert(pgs_cluster_name_ok("zookeepers"));
	ck_assert(pgs_set_name_ok("zookeeper"));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("parse");

	tcase_add_test(tc, numbers);
	tcase_add_test(tc, message_names_text_and_range);
	tcase_add_test(tc, durations);
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, names);
	return runner_run("parse", tc);
}

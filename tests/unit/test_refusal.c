/*
 * tests/unit/test_refusal.c
 *    worker/refusal.c against a model of a broker that refuses whole batches: the bad events are found, all of them, in
 *    few attempts. And which errors are poison.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/runner.h"
#include "worker/quarantine.h"
#include "worker/refusal.h"

enum { BATCH_MAX = 4000 };

static const struct pgs_err why = { .cls = PGS_ERR_CONFIG,
				    .code = "MSG_SIZE_TOO_LARGE",
				    .msg = "too large" };

/* Deliver [from, to); false: refused, *ret says so as a sink does. */
static bool deliver(const bool *bad, int64_t from, int64_t to, const bool *left_out,
		    struct sink_refusal *ret)
{
	bool refuse = false;
	*ret = (struct sink_refusal){ .n = 0 };
	for (int64_t id = from; id < to; id++)
		refuse = refuse || (bad[id] && !left_out[id]);
	for (int64_t id = from; refuse && id < to; id++) {
		if (left_out[id])
			continue;
		ret->first = ret->n ? ret->first : id;
		ret->last = id;
		ret->n++;
	}
	return !refuse;
}

/* One transaction over events 1..n as relay_send.c makes it. True: committed. */
static bool attempt(struct refusal *r, const bool *bad, bool *left_out, int64_t n,
		    struct sink_refusal *ret)
{
	int64_t start = 1;
	memset(left_out, 0, (size_t)(n + 1) * sizeof(*left_out));
	for (int64_t id = 1; id <= n; id++) {
		if (refusal_settle_before(r, id)) {
			if (!deliver(bad, start, id, left_out, ret))
				return false;
			start = id;
		}
		left_out[id] = refusal_of(r, id) != NULL;
		if (refusal_settle_after(r, id) || id - start + 1 >= BATCH_MAX) {
			if (!deliver(bad, start, id + 1, left_out, ret))
				return false;
			start = id + 1;
		}
	}
	return deliver(bad, start, n + 1, left_out, ret);
}

/* Attempts until everything but the bad ones is delivered; 0: never. */
static int find_all(const int64_t *ids, size_t n_ids, int64_t n)
{
	static bool bad[20002];
	static bool left_out[20002];
	static struct refusal r;
	struct pgs_err err;
	memset(bad, 0, sizeof(bad));
	memset(&r, 0, sizeof(r));
	for (size_t i = 0; i < n_ids; i++)
		bad[ids[i]] = true;
	for (int attempts = 1; attempts < 1000; attempts++) {
		struct sink_refusal refused;
		if (attempt(&r, bad, left_out, n, &refused)) {
			for (int64_t id = 1; id <= n; id++)
				ck_assert_int_eq(left_out[id], bad[id]);
			refusal_committed(&r);
			ck_assert_uint_eq(r.n_found, 0);
			ck_assert_uint_eq(r.n, 0);
			return attempts;
		}
		ck_assert_int_eq(refusal_note(&r, &refused, &why, &err), 0);
	}
	return 0;
}

START_TEST(test_one)
{
	for (int64_t id = 1; id <= 20000; id += 1777) {
		const int attempts = find_all(&id, 1, 20000);
		ck_assert_int_gt(attempts, 1);
		ck_assert_int_le(attempts, 6);
	}
}
END_TEST

START_TEST(test_several)
{
	const int64_t ids[] = { 1, 2, 3, 500, 4000, 4001, 19999, 20000 };
	const int attempts = find_all(ids, PGS_ARRAY_LEN(ids), 20000);
	ck_assert_int_gt(attempts, 8);
	ck_assert_int_le(attempts, 8 * 5 + 1);
}
END_TEST

START_TEST(test_none)
{
	ck_assert_int_eq(find_all(NULL, 0, 100), 1);
}
END_TEST

START_TEST(test_ceiling)
{
	static struct refusal r;
	struct pgs_err err;
	for (int64_t id = 1; id <= REFUSAL_MAX; id++) {
		const struct sink_refusal one = { .first = id, .last = id, .n = 1 };
		ck_assert_int_eq(refusal_note(&r, &one, &why, &err), 0);
	}
	const struct sink_refusal more = { .first = 999, .last = 999, .n = 1 };
	ck_assert_int_eq(refusal_note(&r, &more, &why, &err), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	ck_assert_str_eq(refusal_of(&r, 5), "too large");
	ck_assert_ptr_null(refusal_of(&r, 999));
	refusal_committed(&r); /* only what the transaction asked for is settled */
	ck_assert_ptr_null(refusal_of(&r, 5));
	ck_assert_ptr_nonnull(refusal_of(&r, 6));
	refusal_forget(&r);
	ck_assert_ptr_null(refusal_of(&r, 6));
}
END_TEST

START_TEST(test_left_out_and_refused)
{
	static struct refusal r;
	struct pgs_err err;
	const struct sink_refusal one = { .first = 7, .last = 7, .n = 1 };
	ck_assert_int_eq(refusal_note(&r, &one, &why, &err), 0);
	ck_assert_int_eq(refusal_note(&r, &one, &why, &err), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_BUG);
}
END_TEST

static bool poison(enum pgs_err_class cls, const char *code)
{
	struct pgs_err err;
	(void)pgs_err_set(&err, cls, code, "x");
	return quarantine_is_poison(&err);
}

START_TEST(test_what_is_poison)
{
	ck_assert(poison(PGS_ERR_CONFIG, "poison"));
	ck_assert(poison(PGS_ERR_CONFIG, "too-large"));
	ck_assert(poison(PGS_ERR_CONFIG, "refused"));
	ck_assert(poison(PGS_ERR_CONFIG, "MSG_SIZE_TOO_LARGE"));
	ck_assert(poison(PGS_ERR_CONFIG, "relation"));
	ck_assert(poison(PGS_ERR_BUG, "record"));
	ck_assert(!poison(PGS_ERR_BUG, ""));
	ck_assert(!poison(PGS_ERR_CONFIG, ""));
	ck_assert(!poison(PGS_ERR_CONFIG, "full"));
	ck_assert(!poison(PGS_ERR_CONFIG, "TOPIC_AUTHORIZATION_FAILED"));
	ck_assert(!poison(PGS_ERR_RETRY, "poison"));
}
END_TEST

START_TEST(test_skeleton)
{
	struct source source = { .database_name = (char *)"sh\"op" };
	struct relation rel = { .schema = (char *)"public", .table = (char *)"t" };
	const struct event ev = { .id = 5, .txid = 6, .time_us = 7, .type = 'D', .relation = 8 };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf out = PGS_BUF_INIT(4096);
	quarantine_put_skeleton(&source, &rel, &ev, "{\"id\":1}", "why \"x\"", 9, &out);
	ck_assert_str_eq(pgs_buf_str(&out),
			 "{\"database\":\"sh\\\"op\",\"schema\":\"public\",\"table\":\"t\","
			 "\"relation\":8,\"ev_id\":5,\"txId\":6,\"op\":\"d\",\"key\":{\"id\":1},"
			 "\"reason\":\"why \\\"x\\\"\",\"source_ts_us\":7,\"ts_us\":9}");
	pgs_buf_reset(&out);
	quarantine_put_skeleton(&source, NULL, &ev, "", "w", 9, &out);
	ck_assert_str_eq(pgs_buf_str(&out),
			 "{\"database\":\"sh\\\"op\",\"schema\":null,\"table\":null,\"relation\":8,"
			 "\"ev_id\":5,\"txId\":6,\"op\":\"d\",\"key\":null,\"reason\":\"w\","
			 "\"source_ts_us\":7,\"ts_us\":9}");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("refusal");

	tcase_add_test(tc, test_one);
	tcase_add_test(tc, test_several);
	tcase_add_test(tc, test_none);
	tcase_add_test(tc, test_ceiling);
	tcase_add_test(tc, test_left_out_and_refused);
	tcase_add_test(tc, test_what_is_poison);
	tcase_add_test(tc, test_skeleton);
	return runner_run("refusal", tc);
}

/*
 * tests/unit/test_backoff.c
 *    common/backoff.c: doubling, cap, jitter, reset, absurd numbers.
 *
 * Draws no random numbers: the extremes are given.
 */
#include <check.h>
#include <stdlib.h>

#include "common/backoff.h"
#include "tests/unit/runner.h"

START_TEST(doubles_up_to_the_cap)
{
	struct pgs_backoff longest = { .base_us = 250000, .cap_us = 60000000 };
	struct pgs_backoff shortest = longest;
	uint64_t want = 250000;

	for (int i = 0; i < 200; i++) {
		uint64_t most = pgs_backoff_next(&longest, UINT32_MAX);
		uint64_t least = pgs_backoff_next(&shortest, 0);

		ck_assert_uint_le(most, want);
		ck_assert_uint_ge(most, want - 1);
		ck_assert_uint_eq(least, want - want / 2);
		want = want * 2 > 60000000 ? 60000000 : want * 2;
	}
	ck_assert_uint_eq(want, 60000000);
}
END_TEST

START_TEST(reset_starts_anew)
{
	struct pgs_backoff backoff = { .base_us = 1000, .cap_us = 8000 };

	for (int i = 0; i < 5; i++)
		(void)pgs_backoff_next(&backoff, 7);
	pgs_backoff_reset(&backoff);
	ck_assert_uint_eq(backoff.failures, 0);
	ck_assert_uint_eq(pgs_backoff_next(&backoff, 0), 500);
}
END_TEST

START_TEST(absurd_numbers_do_not_wrap)
{
	struct pgs_backoff huge = { .base_us = UINT64_MAX / 3,
				    .cap_us = UINT64_MAX,
				    .failures = 90 };
	struct pgs_backoff none = { .base_us = 0, .cap_us = 10 };
	struct pgs_backoff low_cap = { .base_us = 100, .cap_us = 10 };

	ck_assert_uint_gt(pgs_backoff_next(&huge, UINT32_MAX), UINT64_MAX - ((uint64_t)1 << 32));
	ck_assert_uint_eq(pgs_backoff_next(&none, UINT32_MAX), 0);
	ck_assert_uint_le(pgs_backoff_next(&low_cap, UINT32_MAX), 10);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("backoff");

	tcase_add_test(tc, doubles_up_to_the_cap);
	tcase_add_test(tc, reset_starts_anew);
	tcase_add_test(tc, absurd_numbers_do_not_wrap);
	return runner_run("backoff", tc);
}

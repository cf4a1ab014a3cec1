/*
 * tests/unit/test_clock.c
 *    common/clock.c: the fake clocks and the rounding for poll().
 *
 * Does not wait.
 */
#include <check.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/unit/runner.h"

START_TEST(real_clocks_run)
{
	uint64_t first = pgs_now_us();

	pgs_clock_set_fake(0, 0);
	ck_assert_uint_ge(pgs_now_us(), first);
	ck_assert_int_gt(pgs_wall_us(), 1600000000ll * 1000000);
}
END_TEST

START_TEST(fake_clocks_stand)
{
	pgs_clock_set_fake(1000, 2000);
	ck_assert_uint_eq(pgs_now_us(), 1000);
	ck_assert_int_eq(pgs_wall_us(), 2000);
	pgs_clock_set_fake(0, 0);
	ck_assert_uint_ne(pgs_now_us(), 1000);
	ck_assert_int_ne(pgs_wall_us(), 2000);
}
END_TEST

START_TEST(rounded_up_and_bounded)
{
	pgs_clock_set_fake(1000000, 1);
	ck_assert_int_eq(pgs_ms_until(0), 0);
	ck_assert_int_eq(pgs_ms_until(999999), 0);
	ck_assert_int_eq(pgs_ms_until(1000000), 0);
	ck_assert_int_eq(pgs_ms_until(1000001), 1);
	ck_assert_int_eq(pgs_ms_until(1001000), 1);
	ck_assert_int_eq(pgs_ms_until(1001001), 2);
	ck_assert_int_eq(pgs_ms_until(UINT64_MAX), 3600000);
	pgs_clock_set_fake(0, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("clock");

	tcase_add_test(tc, real_clocks_run);
	tcase_add_test(tc, fake_clocks_stand);
	tcase_add_test(tc, rounded_up_and_bounded);
	return runner_run("clock", tc);
}

/*
 * tests/unit/test_chaos.c
 *    The schedule of a chaos run is a function of its seed, and what it says can be carried out.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/chaos/deeds.h"
#include "tests/chaos/schedule.h"
#include "tests/unit/runner.h"

enum { SECONDS = 180, SEEDS = 200 };

static struct chaos_fault faults[CHAOS_MAX];
static char first[CHAOS_MAX * 96];
static char second[CHAOS_MAX * 96];

static void print(uint64_t seed, char *ret)
{
	size_t n = chaos_schedule(seed, SECONDS, faults);

	ck_assert(chaos_print(faults, n, ret, sizeof(first)));
}

START_TEST(same_seed_same_schedule)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		print(seed, first);
		print(seed, second);
		ck_assert_str_eq(first, second);
		print(seed + 1, second);
		ck_assert_str_ne(first, second);
	}
}
END_TEST

/* So that a seed that found something finds it again on another machine. */
START_TEST(known_schedule)
{
	size_t n = chaos_schedule(1, 20, faults);

	ck_assert(chaos_print(faults, n, first, sizeof(first)));
	ck_assert_str_eq(first, "4.000 begin relay_pause_long 0\n"
				"10.024 begin upgrade 0\n"
				"12.291 begin pg_kill 2\n"
				"14.687 end relay_pause_long 0\n"
				"16.523 end pg_kill 2\n");
}
END_TEST

START_TEST(a_longer_run_begins_alike)
{
	size_t n = chaos_schedule(5, SECONDS, faults);
	static struct chaos_fault longer[CHAOS_MAX];

	ck_assert_uint_gt(chaos_schedule(5, 3 * SECONDS, longer), n);
	ck_assert_int_eq(memcmp(faults, longer, sizeof(faults[0])), 0);
}
END_TEST

START_TEST(every_fault_comes)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		size_t n = chaos_schedule(seed, SECONDS, faults);
		bool seen[CHAOS_N_KINDS] = { false };

		for (size_t i = 0; i < n; i++)
			seen[faults[i].kind] = true;
		for (int i = 0; i < CHAOS_N_KINDS; i++)
			ck_assert_msg(seen[i], "seed %d: no %s", (int)seed,
				      chaos_name((enum chaos_kind)i));
	}
}
END_TEST

/* What the name's first word says is one thing; of two databases' things there are two. */
static bool same_thing(const struct chaos_fault *a, const struct chaos_fault *b)
{
	size_t len = strcspn(chaos_name(a->kind), "_");

	return a->database == b->database &&
	       strncmp(chaos_name(a->kind), chaos_name(b->kind), len) == 0;
}

START_TEST(faults_of_one_thing_do_not_overlap)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		size_t n = chaos_schedule(seed, SECONDS, faults);

		for (size_t i = 0; i < n; i++) {
			ck_assert_int_le(faults[i].end_ms, SECONDS * 1000);
			ck_assert_int_le(faults[i].begin_ms, faults[i].end_ms);
			ck_assert(i == 0 || faults[i - 1].begin_ms <= faults[i].begin_ms);
			for (size_t j = i + 1; j < n; j++)
				ck_assert(!same_thing(&faults[i], &faults[j]) ||
					  faults[j].begin_ms > faults[i].end_ms);
		}
	}
}
END_TEST

START_TEST(too_small_a_buffer)
{
	size_t n = chaos_schedule(1, SECONDS, faults);

	ck_assert(!chaos_print(faults, n, first, 0));
	ck_assert(!chaos_print(faults, n, first, 100));
	ck_assert_uint_lt(strlen(first), 100);
}
END_TEST

START_TEST(same_seed_same_deeds)
{
	struct chaos_random one = { 77 };
	struct chaos_random other = { 77 };
	static struct deed a;
	static struct deed b;

	for (int i = 0; i < 2000; i++) {
		if (i % 10) {
			deed_draw(&one, 3, &a);
			deed_draw(&other, 3, &b);
		} else {
			deed_ddl(&one, i, &a);
			deed_ddl(&other, i, &b);
		}
		ck_assert_int_eq(a.n, b.n);
		ck_assert_int_gt(a.n, 0);
		ck_assert_int_lt(a.n, DEED_STATEMENTS);
		for (int k = 0; k < a.n; k++) {
			ck_assert_str_eq(a.statements[k].text, b.statements[k].text);
			/* not cut */
			ck_assert_uint_lt(strlen(a.statements[k].text), DEED_TEXT - 1);
		}
		if (strcmp(a.statements[0].text, "begin") == 0)
			ck_assert(strcmp(a.statements[a.n - 1].text, "commit") == 0 ||
				  strcmp(a.statements[a.n - 1].text, "rollback") == 0 ||
				  strncmp(a.statements[a.n - 1].text, "prepare ", 8) == 0);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("chaos");

	tcase_add_test(tcase, same_seed_same_schedule);
	tcase_add_test(tcase, known_schedule);
	tcase_add_test(tcase, a_longer_run_begins_alike);
	tcase_add_test(tcase, every_fault_comes);
	tcase_add_test(tcase, faults_of_one_thing_do_not_overlap);
	tcase_add_test(tcase, too_small_a_buffer);
	tcase_add_test(tcase, same_seed_same_deeds);
	return runner_run("chaos", tcase);
}

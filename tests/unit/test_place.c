/*
 * tests/unit/test_place.c
 *    Placement: the same map from any order of names, balanced, and little moved when a host or a set comes or goes.
 *
 * Prints what was moved: the figures of docs/operations.md.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"
#include "supervisor/place.h"
#include "tests/unit/runner.h"

enum { MAX_HOSTS = 101, MAX_SETS = 10001, ROUNDS = 12, NAME_BYTES = 24 };

struct names {
	char hosts[MAX_HOSTS][NAME_BYTES];
	char sets[MAX_SETS][NAME_BYTES];
	const char *host[MAX_HOSTS];
	const char *set[MAX_SETS];
};

static void names_make(struct names *names, int round)
{
	for (int i = 0; i < MAX_HOSTS; i++) {
		(void)snprintf(names->hosts[i], NAME_BYTES, "shovel-%d-%d", round, i);
		names->host[i] = names->hosts[i];
	}
	for (int i = 0; i < MAX_SETS; i++) {
		(void)snprintf(names->sets[i], NAME_BYTES, "tenant_%d_%d", round, i);
		names->set[i] = names->sets[i];
	}
}

static void place(const struct names *names, size_t n_hosts, size_t n_sets, uint32_t *ret)
{
	struct pgs_err err;

	ck_assert_int_eq(place_compute(names->host, n_hosts, names->set, n_sets, ret, &err), 0);
}

static size_t n_moved(const uint32_t *a, const uint32_t *b, size_t n)
{
	size_t moved = 0;

	for (size_t i = 0; i < n; i++)
		moved += a[i] != b[i];
	return moved;
}

static size_t n_of(const uint32_t *owner, size_t n, uint32_t host)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += owner[i] == host;
	return count;
}

static struct names *names;
static uint32_t before[MAX_SETS], after[MAX_SETS];

static void setup(void)
{
	names = calloc(1, sizeof(*names));
	ck_assert_ptr_nonnull(names);
}

static void teardown(void)
{
	free(names);
}

START_TEST(order_does_not_matter)
{
	struct pgs_err err;
	const char *host[20], *set[500];

	names_make(names, 0);
	place(names, 20, 500, before);
	for (size_t i = 0; i < 20; i++)
		host[i] = names->host[19 - i];
	for (size_t i = 0; i < 500; i++)
		set[i] = names->set[(i * 7) % 500];
	ck_assert_int_eq(place_compute(host, 20, set, 500, after, &err), 0);
	for (size_t i = 0; i < 500; i++)
		ck_assert_str_eq(host[after[i]], names->host[before[(i * 7) % 500]]);
}
END_TEST

START_TEST(nobody_and_nothing)
{
	names_make(names, 0);
	place(names, 0, 3, before);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(before[i], PLACE_NONE);
	place(names, 3, 0, before);
	place(names, 1, 3, before);
	ck_assert_uint_eq(n_of(before, 3, 0), 3);
}
END_TEST

/*
 * Nobody has more than 1.1 x the mean + 1, rounded up: over all sizes.
 *
 * Rounded up, since the room of all hosts together grows set by set. Room of a whole number at every host would grow
 * at all of them at once: measured, a host that joins 100 with 1,000 sets then moves 5.7 x its share at such a step.
 */
START_TEST(never_too_many)
{
	static const size_t n_sets[] = {
		1, 2, 3, 7, 10, 33, 100, 101, 256, 999, 1000, 3333, 10000
	};
	const size_t n_hosts = (size_t)_i;
	uint32_t count[MAX_HOSTS];

	names_make(names, _i);
	for (size_t k = 0; k < PGS_ARRAY_LEN(n_sets); k++) {
		const size_t limit =
			(11 * n_sets[k] + 10 * n_hosts + 10 * n_hosts - 1) / (10 * n_hosts);
		memset(count, 0, sizeof(count));
		place(names, n_hosts, n_sets[k], before);
		for (size_t i = 0; i < n_sets[k]; i++)
			count[before[i]]++;
		for (size_t h = 0; h < n_hosts; h++)
			ck_assert_uint_le(count[h], limit);
	}
}
END_TEST

/*
 * hosts, sets, and what a host that leaves or joins may move, as a multiple of its own share.
 *
 * 1.35 wherever a host has 50 sets or there are few hosts. With many hosts of few sets each it is more, and that is
 * no matter of the rule's details. Without a limit a host's number of sets varies by its square root: with 10 each
 * every fifth has more than the 12 that the limit allows. Who is turned away takes the place of another, whose first
 * choice that was, and so on; one set that goes opens the way back for such a chain. Hosts that choose among sets
 * (1.60 at 100 hosts and 1,000 sets), equal room everywhere (1.46 for one that leaves, 5.7 for one that joins) and less
 * room (2.4) were measured. Only who knows where each set is now could move the least; the names do not tell.
 */
static const struct {
	size_t hosts, sets;
	double moved;
} grid[] = {
	{ 1, 1, 1.35 },       { 2, 20, 1.35 },     { 3, 100, 1.35 },   { 5, 300, 1.35 },
	{ 10, 100, 1.35 },    { 10, 1000, 1.35 },  { 20, 200, 1.6 },   { 20, 1000, 1.35 },
	{ 50, 3000, 1.35 },   { 100, 3000, 1.6 },  { 100, 1000, 2.0 }, { 100, 5000, 1.4 },
	{ 100, 10000, 1.35 }, { 20, 10000, 1.35 }, { 3, 10000, 1.35 },
};

START_TEST(balanced_and_calm)
{
	const size_t n_hosts = grid[_i].hosts, n_sets = grid[_i].sets;
	double left = 0, left_share = 0, joined = 0, joined_share = 0, added = 0;

	for (int round = 0; round < ROUNDS; round++) {
		names_make(names, round);
		place(names, n_hosts, n_sets, before);
		for (uint32_t h = 0; h < n_hosts; h++)
			ck_assert_uint_le(n_of(before, n_sets, h),
					  (n_sets + n_sets / 10) / n_hosts + 2);
		place(names, n_hosts + 1, n_sets, after);
		joined += (double)n_moved(before, after, n_sets);
		joined_share += (double)n_sets / (double)(n_hosts + 1);
		if (n_hosts > 1) {
			place(names, n_hosts - 1, n_sets, after);
			left += (double)n_moved(before, after, n_sets);
			left_share += (double)n_of(before, n_sets, (uint32_t)n_hosts - 1);
		}
		place(names, n_hosts, n_sets + 1, after);
		added += (double)n_moved(before, after, n_sets);
	}
	printf("# %3zu hosts %5zu sets: a leaving host moves %.2f of its share, a joining one "
	       "%.2f, "
	       "an added set %.2f sets\n",
	       n_hosts, n_sets, left_share > 0 ? left / left_share : 0, joined / joined_share,
	       added / ROUNDS);
	if (n_sets >= 20) {
		ck_assert_double_le(left, left_share * grid[_i].moved);
		ck_assert_double_le(joined, joined_share * grid[_i].moved);
	}
	if (n_sets >= 1000)
		ck_assert_double_le(added / ROUNDS, (double)n_sets / 1000);
	else
		ck_assert_double_le(added / ROUNDS, 1.0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("place");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, order_does_not_matter);
	tcase_add_test(tcase, nobody_and_nothing);
	tcase_add_loop_test(tcase, never_too_many, 1, MAX_HOSTS);
	tcase_add_loop_test(tcase, balanced_and_calm, 0, (int)PGS_ARRAY_LEN(grid));
	return runner_run("place", tcase);
}

/*
 * tests/unit/test_slots.c
 *    The table of slots: order, finding, removing; staleness; forgiveness.
 */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"
#include "supervisor/slots.h"
#include "tests/unit/runner.h"

START_TEST(sorted_and_found)
{
	struct slots slots = { 0 };
	char name[16];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "s%d", (i * 37) % 100);
		ck_assert_ptr_nonnull(slots_add(&slots, name));
	}
	ck_assert_uint_eq(slots.n, 100);
	for (size_t i = 1; i < slots.n; i++)
		ck_assert_int_lt(strcmp(slots.list[i - 1]->set, slots.list[i]->set), 0);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "s%d", i);
		struct slot *slot = slots_find(&slots, name);
		ck_assert_ptr_nonnull(slot);
		ck_assert_str_eq(slot->set, name);
		ck_assert_int_eq(slot->pidfd, -1);
		ck_assert_int_eq(slot->ctl_fd, -1);
	}
	ck_assert_ptr_null(slots_find(&slots, "s100"));
	ck_assert_ptr_null(slots_find(&slots, ""));
	slots_done(&slots);
}
END_TEST

START_TEST(addresses_stay)
{
	struct slots slots = { 0 };
	struct slot *kept = slots_add(&slots, "m");

	for (char c = 'a'; c <= 'z'; c++)
		if (c != 'm')
			ck_assert_ptr_nonnull(slots_add(&slots, (char[]){ c, '\0' }));
	for (char c = 'a'; c <= 'z'; c += 2)
		if (c != 'm')
			slots_remove(&slots, slots_find(&slots, (char[]){ c, '\0' }));
	ck_assert_ptr_eq(slots_find(&slots, "m"), kept);
	ck_assert_ptr_null(slots_find(&slots, "a"));
	ck_assert_ptr_nonnull(slots_find(&slots, "b"));
	slots_done(&slots);
}
END_TEST

START_TEST(gathered_are_ours_and_what_is_left_of_others)
{
	static const char *const names[] = { "foreign", "gone", "parked",  "placed",
					     "owned",   "runs", "watched", "foreign2" };
	struct slots slots = { 0 };
	struct slot *slot[PGS_ARRAY_LEN(names)];

	for (size_t i = 0; i < PGS_ARRAY_LEN(names); i++) {
		slot[i] = slots_add(&slots, names[i]);
		slot[i]->exists = true;
	}
	slot[1]->exists = false;
	slot[2]->state = SLOT_PARKED;
	slot[3]->placed = true;
	slot[4]->owned = true;
	slot[5]->pid = INT_MAX;
	slot[6]->watched = true;
	slots_gather(&slots);
	ck_assert_uint_eq(slots.n_busy, 6);
	for (size_t i = 0; i < slots.n_busy; i++)
		ck_assert_ptr_null(strstr(slots.busy[i]->set, "foreign"));
	slots_remove(&slots, slot[3]); /* not to be found there either */
	ck_assert_uint_eq(slots.n_busy, 5);
	for (size_t i = 0; i < slots.n_busy; i++)
		ck_assert_ptr_ne(slots.busy[i], slot[3]);
	slot[5]->pid = 0;
	slots_done(&slots);
}
END_TEST

START_TEST(stale_by_version_or_rollout)
{
	struct slots slots = { 0 };
	struct slot *slot = slots_add(&slots, "a");

	(void)snprintf(slot->version, sizeof(slot->version), "v1");
	(void)snprintf(slot->rollout, sizeof(slot->rollout), "r1");
	ck_assert(slot_stale(slot)); /* nothing has run */
	(void)snprintf(slot->run_version, sizeof(slot->run_version), "v1");
	(void)snprintf(slot->run_rollout, sizeof(slot->run_rollout), "r1");
	ck_assert(!slot_stale(slot));
	slot->mzxid = 7;
	ck_assert(!slot_stale(slot)); /* a touch is no new version */
	(void)snprintf(slot->rollout, sizeof(slot->rollout), "r2");
	ck_assert(slot_stale(slot)); /* dropped and created again with the same document */
	(void)snprintf(slot->run_rollout, sizeof(slot->run_rollout), "r2");
	(void)snprintf(slot->version, sizeof(slot->version), "v2");
	ck_assert(slot_stale(slot));
	slots_done(&slots);
}
END_TEST

START_TEST(forgiveness)
{
	struct slots slots = { 0 };
	struct slot *up = slots_add(&slots, "up"), *stopping = slots_add(&slots, "stopping"),
		    *waiting = slots_add(&slots, "waiting");

	up->state = SLOT_UP;
	up->heard_us = 100;
	stopping->state = SLOT_STOPPING;
	stopping->deadline_us = 100;
	waiting->state = SLOT_BACKOFF;
	waiting->deadline_us = 100;
	slots_forgive(&slots, 50);
	ck_assert_uint_eq(up->heard_us, 150);
	ck_assert_uint_eq(stopping->deadline_us, 150);
	ck_assert_uint_eq(waiting->deadline_us, 100); /* nobody has to say anything in back-off */
	slots_done(&slots);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("table");

	tcase_add_test(tcase, sorted_and_found);
	tcase_add_test(tcase, addresses_stay);
	tcase_add_test(tcase, gathered_are_ours_and_what_is_left_of_others);
	tcase_add_test(tcase, stale_by_version_or_rollout);
	tcase_add_test(tcase, forgiveness);
	return runner_run("slots", tcase);
}

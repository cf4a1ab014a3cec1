/*
 * tests/unit/test_slots.c
 *    The table of slots: order, finding, removing; staleness; forgiveness; the credentials folder.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "supervisor/credentials.h"
#include "supervisor/slots.h"

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

static char folder[] = "/tmp/pgshovel-credentials.XXXXXX";

static void put(const char *name, const char *text, size_t n)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, text, n), (int)n);
	(void)close(fd);
}

static void take_away(const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	(void)remove(path);
}

START_TEST(credentials_of_a_set)
{
	struct credentials credentials;
	struct assignment_credential list[3];
	struct pgs_err err;
	size_t n;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	put("pgpass", "*:*:*:*:secret\n", 15);
	put("kafka", "sasl.password=a\n", 16);
	put("kafka.one", "sasl.password=b\n", 16);
	put("kafka.NotASet", "x", 1);
	put("zookeeper", "user:word\n", 10);
	put("unrelated", "x", 1);
	ck_assert_int_eq(credentials_read(folder, &credentials, &err), 0);
	ck_assert_uint_eq(credentials.n, 4);
	ck_assert_str_eq(credentials_zookeeper(&credentials), "user:word");
	credentials_for_set(&credentials, "one", list, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(list[2].name, "kafka.one");
	ck_assert_str_eq(list[2].data, "sasl.password=b\n");
	ck_assert_uint_eq(list[2].len, 16);
	credentials_for_set(&credentials, "two", list, &n);
	ck_assert_uint_eq(n, 2); /* another set's secret is not handed out */
	credentials_done(&credentials);

	char *big = calloc(1, CREDENTIALS_MAX_BYTES + 1);
	memset(big, 'a', CREDENTIALS_MAX_BYTES + 1);
	put("kafka", big, CREDENTIALS_MAX_BYTES);
	ck_assert_int_eq(credentials_read(folder, &credentials, &err), 0);
	credentials_done(&credentials);
	put("kafka", big, CREDENTIALS_MAX_BYTES + 1);
	ck_assert_int_eq(credentials_read(folder, &credentials, &err), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	put("kafka", "a\0b", 3);
	ck_assert_int_eq(credentials_read(folder, &credentials, &err), -1);
	free(big);

	static const char *const names[] = { "pgpass",        "kafka",     "kafka.one",
					     "kafka.NotASet", "zookeeper", "unrelated" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		take_away(names[i]);
	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_int_eq(credentials_read(folder, &credentials, &err), -1);
	ck_assert_int_eq(credentials_read(NULL, &credentials, &err), 0);
	ck_assert_ptr_null(credentials_zookeeper(&credentials));
	credentials_done(&credentials);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slots");
	TCase *tcase = tcase_create("table");

	tcase_add_test(tcase, sorted_and_found);
	tcase_add_test(tcase, addresses_stay);
	tcase_add_test(tcase, stale_by_version_or_rollout);
	tcase_add_test(tcase, forgiveness);
	tcase_add_test(tcase, credentials_of_a_set);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

/*
 * tests/unit/test_zpath.c
 *    Every path as docs/protocol.md writes it, and host names made fit for one.
 */
#include <check.h>
#include <string.h>

#include "common/zpath.h"
#include "tests/unit/runner.h"

START_TEST(paths)
{
	ck_assert_str_eq(zpath_cluster("c").text, "/c");
	ck_assert_str_eq(zpath_sets("c").text, "/c/sets");
	ck_assert_str_eq(zpath_set("c", "s").text, "/c/sets/s");
	ck_assert_str_eq(zpath_rollouts("c").text, "/c/rollouts");
	ck_assert_str_eq(zpath_rollout("c", "0f").text, "/c/rollouts/0f");
	ck_assert_str_eq(zpath_decisions("c").text, "/c/decisions");
	ck_assert_str_eq(zpath_decision("c", "0f").text, "/c/decisions/0f");
	ck_assert_str_eq(zpath_admin("c").text, "/c/admin");
	ck_assert_str_eq(zpath_hosts("c").text, "/c/hosts");
	ck_assert_str_eq(zpath_host("c", "h").text, "/c/hosts/h");
	ck_assert_str_eq(zpath_statuses("c").text, "/c/status");
	ck_assert_str_eq(zpath_status("c", "h").text, "/c/status/h");
	ck_assert_str_eq(zpath_status_set("c", "h", "s").text, "/c/status/h~s");
	ck_assert_str_eq(zpath_locks("c").text, "/c/locks");
	ck_assert_str_eq(zpath_lock("c", "s").text, "/c/locks/s");
}
END_TEST

START_TEST(longest_names)
{
	char cluster[25];
	char host[64];

	memset(cluster, 'c', sizeof(cluster) - 1);
	cluster[sizeof(cluster) - 1] = '\0';
	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	ck_assert_uint_eq(strlen(zpath_status(cluster, host).text), 1 + 24 + 8 + 63);
	ck_assert_uint_eq(strlen(zpath_decision(cluster, "0123456789abcdef0123456789abcdef").text),
			  1 + 24 + 11 + 32);
}
END_TEST

START_TEST(host_names)
{
	static const char *const cases[][2] = {
		{ "db-1.example.org", "db-1.example.org" },
		{ "a/b c", "a_b_c" },
		{ "\xc3\xa4", "__" },
		{ ".", "_" },
		{ "..", "__" },
		{ "...", "..." },
		{ "", "_" },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789",
		  "012345678901234567890123456789012345678901234567890123456789012" },
	};

	for (size_t i = 0; i < PGS_ARRAY_LEN(cases); i++) {
		char clean[64];

		zpath_host_clean(cases[i][0], clean);
		ck_assert_str_eq(clean, cases[i][1]);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("zpath");

	tcase_add_test(tcase, paths);
	tcase_add_test(tcase, longest_names);
	tcase_add_test(tcase, host_names);
	return runner_run("zpath", tcase);
}

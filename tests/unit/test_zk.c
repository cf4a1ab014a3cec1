/*
 * tests/unit/test_zk.c
 *    The ZooKeeper client as far as it goes without a server: addresses, errors, what it asks a loop to wait for.
 *
 * With a server: tests/integration/30-supervisor.sh.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/zk_internal.h"
#include "tests/unit/runner.h"

START_TEST(hosts_that_are_valid)
{
	static const char *const good[] = {
		"127.0.0.1:2181", "localhost", "a:1,b:2,c:3/chroot",
		"[::1]:2181",     "a/x/y",     "zk-1.example.com:65535",
	};
	struct pgs_err err;

	for (size_t i = 0; i < PGS_ARRAY_LEN(good); i++)
		ck_assert_msg(zk_servers_check(good[i], &err) == 0, "%s: %s", good[i], err.msg);
}
END_TEST

START_TEST(hosts_that_are_not)
{
	static const char *const bad[] = {
		"",          "/chroot",   ":2181", "a:",        "a:0",    "a:65536",
		"a:x",       "a,",        "a,,b",  "a:1/",      "a:1/x/", "a:1//x",
		"[::1:2181", "[::1]2181", "a b:1", "a:1/x,b:2",
	};
	struct pgs_err err;

	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++) {
		ck_assert_msg(zk_servers_check(bad[i], &err) == -1, "\"%s\" was accepted", bad[i]);
		ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
		ck_assert_ptr_null(strchr(err.msg, '\n'));
	}
}
END_TEST

/* The C client may never try the living one of an even number of servers. */
START_TEST(odd_number_of_addresses)
{
	static const struct {
		const char *hosts, *expected;
	} cases[] = {
		{ "127.0.0.1:1", "127.0.0.1:1" },
		{ "127.0.0.1:1,127.0.0.2:2", "127.0.0.1:1,127.0.0.2:2,127.0.0.1:1" },
		{ "127.0.0.1:1,127.0.0.1:1", "127.0.0.1:1" },
		{ "127.0.0.1:1,127.0.0.2:2,127.0.0.3:3/c/d",
		  "127.0.0.1:1,127.0.0.2:2,127.0.0.3:3/c/d" },
		{ "127.0.0.1/c", "127.0.0.1:2181/c" },
		{ "[::1]:5", "::1:5" },
	};
	struct pgs_err err;

	for (size_t i = 0; i < PGS_ARRAY_LEN(cases); i++) {
		char *got = NULL;
		ck_assert_msg(zk_servers_resolve(cases[i].hosts, &got, &err) == 0, "%s", err.msg);
		ck_assert_str_eq(got, cases[i].expected);
		free(got);
	}
}
END_TEST

START_TEST(names_that_do_not_resolve)
{
	struct pgs_err err;
	char *got = NULL;

	ck_assert_int_eq(zk_servers_resolve("nowhere.invalid:2181", &got, &err), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_RETRY);
	/* One dead name does not keep us from the others. */
	ck_assert_int_eq(zk_servers_resolve("nowhere.invalid:2181,127.0.0.1:7", &got, &err), 0);
	ck_assert_str_eq(got, "127.0.0.1:7");
	free(got);
}
END_TEST

START_TEST(errors_have_codes_and_classes)
{
	static const struct {
		int rc;
		const char *code;
		enum pgs_err_class cls;
		bool unknown;
	} cases[] = {
		{ ZNONODE, "ZNONODE", PGS_ERR_CONFIG, false },
		{ ZNODEEXISTS, "ZNODEEXISTS", PGS_ERR_CONFIG, false },
		{ ZBADVERSION, "ZBADVERSION", PGS_ERR_CONFIG, false },
		{ ZNOAUTH, "ZNOAUTH", PGS_ERR_CONFIG, false },
		{ ZCONNECTIONLOSS, "ZCONNECTIONLOSS", PGS_ERR_RETRY, true },
		{ ZOPERATIONTIMEOUT, "ZOPERATIONTIMEOUT", PGS_ERR_RETRY, true },
		{ ZSESSIONEXPIRED, "ZSESSIONEXPIRED", PGS_ERR_RETRY, true },
		{ ZCLOSING, "ZCLOSING", PGS_ERR_RETRY, true },
		{ ZINVALIDSTATE, "ZINVALIDSTATE", PGS_ERR_RETRY, false },
		{ ZBADARGUMENTS, "ZBADARGUMENTS", PGS_ERR_BUG, false },
		{ -120, "Z-120", PGS_ERR_RETRY, false },
	};

	for (size_t i = 0; i < PGS_ARRAY_LEN(cases); i++) {
		struct pgs_err err;
		ck_assert_int_eq(zk_err_from_rc(cases[i].rc, "/a", &err), -1);
		ck_assert_str_eq(err.code, cases[i].code);
		ck_assert_int_eq(err.cls, cases[i].cls);
		ck_assert(zk_err_unknown(&err) == cases[i].unknown);
		ck_assert_ptr_nonnull(strstr(err.msg, "\"/a\""));
	}
}
END_TEST

/* Port 1 of the loopback refuses at once. */
static struct zk *open_nowhere(void)
{
	struct zk_params params = { .hosts = "127.0.0.1:1",
				    .session_timeout_us = 10 * 1000 * 1000 };
	struct zk *zk = NULL;
	struct pgs_err err;

	ck_assert_msg(zk_open(&params, &zk, &err) == 0, "%s", err.msg);
	return zk;
}

START_TEST(nobody_answers)
{
	PGS_CLEANUP(zk_closep) struct zk *zk = open_nowhere();
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(100);
	struct pgs_err err;
	uint64_t begin_us = pgs_now_us();

	ck_assert_int_eq(zk_wait_get(zk, "/a", begin_us + 600 * 1000, &data, NULL, &err), -1);
	ck_assert_str_eq(err.code, "ENOTCONN");
	ck_assert_int_eq(err.cls, PGS_ERR_RETRY);
	ck_assert(!zk_err_unknown(&err)); /* it was never sent */
	ck_assert_uint_ge(pgs_now_us() - begin_us, 600 * 1000);
	ck_assert_uint_le(pgs_now_us() - begin_us, 5000 * 1000);
	ck_assert_ptr_nonnull(strstr(zk_trouble(zk), "127.0.0.1:1"));
	ck_assert_int_eq(zk_session_id(zk), 0);
}
END_TEST

/* Asking in a hot loop must not make it connect in one. */
START_TEST(pause_is_kept)
{
	PGS_CLEANUP(zk_closep) struct zk *zk = open_nowhere();
	uint64_t begin_us = pgs_now_us();
	unsigned sockets = 0;
	uint64_t inode = 0;

	while (pgs_now_us() - begin_us < 500 * 1000) {
		int fd, events;
		uint64_t timeout_us;
		zk_interest(zk, &fd, &events, &timeout_us);
		ck_assert_uint_gt(timeout_us, 0);
		if (zk->socket_inode != inode)
			sockets++;
		inode = zk->socket_inode;
		if (fd >= 0)
			zk_process(zk, events);
	}
	ck_assert_uint_ge(sockets, 1);
	ck_assert_uint_le(sockets, 20);
}
END_TEST

static int answers;
static char answer_code[24];

static void on_done(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat, void *ctx)
{
	(void)zk;
	(void)stat;
	(void)ctx;
	answers++;
	(void)snprintf(answer_code, sizeof(answer_code), "%s", err ? err->code : "");
}

START_TEST(answered_once_at_close)
{
	struct zk *zk = open_nowhere();
	struct pgs_err err;

	ck_assert_int_eq(zk_delete(zk, "/a", -1, on_done, NULL, &err), 0);
	ck_assert_int_eq(answers, 0);
	zk_close(zk);
	ck_assert_int_eq(answers, 1);
	ck_assert_str_eq(answer_code, "ZCLOSING");
}
END_TEST

START_TEST(too_large)
{
	PGS_CLEANUP(zk_closep) struct zk *zk = open_nowhere();
	static char big[ZK_NODE_MAX_BYTES + 1];
	struct zk_op ops[20];
	struct pgs_err err;

	ck_assert_int_eq(zk_set(zk, "/a", big, ZK_NODE_MAX_BYTES, -1, on_done, NULL, &err), 0);
	ck_assert_int_eq(zk_set(zk, "/a", big, sizeof(big), -1, on_done, NULL, &err), -1);
	ck_assert_str_eq(err.code, "E2BIG");
	ck_assert_int_eq(zk_create(zk, "/a", big, sizeof(big), false, on_done, NULL, &err), -1);
	for (size_t i = 0; i < PGS_ARRAY_LEN(ops); i++)
		ops[i] = (struct zk_op){ .kind = ZK_OP_SET,
					 .path = "/a",
					 .data = big,
					 .len = ZK_NODE_MAX_BYTES,
					 .version = -1 };
	/* Together more than the server takes in one packet. */
	ck_assert_int_eq(zk_multi(zk, ops, PGS_ARRAY_LEN(ops), NULL, NULL, &err), -1);
	ck_assert_str_eq(err.code, "E2BIG");
	ck_assert_int_eq(zk_multi(zk, ops, 0, NULL, NULL, &err), -1);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("without a server");

	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, hosts_that_are_valid);
	tcase_add_test(tcase, hosts_that_are_not);
	tcase_add_test(tcase, odd_number_of_addresses);
	tcase_add_test(tcase, names_that_do_not_resolve);
	tcase_add_test(tcase, errors_have_codes_and_classes);
	tcase_add_test(tcase, nobody_answers);
	tcase_add_test(tcase, pause_is_kept);
	tcase_add_test(tcase, answered_once_at_close);
	tcase_add_test(tcase, too_large);
	return runner_run("zk", tcase);
}

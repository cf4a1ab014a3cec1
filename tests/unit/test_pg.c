/*
 * tests/unit/test_pg.c
 *    The pure part of common/pg.h: classes, messages, quoting, what is shown of a conninfo.
 *
 * No server: connections are tested by tests/integration.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/pg.h"
#include "common/pg_text.h"
#include "tests/unit/runner.h"

START_TEST(sqlstate_classes)
{
	static const struct {
		enum pgs_err_class cls;
		const char *states[16];
	} rows[] = {
		{ PGS_ERR_RETRY,
		  { "08000", "08006", "57P01", "57P02", "57P03", "53300", "53100", "40001", "40P01",
		    "55P03", "57014", "25006", "58030", "XX000", "55006" } },
		{ PGS_ERR_CONFIG,
		  { "28P01", "28000", "3D000", "3F000", "42P01", "42501", "42704", "0A000", "23505",
		    "22P02", "P0001", "55000", "54011", "XX001", "ZZZZZ" } },
		{ PGS_ERR_BUG, { "25P02", "25001", "26000", "34000", "P0004" } },
	};

	for (size_t i = 0; i < PGS_ARRAY_LEN(rows); i++)
		for (size_t k = 0; k < 16 && rows[i].states[k]; k++)
			ck_assert_msg(pg_sqlstate_class(rows[i].states[k]) == rows[i].cls,
				      "%s is %s", rows[i].states[k],
				      pgs_err_class_name(pg_sqlstate_class(rows[i].states[k])));
	ck_assert_int_eq(pg_sqlstate_class(NULL), PGS_ERR_RETRY);
	ck_assert_int_eq(pg_sqlstate_class(""), PGS_ERR_RETRY);
}
END_TEST

START_TEST(connect_errors)
{
	struct pgs_err err;

	ck_assert_int_eq(pg_text_connect_error("connection to server at \"127.0.0.1\", port 5432 "
					       "failed: FATAL:  28P01: password "
					       "authentication failed for user \"a\"\nLOCATION:  "
					       "auth_failed, auth.c:326\n",
					       &err),
			 -1);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	ck_assert_str_eq(err.code, "28P01");
	ck_assert_str_eq(
		err.msg,
		"connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  password "
		"authentication failed for user \"a\"");

	(void)pg_text_connect_error(
		"connection failed: FATAL:  57P03: the database system is starting up\n", &err);
	ck_assert_int_eq(err.cls, PGS_ERR_RETRY);
	ck_assert_str_eq(err.code, "57P03");

	(void)pg_text_connect_error(
		"connection to server failed: Connection refused\n\tIs the server running?\n",
		&err);
	ck_assert_int_eq(err.cls, PGS_ERR_RETRY);
	ck_assert_str_eq(err.code, "08001");

	(void)pg_text_connect_error("invalid sslmode value: \"x\"\n", &err);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	(void)pg_text_connect_error("connection failed: fe_sendauth: no password supplied\n", &err);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	(void)pg_text_connect_error("FATAL:  28P0",
				    &err); /* cut short: no SQLSTATE, no read behind the end */
	ck_assert_int_eq(err.cls, PGS_ERR_RETRY);
	(void)pg_text_connect_error("", &err);
	ck_assert_str_eq(err.msg, "could not connect");
}
END_TEST

static void shows(const char *conninfo, const char *want)
{
	char *got = pg_conninfo_display(conninfo);

	ck_assert_str_eq(got, want);
	free(got);
}

START_TEST(conninfo_without_password)
{
	shows("host=db1 port=5433 dbname=shop user=u password=secret sslpassword=secret2",
	      "host=db1 port=5433 dbname=shop user=u");
	shows("postgresql://u:secret@db1/shop", "host=db1 dbname=shop user=u");
	shows("service=x", "service=x");
	shows("", "(defaults)");
	shows("password='secret", "(conninfo that cannot be parsed)");
	shows("pass word", "(conninfo that cannot be parsed)");
}
END_TEST

START_TEST(connect_refuses_bad_conninfo_without_quoting_it)
{
	const struct pg_connect params = { .conninfo = "password=my secret",
					   .application_name = "test" };
	const struct pg_limit limit = { .timeout_us = 1000000, .interrupt_fd = -1 };
	PGconn *conn = NULL;
	struct pgs_err err;

	ck_assert_int_eq(pg_connect(&params, &limit, &conn, &err), -1);
	ck_assert_ptr_null(conn);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	ck_assert_ptr_null(strstr(err.msg, "secret"));
}
END_TEST

START_TEST(connect_refused_is_retry)
{
	/* Port 1 of the loopback: nobody listens there. */
	const struct pg_connect params = { .conninfo = "hostaddr=127.0.0.1 port=1 password=secret",
					   .application_name = "test" };
	const struct pg_limit limit = { .timeout_us = 5000000, .interrupt_fd = -1 };
	PGconn *conn = NULL;
	struct pgs_err err;

	ck_assert_int_eq(pg_connect(&params, &limit, &conn, &err), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_RETRY);
	ck_assert_ptr_nonnull(strstr(err.msg, "hostaddr=127.0.0.1 port=1"));
	ck_assert_ptr_null(strstr(err.msg, "secret"));
}
END_TEST

START_TEST(quoting)
{
	struct pgs_buf buf = PGS_BUF_INIT(1000);

	pg_put_ident(&buf, "a\"b");
	pgs_buf_putc(&buf, ' ');
	pg_put_literal(&buf, "it's");
	pgs_buf_putc(&buf, ' ');
	pg_put_literal(&buf, "a\\'b");
	pgs_buf_putc(&buf, ' ');
	pg_put_literal(&buf, "");
	pg_put_ident(&buf, "\xc3\xa4");
	ck_assert_str_eq(pgs_buf_str(&buf), "\"a\"\"b\" 'it''s'  E'a\\\\''b' ''\"\xc3\xa4\"");
	pgs_buf_done(&buf);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pg");

	tcase_add_test(tc, sqlstate_classes);
	tcase_add_test(tc, connect_errors);
	tcase_add_test(tc, conninfo_without_password);
	tcase_add_test(tc, connect_refuses_bad_conninfo_without_quoting_it);
	tcase_add_test(tc, connect_refused_is_retry);
	tcase_add_test(tc, quoting);
	return runner_run("pg", tc);
}

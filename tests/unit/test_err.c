/*
 * tests/unit/test_err.c
 *    common/err.c: what is filled, what is cut, what stays.
 *
 * Does not look at log or exit: err has neither.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "tests/unit/runner.h"

START_TEST(set_fills_everything)
{
	struct pgs_err err = { 0 };

	ck_assert_int_eq(pgs_err_set(&err, PGS_ERR_FENCED, "ENOENT", "could not open \"%s\"", "x"),
			 -1);
	ck_assert_int_eq(err.cls, PGS_ERR_FENCED);
	ck_assert_str_eq(err.code, "ENOENT");
	ck_assert_str_eq(err.msg, "could not open \"x\"");
	ck_assert_int_eq(pgs_err_set(&err, PGS_ERR_BUG, NULL, "y"), -1);
	ck_assert_str_eq(err.code, "");
}
END_TEST

START_TEST(null_error_is_allowed)
{
	ck_assert_int_eq(pgs_err_set(NULL, PGS_ERR_BUG, "x", "%s", "y"), -1);
	ck_assert_int_eq(pgs_err_prefix(NULL, "%s", "y"), -1);
	ck_assert_int_eq(pgs_err_nomem(NULL), -1);
}
END_TEST

START_TEST(errno_is_used_and_kept)
{
	struct pgs_err err;

	errno = ENOENT;
	(void)pgs_err_set(&err, PGS_ERR_RETRY, "", "could not open: %m");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(err.msg, "could not open: No such file or directory");
}
END_TEST

START_TEST(one_line_without_edge_blanks)
{
	struct pgs_err err;

	(void)pgs_err_set(&err, PGS_ERR_RETRY, "", "a\nb\r\n\tc\n");
	ck_assert_str_eq(err.msg, "a b   c");
}
END_TEST

START_TEST(too_long_is_cut)
{
	struct pgs_err err;
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)pgs_err_set(&err, PGS_ERR_RETRY, text, "%s", text);
	ck_assert_uint_eq(strlen(err.msg), sizeof(err.msg) - 1);
	ck_assert_uint_eq(strlen(err.code), sizeof(err.code) - 1);
	(void)pgs_err_prefix(&err, "%s", text);
	ck_assert_uint_eq(strlen(err.msg), sizeof(err.msg) - 1);
}
END_TEST

START_TEST(prefix_keeps_class_and_code)
{
	struct pgs_err err;

	(void)pgs_err_set(&err, PGS_ERR_CONFIG, "42P01", "no table");
	ck_assert_int_eq(pgs_err_prefix(&err, "database \"%s\"", "a"), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	ck_assert_str_eq(err.code, "42P01");
	ck_assert_str_eq(err.msg, "database \"a\": no table");
}
END_TEST

START_TEST(arguments_may_point_into_the_error)
{
	struct pgs_err err;

	(void)pgs_err_set(&err, PGS_ERR_RETRY, "A", "first");
	(void)pgs_err_set(&err, PGS_ERR_CONFIG, err.code, "then %s", err.msg);
	ck_assert_str_eq(err.msg, "then first");
	ck_assert_str_eq(err.code, "A");
}
END_TEST

START_TEST(classes_have_exit_codes_and_names)
{
	ck_assert_int_eq(pgs_err_exit(PGS_ERR_NONE), 0);
	ck_assert_int_eq(pgs_err_exit(PGS_ERR_RETRY), 75);
	ck_assert_int_eq(pgs_err_exit(PGS_ERR_CONFIG), 78);
	ck_assert_int_eq(pgs_err_exit(PGS_ERR_FENCED), 79);
	ck_assert_int_eq(pgs_err_exit(PGS_ERR_BUG), 70);
	ck_assert_str_eq(pgs_err_class_name(PGS_ERR_RETRY), "retry");
	ck_assert_str_eq(pgs_err_class_name(PGS_ERR_CONFIG), "config");
	ck_assert_str_eq(pgs_err_class_name(PGS_ERR_FENCED), "fenced");
	ck_assert_str_eq(pgs_err_class_name(PGS_ERR_BUG), "bug");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("err");

	tcase_add_test(tc, set_fills_everything);
	tcase_add_test(tc, null_error_is_allowed);
	tcase_add_test(tc, errno_is_used_and_kept);
	tcase_add_test(tc, one_line_without_edge_blanks);
	tcase_add_test(tc, too_long_is_cut);
	tcase_add_test(tc, prefix_keeps_class_and_code);
	tcase_add_test(tc, arguments_may_point_into_the_error);
	tcase_add_test(tc, classes_have_exit_codes_and_names);
	return runner_run("err", tc);
}

/*
 * tests/unit/test_log.c
 *    common/log.c: levels, one line, prefix, limits.
 *
 * Does not test a terminal: stderr of a test is none.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/unit/runner.h"

static struct {
	unsigned n;
	enum pgs_log_level level;
	char prefix[64];
	char line[4096];
} seen;

static void sink(enum pgs_log_level level, const char *prefix, const char *line, void *ctx)
{
	ck_assert_ptr_eq(ctx, &seen);
	seen.n++;
	seen.level = level;
	(void)snprintf(seen.prefix, sizeof(seen.prefix), "%s", prefix ? prefix : "(none)");
	(void)snprintf(seen.line, sizeof(seen.line), "%s", line);
}

static void open_sink(void)
{
	memset(&seen, 0, sizeof(seen));
	pgs_log_open("test", PGS_LOG_NOTICE);
	pgs_log_set_sink(sink, &seen);
}

START_TEST(levels_pass_or_not)
{
	pgs_log(PGS_LOG_INFO, NULL, "x");
	ck_assert_uint_eq(seen.n, 0);
	pgs_log(PGS_LOG_NOTICE, "set=a", "n=%d", 7);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_int_eq(seen.level, PGS_LOG_NOTICE);
	ck_assert_str_eq(seen.prefix, "set=a");
	ck_assert_str_eq(seen.line, "n=7");
	pgs_log_set_level(PGS_LOG_DEBUG);
	pgs_log(PGS_LOG_DEBUG, NULL, "x");
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_str_eq(seen.prefix, "(none)");
}
END_TEST

START_TEST(control_characters_become_blanks)
{
	pgs_log(PGS_LOG_ERR, NULL, "a\nb\033[31m\r%s", "\x7f.");
	ck_assert_str_eq(seen.line, "a b [31m  .");
}
END_TEST

START_TEST(long_line_is_cut)
{
	char text[8000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	pgs_log(PGS_LOG_ERR, NULL, "%s", text);
	ck_assert_uint_gt(strlen(seen.line), 1000);
	ck_assert_uint_lt(strlen(seen.line), 4000);
}
END_TEST

START_TEST(errno_is_kept)
{
	errno = ENOENT;
	pgs_log(PGS_LOG_ERR, NULL, "%m");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(seen.line, "No such file or directory");
}
END_TEST

static void read_stderr(char *ret, size_t size, const char *prefix)
{
	int fds[2], old = dup(STDERR_FILENO);
	ssize_t n;

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
	pgs_log_open("test", PGS_LOG_INFO);
	pgs_log_set_sink(NULL, NULL);
	pgs_log(PGS_LOG_WARNING, prefix, "hello");
	ck_assert_int_ge(dup2(old, STDERR_FILENO), 0);
	n = read(fds[0], ret, size - 1);
	ck_assert_int_gt(n, 0);
	ret[n] = '\0';
	(void)close(fds[0]);
	(void)close(fds[1]);
	(void)close(old);
}

START_TEST(priority_when_not_a_terminal)
{
	char text[256];

	read_stderr(text, sizeof(text), NULL);
	ck_assert_str_eq(text, "<4>hello\n");
	read_stderr(text, sizeof(text), "set=a");
	ck_assert_str_eq(text, "<4>set=a hello\n");
}
END_TEST

START_TEST(limit_counts_what_it_holds_back)
{
	struct pgs_log_limit limit = { .interval_us = 1000, .burst = 2 };
	unsigned held = 99;

	ck_assert(pgs_log_allowed(&limit, 5, &held));
	ck_assert_uint_eq(held, 0);
	ck_assert(pgs_log_allowed(&limit, 6, &held));
	ck_assert(!pgs_log_allowed(&limit, 7, &held));
	ck_assert(!pgs_log_allowed(&limit, 1004, &held));
	ck_assert(pgs_log_allowed(&limit, 1005, &held));
	ck_assert_uint_eq(held, 2);
	ck_assert(pgs_log_allowed(&limit, 1006, &held));
	ck_assert_uint_eq(held, 0);
}
END_TEST

START_TEST(names_of_levels)
{
	static const struct {
		const char *name;
		enum pgs_log_level level;
	} rows[] = { { "error", PGS_LOG_ERR },
		     { "warning", PGS_LOG_WARNING },
		     { "notice", PGS_LOG_NOTICE },
		     { "info", PGS_LOG_INFO },
		     { "debug", PGS_LOG_DEBUG } };
	static const char *const unknown[] = { "", "err", "Info", "infos", "7" };
	enum pgs_log_level level;
	struct pgs_err err;

	for (size_t i = 0; i < PGS_ARRAY_LEN(rows); i++) {
		ck_assert_int_eq(pgs_log_level_parse(rows[i].name, &level, &err), 0);
		ck_assert_int_eq(level, rows[i].level);
	}
	for (size_t i = 0; i < PGS_ARRAY_LEN(unknown); i++) {
		ck_assert_int_eq(pgs_log_level_parse(unknown[i], &level, &err), -1);
		ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("log");

	tcase_add_checked_fixture(tc, open_sink, NULL);
	tcase_add_test(tc, levels_pass_or_not);
	tcase_add_test(tc, control_characters_become_blanks);
	tcase_add_test(tc, long_line_is_cut);
	tcase_add_test(tc, errno_is_kept);
	tcase_add_test(tc, priority_when_not_a_terminal);
	tcase_add_test(tc, limit_counts_what_it_holds_back);
	tcase_add_test(tc, names_of_levels);
	return runner_run("log", tc);
}

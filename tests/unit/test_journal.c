/*
 * tests/unit/test_journal.c
 *    common/journal.c: the record of a line, and whether a descriptor is the journal.
 *
 * That journald takes it is tests/integration/35-systemd.sh's.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/journal.h"
#include "tests/unit/runner.h"

static const char *record(const char *prefix, const char *line)
{
	static char text[JOURNAL_RECORD_MAX + 1];
	size_t n = journal_record("test", PGS_LOG_NOTICE, prefix, line, text);

	ck_assert_uint_le(n, JOURNAL_RECORD_MAX);
	text[n] = '\0';
	return text;
}

START_TEST(fields_come_from_the_prefix)
{
	ck_assert_str_eq(record(NULL, "a set=b"),
			 "PRIORITY=5\nSYSLOG_IDENTIFIER=test\nMESSAGE=a set=b\n");
	ck_assert_str_eq(record("set=shop", "x"),
			 "PRIORITY=5\nSYSLOG_IDENTIFIER=test\nPGSHOVEL_SET=shop\n"
			 "MESSAGE=set=shop x\n");
	ck_assert_str_eq(record("set=shop database=main", "x"),
			 "PRIORITY=5\nSYSLOG_IDENTIFIER=test\nPGSHOVEL_SET=shop\n"
			 "PGSHOVEL_DATABASE=main\nMESSAGE=set=shop database=main x\n");
	ck_assert_str_eq(record("offset=shop", "x"),
			 "PRIORITY=5\nSYSLOG_IDENTIFIER=test\nMESSAGE=offset=shop x\n");
}
END_TEST

START_TEST(a_long_line_is_cut_and_ended)
{
	char line[JOURNAL_RECORD_MAX + 100];

	memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	const char *text = record("set=shop", line);
	ck_assert_uint_eq(strlen(text), JOURNAL_RECORD_MAX);
	ck_assert_ptr_eq(strrchr(text, '\n'), text + JOURNAL_RECORD_MAX - 1);
	ck_assert_ptr_nonnull(strstr(text, "\nPGSHOVEL_SET=shop\nMESSAGE=set=shop aaa"));
}
END_TEST

START_TEST(the_variable_names_the_descriptor)
{
	struct stat st;
	char text[64];

	ck_assert_int_eq(fstat(0, &st), 0);
	(void)snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	ck_assert(journal_is(text, 0));
	(void)snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino + 1);
	ck_assert(!journal_is(text, 0));
	ck_assert(!journal_is(NULL, 0));
	ck_assert(!journal_is("", 0));
	ck_assert(!journal_is("7", 0));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("journal");

	tcase_add_test(tc, fields_come_from_the_prefix);
	tcase_add_test(tc, a_long_line_is_cut_and_ended);
	tcase_add_test(tc, the_variable_names_the_descriptor);
	return runner_run("journal", tc);
}

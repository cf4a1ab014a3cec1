/*
 * tests/unit/test_cli.c
 *    admin/cli.c: finding commands, arguments and options that do not belong, help against tests/golden/.
 *
 * PGSHOVEL_TEST_UPDATE=1 rewrites the golden files. Runs no command.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/cli.h"
#include "tests/unit/runner.h"

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 64 * 1024);

	ck_assert_ptr_nonnull(text);
	ck_assert_msg(f != NULL, "no %s: run from the root of the source", path);
	ck_assert_uint_lt(fread(text, 1, 64 * 1024 - 1, f), 64 * 1024 - 1);
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

/* The help of a choice is the text of tests/golden/help-NAME.txt. */
static void same_as_golden(const struct cli_choice *choice, const char *name)
{
	char path[256], *got = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&got, &len);

	cli_help(choice, out);
	ck_assert_int_eq(fclose(out), 0);
	snprintf(path, sizeof(path), "tests/golden/help-%s.txt", name);
	if (getenv("PGSHOVEL_TEST_UPDATE")) {
		FILE *f = fopen(path, "we");
		ck_assert_ptr_nonnull(f);
		fputs(got, f);
		ck_assert_int_eq(fclose(f), 0);
	}
	char *want = slurp(path);
	ck_assert_msg(strcmp(got, want) == 0, "%s differs; PGSHOVEL_TEST_UPDATE=1 rewrites it:\n%s",
		      path, got);
	free(want);
	free(got);
}

START_TEST(help_of_the_program)
{
	const struct cli_choice choice = { 0 };

	same_as_golden(&choice, "pgshovel");
}
END_TEST

START_TEST(help_of_every_noun)
{
	for (size_t i = 0; i < cli_n_nouns; i++) {
		const struct cli_choice choice = { .noun = &cli_nouns[i] };
		same_as_golden(&choice, cli_nouns[i].name);
	}
}
END_TEST

START_TEST(help_of_every_command)
{
	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct cli_choice choice = { .noun = &cli_nouns[0],
						   .command = &cli_commands[i] };
		char name[128];
		snprintf(name, sizeof(name), "%s%s%s", cli_commands[i].noun,
			 cli_commands[i].verb[0] ? "-" : "", cli_commands[i].verb);
		same_as_golden(&choice, name);
	}
}
END_TEST

static int find(const char *line, struct cli_choice *ret, struct pgs_err *err)
{
	char copy[256], *words[16], *save = NULL;
	int n = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	return cli_find(words, n, ret, err);
}

START_TEST(every_command_is_found)
{
	for (size_t i = 0; i < cli_n_commands; i++) {
		struct cli_choice choice;
		char line[128];
		snprintf(line, sizeof(line), "%s %s a b", cli_commands[i].noun,
			 cli_commands[i].verb);
		ck_assert_int_eq(find(line, &choice, NULL), 0);
		ck_assert_ptr_eq(choice.command, &cli_commands[i]);
		ck_assert_int_eq(choice.used, cli_commands[i].verb[0] ? 2 : 1);
		ck_assert_str_eq(choice.noun->name, cli_commands[i].noun);
	}
}
END_TEST

START_TEST(update_is_upgrade)
{
	struct cli_choice update, upgrade;

	ck_assert_int_eq(find("set update x", &update, NULL), 0);
	ck_assert_int_eq(find("set upgrade x", &upgrade, NULL), 0);
	ck_assert_ptr_eq(update.command, upgrade.command);
	ck_assert_ptr_nonnull(update.command);
}
END_TEST

START_TEST(unknown_words_are_usage_errors)
{
	struct cli_choice choice;
	struct pgs_err err = { 0 };

	ck_assert_int_eq(find("sets list", &choice, &err), -1);
	ck_assert_str_eq(err.code, "usage");
	ck_assert_ptr_nonnull(strstr(err.msg, "\"sets\""));
	ck_assert_int_eq(find("set lists", &choice, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "\"set lists\""));
	ck_assert_int_eq(find("set", &choice, &err), 0);
	ck_assert_ptr_null(choice.command);
	ck_assert_int_eq(cli_missing(&choice, &err), -1);
	ck_assert_str_eq(err.code, "usage");
	ck_assert_int_eq(find("", &choice, &err), 0);
	ck_assert_ptr_null(choice.noun);
}
END_TEST

/* As if these options had been given on the command line. */
static struct options given(const char *name)
{
	struct options o = { .specs = admin_option_specs, .n_specs = admin_n_option_specs };

	for (size_t i = 0; i < admin_n_option_specs; i++)
		if (strcmp(admin_option_specs[i].name, name) == 0)
			o.given |= (uint64_t)1 << i;
	ck_assert_uint_ne(o.given, 0);
	return o;
}

START_TEST(options_belong_to_commands)
{
	struct cli_choice create, list;
	struct options dry_run = given("dry-run"), cluster = given("cluster");
	struct pgs_err err = { 0 };

	ck_assert_int_eq(find("set create", &create, NULL), 0);
	ck_assert_int_eq(find("set list", &list, NULL), 0);
	ck_assert_int_eq(cli_check(create.command, 1, &dry_run, NULL), 0);
	ck_assert_int_eq(cli_check(list.command, 0, &cluster, NULL), 0);
	ck_assert_int_eq(cli_check(list.command, 0, &dry_run, &err), -1);
	ck_assert_str_eq(err.code, "usage");
	ck_assert_ptr_nonnull(strstr(err.msg, "--dry-run"));
	ck_assert_int_eq(cli_check(create.command, 0, &cluster, &err), -1);
	ck_assert_int_eq(cli_check(create.command, 3, &cluster, &err), -1);
	ck_assert_int_eq(cli_check(list.command, 1, &cluster, &err), -1);
}
END_TEST

START_TEST(tables_are_whole)
{
	for (size_t i = 0; i < cli_n_commands; i++) {
		bool noun = false;
		for (size_t j = 0; j < cli_n_nouns; j++)
			noun = noun || strcmp(cli_nouns[j].name, cli_commands[i].noun) == 0;
		ck_assert_msg(noun, "noun of %s %s is not in the table", cli_commands[i].noun,
			      cli_commands[i].verb);
		ck_assert_ptr_nonnull(cli_commands[i].run);
		for (const char *const *o = cli_commands[i].options; *o; o++)
			(void)given(*o); /* fails when there is no such option */
	}
}
END_TEST

START_TEST(versions_compare_by_number)
{
	ck_assert_int_eq(admin_compare_software("0.1.0", "0.1.0"), 0);
	ck_assert_int_lt(admin_compare_software("0.9.0", "0.10.0"), 0);
	ck_assert_int_gt(admin_compare_software("1.0", "0.99.99"), 0);
	ck_assert_int_lt(admin_compare_software("0.1", "0.1.1"), 0);
	ck_assert_int_eq(admin_compare_software("1.0", "1"), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("cli");

	tcase_add_test(tc, help_of_the_program);
	tcase_add_test(tc, help_of_every_noun);
	tcase_add_test(tc, help_of_every_command);
	tcase_add_test(tc, every_command_is_found);
	tcase_add_test(tc, update_is_upgrade);
	tcase_add_test(tc, unknown_words_are_usage_errors);
	tcase_add_test(tc, options_belong_to_commands);
	tcase_add_test(tc, tables_are_whole);
	tcase_add_test(tc, versions_compare_by_number);
	return runner_run("cli", tc);
}

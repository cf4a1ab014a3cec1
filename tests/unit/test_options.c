/*
 * tests/unit/test_options.c
 *    common/options*.c over a table of its own: precedence, messages, permutation, file, help.
 *
 * The tables of the programs are checked by `make lint` against their manuals.
 */
#include <check.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/options.h"
#include "tests/unit/runner.h"

struct target {
	char *hosts;
	int64_t count;
	uint64_t wait_us;
	uint64_t room_bytes;
	bool loud;
	bool dry_run;
	char *token;
	bool quiet;
};

#define AT(field) offsetof(struct target, field)

static const struct option_spec specs[] = {
	{ "zookeeper-hosts", 'z', OPTION_STRING, AT(hosts), "127.0.0.1:2181", 0, 0, "HOSTS",
	  "ZooKeeper servers, with an optional chroot behind the last one", 0 },
	{ "count", 'c', OPTION_INT, AT(count), "3", -5, 10, "N", "how many", 0 },
	{ "wait", 0, OPTION_DURATION, AT(wait_us), "5ms", 1000, 60000000, "TIME", "how long",
	  OPTION_RELOAD },
	{ "room", 0, OPTION_SIZE, AT(room_bytes), NULL, 0, 0, NULL, "how much", 0 },
	{ "loud", 'l', OPTION_FLAG, AT(loud), NULL, 0, 0, NULL, "say more", 0 },
	{ "dry-run", 'n', OPTION_FLAG, AT(dry_run), NULL, 0, 0, NULL, "change nothing",
	  OPTION_ACTION },
	{ "token", 0, OPTION_STRING, AT(token), NULL, 0, 0, "TEXT", "a secret", OPTION_SECRET },
	{ "quiet-now", 'q', OPTION_FLAG, AT(quiet), NULL, 0, 0, NULL, "hidden one", OPTION_HIDDEN },
};

static struct target t;
static struct options o;
static struct pgs_err err;

static void setup(void)
{
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(options_init(&o, specs, PGS_ARRAY_LEN(specs), &t, &err), 0);
}

static void teardown(void)
{
	options_done(&o);
	ck_assert_ptr_null(t.hosts);
}

/* Words of one line, split at blanks, behind the program's name. */
static char *args[32];
static int n_words;

static int argv_run(const char *line)
{
	static char text[512];
	char *rest = text;
	int argc = 1;

	(void)snprintf(text, sizeof(text), "%s", line);
	args[0] = (char *)(uintptr_t) "/usr/bin/prog";
	for (char *word; (word = strsep(&rest, " "));)
		if (*word)
			args[argc++] = word;
	args[argc] = NULL;
	n_words = -1;
	return options_argv(&o, argc, args, &n_words, &err);
}

static void refused(const char *line, const char *message)
{
	ck_assert_msg(argv_run(line) == -1, "\"%s\" was taken", line);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	ck_assert_str_eq(err.msg, message);
}

START_TEST(defaults)
{
	ck_assert_str_eq(t.hosts, "127.0.0.1:2181");
	ck_assert_int_eq(t.count, 3);
	ck_assert_uint_eq(t.wait_us, 5000);
	ck_assert_uint_eq(t.room_bytes, 0);
	ck_assert(!t.loud);
	ck_assert(!options_given(&o, "count"));
}
END_TEST

START_TEST(flags_in_every_spelling)
{
	ck_assert_int_eq(
		argv_run("set --count=7 create -z h:1 --wait 2s -lqn shop --room=1MB -- --loud -x"),
		0);
	ck_assert_int_eq(t.count, 7);
	ck_assert_str_eq(t.hosts, "h:1");
	ck_assert_uint_eq(t.wait_us, 2000000);
	ck_assert_uint_eq(t.room_bytes, 1 << 20);
	ck_assert(t.loud && t.quiet && t.dry_run);
	ck_assert(options_given(&o, "count"));
	ck_assert_int_eq(n_words, 5);
	ck_assert_str_eq(args[1], "set");
	ck_assert_str_eq(args[2], "create");
	ck_assert_str_eq(args[3], "shop");
	ck_assert_str_eq(args[4], "--loud");
	ck_assert_str_eq(args[5], "-x");
	ck_assert_str_eq(args[6], "--count=7"); /* nothing is lost */
	ck_assert_int_eq(argv_run("-c-2 -zh:2 - --zookeeper-hosts="), 0);
	ck_assert_int_eq(t.count, -2);
	ck_assert_str_eq(t.hosts, "");
	ck_assert_int_eq(n_words, 1);
	ck_assert_str_eq(args[1], "-");
	ck_assert_int_eq(argv_run(""), 0);
	ck_assert_int_eq(n_words, 0);
}
END_TEST

START_TEST(usage_errors)
{
	refused("--foo", "unknown option \"--foo\"; see \"prog --help\"");
	refused("--foo=bar", "unknown option \"--foo\"; see \"prog --help\"");
	refused("--coun 1", "unknown option \"--coun\"; see \"prog --help\"");
	refused("--counts 1", "unknown option \"--counts\"; see \"prog --help\"");
	refused("-x", "unknown option \"-x\"; see \"prog --help\"");
	refused("-lx", "unknown option \"-x\"; see \"prog --help\"");
	refused("--count", "option \"--count\" needs an argument: N; see \"prog --help\"");
	refused("-c", "option \"-c\" needs an argument: N; see \"prog --help\"");
	refused("--room", "option \"--room\" needs an argument; see \"prog --help\"");
	refused("--loud=1", "option \"--loud\" takes no argument; see \"prog --help\"");
	refused("--count 11",
		"option \"--count\": \"11\" is not a number from -5 to 10; see \"prog --help\"");
	refused("--wait 5", "option \"--wait\": \"5\" is not a duration from 1ms to 1min, such as "
			    "\"5ms\"; see \"prog --help\"");
	refused("--token x", "option \"--token\" is refused on the command line: a secret belongs "
			     "in a file; see \"prog --help\"");
	ck_assert_ptr_null(t.token);
}
END_TEST

START_TEST(environment)
{
	(void)setenv("PGSHOVEL_ZOOKEEPER_HOSTS", "env:1", 1);
	(void)setenv("PGSHOVEL_COUNT", "", 1);
	(void)setenv("PGSHOVEL_LOUD", "true", 1);
	(void)setenv("PGSHOVEL_DRY_RUN", "1", 1);
	ck_assert_int_eq(options_environment(&o, &err), 0);
	ck_assert_str_eq(t.hosts, "env:1");
	ck_assert_int_eq(t.count, 3);
	ck_assert(!options_given(&o, "count"));
	ck_assert(t.loud);
	ck_assert(!t.dry_run); /* action flags have no variable */
	(void)setenv("PGSHOVEL_LOUD", "yes", 1);
	ck_assert_int_eq(options_environment(&o, &err), -1);
	ck_assert_str_eq(err.msg, "variable PGSHOVEL_LOUD: \"yes\" is not true, false, 1 or 0");
	(void)unsetenv("PGSHOVEL_LOUD");
	(void)setenv("PGSHOVEL_TOKEN", "x", 1);
	ck_assert_int_eq(options_environment(&o, &err), -1);
	ck_assert_str_eq(
		err.msg,
		"variable PGSHOVEL_TOKEN is refused: a secret belongs in a file; unset it");
}
END_TEST

static int file_run(const char *text, size_t len)
{
	char path[] = "/tmp/test_options.XXXXXX";
	int fd = mkstemp(path), rc;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	(void)close(fd);
	rc = options_file(&o, path, &err);
	(void)unlink(path);
	return rc;
}

static void file_refused(const char *text, const char *message)
{
	ck_assert_msg(file_run(text, strlen(text)) == -1, "\"%s\" was taken", text);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	ck_assert_msg(strstr(err.msg, message) != NULL, "\"%s\" instead of \"%s\"", err.msg,
		      message);
}

START_TEST(file)
{
	static const char text[] = "zookeeper_hosts = \"file:1\";\ncount = 9;\nwait = \"1s\";\n"
				   "room = 12;\nloud = true;\ntoken = \"secret\";\n";

	ck_assert_msg(file_run(text, sizeof(text) - 1) == 0, "%s", err.msg);
	ck_assert_str_eq(t.hosts, "file:1");
	ck_assert_int_eq(t.count, 9);
	ck_assert_uint_eq(t.wait_us, 1000000);
	ck_assert_uint_eq(t.room_bytes, 12);
	ck_assert(t.loud);
	ck_assert_str_eq(t.token, "secret");
	ck_assert(options_given(&o, "room"));
}
END_TEST

START_TEST(file_errors)
{
	static const char zero[] = "count = 1;\0x";

	file_refused("count = 1;\nfoo = 1;\n", ":2: unknown key \"foo\"; remove it");
	file_refused("dry_run = true;\n", ":1: unknown key \"dry_run\"");
	file_refused("count = \"1\";\n", ":1: \"count\" must be a number");
	file_refused("count = 11;\n", ":1: key \"count\": \"11\" is not a number from -5 to 10");
	file_refused("wait = 5;\n", ":1: \"wait\" must be a duration in quotes");
	file_refused("loud = 1;\n", ":1: \"loud\" must be true or false");
	file_refused("zookeeper_hosts = [ \"a\" ];\n",
		     ":1: \"zookeeper_hosts\" must be a text in quotes");
	file_refused("count = ;\n", ":1: ");
	file_refused("count = 1; count = 2;\n", ":1: ");
	ck_assert_int_eq(file_run(zero, sizeof(zero)), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "zero byte"));
	ck_assert_int_eq(options_file(&o, "/nonexistent/file", &err), -1);
	ck_assert_str_eq(err.msg,
			 "could not open \"/nonexistent/file\": No such file or directory");
	ck_assert_int_eq(options_file(&o, "/tmp", &err), -1);
	ck_assert_str_eq(err.msg, "\"/tmp\" is not a regular file");
}
END_TEST

START_TEST(flag_beats_variable_beats_file)
{
	static const char text[] = "count = 7; wait = \"7s\"; room = 7;";

	(void)setenv("PGSHOVEL_COUNT", "5", 1);
	(void)setenv("PGSHOVEL_WAIT", "5s", 1);
	ck_assert_int_eq(options_environment(&o, &err), 0);
	ck_assert_int_eq(argv_run("--count 6"), 0);
	ck_assert_int_eq(file_run(text, sizeof(text) - 1), 0);
	ck_assert_int_eq(t.count, 6);
	ck_assert_uint_eq(t.wait_us, 5000000);
	ck_assert_uint_eq(t.room_bytes, 7);
	file_refused("count = 700;", "is not a number"); /* also where it would not count */
}
END_TEST

START_TEST(flag_beats_variable_in_the_other_order_too)
{
	(void)setenv("PGSHOVEL_COUNT", "5", 1);
	ck_assert_int_eq(argv_run("--count 6"), 0);
	ck_assert_int_eq(options_environment(&o, &err), 0);
	ck_assert_int_eq(t.count, 6);
}
END_TEST

START_TEST(wrong_tables_are_bugs)
{
	static const struct option_spec bad_default[] = {
		{ .name = "count", .type = OPTION_INT, .fallback = "x" }
	};
	static const struct option_spec twice[] = { { .name = "a-b", .type = OPTION_FLAG },
						    { .name = "a-b", .type = OPTION_FLAG } };
	struct target other;
	struct options bad;

	ck_assert_int_eq(options_init(&bad, bad_default, 1, &other, &err), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_BUG);
	ck_assert_int_eq(options_init(&bad, twice, 2, &other, &err), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_BUG);
}
END_TEST

static char *printed(void (*print)(const struct option_spec *, size_t, FILE *))
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	print(specs, PGS_ARRAY_LEN(specs), out);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

START_TEST(help)
{
	char *text = printed(options_help);

	ck_assert_ptr_nonnull(strstr(text, "  -z, --zookeeper-hosts HOSTS\n"));
	ck_assert_ptr_nonnull(strstr(
		text, "\n  -c, --count N               how many (default 3) [PGSHOVEL_COUNT]\n"));
	ck_assert_ptr_nonnull(strstr(text, "      --room VALUE"));
	ck_assert_ptr_nonnull(strstr(text, "  -n, --dry-run               change nothing\n"));
	ck_assert_ptr_null(strstr(text, "quiet-now"));
	ck_assert_ptr_null(strstr(text, "PGSHOVEL_TOKEN"));
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		ck_assert_uint_lt(len, 81);
		ck_assert_int_ne(len ? line[len - 1] : 'x', ' ');
		line += len + 1;
	}
	free(text);
}
END_TEST

START_TEST(mdoc)
{
	char *text = printed(options_mdoc);

	ck_assert_ptr_nonnull(strstr(text, ".It Fl z , Fl -zookeeper-hosts Ar HOSTS\n"));
	ck_assert_ptr_nonnull(strstr(text, ".It Fl n , Fl -dry-run\nchange nothing.\n"));
	ck_assert_ptr_nonnull(strstr(text, ".Ev PGSHOVEL_COUNT .\n"));
	ck_assert_ptr_null(strstr(text, "quiet-now"));
	free(text);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("options");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, flags_in_every_spelling);
	tcase_add_test(tc, usage_errors);
	tcase_add_test(tc, environment);
	tcase_add_test(tc, file);
	tcase_add_test(tc, file_errors);
	tcase_add_test(tc, flag_beats_variable_beats_file);
	tcase_add_test(tc, flag_beats_variable_in_the_other_order_too);
	tcase_add_test(tc, wrong_tables_are_bugs);
	tcase_add_test(tc, help);
	tcase_add_test(tc, mdoc);
	return runner_run("options", tc);
}

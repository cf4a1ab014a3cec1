/*
 * tests/unit/test_credentials.c
 *    The credentials folder: single files, and all of it as the supervisor keeps it.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/credentials.h"
#include "supervisor/credentials.h"
#include "tests/unit/runner.h"

static char folder[64];

static const char *path_of(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text, size_t n)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, text, n), (int)n);
	(void)close(fd);
}

static void set_up(void)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/pgshovel-credentials.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void tear_down(void)
{
	static const char *const names[] = { "pgpass",        "kafka",     "kafka.one",
					     "kafka.NotASet", "zookeeper", "unrelated" };

	for (size_t i = 0; i < PGS_ARRAY_LEN(names); i++)
		(void)remove(path_of(names[i]));
	ck_assert_int_eq(rmdir(folder), 0);
}

static void refused(const char *name, const char *why)
{
	struct pgs_err err = { .cls = PGS_ERR_RETRY };
	char *text = (char *)"untouched";
	size_t len = 1;

	ck_assert_int_eq(credentials_read(folder, name, &text, &len, &err), -1);
	ck_assert_ptr_null(text);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	ck_assert_msg(strstr(err.msg, why) != NULL, "\"%s\" does not say \"%s\"", err.msg, why);
	ck_assert_ptr_null(strstr(err.msg, "secret"));
}

START_TEST(one_file)
{
	struct pgs_err err;
	char *text;
	size_t len;

	put("kafka", "sasl.password=a\n", 16);
	ck_assert_int_eq(credentials_read(folder, "kafka", &text, &len, &err), 0);
	ck_assert_str_eq(text, "sasl.password=a\n");
	ck_assert_uint_eq(len, 16);
	credentials_freep(&text);
	ck_assert_ptr_null(text);
	put("kafka", "", 0);
	ck_assert_int_eq(credentials_read(folder, "kafka", &text, &len, &err), 0);
	ck_assert_str_eq(text, "");
	credentials_freep(&text);
}
END_TEST

START_TEST(nothing_there)
{
	struct pgs_err err;
	char *text;
	size_t len;

	ck_assert_int_eq(credentials_read(NULL, "kafka", &text, &len, &err), 0);
	ck_assert_ptr_null(text);
	ck_assert_int_eq(credentials_read(folder, "kafka", &text, &len, &err), 0);
	ck_assert_ptr_null(text);
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(credentials_read_zookeeper(NULL, &text, &err), 0);
	ck_assert_ptr_null(text);
	ck_assert_int_eq(credentials_read_zookeeper(folder, &text, &err), 0);
	ck_assert_ptr_null(text);
}
END_TEST

START_TEST(length_is_exact)
{
	struct pgs_err err;
	char *big = malloc(CREDENTIALS_MAX_BYTES + 1), *text;
	size_t len;

	memset(big, 'a', CREDENTIALS_MAX_BYTES + 1);
	put("kafka", big, CREDENTIALS_MAX_BYTES);
	ck_assert_int_eq(credentials_read(folder, "kafka", &text, &len, &err), 0);
	ck_assert_uint_eq(len, CREDENTIALS_MAX_BYTES);
	credentials_freep(&text);
	put("kafka", big, CREDENTIALS_MAX_BYTES + 1);
	refused("kafka", "longer than 65536 bytes");
	free(big);
}
END_TEST

START_TEST(no_credentials_files)
{
	put("kafka", "secret\0b", 8);
	refused("kafka", "zero byte");
	ck_assert_int_eq(mkdir(path_of("pgpass"), 0700), 0);
	refused("pgpass", "not a regular file");
	/* nobody writes into it: reading must not wait */
	ck_assert_int_eq(mkfifo(path_of("zookeeper"), 0600), 0);
	refused("zookeeper", "not a regular file");
}
END_TEST

static void digest(const char *file, const char *expected)
{
	struct pgs_err err;
	char *text;

	put("zookeeper", file, strlen(file));
	if (!expected) {
		ck_assert_int_eq(credentials_read_zookeeper(folder, &text, &err), -1);
		ck_assert_ptr_null(text);
		ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
		ck_assert_ptr_null(strstr(err.msg, "secret"));
		return;
	}
	ck_assert_int_eq(credentials_read_zookeeper(folder, &text, &err), 0);
	ck_assert_str_eq(text, expected);
	credentials_freep(&text);
}

START_TEST(zookeeper_line)
{
	digest("user:word\n", "user:word");
	digest("user:word\r\nmore: lines\n", "user:word");
	digest("user:wo:rd", "user:wo:rd");
	digest("secret\n", NULL);
	digest("\nuser:secret\n", NULL);
	digest("", NULL);
}
END_TEST

START_TEST(usual_folder)
{
	struct pgs_err err;
	char *given = strdup("/given"), *usual = NULL;

	ck_assert_int_eq(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	ck_assert_int_eq(credentials_folder(&usual, &err), 0);
	ck_assert_ptr_null(usual);
	ck_assert_int_eq(setenv("CREDENTIALS_DIRECTORY", "/usual", 1), 0);
	ck_assert_int_eq(credentials_folder(&given, &err), 0);
	ck_assert_str_eq(given, "/given");
	ck_assert_int_eq(credentials_folder(&usual, &err), 0);
	ck_assert_str_eq(usual, "/usual");
	free(given);
	free(usual);
}
END_TEST

START_TEST(of_a_set)
{
	struct credentials credentials;
	struct assignment_credential list[3];
	struct pgs_err err;
	size_t n;

	put("pgpass", "*:*:*:*:secret\n", 15);
	put("kafka", "sasl.password=a\n", 16);
	put("kafka.one", "sasl.password=b\n", 16);
	put("kafka.NotASet", "x", 1);
	put("zookeeper", "user:word\n", 10);
	put("unrelated", "x", 1);
	ck_assert_int_eq(credentials_load(folder, &credentials, &err), 0);
	ck_assert_uint_eq(credentials.n, 3);
	ck_assert_str_eq(credentials.zookeeper, "user:word");
	credentials_for_set(&credentials, "one", list, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(list[2].name, "kafka.one");
	ck_assert_str_eq(list[2].data, "sasl.password=b\n");
	ck_assert_uint_eq(list[2].len, 16);
	credentials_for_set(&credentials, "two", list, &n);
	ck_assert_uint_eq(n, 2); /* another set's secret is not handed out */
	credentials_done(&credentials);
}
END_TEST

START_TEST(all_or_nothing)
{
	struct credentials credentials = { .n = 7 };
	struct pgs_err err;

	put("pgpass", "*:*:*:*:secret\n", 15);
	put("kafka", "a\0b", 3);
	ck_assert_int_eq(credentials_load(folder, &credentials, &err), -1);
	put("kafka", "a", 1);
	put("zookeeper", "secret", 6);
	ck_assert_int_eq(credentials_load(folder, &credentials, &err), -1);
	ck_assert_uint_eq(credentials.n, 7);
	ck_assert_int_eq(credentials_load("/nonexistent", &credentials, &err), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	ck_assert_int_eq(credentials_load(NULL, &credentials, &err), 0);
	ck_assert_ptr_null(credentials.zookeeper);
	ck_assert_uint_eq(credentials.n, 0);
	credentials_done(&credentials);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("credentials");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, one_file);
	tcase_add_test(tc, nothing_there);
	tcase_add_test(tc, length_is_exact);
	tcase_add_test(tc, no_credentials_files);
	tcase_add_test(tc, zookeeper_line);
	tcase_add_test(tc, usual_folder);
	tcase_add_test(tc, of_a_set);
	tcase_add_test(tc, all_or_nothing);
	return runner_run("credentials", tc);
}

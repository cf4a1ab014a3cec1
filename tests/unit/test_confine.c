/*
 * tests/unit/test_confine.c
 *    The options about confinement, and the ports and files that a relay finds it needs.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/confine.h"
#include "tests/unit/runner.h"
#include "worker/confine.h"

START_TEST(pieces)
{
	static const struct {
		const char *text;
		int pieces; /* -1: refused */
	} rows[] = {
		{ "all", CONFINE_FILES | CONFINE_NETWORK | CONFINE_CALLS | CONFINE_LIMITS },
		{ "none", 0 },
		{ "files", CONFINE_FILES },
		{ "calls,limits", CONFINE_CALLS | CONFINE_LIMITS },
		{ "", -1 },
		{ "file", -1 },
		{ "files,", -1 },
		{ ",files", -1 },
		{ "all,files", -1 },
		{ "files,none", -1 },
		{ "files, calls", -1 },
	};

	for (size_t i = 0; i < PGS_ARRAY_LEN(rows); i++) {
		struct pgs_err err;
		unsigned got = 99;
		int rc = confine_parse(rows[i].text, &got, &err);
		ck_assert_msg(rc == (rows[i].pieces < 0 ? -1 : 0), "\"%s\"", rows[i].text);
		if (rc == 0)
			ck_assert_uint_eq(got, (unsigned)rows[i].pieces);
	}
}
END_TEST

START_TEST(ports)
{
	static const char *const refused[] = { "x",       "0", "65536",  "9-1", "1,",
					       "1-70000", "-", "1-4097", "1--2" };
	struct confine_ports *p = calloc(1, sizeof(*p));
	struct pgs_err err;

	ck_assert_int_eq(confine_ports_parse(NULL, p, &err), 0);
	ck_assert_int_eq(confine_ports_parse("", p, &err), 0);
	ck_assert_uint_eq(p->n, 0);
	ck_assert_int_eq(confine_ports_parse("9092,9094-9096,9092", p, &err), 0);
	ck_assert_uint_eq(p->n, 4);
	ck_assert(confine_ports_has(p, 9092) && confine_ports_has(p, 9096));
	ck_assert(!confine_ports_has(p, 9093) && !confine_ports_has(p, 9097));
	ck_assert(!confine_ports_has(p, 65536 + 9092));
	for (size_t i = 0; i < PGS_ARRAY_LEN(refused); i++) {
		*p = (struct confine_ports){ .n = 0 };
		ck_assert_msg(confine_ports_parse(refused[i], p, &err) == -1, "\"%s\"", refused[i]);
	}
	free(p);
}
END_TEST

START_TEST(paths)
{
	struct pgs_err err;

	ck_assert_int_eq(confine_paths_check(NULL, &err), 0);
	ck_assert_int_eq(confine_paths_check("/a:/b/c", &err), 0);
	ck_assert_int_eq(confine_paths_check("a", &err), -1);
	ck_assert_int_eq(confine_paths_check("/a:b", &err), -1);
	ck_assert_int_eq(confine_paths_check("/a::/b", &err), -1);
}
END_TEST

static bool has_rule(const struct confine *c, const char *path, bool write)
{
	for (size_t i = 0; i < c->n_rules; i++)
		if (strcmp(c->rules[i].path, path) == 0 && c->rules[i].write == write)
			return true;
	return false;
}

START_TEST(needs)
{
	static char kafka[] =
		"# bootstrap.servers=x:1\nssl.key.location=/k/key\nsasl.password=/p\n";
	static const char format[] =
		"databases = ( { name = \"a\"; conninfo = \"host=x,y port=5433,5434\"; },\n"
		"              { name = \"b\"; conninfo = "
		"\"postgresql://u@h/d?sslrootcert=/c/root\"; },\n"
		"              { name = \"c\"; conninfo = \"host=@abstract\"; },\n"
		"              { name = \"d\"; conninfo = \"service=s servicefile=%s\"; } );\n"
		"tables = ( { name = \"t\"; } );\n"
		"topics = { prefix = \"{database}\"; };\n"
		"kafka = [ \"bootstrap.servers=b1:9094,SSL://[::1]:9095,b3\", "
		"\"ssl.ca.location=/k/ca\" ];\n";
	struct assignment_credential file = { .name = (char *)"kafka", .data = kafka };
	const struct assignment a = { .confine = (char *)"files,network",
				      .ports = (char *)"7000-7001",
				      .paths = (char *)"/extra/one:/extra/two",
				      .output_path = (char *)"/out/put/file",
				      .credentials = &file,
				      .n_credentials = 1 };
	static const unsigned reached[] = { 53, 5432, 5433, 5434, 7000, 7001, 9092, 9094, 9095 };
	static const char *const readable[] = { "/usr",   "/etc/resolv.conf", "/c/root",   "/k/ca",
						"/k/key", "/extra/one",       "/extra/two" };
	struct setdoc *doc = NULL;
	struct confine *c = NULL;
	struct pgs_err err;

	(void)unsetenv("PGPORT");
	(void)setenv("HOME", "/srv/u", 1);
	char services[] = "/tmp/pgshovel-confine.XXXXXX", text[2048];
	int fd = mkstemp(services);
	ck_assert_int_eq(write(fd, "[s]\nport=5999\n", 14), 14);
	(void)close(fd);
	(void)snprintf(text, sizeof(text), format, services);
	ck_assert_msg(setdoc_parse(text, strlen(text), "test", &doc, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(confine_new(&a, doc, &c, &err), 0);
	ck_assert_uint_eq(c->pieces, CONFINE_FILES | CONFINE_NETWORK);
	for (size_t i = 0; i < PGS_ARRAY_LEN(reached); i++)
		ck_assert_msg(confine_ports_has(&c->ports, reached[i]), "%u", reached[i]);
	ck_assert_uint_eq(c->ports.n, PGS_ARRAY_LEN(reached));
	for (size_t i = 0; i < PGS_ARRAY_LEN(readable); i++)
		ck_assert_msg(has_rule(c, readable[i], false), "%s", readable[i]);
	ck_assert(has_rule(c, "/out/put", true));
	ck_assert(!has_rule(c, "/p", false));
	ck_assert(has_rule(c, "/srv/u/.pgpass", false)); /* no password was given */
	ck_assert(c->abstract_sockets);
	(void)unlink(services);
	confine_free(c);
	setdoc_free(doc);
}
END_TEST

/* Does what we may not do ourselves any more: renames when it is told to, removes when it is told no more. */
static pid_t helper(const char *from, const char *to, int ret_pair[2])
{
	char byte;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ret_pair), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(ret_pair[0]);
		bool told = read(ret_pair[1], &byte, 1) == 1;
		bool done = told && rename(from, to) == 0 && write(ret_pair[1], "x", 1) == 1;
		done = done && read(ret_pair[1], &byte, 1) == 0 && unlink(to) == 0;
		_exit(done ? 0 : 1);
	}
	(void)close(ret_pair[1]);
	return pid;
}

START_TEST(replaced)
{
	char path[] = "/tmp/pgshovel-confine.XXXXXX", other[] = "/tmp/pgshovel-confine.XXXXXX";
	/* The leak checker reads the second. */
	struct confine_rule rules[] = { { .path = path }, { .path = (char *)"/proc" } };
	struct confine c = { .pieces = CONFINE_FILES, .n_rules = PGS_ARRAY_LEN(rules) };
	const char *which = NULL;
	struct pgs_err err;
	int status = -1, pair[2];
	char byte;

	(void)close(mkstemp(path));
	(void)close(mkstemp(other));
	memcpy(c.rules, rules, sizeof(rules));
	pid_t pid = helper(other, path, pair);
	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(confine_landlock(&c, "test", &err), 0);
	ck_assert(!confine_stale(&c, &which));
	ck_assert_int_eq(write(pair[0], "x", 1), 1);
	ck_assert_int_eq(read(pair[0], &byte, 1), 1);
	if (c.pieces & CONFINE_FILES) { /* there is Landlock */
		ck_assert(confine_stale(&c, &which));
		ck_assert_str_eq(which, path);
	}
	c.pieces = CONFINE_CALLS; /* nothing was permitted by name */
	ck_assert(!confine_stale(&c, &which));
	(void)close(pair[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("confine");

	tcase_add_test(tcase, pieces);
	tcase_add_test(tcase, ports);
	tcase_add_test(tcase, paths);
	tcase_add_test(tcase, needs);
	tcase_add_test(tcase, replaced);
	return runner_run("confine", tcase);
}

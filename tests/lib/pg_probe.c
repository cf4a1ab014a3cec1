/*
 * tests/lib/pg_probe.c
 *    common/pg.c against a real server: usage `pg_probe CONNINFO`, prints TAP. Run by tests/integration/05-pg.sh.
 *
 * Leaves nothing behind in the database. Does not start or stop the server.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/pg.h"

static const struct pg_limit patient = { .timeout_us = 30000000, .interrupt_fd = -1 };
static unsigned n_done, n_bad;
static struct pgs_err err;

static void check(bool good, const char *name)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++n_done, name);
	if (!good) {
		n_bad++;
		printf("# last error: class %s, code \"%s\": %s\n", pgs_err_class_name(err.cls),
		       err.code, err.msg);
	}
}

static bool failed_as(int rc, enum pgs_err_class cls, const char *code)
{
	return rc == -1 && err.cls == cls && strcmp(err.code, code) == 0;
}

static PGconn *connect_to(const char *conninfo, const char *more)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(10000);
	PGconn *conn = NULL;

	pgs_buf_printf(&text, "%s %s", conninfo, more);
	struct pg_connect params = { .conninfo = pgs_buf_str(&text),
				     .application_name = "pg_probe",
				     .options = "-c lock_timeout=200ms" };
	err = (struct pgs_err){ 0 };
	if (pg_connect(&params, &patient, &conn, &err))
		return NULL;
	return conn;
}

/* The one value of a query; "(error)" when it fails. */
static const char *value(PGconn *conn, const char *sql, int n, const char *const *params)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	static char text[256];

	if (pg_query(conn, sql, n, params, &patient, &res, &err))
		return "(error)";
	if (PQntuples(res) != 1 || PQgetisnull(res, 0, 0))
		return "(null)";
	(void)snprintf(text, sizeof(text), "%s", PQgetvalue(res, 0, 0));
	return text;
}

static bool usable(PGconn *conn)
{
	return strcmp(value(conn, "select 'here'", 0, NULL), "here") == 0;
}

static void test_connect(const char *conninfo)
{
	PGS_CLEANUP(pg_closep) PGconn *conn = connect_to(conninfo, "options='-c work_mem=5MB'");
	PGS_CLEANUP(pg_closep) PGconn *none = NULL;

	check(conn != NULL, "connects");
	if (!conn)
		exit(1);
	check(strcmp(value(conn, "show client_encoding", 0, NULL), "UTF8") == 0, "in UTF8");
	check(strcmp(value(conn, "show application_name", 0, NULL), "pg_probe") == 0,
	      "by its name");
	check(strcmp(value(conn, "show lock_timeout", 0, NULL), "200ms") == 0, "with our options");
	check(strcmp(value(conn, "show work_mem", 0, NULL), "5MB") == 0, "and the conninfo's");
	none = connect_to(conninfo, "dbname=no_such_database");
	check(!none && failed_as(-1, PGS_ERR_CONFIG, "3D000"),
	      "a database that is not there is CONFIG");
	check(!strstr(err.msg, "LOCATION") && !strstr(err.msg, "3D000"),
	      "its message is for people");
}

static void test_silent_server(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	char conninfo[100];
	const struct pg_limit limit = { .timeout_us = 200000, .interrupt_fd = -1 };
	struct pg_connect params = { .conninfo = conninfo, .application_name = "pg_probe" };
	PGconn *conn = NULL;
	uint64_t begin_us;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		exit(1);
	(void)snprintf(conninfo, sizeof(conninfo), "hostaddr=127.0.0.1 port=%d",
		       ntohs(address.sin_port));
	begin_us = pgs_now_us();
	check(failed_as(pg_connect(&params, &limit, &conn, &err), PGS_ERR_RETRY, "deadline") &&
		      pgs_now_us() - begin_us < 2000000,
	      "a server that never speaks ends at the deadline");
	(void)close(fd);
}

static void test_query(PGconn *conn)
{
	const char *const params[] = { "it's", NULL };

	check(strcmp(value(conn, "select $1 || coalesce($2, '?')", 2, params), "it's?") == 0,
	      "parameters, null among them");
	check(strcmp(value(conn, "select 1; select 2", 0, NULL), "2") == 0,
	      "the last of several results");
	check(failed_as(pg_exec(conn, "select 1; select 1 from nowhere; select 2", 0, NULL,
				&patient, &err),
			PGS_ERR_CONFIG, "42P01") &&
		      usable(conn),
	      "the first error of several statements");
	check(pg_exec(conn, "do $$ begin raise warning 'hidden'; end $$", 0, NULL, &patient,
		      &err) == 0,
	      "a notice is no error");
	check(failed_as(pg_exec(conn, "copy (select 1) to stdout", 0, NULL, &patient, &err),
			PGS_ERR_BUG, "copy"),
	      "COPY is refused where a result is wanted");
}

static void test_prepared(PGconn *conn)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	const char *const seven[] = { "7" };
	uint32_t number = 0;

	check(pg_prepare(conn, "twice", "select $1::int * 2", &patient, &err) == 0, "prepares");
	if (pg_query_prepared(conn, "twice", 1, seven, true, &patient, &res, &err) == 0 &&
	    PQgetlength(res, 0, 0) == 4)
		memcpy(&number, PQgetvalue(res, 0, 0), 4);
	check(ntohl(number) == 14, "and gives binary results");
	check(failed_as(pg_prepare(conn, "twice", "select 1", &patient, &err), PGS_ERR_CONFIG,
			"42P05") &&
		      usable(conn),
	      "the same name twice is an error");
}

/* More than both socket buffers hold, in both directions. */
static void test_big(PGconn *conn)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf big = PGS_BUF_INIT(32 << 20);
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	const char *params[1];

	for (size_t i = 0; i < (20 << 20) / 16; i++)
		pgs_buf_lit(&big, "0123456789abcdef");
	params[0] = pgs_buf_str(&big);
	check(pg_query(conn, "select $1::text", 1, params, &patient, &res, &err) == 0 &&
		      strcmp(PQgetvalue(res, 0, 0), params[0]) == 0,
	      "20 MB there and back");
}

/* Whether no statement of this pid runs any more, looked at for up to ten seconds. */
static bool backend_rests(PGconn *other, int pid)
{
	char sql[200];

	(void)snprintf(sql, sizeof(sql),
		       "select (select count(*) from pg_stat_activity where pid = %d and state = "
		       "'active') "
		       "from pg_sleep(0.05)",
		       pid);
	for (int i = 0; i < 200; i++)
		if (strcmp(value(other, sql, 0, NULL), "0") == 0)
			return true;
	return false;
}

static void test_give_up(const char *conninfo, PGconn *other)
{
	const struct pg_limit hasty = { .timeout_us = 200000, .interrupt_fd = -1 };
	struct pg_limit stopped = { .timeout_us = 30000000,
				    .interrupt_fd = eventfd(1, EFD_CLOEXEC) };
	PGS_CLEANUP(pg_closep) PGconn *conn = connect_to(conninfo, "");
	PGS_CLEANUP(pg_closep) PGconn *second = connect_to(conninfo, "");
	uint64_t begin_us = pgs_now_us();

	check(failed_as(pg_exec(conn, "select pg_sleep(30)", 0, NULL, &hasty, &err), PGS_ERR_RETRY,
			"deadline") &&
		      pgs_now_us() - begin_us < 5000000,
	      "a slow statement ends at the deadline");
	check(backend_rests(other, PQbackendPID(conn)), "and is cancelled in the server");
	begin_us = pgs_now_us();
	check(failed_as(pg_exec(second, "select pg_sleep(30)", 0, NULL, &stopped, &err),
			PGS_ERR_RETRY, "interrupt") &&
		      pgs_now_us() - begin_us < 5000000,
	      "the interrupt ends it earlier");
	check(backend_rests(other, PQbackendPID(second)), "and it is cancelled too");
	(void)close(stopped.interrupt_fd);
}

struct continue_arg {
	int pid;
	atomic_bool continued;
};

/* Let a stopped backend go on as soon as a cancel waits for it. */
static void *continue_main(void *ptr)
{
	struct continue_arg *arg = ptr;
	unsigned long long pending = 0;
	char path[64], line[256];

	(void)snprintf(path, sizeof(path), "/proc/%d/status", arg->pid);
	for (int i = 0; i < 60000 && !(pending & 1ull << (SIGINT - 1)); i++) {
		FILE *file = fopen(path, "re");

		(void)poll(NULL, 0, 1);
		while (file && fgets(line, sizeof(line), file))
			(void)sscanf(line, "ShdPnd: %llx", &pending);
		if (file)
			(void)fclose(file);
	}
	atomic_store(&arg->continued, true);
	(void)kill(arg->pid, SIGCONT);
	return NULL;
}

/* The server gets the cancel while the statement is still in the socket. */
static void test_cancel_first(const char *conninfo, PGconn *other)
{
	const struct pg_limit hasty = { .timeout_us = 50000, .interrupt_fd = -1 };
	bool in_time = false;

	/* A machine so busy that the backend went on only after we had stopped asking shows nothing. */
	for (int i = 0; i < 20 && !in_time; i++) {
		PGS_CLEANUP(pg_closep) PGconn *conn = connect_to(conninfo, "");
		struct continue_arg arg = { .pid = PQbackendPID(conn) };
		pthread_t thread;

		if (kill(arg.pid, SIGSTOP) || pthread_create(&thread, NULL, continue_main, &arg))
			exit(1);
		(void)failed_as(pg_exec(conn, "select pg_sleep(30)", 0, NULL, &hasty, &err),
				PGS_ERR_RETRY, "deadline");
		in_time = atomic_load(&arg.continued);
		(void)pthread_join(thread, NULL);
		if (in_time)
			check(backend_rests(other, arg.pid),
			      "a cancel that comes before its statement is sent again");
	}
	check(in_time, "and the backend had gone on meanwhile");
}

static void test_copy(PGconn *conn)
{
	char *row = NULL;
	int len = 0, n = 0, rc;
	long long sum = 0;

	check(pg_copy_open(conn, "copy (select i from generate_series(1, 200000) i) to stdout",
			   &patient, &err) == 0,
	      "COPY opens");
	while ((rc = pg_copy_row(conn, &patient, &row, &len, &err)) == 1) {
		n++;
		sum += strtoll(row, NULL, 10);
		PQfreemem(row);
	}
	check(rc == 0 && n == 200000 && sum == 200000ll * 200001 / 2, "gives each row once");
	check(usable(conn), "and leaves an idle connection");
	n = 0;
	if (pg_copy_open(conn,
			 "copy (select 1 / (5000 - i) from generate_series(1, 9999) i) to stdout",
			 &patient, &err))
		check(false, "COPY opens again");
	while ((rc = pg_copy_row(conn, &patient, &row, &len, &err)) == 1) {
		n++;
		PQfreemem(row);
	}
	check(failed_as(rc, PGS_ERR_CONFIG, "22012") && n == 4999,
	      "an error in the middle comes after its rows");
	check(usable(conn), "and leaves an idle connection");
	check(failed_as(pg_copy_open(conn, "select 1", &patient, &err), PGS_ERR_BUG, "copy") &&
		      usable(conn),
	      "what is no COPY is refused");
	check(failed_as(
		      pg_copy_open(conn, "copy (select 1 from nowhere) to stdout", &patient, &err),
		      PGS_ERR_CONFIG, "42P01") &&
		      usable(conn),
	      "an error before the first row");
}

static void test_lock(PGconn *conn, PGconn *other)
{
	check(pg_exec(other, "begin; select pg_advisory_xact_lock(471100, 1)", 0, NULL, &patient,
		      &err) == 0 &&
		      failed_as(pg_exec(conn, "select pg_advisory_xact_lock(471100, 1)", 0, NULL,
					&patient, &err),
				PGS_ERR_RETRY, "55P03") &&
		      usable(conn),
	      "a lock that is held is RETRY");
	check(pg_exec(other, "rollback", 0, NULL, &patient, &err) == 0, "the lock is let go");
}

static void test_terminated(const char *conninfo, PGconn *other)
{
	PGS_CLEANUP(pg_closep) PGconn *conn = connect_to(conninfo, "");
	char pid[16];
	const char *const params[] = { pid };

	(void)snprintf(pid, sizeof(pid), "%d", PQbackendPID(conn));
	check(strcmp(value(other, "select pg_terminate_backend($1::int, 10000)", 1, params), "t") ==
		      0,
	      "a backend is ended");
	check(pg_exec(conn, "select 1", 0, NULL, &patient, &err) == -1 &&
		      err.cls == PGS_ERR_RETRY &&
		      (strcmp(err.code, "57P01") == 0 || strcmp(err.code, "08006") == 0),
	      "which is RETRY");
	check(pg_exec(conn, "select 1", 0, NULL, &patient, &err) == -1 && err.cls == PGS_ERR_RETRY,
	      "and stays so");
}

int main(int argc, char **argv)
{
	PGS_CLEANUP(pg_closep) PGconn *conn = NULL;
	PGS_CLEANUP(pg_closep) PGconn *other = NULL;

	if (argc != 2)
		return 64;
	(void)setvbuf(stdout, NULL, _IOLBF, 0); /* the last line must be seen after a crash */
	test_connect(argv[1]);
	test_silent_server();
	conn = connect_to(argv[1], "");
	other = connect_to(argv[1], "");
	test_prepared(conn);
	test_big(conn);
	test_copy(conn);
	test_lock(conn, other);
	test_give_up(argv[1], other);
	test_cancel_first(argv[1], other);
	test_terminated(argv[1], other);
	test_query(conn); /* last: it leaves a connection that must be closed */
	printf("1..%u\n", n_done);
	return n_bad ? 1 : 0;
}

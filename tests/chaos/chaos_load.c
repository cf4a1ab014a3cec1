/*
 * tests/chaos/chaos_load.c
 *    The load of a chaos run: sessions that write one database until SIGTERM, whatever happens to it.
 *
 *    chaos_load CONNINFO SEED SESSIONS
 *
 * A session that loses its server comes again. Errors that a busy application must expect (locks, deadlocks,
 * serialisation, a server that goes away) are counted; any other is printed as "unexpected: …" and makes the
 * exit status 1: nothing of pgshovel's may be seen by a writer. At the end prepared transactions are finished.
 * One session more does DDL.
 */
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "tests/chaos/deeds.h"

enum { SESSIONS_MAX = 32, RETRY_MS = 200, PAUSE_MS = 60, DDL_PAUSE_MS = 6000, SHOWN = 20 };

struct session {
	pthread_t thread;
	const char *conninfo;
	struct chaos_random random;
	int number;
	bool ddl;
	PGconn *conn;
	unsigned long done;
	unsigned long errors;
	unsigned long lost; /* connections */
};

static volatile sig_atomic_t stop_asked;
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;
static unsigned long unexpected;

static void on_signal(int number)
{
	(void)number;
	stop_asked = 1;
}

static void pause_ms(int ms)
{
	while (ms > 0 && !stop_asked) {
		(void)poll(NULL, 0, ms < 100 ? ms : 100);
		ms -= 100;
	}
}

static bool is_one_of(const char *state, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(state, *list) == 0)
			return true;
	}
	return false;
}

static bool expected(const struct session *session, const char *state, const char *message)
{
	static const char *const always[] = {
		"40001", /* serialization_failure */
		"40P01", /* deadlock_detected */
		"55P03", /* lock_not_available */
		"23505", /* unique_violation */
		"42704", /* the prepared transaction is gone: someone else finished it */
		"42710", /* its name is taken */
		"53200", /* too many prepared transactions */
		"57P01", /* admin_shutdown */
		"57P02", /* crash_shutdown */
		"57P03", /* cannot_connect_now */
		NULL,
	};
	static const char *const of_ddl[] = { "55006" /* object_in_use */, NULL };

	if (is_one_of(state, always))
		return true;
	if (!session->ddl)
		return false;
	return is_one_of(state, of_ddl) ||
	       (strncmp(message, "ERROR:  rollout ", 16) == 0 && strstr(message, " is open"));
}

static void complain(const struct session *session, const char *state, const char *statement,
		     const char *message)
{
	(void)pthread_mutex_lock(&output);
	if (unexpected++ < SHOWN) {
		printf("unexpected: session %d: %s %.*s: %s\n", session->number, state,
		       (int)strcspn(message, "\n"), message, statement);
		(void)fflush(stdout);
	}
	(void)pthread_mutex_unlock(&output);
}

/* False: no connection any more. *ret_failed: the transaction is over. */
static bool execute(struct session *session, const char *statement, bool *ret_failed)
{
	PGresult *result = PQexec(session->conn, statement);
	ExecStatusType status = PQresultStatus(result);
	const char *state;

	*ret_failed = status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK;
	if (*ret_failed) {
		session->errors++;
		state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
		if (PQstatus(session->conn) == CONNECTION_OK && state &&
		    !expected(session, state, PQresultErrorMessage(result)))
			complain(session, state, statement, PQresultErrorMessage(result));
	}
	PQclear(result);
	return PQstatus(session->conn) == CONNECTION_OK;
}

static bool rollback(struct session *session)
{
	bool failed;

	return PQtransactionStatus(session->conn) == PQTRANS_IDLE ||
	       (execute(session, "rollback", &failed) && !failed);
}

static bool do_deed(struct session *session, const struct deed *deed)
{
	for (int i = 0; i < deed->n; i++) {
		bool failed;

		if (!execute(session, deed->statements[i].text, &failed))
			return false;
		if (failed)
			return rollback(session);
		pause_ms(deed->statements[i].pause_ms);
	}
	session->done++;
	return rollback(session); /* idle, unless a statement was left out */
}

/* Those that this session prepared, in this life or an earlier one. all: none may be left. */
static bool finish_prepared(struct session *session, bool all)
{
	char text[256];
	PGresult *result;
	bool lives = true;

	(void)snprintf(text, sizeof(text),
		       "select gid from pg_prepared_xacts where database = current_database() and "
		       "gid like 'chaos-%d-%%' order by gid",
		       session->number);
	result = PQexec(session->conn, text);
	for (int i = 0; i < PQntuples(result) && lives; i++) {
		bool failed;
		int chance = chaos_between(&session->random, 1, 9);

		if (!all && chance <= 4)
			continue; /* it stays for a while */
		(void)snprintf(text, sizeof(text), "%s prepared '%.100s'",
			       chance % 3 ? "commit" : "rollback", PQgetvalue(result, i, 0));
		lives = execute(session, text, &failed);
	}
	lives = lives && PQresultStatus(result) == PGRES_TUPLES_OK;
	PQclear(result);
	return lives && PQstatus(session->conn) == CONNECTION_OK;
}

static bool connected(struct session *session)
{
	char options[128];
	const char *const keys[] = { "dbname",  "application_name", "connect_timeout",
				     "options", "sslmode",          NULL };
	const char *const values[] = { session->conninfo, "chaos", "10", options, "disable", NULL };

	/* every other session does not wait for the disk */
	(void)snprintf(options, sizeof(options), "-c lock_timeout=%s -c synchronous_commit=%s",
		       session->ddl ? "1s" : "5s", session->number % 2 ? "off" : "on");
	session->conn = PQconnectdbParams(keys, values, 1);
	if (PQstatus(session->conn) == CONNECTION_OK)
		return true;
	PQfinish(session->conn);
	session->conn = NULL;
	return false;
}

static void lose(struct session *session)
{
	PQfinish(session->conn);
	session->conn = NULL;
	session->lost++;
}

static void *run_session(void *arg)
{
	struct session *session = arg;
	bool ended = false;
	int n = 0;

	while (!ended) {
		struct deed deed;

		if (!session->conn && !connected(session)) {
			(void)poll(NULL, 0, RETRY_MS);
			continue;
		}
		if (stop_asked) {
			ended = finish_prepared(session, true);
			if (!ended)
				lose(session);
			continue;
		}
		if (session->ddl)
			deed_ddl(&session->random, ++n, &deed);
		else
			deed_draw(&session->random, session->number, &deed);
		if (!do_deed(session, &deed) ||
		    (strcmp(deed.name, "prepared") == 0 && !finish_prepared(session, false)))
			lose(session);
		pause_ms(
			chaos_between(&session->random, 0, session->ddl ? DDL_PAUSE_MS : PAUSE_MS));
	}
	PQfinish(session->conn);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct session sessions[SESSIONS_MAX + 1];
	struct sigaction action = { .sa_handler = on_signal };
	unsigned long done = 0;
	unsigned long errors = 0;
	unsigned long lost = 0;
	int n = argc == 4 ? (int)strtol(argv[3], NULL, 10) : 0;

	if (n < 1 || n > SESSIONS_MAX) {
		fputs("Usage: chaos_load CONNINFO SEED SESSIONS\n", stderr);
		return 2;
	}
	/* Nobody else would end it when its server is gone. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	for (int i = 0; i <= n; i++) {
		sessions[i] = (struct session){
			.conninfo = argv[1],
			.random = { strtoull(argv[2], NULL, 10) * 1000 + (uint64_t)i },
			.number = i + 1,
			.ddl = i == n,
		};
		if (pthread_create(&sessions[i].thread, NULL, run_session, &sessions[i]) != 0)
			return 2;
	}
	for (int i = 0; i <= n; i++) {
		(void)pthread_join(sessions[i].thread, NULL);
		done += sessions[i].done;
		errors += sessions[i].errors;
		lost += sessions[i].lost;
	}
	printf("%lu transactions, %lu errors that were to be expected, %lu connections lost, %lu "
	       "unexpected errors\n",
	       done, errors - unexpected, lost, unexpected);
	return unexpected ? 1 : 0;
}

/*
 * common/pg.c
 *    See common/pg.h: connect, run, copy. Classes, messages and quoting are in common/pg_text.c.
 *
 * Never retries and never reconnects. One thing escapes the deadline: libpq resolves host names with a
 * blocking getaddrinfo(); give addresses (hostaddr) where the resolver may hang.
 */
#include "common/pg.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/pg_text.h"

enum {
	PG_CANCEL_WAIT_US = 500 * 1000,
	PG_CANCEL_AGAIN_MS = 50,
	PG_OPTIONS_MAX_BYTES = 8192,
};

/* One call's deadline, taken when the call first has to wait: rows that are there already cost no clock. */
struct pg_wait {
	const struct pg_limit *limit;
	uint64_t deadline_us; /* 0: not taken yet */
};

void pg_closep(PGconn **conn)
{
	PQfinish(*conn);
	*conn = NULL;
}

void pg_clearp(PGresult **res)
{
	PQclear(*res);
	*res = NULL;
}

static void freeinfop(PQconninfoOption **info)
{
	PQconninfoFree(*info);
}

static void *cancel_main(void *arg)
{
	PGcancel *cancel = arg;
	char text[256];

	/* Best effort: the connection is closed in any case, and the server then notices by itself. */
	(void)PQcancel(cancel, text, (int)sizeof(text));
	PQfreeCancel(cancel);
	return NULL;
}

/* Ask once. PQcancel() blocks for as long as the network likes, so a thread does it. False: don't ask again. */
static bool cancel_once(PGconn *conn, uint64_t end_us)
{
	const struct timespec until = { .tv_sec = (time_t)(end_us / 1000000),
					.tv_nsec = (long)(end_us % 1000000) * 1000 };
	PGcancel *cancel = PQgetCancel(conn);
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	int rc;

	if (!cancel || pthread_attr_init(&attr) != 0) {
		PQfreeCancel(cancel);
		return false;
	}
	/* Signals belong to the threads of the program. */
	(void)sigfillset(&all); /* cannot fail */
	rc = pthread_attr_setsigmask_np(&attr, &all);
	if (rc == 0)
		rc = pthread_create(&thread, &attr, cancel_main, cancel);
	(void)pthread_attr_destroy(&attr); /* cannot fail */
	if (rc != 0) {
		PQfreeCancel(cancel);
		return false;
	}
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0)
		return true;
	(void)pthread_detach(thread); /* it frees what it has when the network lets it go */
	return false;
}

/*
 * Ask the server to stop the running statement, for half a second at most, which is enough wherever the
 * server still answers. A server that has not begun the statement yet forgets that it was asked: it is asked
 * again until it answers.
 */
static void cancel_statement(PGconn *conn)
{
	struct pollfd answer = { .fd = PQsocket(conn), .events = POLLIN };
	uint64_t end_us = pgs_now_us() + PG_CANCEL_WAIT_US;

	while (cancel_once(conn, end_us) && poll(&answer, 1, PG_CANCEL_AGAIN_MS) == 0 &&
	       pgs_now_us() < end_us)
		;
}

/* Until the connection is ready for `events`. -1: the deadline or the interrupt came first. */
static int wait_ready(PGconn *conn, short events, struct pg_wait *wait, struct pgs_err *reterr)
{
	struct pollfd fds[2] = {
		{ .fd = PQsocket(conn), .events = events },
		{ .fd = wait->limit->interrupt_fd, .events = POLLIN },
	};

	if (!wait->deadline_us)
		wait->deadline_us = pgs_now_us() + wait->limit->timeout_us;
	if (fds[0].fd < 0)
		return pg_fail(conn, NULL, reterr);
	for (;;) {
		int n = poll(fds, 2, pgs_ms_until(wait->deadline_us));

		if (n < 0 && errno != EINTR)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "poll",
					   "could not wait for PostgreSQL: %m");
		/* Also hang-up and error of the interrupt: its other end is gone, nobody wants this answer. */
		if (n > 0 && fds[1].revents)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt",
					   "gave up waiting for PostgreSQL: asked to stop");
		if (n > 0)
			return 0;
		if (pgs_now_us() >= wait->deadline_us)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "deadline",
					   "no answer from PostgreSQL within %llu ms",
					   (unsigned long long)(wait->limit->timeout_us / 1000));
	}
}

/* Notices would go to stderr, past the log and its format. */
static void on_notice(void *ctx, const char *text)
{
	(void)ctx;
	pgs_log(PGS_LOG_DEBUG, NULL, "PostgreSQL says: %s", text);
}

static const char *info_value(const PQconninfoOption *info, const char *keyword)
{
	for (; info->keyword; info++)
		if (strcmp(info->keyword, keyword) == 0)
			return info->val;
	return NULL;
}

static int connect_loop(PGconn *conn, const struct pg_limit *limit, struct pgs_err *reterr)
{
	struct pg_wait wait = { .limit = limit, .deadline_us = pgs_now_us() + limit->timeout_us };
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	/* The only way to learn the SQLSTATE of a refused connection; see pg_text_connect_error(). */
	(void)PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
	while (PQstatus(conn) != CONNECTION_BAD && status != PGRES_POLLING_FAILED) {
		if (status == PGRES_POLLING_OK) {
			(void)PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
			if (PQsetnonblocking(conn, 1) != 0)
				return pg_fail(conn, NULL, reterr);
			return 0;
		}
		if (wait_ready(conn, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, &wait,
			       reterr))
			return -1;
		status = PQconnectPoll(conn);
	}
	(void)pg_text_connect_error(PQerrorMessage(conn),
				    reterr); /* fills; the value is ours to give */
	if (reterr && PQconnectionNeedsPassword(conn))
		reterr->cls = PGS_ERR_CONFIG;
	return -1;
}

int pg_connect(const struct pg_connect *params, const struct pg_limit *limit, PGconn **ret,
	       struct pgs_err *reterr)
{
	PGS_CLEANUP(freeinfop) PQconninfoOption *info = PQconninfoParse(params->conninfo, NULL);
	PGS_CLEANUP(pgs_freep) char *shown = NULL;
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf options = PGS_BUF_INIT(PG_OPTIONS_MAX_BYTES);
	PGS_CLEANUP(pg_closep) PGconn *conn = NULL;
	const char *given;

	assert(params->application_name && params->application_name[0]);
	/* libpq's words are kept back: they quote pieces of the text, and a password may be in it. */
	if (!info)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"conninfo cannot be parsed; write it as \"name=value name=value\"");
	given = info_value(info, "options");
	if (given && params->options)
		pgs_buf_printf(&options, "%s ", given);
	pgs_buf_puts(&options, params->options ? params->options : "");
	if (pgs_buf_failed(&options))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "\"options\" of conninfo is too long");

	/*
	 * Later entries win over what conninfo says, earlier ones do not; empty ones do not count. A server that
	 * vanished without a word is noticed after some minutes, not two hours.
	 */
	const char *const keywords[] = { "keepalives_idle",  "keepalives_interval",
					 "dbname",           "password",
					 "passfile",         "options",
					 "application_name", "client_encoding",
					 "replication",      NULL };
	const char *const values[] = { "60",
				       "15",
				       params->conninfo,
				       params->password,
				       params->passfile,
				       pgs_buf_str(&options),
				       params->application_name,
				       "UTF8",
				       params->replication ? "database" : NULL,
				       NULL };

	conn = PQconnectStartParams(keywords, values, 1);
	if (!conn)
		return pgs_err_nomem(reterr);
	(void)PQsetNoticeProcessor(conn, on_notice, NULL);
	if (connect_loop(conn, limit, reterr)) {
		shown = pg_conninfo_display(params->conninfo);
		return pgs_err_prefix(reterr, "could not connect to %s",
				      shown ? shown : "PostgreSQL");
	}
	*ret = PGS_STEAL(conn);
	return 0;
}

/* Push out what libpq holds; reads meanwhile, or two full buffers would wait for one another. */
static int flush(PGconn *conn, struct pg_wait *wait, struct pgs_err *reterr)
{
	int rc;

	while ((rc = PQflush(conn)) == 1) {
		if (wait_ready(conn, POLLIN | POLLOUT, wait, reterr))
			return -1;
		if (!PQconsumeInput(conn))
			return pg_fail(conn, NULL, reterr);
	}
	return rc == 0 ? 0 : pg_fail(conn, NULL, reterr);
}

/* The next result without blocking; *ret NULL: the statement is over. */
static int next_result(PGconn *conn, struct pg_wait *wait, PGresult **ret, struct pgs_err *reterr)
{
	while (PQisBusy(conn)) {
		if (wait_ready(conn, POLLIN, wait, reterr))
			return -1;
		if (!PQconsumeInput(conn))
			return pg_fail(conn, NULL, reterr);
	}
	*ret = PQgetResult(conn);
	return 0;
}

static bool is_copy(const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	return status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH;
}

static bool is_error(const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK &&
	       status != PGRES_EMPTY_QUERY;
}

/*
 * After a PQsend…(): the last result in *ret, or the first error. With `copy` the answer that opens a COPY
 * is given and the statement stays open. The first error is kept, whatever comes behind it.
 */
static int collect(PGconn *conn, bool sent, bool copy, const struct pg_limit *limit, PGresult **ret,
		   struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *last = NULL;
	struct pg_wait wait = { .limit = limit };
	struct pgs_err err = { 0 };

	if (!sent)
		return pg_fail(conn, NULL, reterr);
	if (flush(conn, &wait, &err))
		goto give_up;
	for (;;) {
		PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

		if (next_result(conn, &wait, &res, &err))
			goto give_up;
		if (!res)
			break;
		if (is_copy(res)) {
			if (copy && PQresultStatus(res) == PGRES_COPY_OUT) {
				*ret = PGS_STEAL(res);
				return 0;
			}
			(void)pgs_err_set(&err, PGS_ERR_BUG, "copy",
					  "unexpected COPY; closing the connection");
			goto give_up;
		}
		if (err.cls)
			continue;
		if (is_error(res)) {
			(void)pg_fail(conn, res, &err);
			continue;
		}
		pg_clearp(&last);
		last = PGS_STEAL(res);
	}
	if (!err.cls && copy)
		(void)pgs_err_set(&err, PGS_ERR_BUG, "copy", "statement is not COPY ... TO STDOUT");
	if (!err.cls && !last)
		(void)pg_fail(conn, NULL, &err);
	if (err.cls)
		goto fail;
	*ret = PGS_STEAL(last);
	return 0;
give_up:
	if (PQstatus(conn) == CONNECTION_OK)
		cancel_statement(conn);
fail:
	if (reterr)
		*reterr = err;
	return -1;
}

int pg_query(PGconn *conn, const char *sql, int n_params, const char *const *params,
	     const struct pg_limit *limit, PGresult **ret, struct pgs_err *reterr)
{
	bool sent;

	if (n_params == 0)
		sent = PQsendQuery(conn, sql) == 1;
	else
		sent = PQsendQueryParams(conn, sql, n_params, NULL, params, NULL, NULL, 0) == 1;
	return collect(conn, sent, false, limit, ret, reterr);
}

int pg_exec(PGconn *conn, const char *sql, int n_params, const char *const *params,
	    const struct pg_limit *limit, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

	return pg_query(conn, sql, n_params, params, limit, &res, reterr);
}

int pg_prepare(PGconn *conn, const char *name, const char *sql, const struct pg_limit *limit,
	       struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	bool sent = PQsendPrepare(conn, name, sql, 0, NULL) == 1;

	return collect(conn, sent, false, limit, &res, reterr);
}

int pg_query_prepared(PGconn *conn, const char *name, int n_params, const char *const *params,
		      bool binary_result, const struct pg_limit *limit, PGresult **ret,
		      struct pgs_err *reterr)
{
	bool sent =
		PQsendQueryPrepared(conn, name, n_params, params, NULL, NULL, binary_result) == 1;

	return collect(conn, sent, false, limit, ret, reterr);
}

int pg_copy_open(PGconn *conn, const char *sql, const struct pg_limit *limit,
		 struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	bool sent = PQsendQuery(conn, sql) == 1;

	return collect(conn, sent, true, limit, &res, reterr);
}

int pg_copy_row(PGconn *conn, const struct pg_limit *limit, char **ret_row, int *ret_len,
		struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	struct pg_wait wait = { .limit = limit };
	char *row = NULL;

	for (;;) {
		int n = PQgetCopyData(conn, &row, 1);

		if (n > 0) {
			*ret_row = row;
			*ret_len = n;
			return 1;
		}
		if (n == -1)
			break;
		if (n < 0)
			return pg_fail(conn, NULL, reterr);
		if (wait_ready(conn, POLLIN, &wait, reterr)) {
			cancel_statement(conn);
			return -1;
		}
		if (!PQconsumeInput(conn))
			return pg_fail(conn, NULL, reterr);
	}
	/* The end of the data says nothing yet: an error that ended it comes with the result. */
	return collect(conn, true, false, limit, &res, reterr);
}

/*
 * admin/session.c
 *    One connection of the admin to one database.
 *
 * Does not know rollouts.
 */
#include "admin/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"

/* Put the database's name before an error and return -1. */
static int named(const struct session *s, struct pgs_err *reterr)
{
	return reterr ? pgs_err_prefix(reterr, "database \"%s\"", s->name) : -1;
}

/* Settings that a role or a database may have set otherwise. */
static int prepare_session(struct session *s, struct pgs_err *reterr)
{
	char sql[512];
	struct pg_limit limit = admin_limit(s->a, 0);

	snprintf(sql, sizeof(sql),
		 "set synchronous_commit = on; set default_transaction_isolation = 'read "
		 "committed'; "
		 "set default_transaction_read_only = off; set default_transaction_deferrable = "
		 "off; "
		 "set search_path = pg_catalog; set lock_timeout = %d; set statement_timeout = %d; "
		 "set idle_in_transaction_session_timeout = 0; set client_min_messages = warning",
		 SESSION_LOCK_MS, SESSION_STATEMENT_MS);
	return pg_exec(s->conn, sql, 0, NULL, &limit, reterr);
}

int session_open(struct session *s, struct pgs_err *reterr)
{
	char passfile[4096], name[FENCE_NAME_MAX];
	struct pg_connect params = { .conninfo = s->conninfo, .application_name = name };
	struct pg_limit limit = admin_limit(s->a, 0);

	if (s->conn && PQstatus(s->conn) == CONNECTION_OK &&
	    PQtransactionStatus(s->conn) == PQTRANS_IDLE)
		return 0;
	session_close(s);
	fence_name(s->a, name);
	if (s->a->options.credentials_dir &&
	    (size_t)snprintf(passfile, sizeof(passfile), "%s/pgpass",
			     s->a->options.credentials_dir) < sizeof(passfile) &&
	    access(passfile, R_OK) == 0)
		params.passfile = passfile;
	if (pg_connect(&params, &limit, &s->conn, reterr) < 0)
		return named(s, reterr);
	if (prepare_session(s, reterr) < 0) {
		session_close(s);
		return named(s, reterr);
	}
	if (fence_take(s, reterr) < 0) {
		session_close(s);
		return -1;
	}
	return 0;
}

void session_close(struct session *s)
{
	pg_closep(&s->conn);
	s->conn = NULL;
}

int session_query(struct session *s, const char *sql, int n_params, const char *const *params,
		  PGresult **ret, struct pgs_err *reterr)
{
	struct pg_limit limit = admin_limit(s->a, (SESSION_STATEMENT_MS + 5000) * 1000ULL);
	struct pgs_err err = { 0 };

	if (!s->conn)
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "database \"%s\" is not connected",
				   s->name);
	admin_breathe(s->a);
	if (pg_query(s->conn, sql, n_params, params, &limit, ret, &err) == 0)
		return 0;
	/* The statement may still run: only a new connection knows where it stands. */
	if (strcmp(err.code, "interrupt") == 0 || strcmp(err.code, "deadline") == 0)
		session_close(s);
	/* Where it is read before our statement is sent, libpq keeps the text only. */
	if (strcmp(err.code, "57P01") == 0 ||
	    strstr(err.msg, "terminating connection due to administrator command"))
		(void)pgs_err_set(&err, PGS_ERR_RETRY, "57P01",
				  "the session was ended: another admin has taken over, or the "
				  "server is stopping");
	if (reterr)
		*reterr = err;
	return named(s, reterr);
}

int session_exec(struct session *s, const char *sql, int n_params, const char *const *params,
		 struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

	return session_query(s, sql, n_params, params, &res, reterr);
}

static int set_timeouts(struct session *s, int lock_ms, int statement_ms, struct pgs_err *reterr)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "set lock_timeout = %d; set statement_timeout = %d", lock_ms,
		 statement_ms);
	return session_exec(s, sql, 0, NULL, reterr);
}

/* Lock not available, cancelled by statement_timeout, deadlock: nothing was done, the next try may work. */
static bool worth_another_try(const struct pgs_err *err)
{
	return strcmp(err->code, "55P03") == 0 || strcmp(err->code, "57014") == 0 ||
	       strcmp(err->code, "40P01") == 0;
}

static int try_until(struct session *s, const char *sql, int n_params, const char *const *params,
		     const char *what, uint64_t deadline_us, struct pgs_err *reterr)
{
	struct pgs_backoff backoff = { .base_us = 100 * 1000, .cap_us = 2 * 1000 * 1000 };
	struct pgs_log_limit limit = { .interval_us = 5 * 1000 * 1000, .burst = 1 };
	unsigned held_back;

	for (;;) {
		if (session_exec(s, sql, n_params, params, reterr) == 0)
			return 0;
		if (!worth_another_try(reterr))
			return -1;
		uint64_t now_us = pgs_now_us();
		if (now_us >= deadline_us)
			return pgs_err_set(
				reterr, PGS_ERR_RETRY, "55P03",
				"database \"%s\": could not %s: the table was in use all the time; "
				"end the long transactions on it or give more time with --wait",
				s->name, what);
		uint64_t pause_us = pgs_backoff_next(&backoff, (uint32_t)now_us);
		if (pgs_log_allowed(&limit, now_us, &held_back))
			pgs_log(PGS_LOG_NOTICE, NULL,
				"database \"%s\": waiting to %s: the table is in use; trying again "
				"for %llu s",
				s->name, what,
				(unsigned long long)((deadline_us - now_us) / 1000000));
		if (now_us + pause_us > deadline_us)
			pause_us = deadline_us - now_us;
		if (admin_pause(s->a, pause_us, reterr) < 0)
			return -1;
	}
}

int session_patient(struct session *s, const char *sql, int n_params, const char *const *params,
		    const char *what, uint64_t deadline_us, struct pgs_err *reterr)
{
	int ms = (int)(s->a->options.lock_timeout_us / 1000);

	if (set_timeouts(s, ms, ms, reterr) < 0 ||
	    try_until(s, sql, n_params, params, what, deadline_us, reterr) < 0) {
		/* The connection goes back to its own settings or is opened anew by the next user. */
		if (set_timeouts(s, SESSION_LOCK_MS, SESSION_STATEMENT_MS, NULL) < 0)
			session_close(s);
		return -1;
	}
	return set_timeouts(s, SESSION_LOCK_MS, SESSION_STATEMENT_MS, reterr);
}

void session_put_array(struct pgs_buf *out, const char *const *names, size_t n)
{
	pgs_buf_putc(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			pgs_buf_putc(out, ',');
		pgs_buf_putc(out, '"');
		for (const char *c = names[i]; *c; c++) {
			if (*c == '"' || *c == '\\')
				pgs_buf_putc(out, '\\');
			pgs_buf_putc(out, *c);
		}
		pgs_buf_putc(out, '"');
	}
	pgs_buf_putc(out, '}');
}

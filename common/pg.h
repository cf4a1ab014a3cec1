/*
 * common/pg.h
 *    libpq with deadlines, an interrupt, and SQLSTATE turned into an error class.
 *
 * Every wait is a poll() on the connection and on the interrupt descriptor, so nothing here blocks longer
 * than its limit. After an error of class RETRY with code "deadline" or "interrupt" a statement may still
 * be running: the connection has been asked to cancel and must be closed. Never prints a password.
 */
#ifndef PGSHOVEL_COMMON_PG_H
#define PGSHOVEL_COMMON_PG_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"

/* How long one call may take, and what may end it early. */
struct pg_limit {
	uint64_t timeout_us;
	int interrupt_fd; /* readable = give up (code "interrupt"); -1: none; is not read from */
};

struct pg_connect {
	const char *conninfo;
	const char *password; /* NULL: passfile, service or none */
	const char *passfile; /* NULL: libpq's default */
	const char *application_name; /* required */
	const char *options; /* "-c name=value ...", NULL: none */
	bool replication; /* replication=database */
};

/* Connect. On success *ret is the caller's, non-blocking, client_encoding UTF8. */
int pg_connect(const struct pg_connect *params, const struct pg_limit *limit, PGconn **ret,
	       struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Run one statement with text parameters (NULL: SQL null) and give its result (tuples or command), which
 * the caller clears. Several statements in one string are allowed only when n_params is 0; the last
 * result is given. COPY is refused: see pg_copy_open().
 */
int pg_query(PGconn *conn, const char *sql, int n_params, const char *const *params,
	     const struct pg_limit *limit, PGresult **ret, struct pgs_err *reterr) PGS_MUST_CHECK;

/* The same without a result to keep. */
int pg_exec(PGconn *conn, const char *sql, int n_params, const char *const *params,
	    const struct pg_limit *limit, struct pgs_err *reterr) PGS_MUST_CHECK;

/* A prepared statement: once by name, then many times. */
int pg_prepare(PGconn *conn, const char *name, const char *sql, const struct pg_limit *limit,
	       struct pgs_err *reterr) PGS_MUST_CHECK;
int pg_query_prepared(PGconn *conn, const char *name, int n_params, const char *const *params,
		      bool binary_result, const struct pg_limit *limit, PGresult **ret,
		      struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * COPY (...) TO STDOUT. pg_copy_row gives one CopyData message at a time: 1 and *ret_row (freed with
 * PQfreemem by the caller), 0 at the end (the connection is idle again), -1 on error.
 */
int pg_copy_open(PGconn *conn, const char *sql, const struct pg_limit *limit,
		 struct pgs_err *reterr) PGS_MUST_CHECK;
int pg_copy_row(PGconn *conn, const struct pg_limit *limit, char **ret_row, int *ret_len,
		struct pgs_err *reterr) PGS_MUST_CHECK;

/* Fill *reterr from a failed result (or, with res NULL, from the connection) and return -1. */
int pg_fail(PGconn *conn, const PGresult *res, struct pgs_err *reterr);

/* Class of a five-character SQLSTATE; NULL or "" is RETRY (connection trouble). */
enum pgs_err_class pg_sqlstate_class(const char *sqlstate);

/* Host, port, database and user of a conninfo, never its password: for messages. malloc'ed, never NULL
 * except without memory. */
char *pg_conninfo_display(const char *conninfo);

/* "quoted" identifier and 'literal' appended without a connection; UTF-8 in, UTF-8 out. */
struct pgs_buf;
void pg_put_ident(struct pgs_buf *out, const char *name);
void pg_put_literal(struct pgs_buf *out, const char *text);

void pg_closep(PGconn **conn); /* clean-up attribute; NULL is fine */
void pg_clearp(PGresult **res); /* clean-up attribute; NULL is fine */

#endif

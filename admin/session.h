/*
 * admin/session.h
 *    One connection of the admin to one database of a set, with its name in every error.
 *
 * Does not know rollouts. Every session has synchronous_commit on, READ COMMITTED, bounded statements and
 * search_path pg_catalog. Not for the relay.
 */
#ifndef PGSHOVEL_ADMIN_SESSION_H
#define PGSHOVEL_ADMIN_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/admin.h"
#include "common/buf.h"
#include "common/pg.h"

enum {
	SESSION_STATEMENT_MS = 60 * 1000,
	SESSION_LOCK_MS = 5 * 1000,
	SESSION_MAX_SQL = 4 * 1024 * 1024,
	FENCE_NAME_MAX = 64
};

struct session {
	struct admin *a;
	const char *name; /* of the database in the document; lent */
	const char *conninfo; /* lent */
	PGconn *conn; /* owned, NULL: not open */
};

/*
 * Connect when there is no usable connection, and take the fence. Errors name the database; unreachable is
 * class RETRY, and so is code "locked": an admin with a newer lock is at work there.
 */
int session_open(struct session *s, struct pgs_err *reterr) PGS_MUST_CHECK;
void session_close(struct session *s);

/* As pg_query() and pg_exec(), errors begin with: database "NAME". */
int session_query(struct session *s, const char *sql, int n_params, const char *const *params,
		  PGresult **ret, struct pgs_err *reterr) PGS_MUST_CHECK;
int session_exec(struct session *s, const char *sql, int n_params, const char *const *params,
		 struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * A statement that locks a table of the application: each attempt is held to the lock timeout by lock_timeout
 * and statement_timeout both, and repeated with back-off until `deadline_us`. `what` is said on stderr when
 * it has to wait. Class RETRY when the deadline passed.
 */
int session_patient(struct session *s, const char *sql, int n_params, const char *const *params,
		    const char *what, uint64_t deadline_us, struct pgs_err *reterr) PGS_MUST_CHECK;

/* fence.c: what the session is called, and its place among those of other admins. Called by session_open(). */
void fence_name(const struct admin *a, char ret[FENCE_NAME_MAX]);
int fence_take(struct session *s, struct pgs_err *reterr) PGS_MUST_CHECK;

/* A text[] literal of n names. Appends. */
void session_put_array(struct pgs_buf *out, const char *const *names, size_t n);

#endif

/*
 * worker/source_lock.c
 *    The session advisory lock that makes a relay the owner of a source.
 *
 * Locks are compared by the tokens that their holders show in application_name; no clock, no lease.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/source_internal.h"
#include "worker/wait.h"

enum { LOCK_CLASS = 0x70677376, LOCK_WAIT_US = 10 * 1000 * 1000, LOCK_STEP_US = 20 * 1000 };

static const char holder_sql[] =
	"SELECT l.pid, coalesce(a.application_name, ''), coalesce(a.usename, '') FROM pg_locks l "
	"JOIN pg_database d ON d.oid = l.database LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
	"WHERE l.locktype = 'advisory' AND d.datname = current_database() "
	"AND l.classid = $1::int8::oid AND l.objid = $2::int8::oid AND l.objsubid = 2 AND "
	"l.granted";

/* What to do about the session that holds the lock. 0: it is gone or told to go. */
static int dislodge(struct source *s, const PGresult *holder, bool *told, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	const char *params[] = { PQgetvalue(holder, 0, 0) };
	const char *name = PQgetvalue(holder, 0, 1);
	struct token theirs;

	if (!token_parse_application(name, &theirs))
		return pgs_err_set(
			reterr, PGS_ERR_RETRY, "",
			"the lock of set \"%s\" in database \"%s\" is held by process %s of role "
			"\"%s\" (\"%s\"), which shows no token",
			s->config.assignment->set, s->config.db->name, params[0],
			PQgetvalue(holder, 0, 2), name);
	if (token_compare(&theirs, &s->token) > 0)
		return pgs_err_set(
			reterr, PGS_ERR_FENCED, "",
			"a newer owner (token %s) holds set \"%s\" in database \"%s\"; ours is %s",
			name + sizeof(TOKEN_APPLICATION_PREFIX) - 1, s->config.assignment->set,
			s->config.db->name, s->token_text);
	if (!*told)
		pgs_log(PGS_LOG_NOTICE, s->prefix,
			"terminating process %s of an older owner (token %s)", params[0],
			name + sizeof(TOKEN_APPLICATION_PREFIX) - 1);
	*told = true;
	return pg_exec(s->conn, "SELECT pg_terminate_backend($1::int4)", 1, params, &limit, reterr);
}

int source_lock(struct source *s, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	const int32_t key =
		setdoc_lock_key(s->config.assignment->cluster, s->config.assignment->set);
	const uint64_t give_up = pgs_now_us() + LOCK_WAIT_US;
	bool told = false;
	char lock_sql[96];
	char class_text[16];
	char key_text[16];
	const char *params[] = { class_text, key_text };
	(void)snprintf(class_text, sizeof(class_text), "%u", (unsigned)LOCK_CLASS);
	(void)snprintf(key_text, sizeof(key_text), "%u", (unsigned)key); /* as pg_locks shows it */
	(void)snprintf(lock_sql, sizeof(lock_sql), "SELECT pg_try_advisory_lock(%d, %d)",
		       LOCK_CLASS, key);

	for (;;) {
		PGS_CLEANUP(pg_clearp) PGresult *got = NULL;
		PGS_CLEANUP(pg_clearp) PGresult *holder = NULL;
		if (pg_query(s->conn, lock_sql, 0, NULL, &limit, &got, reterr))
			return -1;
		if (*PQgetvalue(got, 0, 0) == 't')
			return 0;
		if (pg_query(s->conn, holder_sql, 2, params, &limit, &holder, reterr) ||
		    (PQntuples(holder) > 0 && dislodge(s, holder, &told, reterr)))
			return -1;
		if (pgs_now_us() >= give_up)
			return pgs_err_set(
				reterr, PGS_ERR_RETRY, "deadline",
				"could not take the lock of set \"%s\" in database \"%s\": its "
				"older holder does not end",
				s->config.assignment->set, s->config.db->name);
		if (wait_for(s->config.stop_fd, -1, false, LOCK_STEP_US) == WAIT_STOP)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt", "asked to stop");
	}
}

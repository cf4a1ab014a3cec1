/*
 * admin/fence.c
 *    One admin in each database: the one with the newest lock.
 *
 * The lock in ZooKeeper goes with its session, and an admin that was paused does not know. So every session of
 * an admin that holds the lock takes a session advisory lock in shared mode and shows the lock's czxid in
 * application_name; then it ends the sessions with an older one. Take first, look afterwards: of two admins at
 * least one sees the other, and the older one gives way whoever looks first.
 *
 * Knows no rollout. What reads without the lock is not fenced.
 */
#include <stdio.h>
#include <string.h>

#include "admin/session.h"
#include "admin/steps.h"

/* Class 0x70677379; the key is that of the cluster, without its sign so that pg_locks shows the same number. */
#define FENCE_CLASS "1885827961"
#define FENCE_KEY                                                                                  \
	"(('x' || encode(substr(sha256(convert_to($1, 'UTF8')), 1, 4), 'hex'))::bit(32)::int & "   \
	"2147483647)"

static const char take_sql[] = "select pg_advisory_lock_shared(" FENCE_CLASS ", " FENCE_KEY ")";

static const char look_sql[] =
	"select l.pid, coalesce(a.application_name, '') from pg_locks l left join pg_stat_activity "
	"a on a.pid = l.pid where l.locktype = 'advisory' and l.classid = " FENCE_CLASS
	" and l.objid = " FENCE_KEY "::oid and l.objsubid = 2 and l.granted and l.database = "
	"(select oid from pg_database where datname = current_database()) and l.pid <> "
	"pg_backend_pid()";

static const char end_sql[] = "select pg_terminate_backend($1, $2)";

static const char there_sql[] = "select exists (select from pg_stat_activity where pid = $1)";

enum { END_WAIT_MS = 20 * 1000 };

void fence_name(const struct admin *a, char ret[FENCE_NAME_MAX])
{
	if (a->lock_czxid == 0)
		snprintf(ret, FENCE_NAME_MAX, "pgshovel-admin");
	else
		snprintf(ret, FENCE_NAME_MAX, "pgshovel-admin:%lld.%lld",
			 (long long)a->cluster.generation, (long long)a->lock_czxid);
}

/* < 0: its lock is older than ours. A name that cannot be read is of nobody who could be newer. */
static int compare(const struct admin *a, const char *name)
{
	long long generation, czxid;

	if (sscanf(name, "pgshovel-admin:%lld.%lld", &generation, &czxid) != 2)
		return -1;
	if (generation != a->cluster.generation)
		return generation < a->cluster.generation ? -1 : 1;
	return (czxid > a->lock_czxid) - (czxid < a->lock_czxid);
}

static int end_session(struct session *s, const char *pid, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *ended = NULL;
	PGS_CLEANUP(pg_clearp) PGresult *there = NULL;
	char wait[16];

	snprintf(wait, sizeof(wait), "%d", END_WAIT_MS);
	ADMIN_STEP(FENCING);
	if (session_query(s, end_sql, 2, (const char *const[]){ pid, wait }, &ended, reterr) < 0)
		return -1;
	if (PQgetvalue(ended, 0, 0)[0] == 't')
		return 0;
	/* False also means that it ended by itself between our look and this. */
	if (session_query(s, there_sql, 1, &pid, &there, reterr) < 0)
		return -1;
	if (PQgetvalue(there, 0, 0)[0] == 'f')
		return 0;
	return pgs_err_set(reterr, PGS_ERR_RETRY, "locked",
			   "database \"%s\": the session of an admin that lost its lock (backend "
			   "%s) does not end; try again",
			   s->name, pid);
}

int fence_take(struct session *s, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	const char *const cluster[] = { s->a->options.cluster };

	if (s->a->lock_czxid == 0)
		return 0;
	if (session_exec(s, take_sql, 1, cluster, reterr) < 0 ||
	    session_query(s, look_sql, 1, cluster, &res, reterr) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++) {
		int order = compare(s->a, PQgetvalue(res, i, 1));
		if (order > 0)
			return pgs_err_set(
				reterr, PGS_ERR_RETRY, "locked",
				"database \"%s\": another admin has taken the lock of cluster "
				"\"%s\" meanwhile and goes on from here",
				s->name, s->a->options.cluster);
		if (order < 0 && end_session(s, PQgetvalue(res, i, 0), reterr) < 0)
			return -1;
	}
	return 0;
}

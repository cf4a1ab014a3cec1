/*
 * worker/source_judge.c
 *    Gathers what position_judge() must know about a source, and asks it.
 *
 * Only at START, and only what the rule wants: most positions need no question at all. The history of timelines is
 * read by the main session where its role may read files, else by TIMELINE_HISTORY over a connection of its own,
 * which takes the attribute REPLICATION. Without either right it stays unknown.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/source_internal.h"
#include "worker/timeline.h"

enum { WHY_MAX = 320 };

/* What the evidence is put into; the source's own words for it. */
struct evidence {
	struct position_source source;
	char why[WHY_MAX];
};

static int note_history(struct evidence *e, const char *text, size_t len, int64_t timeline,
			struct pgs_err *reterr)
{
	bool found = false;
	if (timeline_fork(text, len, timeline, &found, &e->source.fork_lsn, reterr))
		return -1;
	e->source.history = found ? POSITION_FORKED : POSITION_NO_ANCESTOR;
	return 0;
}

/* pg_read_file() needs a right of its own; *ret_done false: it is not there. */
static int history_by_file(struct source *s, struct evidence *e, int64_t timeline, bool *ret_done,
			   struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_clearp) PGresult *may = NULL;
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char path[48];
	const char *params[] = { path };
	*ret_done = false;
	if (pg_query(s->conn, "SELECT has_function_privilege('pg_read_file(text)', 'execute')", 0,
		     NULL, &limit, &may, reterr))
		return -1;
	if (*PQgetvalue(may, 0, 0) != 't')
		return 0;
	(void)snprintf(path, sizeof(path), "pg_wal/%08" PRIX64 ".history", (uint64_t)s->timeline);
	if (pg_query(s->conn, "SELECT pg_read_file($1)", 1, params, &limit, &res, reterr))
		return -1;
	*ret_done = true;
	return note_history(e, PQgetvalue(res, 0, 0), (size_t)PQgetlength(res, 0, 0), timeline,
			    reterr);
}

/* A conninfo of several hosts can lead elsewhere this time. */
static int check_same_server(const struct source *s, PGconn *conn, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char timeline[24];
	(void)snprintf(timeline, sizeof(timeline), "%" PRId64, s->timeline);
	if (pg_query(conn, "IDENTIFY_SYSTEM", 0, NULL, &limit, &res, reterr))
		return -1;
	if (strcmp(PQgetvalue(res, 0, 0), s->system) == 0 &&
	    strcmp(PQgetvalue(res, 0, 1), timeline) == 0 &&
	    strcmp(PQhost(conn), PQhost(s->conn)) == 0 &&
	    strcmp(PQport(conn), PQport(s->conn)) == 0)
		return 0;
	return pgs_err_set(reterr, PGS_ERR_RETRY, "",
			   "another server than that of the main session answered");
}

static int history_by_replication(struct source *s, struct evidence *e, int64_t timeline,
				  struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_closep) PGconn *conn = NULL;
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char command[48];
	if (source_connect(s, "pgshovel history", true, &conn, reterr) ||
	    check_same_server(s, conn, reterr))
		return -1;
	(void)snprintf(command, sizeof(command), "TIMELINE_HISTORY %" PRId64, s->timeline);
	if (pg_query(conn, command, 0, NULL, &limit, &res, reterr))
		return -1;
	if (PQntuples(res) != 1 || PQnfields(res) != 2)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "%s gave no history", command);
	return note_history(e, PQgetvalue(res, 0, 1), (size_t)PQgetlength(res, 0, 1), timeline,
			    reterr);
}

/* No right, no walsender, no file: an answer too. Only what passes by itself is an error. */
static bool is_refusal(const struct pgs_err *err)
{
	return err->cls != PGS_ERR_RETRY || strcmp(err->code, "53300") == 0 ||
	       strcmp(err->code, "58P01") == 0;
}

static int read_history(struct source *s, struct evidence *e, int64_t timeline,
			struct pgs_err *reterr)
{
	struct pgs_err err;
	bool done = false;
	if (history_by_file(s, e, timeline, &done, &err) == 0 &&
	    (done || history_by_replication(s, e, timeline, &err) == 0))
		return 0;
	if (!is_refusal(&err)) {
		if (reterr)
			*reterr = err;
		return pgs_err_prefix(reterr, "history of timeline %" PRId64, s->timeline);
	}
	if (strcmp(err.code, "42501") == 0)
		(void)snprintf(e->why, sizeof(e->why),
			       "ALTER ROLE \"%.63s\" REPLICATION lets it look", PQuser(s->conn));
	else
		(void)snprintf(e->why, sizeof(e->why), "%.180s", err.msg);
	e->source.history_why = e->why;
	return 0;
}

/* Behind the consumer's mark nothing is rotated away, and the mark moves only after the hint. */
static int find_event(struct source *s, struct evidence *e, const struct position_event *event,
		      struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[320];
	char id[24];
	char txid[24];
	char time[24];
	const char *params[] = { txid, id, time };
	(void)snprintf(id, sizeof(id), "%" PRId64, event->id);
	(void)snprintf(txid, sizeof(txid), "%" PRId64, event->txid);
	(void)snprintf(time, sizeof(time), "%" PRId64, event->time_us);
	(void)snprintf(sql, sizeof(sql),
		       "SELECT FROM %s WHERE ev_txid = $1::int8 AND ev_id = $2::int8 AND "
		       "(extract(epoch FROM ev_time) * 1000000)::int8 = $3::int8 LIMIT 1",
		       s->event_table);
	if (pg_query(s->conn, sql, 3, params, &limit, &res, reterr))
		return -1;
	e->source.last_missing = PQntuples(res) == 0;
	return 0;
}

/*
 * How far the source is. Not what it was when the session was opened: an owner before us has delivered until we ended
 * its session, and its position would seem to be ahead of the source. Who asks beside an owner at work has read a hint
 * that may be older than the position.
 */
static int read_progress(struct source *s, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	const char *params[] = { s->config.assignment->set };
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[256];
	(void)snprintf(
		sql, sizeof(sql),
		"SELECT pg_current_wal_flush_lsn(), pg_snapshot_xmax(pg_current_snapshot()), "
		"coalesce(nonce, ''), coalesce(prev_nonce, '') FROM %s.hint WHERE set_name = $1",
		s->schema);
	if (pg_query(s->conn, sql, 1, params, &limit, &res, reterr))
		return -1;
	if (PQntuples(res) != 1)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "set \"%s\" is being dropped",
				   s->config.assignment->set);
	if (!position_parse_lsn(PQgetvalue(res, 0, 0), &s->lsn))
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "\"%s\" is not a WAL position",
				   PQgetvalue(res, 0, 0));
	s->next_txid = strtoull(PQgetvalue(res, 0, 1), NULL, 10);
	(void)snprintf(s->hint.nonce, sizeof(s->hint.nonce), "%s", PQgetvalue(res, 0, 2));
	(void)snprintf(s->hint.prev_nonce, sizeof(s->hint.prev_nonce), "%s", PQgetvalue(res, 0, 3));
	return 0;
}

int source_judge(struct source *s, const struct position *pos, enum position_verdict *ret,
		 struct pgs_buf *why, struct pgs_err *reterr)
{
	if (read_progress(s, reterr))
		return -1;
	struct evidence e = { .source = { .name = s->config.db->name,
					  .system = s->system,
					  .database = s->database,
					  .timeline = s->timeline,
					  .lsn = s->lsn,
					  .next_txid = s->next_txid,
					  .token = s->token } };
	int rc = 0;
	switch (pos ? position_wants(pos, &s->hint, s->timeline) : POSITION_WANTS_NOTHING) {
	case POSITION_WANTS_NOTHING:
		break;
	case POSITION_WANTS_HISTORY:
		rc = read_history(s, &e, pos->timeline, reterr);
		break;
	case POSITION_WANTS_EVENT:
		rc = find_event(s, &e, &pos->last, reterr);
		break;
	}
	if (!rc)
		*ret = position_judge(pos, &s->hint, &e.source, why);
	return rc;
}

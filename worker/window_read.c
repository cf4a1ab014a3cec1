/*
 * worker/window_read.c
 *    See worker/window_read.h.
 */
#include "worker/window_read.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "worker/source_internal.h"
#include "worker/wait.h"

#define LIVE        "pgshovel_live"
#define LIVE_FIELDS 4 /* snapshot, lsn, flushed, pid: set in the first row only */

/*
 * The first branch gives the statement's snapshot; events follow. Two exact index ranges over the parent of
 * the rotation tables: transactions that came after $1 (xmax), and those of $2 that were open then.
 */
int read_live_prepare(struct source *s, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	char sql[1024];
	(void)snprintf(
		sql, sizeof(sql),
		"SELECT pg_current_snapshot()::text, pg_current_wal_insert_lsn(), "
		"pg_current_wal_flush_lsn(), pg_backend_pid(), "
		"NULL::int8, NULL::int8, NULL::timestamptz, NULL::text, NULL::text, NULL::text, "
		"NULL::text, NULL::text, NULL::text UNION ALL (SELECT NULL::text, NULL::pg_lsn, "
		"NULL::pg_lsn, NULL::int4, e.* FROM (SELECT " EVENT_COLUMNS
		" FROM %s WHERE ev_txid >= $1::int8 "
		"UNION ALL SELECT " EVENT_COLUMNS " FROM %s WHERE ev_txid = ANY ($2::int8[])) e "
		"LIMIT $3::int8)",
		s->event_table, s->event_table);
	return pg_prepare(s->conn, LIVE, sql, &limit, reterr);
}

static int live_header(struct source *s, const PGresult *res, struct pgs_buf *snapshot,
		       uint64_t *lsn, struct pgs_err *reterr)
{
	uint32_t pid;
	if (PQgetlength(res, 0, 1) != (int)sizeof(*lsn) ||
	    PQgetlength(res, 0, 2) != (int)sizeof(s->flushed) ||
	    PQgetlength(res, 0, 3) != (int)sizeof(pid))
		return pgs_err_set(reterr, PGS_ERR_BUG, "",
				   "the live statement's first row has no header");
	pgs_buf_reset(snapshot);
	pgs_buf_put(snapshot, PQgetvalue(res, 0, 0), (size_t)PQgetlength(res, 0, 0));
	memcpy(lsn, PQgetvalue(res, 0, 1), sizeof(*lsn));
	*lsn = be64toh(*lsn);
	memcpy(&s->flushed, PQgetvalue(res, 0, 2), sizeof(s->flushed));
	s->flushed = be64toh(s->flushed);
	memcpy(&pid, PQgetvalue(res, 0, 3), sizeof(pid));
	if (pgs_buf_failed(snapshot))
		return pgs_err_nomem(reterr);
	return source_check_pid(s, (int)be32toh(pid), reterr);
}

/* The next row without blocking longer than the limit; *ret NULL: the statement has ended. */
static int next_result(struct source *s, uint64_t deadline, PGresult **ret, struct pgs_err *reterr)
{
	while (PQisBusy(s->conn)) {
		const uint64_t now = pgs_now_us();
		if (now >= deadline)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "deadline",
					   "database \"%s\" did not answer in time",
					   s->config.db->name);
		const enum wait_result w =
			wait_for(s->config.stop_fd, PQsocket(s->conn), false, deadline - now);
		if (w == WAIT_STOP)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt", "asked to stop");
		if (w == WAIT_READY && !PQconsumeInput(s->conn))
			return pg_fail(s->conn, NULL, reterr);
	}
	*ret = PQgetResult(s->conn);
	return 0;
}

static int send_live(struct source *s, const char *const *params, struct pgs_err *reterr)
{
	if (!PQsendQueryPrepared(s->conn, LIVE, 3, params, NULL, NULL, 1) ||
	    !PQsetSingleRowMode(s->conn))
		return pg_fail(s->conn, NULL, reterr);
	for (int rc; (rc = PQflush(s->conn)) != 0;) {
		if (rc < 0)
			return pg_fail(s->conn, NULL, reterr);
		/* Only a list of very many open transactions does not fit in the socket's buffer. */
		if (wait_for(s->config.stop_fd, PQsocket(s->conn), true, 1000000) == WAIT_STOP)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt", "asked to stop");
		if (!PQconsumeInput(s->conn))
			return pg_fail(s->conn, NULL, reterr);
	}
	return 0;
}

static int live_row(struct source *s, const PGresult *res, struct store *st,
		    struct pgs_buf *snapshot, uint64_t *lsn, struct pgs_err *reterr)
{
	const char *fields[EVENT_N_COLUMNS];
	int lens[EVENT_N_COLUMNS];
	if (!PQgetisnull(res, 0, 0))
		return live_header(s, res, snapshot, lsn, reterr);
	for (int i = 0; i < EVENT_N_COLUMNS; i++) {
		fields[i] = PQgetvalue(res, 0, LIVE_FIELDS + i);
		lens[i] = PQgetisnull(res, 0, LIVE_FIELDS + i)
				  ? -1
				  : PQgetlength(res, 0, LIVE_FIELDS + i);
	}
	return store_add_fields(st, fields, lens, reterr) == 1 ? 0 : -1;
}

int read_live(struct source *s, const struct snapshot *from, size_t max_events, size_t max_bytes,
	      struct store *st, struct pgs_buf *ret_snapshot, uint64_t *ret_lsn, bool *ret_over,
	      struct pgs_err *reterr)
{
	const uint64_t deadline = pgs_now_us() + source_limit(s).timeout_us;
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf xip = PGS_BUF_INIT(8 * 1024 * 1024);
	char xmax[24];
	char max_rows[24];
	(void)snprintf(xmax, sizeof(xmax), "%" PRIu64, from->xmax);
	(void)snprintf(max_rows, sizeof(max_rows), "%zu", max_events + 1);
	snapshot_put_xip_array(from, &xip);
	if (pgs_buf_failed(&xip))
		return pgs_err_nomem(reterr);
	const char *params[] = { xmax, pgs_buf_str(&xip), max_rows };
	if (send_live(s, params, reterr))
		return -1;

	bool over = false;
	pgs_buf_reset(ret_snapshot);
	for (;;) {
		PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
		if (next_result(s, deadline, &res, reterr))
			return -1;
		if (!res)
			break;
		const ExecStatusType status = PQresultStatus(res);
		if (status == PGRES_TUPLES_OK)
			continue; /* the end of the rows */
		if (status != PGRES_SINGLE_TUPLE)
			return pg_fail(s->conn, res, reterr);
		over = over || st->n >= max_events || st->bytes >= max_bytes;
		if (!over && live_row(s, res, st, ret_snapshot, ret_lsn, reterr))
			return -1;
	}
	if (!ret_snapshot->len)
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "the live statement gave no snapshot");
	*ret_over = over;
	return 0;
}

int read_now(struct source *s, struct snapshot *ret, uint64_t *ret_lsn, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	if (pg_query(s->conn, "SELECT pg_current_snapshot()::text, pg_current_wal_insert_lsn()", 0,
		     NULL, &limit, &res, reterr))
		return -1;
	if (!position_parse_lsn(PQgetvalue(res, 0, 1), ret_lsn))
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "\"%s\" is not a WAL position",
				   PQgetvalue(res, 0, 1));
	return snapshot_parse(PQgetvalue(res, 0, 0), ret, reterr);
}

enum { TICK_PAGE = 64 };

/* Ticks in ascending order; with two tickers their snapshots may go backwards, so each is compared. */
static const char ticks_sql[] =
	"SELECT tick_id, tick_snapshot::text, tick_event_seq, pg_current_wal_insert_lsn() FROM "
	"pgq.tick "
	"WHERE tick_queue = $1::int4 AND tick_id > $2::int8 ORDER BY tick_id LIMIT 64";

int read_choose_tick(struct source *s, const struct snapshot *from, int64_t batch_events,
		     struct tick_base *base, struct snapshot *ret_upper, uint64_t *ret_lsn,
		     bool *ret_found, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	struct tick_base chosen = *base;
	int64_t after = base->id;
	bool found = false;
	char queue[16];
	char tick[24];
	const char *params[] = { queue, tick };
	(void)snprintf(queue, sizeof(queue), "%" PRId32, s->queue_id);

	for (bool page_full = true, enough = false; page_full && !enough;) {
		PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
		(void)snprintf(tick, sizeof(tick), "%" PRId64, after);
		if (pg_query(s->conn, ticks_sql, 2, params, &limit, &res, reterr))
			return -1;
		const int n = PQntuples(res);
		page_full = n == TICK_PAGE;
		for (int i = 0; i < n && !enough; i++) {
			PGS_CLEANUP(snapshot_done) struct snapshot tick_snapshot = { .xmin = 0 };
			after = strtoll(PQgetvalue(res, i, 0), NULL, 10);
			const int64_t seq = strtoll(PQgetvalue(res, i, 2), NULL, 10);
			if (snapshot_parse(PQgetvalue(res, i, 1), &tick_snapshot, reterr))
				return -1;
			if (snapshot_contains(from, &tick_snapshot)) {
				/* Delivered already: a better base for counting, and nothing to read. */
				if (!found)
					chosen = *base = (struct tick_base){ after, seq };
				continue;
			}
			if (!snapshot_contains(&tick_snapshot, from))
				continue;
			enough = found && seq - base->event_seq > batch_events;
			if (enough)
				continue;
			found = true;
			chosen = (struct tick_base){ after, seq };
			snapshot_done(ret_upper);
			*ret_upper = tick_snapshot;
			tick_snapshot = (struct snapshot){ .xmin = 0 };
			if (!position_parse_lsn(PQgetvalue(res, i, 3), ret_lsn))
				return pgs_err_set(reterr, PGS_ERR_BUG, "",
						   "\"%s\" is not a WAL position",
						   PQgetvalue(res, i, 3));
		}
	}
	*base = chosen;
	*ret_found = found;
	return 0;
}

int read_transaction_end(struct source *s, int64_t txid, int64_t *ret, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[256];
	(void)snprintf(sql, sizeof(sql), "SELECT max(ev_id) FROM %.128s WHERE ev_txid = %" PRId64,
		       s->event_table, txid);
	if (pg_query(s->conn, sql, 0, NULL, &limit, &res, reterr))
		return -1;
	*ret = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
	return 0;
}

int read_may_chain(struct source *s, bool *ret, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	const char *params[] = { s->config.assignment->set };
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[160];
	(void)snprintf(sql, sizeof(sql),
		       "SELECT EXISTS (SELECT FROM %s.relation WHERE set_name = $1 AND chained)",
		       s->schema);
	if (pg_query(s->conn, sql, 1, params, &limit, &res, reterr))
		return -1;
	*ret = *PQgetvalue(res, 0, 0) == 't';
	return 0;
}

/* A window or transaction of any size may take so long; keep-alives notice a server that is gone. */
#define ANY_SIZE_TIMEOUT_US (UINT64_C(6) * 3600 * 1000 * 1000)

int read_chain_inverted(struct source *s, int64_t txid, bool *ret, int64_t *ret_bytes,
			struct pgs_err *reterr)
{
	struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[1024];
	limit.timeout_us = ANY_SIZE_TIMEOUT_US;
	(void)snprintf(
		sql, sizeof(sql),
		"SELECT EXISTS (SELECT FROM %.128s a JOIN %.128s b ON b.ev_extra1 = a.ev_extra1 "
		"AND "
		"b.ev_extra3 = a.ev_extra4 WHERE a.ev_txid = %" PRId64 " AND b.ev_txid = %" PRId64
		" AND a.ev_id > b.ev_id), (SELECT sum(coalesce(octet_length(ev_data), 0) + "
		"coalesce(octet_length(ev_extra2), 0) + %zu)::int8 FROM %.128s WHERE ev_txid = "
		"%" PRId64 ")",
		s->event_table, s->event_table, txid, txid, STORE_EVENT_BYTES, s->event_table,
		txid);
	if (pg_query(s->conn, sql, 0, NULL, &limit, &res, reterr))
		return -1;
	*ret = *PQgetvalue(res, 0, 0) == 't';
	*ret_bytes = strtoll(PQgetvalue(res, 0, 1), NULL, 10);
	return 0;
}

/* By ev_id: the condition goes into each branch, so that the index range is all that is read. */
static void put_by_id(const struct source *s, const struct read_copy *what, struct pgs_buf *sql)
{
	char after[48];
	(void)snprintf(after, sizeof(after), "ev_id > %" PRId64,
		       what->after ? what->after->ev_id : 0);
	snapshot_put_window_sql(what->lower, what->upper, s->event_table, EVENT_COLUMNS,
				what->after ? after : NULL, sql);
	if (what->ordered)
		pgs_buf_lit(sql, " ORDER BY ev_id");
}

/* By transaction: the largest ev_id of each is looked up first; the rows are sorted once. */
static void put_by_transaction(const struct source *s, const struct read_copy *what,
			       struct pgs_buf *sql)
{
	pgs_buf_lit(sql, "SELECT " EVENT_COLUMNS " FROM (");
	snapshot_put_window_sql(what->lower, what->upper, s->event_table, EVENT_COLUMNS, NULL, sql);
	pgs_buf_lit(sql, ") w JOIN (SELECT ev_txid AS cut_txid, max(ev_id) AS cut_tx FROM (");
	snapshot_put_window_sql(what->lower, what->upper, s->event_table, "ev_txid, ev_id", NULL,
				sql);
	pgs_buf_lit(sql, ") v GROUP BY ev_txid) t ON cut_txid = ev_txid");
	if (what->after)
		pgs_buf_printf(sql,
			       " WHERE (cut_tx, ev_id) > (%" PRId64 "::int8, %" PRId64 "::int8)",
			       what->after->cut_tx, what->after->ev_id);
	if (what->ordered)
		pgs_buf_lit(sql, " ORDER BY cut_tx, ev_id");
}

int read_copy_open(struct source *s, const struct read_copy *what, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf sql = PGS_BUF_INIT(32 * 1024 * 1024);
	if (source_bulk(s, reterr))
		return -1;
	pgs_buf_lit(&sql, "COPY (");
	if (what->by_transaction && (what->after || what->ordered))
		put_by_transaction(s, what, &sql);
	else
		put_by_id(s, what, &sql);
	pgs_buf_lit(&sql, ") TO STDOUT (FORMAT binary)");
	if (pgs_buf_failed(&sql))
		return pgs_err_nomem(reterr);
	return pg_copy_open(s->bulk, pgs_buf_str(&sql), &limit, reterr);
}

static const char copy_signature[11] = "PGCOPY\n\377\r\n"; /* and its NUL */

int read_copy_row(struct source *s, struct store *st, bool *first, struct pgs_err *reterr)
{
	struct pg_limit limit = source_limit(s);
	char *row = NULL;
	int len = 0;
	if (*first)
		limit.timeout_us = ANY_SIZE_TIMEOUT_US;
	int rc = pg_copy_row(s->bulk, &limit, &row, &len, reterr);
	if (rc <= 0)
		return rc;
	size_t skip = 0;
	if (*first) {
		/* Signature, flags, length of the extension: the first row may stand behind it. */
		uint32_t extension;
		*first = false;
		skip = sizeof(copy_signature) + 2 * sizeof(extension);
		if ((size_t)len < skip ||
		    memcmp(row, copy_signature, sizeof(copy_signature)) != 0) {
			PQfreemem(row);
			return pgs_err_set(reterr, PGS_ERR_BUG, "",
					   "COPY did not begin with its signature");
		}
		memcpy(&extension, row + sizeof(copy_signature) + sizeof(extension),
		       sizeof(extension));
		skip += be32toh(extension);
	}
	rc = 1;
	if ((size_t)len > skip)
		rc = store_add(st, row + skip, (size_t)len - skip, reterr);
	PQfreemem(row);
	if (rc)
		return rc;
	/* The trailer is no event; what follows it is the end of the statement. */
	return read_copy_row(s, st, first, reterr);
}

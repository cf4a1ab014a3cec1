/*
 * tests/lib/writers.c
 *    See tests/lib/writers.h.
 */
#include "tests/lib/writers.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	SESSIONS = 8,
	TXNS = SESSIONS + 8, /* open ones, prepared ones among them */
	OPS = 200, /* of a transaction */
	SAVEPOINTS = 6,
};

struct txn {
	bool used;
	bool prepared;
	uint64_t txid; /* 0: has not written */
	uint64_t gid; /* of a prepared one */
	struct change ops[OPS];
	size_t n;
	size_t savepoints[SAVEPOINTS]; /* n at each */
	size_t n_savepoints;
};

struct session {
	PGconn *conn;
	struct txn *txn; /* NULL: idle */
};

static struct {
	uint64_t random;
	uint64_t seed;
	uint64_t step;
	struct session sessions[SESSIONS];
	PGconn *admin; /* ticks, rotations, prepared transactions */
	PGconn *old; /* a session with an old snapshot, which ticks later */
	bool old_open;
	struct txn txns[TXNS];
	struct txn *owner[WRITERS_ROWS + 1]; /* who has the row's lock */
	int committed[WRITERS_ROWS + 1]; /* v, or ABSENT */
	struct change *changes; /* committed ones */
	size_t n_changes;
	uint64_t seq;
	int next_v;
	char queue[64];
	struct {
		unsigned ticks, backward, rotations, commits, rollbacks, partial, prepared,
			conflicts;
	} count;
} w;

void writers_die(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	printf("seed %" PRIu64 ", step %" PRIu64 ": ", w.seed, w.step);
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	exit(1);
}

/* xorshift64*: the same everywhere. */
uint64_t writers_roll(uint64_t n)
{
	w.random ^= w.random >> 12;
	w.random ^= w.random << 25;
	w.random ^= w.random >> 27;
	return (w.random * UINT64_C(2685821657736338717) >> 33) % n;
}

/* ---- Sessions. ---- */

static PGconn *connect_to(const char *conninfo)
{
	PGconn *conn = PQconnectdb(conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		writers_die("%s", PQerrorMessage(conn));
	/* The model knows every lock: nothing waits long, or it is wrong. */
	PQclear(PQexec(conn, "set statement_timeout = '60s'; set client_min_messages = warning"));
	return conn;
}

/* *ret_state: SQLSTATE of an error that the caller expects, else an error ends the run. */
static PGresult *query(PGconn *conn, char *ret_state, const char *fmt, ...) PGS_PRINTF(3, 4);

static PGresult *query(PGconn *conn, char *ret_state, const char *fmt, ...)
{
	char sql[512];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(sql, sizeof(sql), fmt, args);
	va_end(args);
	PGresult *res = PQexec(conn, sql);
	const ExecStatusType status = PQresultStatus(res);
	if (ret_state)
		*ret_state = '\0';
	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return res;
	const char *code = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	if (!ret_state || !code)
		writers_die("\"%s\": %s", sql, PQerrorMessage(conn));
	(void)snprintf(ret_state, 6, "%s", code);
	return res;
}

static void run(PGconn *conn, const char *sql)
{
	PQclear(query(conn, NULL, "%s", sql));
}

/* ---- The model: transactions. ---- */

static struct txn *new_txn(void)
{
	for (size_t i = 0; i < TXNS; i++)
		if (!w.txns[i].used) {
			w.txns[i] = (struct txn){ .used = true };
			return &w.txns[i];
		}
	return NULL;
}

/* Locks of rows that are not among the transaction's changes any more are gone. */
static void settle_locks(struct txn *x)
{
	for (int id = 1; id <= WRITERS_ROWS; id++) {
		bool held = false;
		for (size_t i = 0; i < x->n && !held; i++)
			held = x->ops[i].id == id;
		if (w.owner[id] == x && !held)
			w.owner[id] = NULL;
	}
}

static void end_txn(struct txn *x, bool commit)
{
	for (size_t i = 0; commit && i < x->n; i++) {
		if (w.n_changes == WRITERS_CHANGES)
			writers_die("more than %d changes: raise WRITERS_CHANGES", WRITERS_CHANGES);
		w.committed[x->ops[i].id] = x->ops[i].new_v;
		w.changes[w.n_changes] = x->ops[i];
		w.changes[w.n_changes++].txid = x->txid;
	}
	x->n = 0;
	settle_locks(x);
	x->used = false;
	commit ? w.count.commits++ : w.count.rollbacks++;
}

static int seen_v(const struct txn *x, int id)
{
	for (size_t i = x->n; i > 0; i--)
		if (x->ops[i - 1].id == id)
			return x->ops[i - 1].new_v;
	return w.committed[id];
}

static void roll_back(struct session *s)
{
	run(s->conn, "rollback");
	end_txn(s->txn, false);
	s->txn = NULL;
}

/* One statement on one row. A repeatable-read transaction may find that it came too late. */
static void write_row(struct session *s)
{
	struct txn *x = s->txn;
	const int id = (int)writers_roll(WRITERS_ROWS) + 1;
	char state[6];
	PGresult *res;
	if ((w.owner[id] && w.owner[id] != x) || x->n == OPS)
		return;
	const int old_v = seen_v(x, id);
	int new_v = ++w.next_v;
	if (old_v == ABSENT) {
		res = query(s->conn, state,
			    "insert into prop values (%d, %d) returning pg_current_xact_id()", id,
			    new_v);
	} else if (writers_roll(4) == 0) {
		new_v = ABSENT;
		res = query(s->conn, state,
			    "delete from prop where id = %d returning pg_current_xact_id()", id);
	} else {
		res = query(s->conn, state,
			    "update prop set v = %d where id = %d returning pg_current_xact_id()",
			    new_v, id);
	}
	if (*state) {
		/* Serialization, or a row that this snapshot does not show. */
		if (strcmp(state, "40001") != 0 && strcmp(state, "23505") != 0)
			writers_die("%s", PQerrorMessage(s->conn));
		w.count.conflicts++;
		PQclear(res);
		roll_back(s);
		return;
	}
	if (PQntuples(res) == 1) {
		x->txid = strtoull(PQgetvalue(res, 0, 0), NULL, 10);
		x->ops[x->n++] =
			(struct change){ .seq = ++w.seq, .id = id, .old_v = old_v, .new_v = new_v };
		w.owner[id] = x;
	}
	PQclear(res);
}

static void begin(struct session *s)
{
	s->txn = new_txn();
	if (s->txn)
		run(s->conn,
		    writers_roll(4) ? "begin" : "begin isolation level repeatable read; select 1");
}

static void savepoint(struct session *s)
{
	struct txn *x = s->txn;
	if (x->n_savepoints == SAVEPOINTS)
		return;
	PQclear(query(s->conn, NULL, "savepoint s%zu", x->n_savepoints));
	x->savepoints[x->n_savepoints++] = x->n;
}

static void roll_back_to_savepoint(struct session *s)
{
	struct txn *x = s->txn;
	if (!x->n_savepoints)
		return;
	const size_t i = writers_roll(x->n_savepoints);
	PQclear(query(s->conn, NULL, "rollback to savepoint s%zu", i));
	w.count.partial += x->n > x->savepoints[i];
	x->n = x->savepoints[i];
	x->n_savepoints = i + 1;
	settle_locks(x);
}

static void prepare(struct session *s)
{
	struct txn *x = s->txn;
	if (!x->n) /* may have no transaction id: it would be no one to commit */
		return;
	x->gid = ++w.seq;
	PQclear(query(s->conn, NULL, "prepare transaction 'prop%" PRIu64 "'", x->gid));
	x->prepared = true;
	s->txn = NULL;
	w.count.prepared++;
}

static void end_prepared(void)
{
	struct txn *x = &w.txns[writers_roll(TXNS)];
	if (!x->used || !x->prepared)
		return;
	const bool commit = writers_roll(4) != 0;
	PQclear(query(w.admin, NULL, "%s prepared 'prop%" PRIu64 "'",
		      commit ? "commit" : "rollback", x->gid));
	end_txn(x, commit);
}

static void act(struct session *s)
{
	const uint64_t what = writers_roll(20);
	if (!s->txn) {
		begin(s);
	} else if (what < 11) {
		write_row(s);
	} else if (what < 13) {
		savepoint(s);
	} else if (what < 15) {
		roll_back_to_savepoint(s);
	} else if (what < 16) {
		prepare(s);
	} else if (what < 17) {
		roll_back(s);
	} else {
		run(s->conn, "commit");
		end_txn(s->txn, true);
		s->txn = NULL;
	}
}

/* ---- PgQ: ticks, also backwards, and rotation. ---- */

static void tick(PGconn *conn)
{
	char state[6];
	PGresult *res = query(conn, state, "select pgq.ticker('%s')", w.queue);
	/* 55P03, 40001: the other ticker was quicker. */
	if (!*state)
		w.count.ticks += !PQgetisnull(res, 0, 0);
	PQclear(res);
}

/* The second ticker: takes its snapshot now and ticks with it later, so that ticks go backwards. */
static void old_ticker(void)
{
	if (!w.old_open) {
		run(w.old, "begin isolation level repeatable read; select count(*) from prop");
		w.old_open = true;
		return;
	}
	char state[6];
	PGresult *res = query(w.old, state, "select pgq.ticker('%s')", w.queue);
	w.count.backward += !*state && !PQgetisnull(res, 0, 0);
	PQclear(res);
	PQclear(query(w.old, state, "commit"));
	w.old_open = false;
}

static void rotate(void)
{
	char state[6];
	PGresult *before =
		query(w.admin, NULL,
		      "select queue_cur_table from pgq.queue where queue_name = '%s'", w.queue);
	/* The lock of the table to truncate may be held by a writer. */
	run(w.admin, "set lock_timeout = '50ms'");
	PQclear(query(w.admin, state, "select pgq.maint_rotate_tables_step1('%s')", w.queue));
	run(w.admin, "select pgq.maint_rotate_tables_step2()");
	PGresult *after =
		query(w.admin, NULL,
		      "select queue_cur_table from pgq.queue where queue_name = '%s'", w.queue);
	w.count.rotations += strcmp(PQgetvalue(before, 0, 0), PQgetvalue(after, 0, 0)) != 0;
	PQclear(before);
	PQclear(after);
}

/* ---- The whole. ---- */

void writers_open(const char *conninfo, const char *queue, uint64_t seed)
{
	w.seed = seed;
	w.random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	for (size_t i = 0; i < SESSIONS; i++)
		w.sessions[i].conn = connect_to(conninfo);
	w.admin = connect_to(conninfo);
	w.old = connect_to(conninfo);
	(void)snprintf(w.queue, sizeof(w.queue), "%s", queue);
	/* Tick and rotate whenever asked. */
	PQclear(query(
		w.admin, NULL,
		"update pgq.queue set queue_ticker_max_lag = '0', queue_ticker_idle_period = '0', "
		"queue_ticker_max_count = 1, queue_rotation_period = '0' where queue_name = '%s'",
		w.queue));
	for (int id = 1; id <= WRITERS_ROWS; id++)
		w.committed[id] = ABSENT;
	w.changes = calloc(WRITERS_CHANGES, sizeof(*w.changes));
	if (!w.changes)
		writers_die("no memory");
}

void writers_step(void)
{
	const uint64_t what = writers_roll(89);
	w.step++;
	if (what < 74)
		act(&w.sessions[writers_roll(SESSIONS)]);
	else if (what < 78)
		end_prepared();
	else if (what < 83)
		tick(w.admin);
	else if (what < 86)
		old_ticker();
	else
		rotate();
}

void writers_finish(void)
{
	if (w.old_open)
		old_ticker();
	for (size_t i = 0; i < SESSIONS; i++)
		if (w.sessions[i].txn) {
			run(w.sessions[i].conn, "commit");
			end_txn(w.sessions[i].txn, true);
			w.sessions[i].txn = NULL;
		}
	for (size_t i = 0; i < TXNS; i++)
		if (w.txns[i].used) {
			PQclear(query(w.admin, NULL, "commit prepared 'prop%" PRIu64 "'",
				      w.txns[i].gid));
			end_txn(&w.txns[i], true);
		}
}

const struct change *writers_changes(size_t *ret_n)
{
	*ret_n = w.n_changes;
	return w.changes;
}

uint64_t writers_open_txid(size_t i)
{
	return i < TXNS && w.txns[i].used ? w.txns[i].txid : i < TXNS ? 0 : UINT64_MAX;
}

bool writers_print(void)
{
	printf("seed %" PRIu64 ": %" PRIu64
	       " steps, %zu changes, %u commits, %u rollbacks, %u to savepoints, "
	       "%u prepared, %u conflicts; %u ticks, %u of old snapshots, %u rotations\n",
	       w.seed, w.step, w.n_changes, w.count.commits, w.count.rollbacks, w.count.partial,
	       w.count.prepared, w.count.conflicts, w.count.ticks, w.count.backward,
	       w.count.rotations);
	return w.count.backward && w.count.rotations && w.count.prepared && w.count.partial;
}

void writers_close(void)
{
	for (size_t i = 0; i < SESSIONS; i++)
		PQfinish(w.sessions[i].conn);
	PQfinish(w.admin);
	PQfinish(w.old);
	free(w.changes);
}

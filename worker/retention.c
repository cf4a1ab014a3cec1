/*
 * worker/retention.c
 *    See worker/retention.h.
 *
 * The mark never passes a snapshot that a session still writes under: unmodified PgQ would then truncate the
 * table into which that session can still put events.
 */
#include "worker/retention.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/snapshot.h"
#include "worker/steps.h"

#define SECOND UINT64_C(1000000)

enum {
	BUSY_SECONDS = 1,
	IDLE_SECONDS = 10, /* between looks while nothing happens */
	SILENCE_SECONDS = 10, /* without a tick although events came */
	ROTATE_SECONDS = 60,
	CHECK_SECONDS = 60,
	RECHECK_SECONDS = 3, /* a problem must be there twice: a rollout may be under way */
	HELD_SECONDS = 600,
};

void retention_start(struct retention *r, const struct source *s)
{
	*r = (struct retention){ .next_us = pgs_now_us() + SECOND,
				 .next_check_us = pgs_now_us() + RECHECK_SECONDS * SECOND,
				 .tick = s->mark,
				 .delivered_lsn = s->hint.lsn };
}

void retention_delivered(struct retention *r, int64_t newest_ev_id, int64_t newest_time_us,
			 uint64_t lsn)
{
	r->carried = true;
	r->delivered_id = newest_ev_id;
	r->delivered_time_us = newest_time_us;
	r->delivered_lsn = lsn;
	const uint64_t soon = pgs_now_us() + BUSY_SECONDS * SECOND;
	if (r->next_us > soon)
		r->next_us = soon;
}

/* What the source looks like; one row. */
struct view {
	int64_t xmax;
	int64_t oldest_age; /* of a client's snapshot or a prepared transaction, in transaction ids */
	int64_t oldest_pid; /* 0: a prepared transaction, or none */
	int64_t event_seq; /* last event id given out */
	int64_t tick;
	int64_t tick_seq;
	int64_t tick_age_us;
	int64_t mark_seq;
	bool may_tick;
};

static int look(const struct source *s, struct view *ret, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[2048];
	char queue[16];
	char mark[24];
	char bulk[16];
	const char *params[] = { queue, mark, bulk };
	(void)snprintf(queue, sizeof(queue), "%" PRId32, s->queue_id);
	(void)snprintf(mark, sizeof(mark), "%" PRId64, s->mark);
	(void)snprintf(bulk, sizeof(bulk), "%d", s->bulk ? PQbackendPID(s->bulk) : 0);
	(void)snprintf(
		sql, sizeof(sql),
		"WITH old AS (SELECT pid, age(backend_xmin) AS age FROM pg_stat_activity WHERE "
		"datname = current_database() AND backend_type = 'client backend' AND backend_xmin "
		"IS NOT NULL "
		"AND pid NOT IN (pg_backend_pid(), $3::int4) UNION ALL SELECT 0, age(transaction) "
		"FROM "
		"pg_prepared_xacts WHERE database = current_database() ORDER BY 2 DESC LIMIT 1) "
		"SELECT pg_snapshot_xmax(pg_current_snapshot())::text, coalesce((SELECT age FROM "
		"old), 0), "
		"coalesce((SELECT pid FROM old), 0), (SELECT last_value FROM %s), "
		"coalesce(t.tick_id, 0), "
		"coalesce(t.tick_event_seq, 0), coalesce((extract(epoch FROM clock_timestamp() - "
		"t.tick_time) "
		"* 1000000)::int8, 0), coalesce((SELECT tick_event_seq FROM pgq.tick WHERE "
		"tick_queue = "
		"q.queue_id AND tick_id = $2::int8), 0), NOT q.queue_external_ticker AND NOT "
		"q.queue_ticker_paused FROM pgq.queue q LEFT JOIN LATERAL (SELECT * FROM pgq.tick "
		"WHERE "
		"tick_queue = q.queue_id ORDER BY tick_id DESC LIMIT 1) t ON true WHERE q.queue_id "
		"= $1::int4",
		s->event_seq);
	if (pg_query(s->conn, sql, 3, params, &limit, &res, reterr))
		return -1;
	if (PQntuples(res) != 1)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "",
				   "queue \"%s\" is gone from database \"%s\"", s->queue,
				   s->config.db->name);
	int64_t *const numbers[] = { &ret->xmax,        &ret->oldest_age, &ret->oldest_pid,
				     &ret->event_seq,   &ret->tick,       &ret->tick_seq,
				     &ret->tick_age_us, &ret->mark_seq };
	for (int i = 0; i < (int)PGS_ARRAY_LEN(numbers); i++)
		*numbers[i] = strtoll(PQgetvalue(res, 0, i), NULL, 10);
	ret->may_tick = *PQgetvalue(res, 0, 8) == 't';
	return 0;
}

/* The newest tick that what was delivered covers and that no old snapshot forbids; 0: none is newer. */
static int covered_tick(const struct source *s, const struct view *v, const char *snapshot,
			int64_t *ret, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(snapshot_done) struct snapshot delivered = { .xmin = 0 };
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char queue[16];
	char mark[24];
	char bound[24];
	const char *params[] = { queue, mark, bound };
	if (snapshot_parse(snapshot, &delivered, reterr))
		return -1;
	const int64_t oldest = v->xmax - v->oldest_age;
	(void)snprintf(queue, sizeof(queue), "%" PRId32, s->queue_id);
	(void)snprintf(mark, sizeof(mark), "%" PRId64, s->mark);
	(void)snprintf(bound, sizeof(bound), "%" PRId64,
		       (int64_t)delivered.xmax < oldest ? (int64_t)delivered.xmax : oldest);
	if (pg_query(s->conn,
		     "SELECT tick_id, tick_snapshot::text FROM pgq.tick WHERE tick_queue = "
		     "$1::int4 AND "
		     "tick_id > $2::int8 AND txid_snapshot_xmax(tick_snapshot) <= $3::int8 "
		     "ORDER BY tick_id DESC LIMIT 20",
		     3, params, &limit, &res, reterr))
		return -1;
	*ret = 0;
	for (int i = 0; i < PQntuples(res) && !*ret; i++) {
		PGS_CLEANUP(snapshot_done) struct snapshot tick = { .xmin = 0 };
		if (snapshot_parse(PQgetvalue(res, i, 1), &tick, reterr))
			return -1;
		if (snapshot_contains(&delivered, &tick))
			*ret = strtoll(PQgetvalue(res, i, 0), NULL, 10);
	}
	return 0;
}

/*
 * The hint first: until it is written, the event that witnesses the last position must stay in the queue
 * (source_judge.c).
 */
static int move_mark(struct retention *r, struct source *s, const struct view *v,
		     const char *snapshot, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit_firm();
	int64_t tick = 0;
	char tick_text[24];
	const char *params[] = { s->queue, tick_text };
	if (covered_tick(s, v, snapshot, &tick, reterr))
		return -1;
	if (!tick && !r->carried)
		return 0;
	char nonce[POSITION_NONCE_MAX];
	if (source_new_nonce(nonce, reterr))
		return -1;
	position_hint_next(&s->hint, r->carried, nonce);
	s->hint.tick = tick ? tick : s->mark;
	s->hint.lsn = r->delivered_lsn;
	if (source_write_hint(s, reterr))
		return -1;
	r->carried = false;
	RELAY_STEP(hinted);
	if (!tick)
		return 0;
	RELAY_STEP(before_mark);
	(void)snprintf(tick_text, sizeof(tick_text), "%" PRId64, tick);
	if (pg_exec(s->conn, "SELECT pgq.register_consumer_at($1, 'relay', $2::int8)", 2, params,
		    &limit, reterr))
		return -1;
	s->mark = r->tick = tick;
	RELAY_STEP(marked);
	return 0;
}

/* Tests have less patience. */
static uint64_t held_seconds(void)
{
	return PGS_TEST_NUMBER("PGSHOVEL_HELD_SECONDS", HELD_SECONDS);
}

/* Who keeps old events from being rotated away, once it has lasted. */
static void watch_holder(struct retention *r, const struct source *s, const struct view *v,
			 uint64_t now)
{
	const bool held = v->oldest_age > 0 && v->tick > s->mark;
	/* A prepared transaction has pid 0, as nobody has: the first look begins the time. */
	if (!held || r->held_pid != v->oldest_pid || !r->held_since_us) {
		if (r->held_said)
			pgs_log(PGS_LOG_NOTICE, s->prefix,
				"the consumer's mark is no longer held back");
		r->held_pid = held ? v->oldest_pid : 0;
		r->held_since_us = now;
		r->held_said = false;
		return;
	}
	if (r->held_said || now - r->held_since_us < held_seconds() * SECOND)
		return;
	r->held_said = true;
	if (v->oldest_pid)
		pgs_log(PGS_LOG_WARNING, s->prefix,
			"process %" PRId64
			" has an old snapshot; the queue's tables are not rotated until it ends",
			v->oldest_pid);
	else
		pgs_log(PGS_LOG_WARNING, s->prefix,
			"a prepared transaction is open; the queue's tables are not rotated until "
			"it ends");
}

/* Nobody else ticks: a tick a second, and rotation once a minute. Two tickers do not hurt windows. */
static int tick_ourselves(struct retention *r, const struct source *s, uint64_t now,
			  struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit_firm();
	const char *params[] = { s->queue };
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	if (pg_query(s->conn, "SELECT coalesce(pgq.ticker($1), 0)", 1, params, &limit, &res,
		     reterr))
		return -1;
	const int64_t tick = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
	r->own_tick = tick ? tick : r->own_tick;
	if (now < r->next_rotate_us)
		return 0;
	r->next_rotate_us = now + ROTATE_SECONDS * SECOND;
	struct pgs_err why;
	if (pg_exec(s->conn, "SELECT pgq.maint_rotate_tables_step1($1)", 1, params, &limit, &why) ||
	    pg_exec(s->conn, "SELECT pgq.maint_rotate_tables_step2()", 0, NULL, &limit, &why)) {
		/* A reader of the old table: the next minute is as good. */
		if (strcmp(why.code, "55P03") == 0)
			return 0;
		if (reterr)
			*reterr = why;
		return -1;
	}
	return 0;
}

static int watch_ticker(struct retention *r, const struct source *s, const struct view *v,
			uint64_t now, struct pgs_err *reterr)
{
	const bool events_came = v->event_seq > v->tick_seq;
	if (r->silent && v->tick > r->own_tick) {
		r->silent = false;
		pgs_log(PGS_LOG_NOTICE, s->prefix,
			"the queue's ticker works again; leaving ticks to it");
	} else if (!r->silent && events_came &&
		   v->tick_age_us > (int64_t)(SILENCE_SECONDS * SECOND)) {
		r->silent = true;
		r->own_tick = v->tick;
		pgs_log(PGS_LOG_WARNING, s->prefix,
			"no tick for %d s although events came: is pgqd running? %s",
			SILENCE_SECONDS,
			v->may_tick ? "ticking and rotating from here"
				    : "the queue forbids ticks from here, so its tables grow");
	}
	return r->silent && v->may_tick ? tick_ourselves(r, s, now, reterr) : 0;
}

static uint64_t check_seconds(void)
{
	return PGS_TEST_NUMBER("PGSHOVEL_CHECK_SECONDS", CHECK_SECONDS);
}

/* Once a minute: DROP + CREATE, disabled triggers, new leaves, functions changed by hand. */
static int check_capture(struct retention *r, const struct source *s, uint64_t now,
			 struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	const char *params[] = { s->config.assignment->set };
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[160];
	(void)snprintf(sql, sizeof(sql),
		       "SELECT coalesce(schema_name, ''), coalesce(table_name, ''), problem FROM "
		       "%s.capture_check($1)",
		       s->schema);
	if (pg_query(s->conn, sql, 1, params, &limit, &res, reterr))
		return -1;
	const int n = PQntuples(res);
	r->problems = n ? r->problems + 1 : 0;
	r->next_check_us = now + (n ? RECHECK_SECONDS : check_seconds()) * SECOND;
	if (r->problems < 2)
		return 0;
	char more[48] = "";
	if (n > 1)
		(void)snprintf(more, sizeof(more), " (and %d more)", n - 1);
	return pgs_err_set(
		reterr, PGS_ERR_CONFIG, "capture",
		"capture in database \"%s\" is not what the set says: table \"%s.%s\": %s%s",
		s->config.db->name, PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1),
		PQgetvalue(res, 0, 2), more);
}

/* With on_capture_error = "count" statements go on where capture does not: the losses must be seen here. */
static int watch_failures(struct retention *r, const struct source *s, struct status *st,
			  struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	const char *params[] = { s->config.assignment->set };
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[96];
	(void)snprintf(sql, sizeof(sql), "SELECT %s.capture_lost($1)", s->schema);
	if (pg_query(s->conn, sql, 1, params, &limit, &res, reterr))
		return -1;
	const int64_t n = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
	if (n > r->captures_failed)
		pgs_log(PGS_LOG_WARNING, s->prefix,
			"%" PRId64 " captures failed since the set was created, %" PRId64
			" of them since this was last said; those changes are lost, and the "
			"server's log says why",
			n, n - r->captures_failed);
	r->captures_failed = n;
	status_captures_failed(st, (uint64_t)n);
	return 0;
}

static void tell_queue(const struct retention *r, struct status *st, const struct view *v,
		       bool caught_up)
{
	const int64_t delivered = r->delivered_id > v->mark_seq ? r->delivered_id : v->mark_seq;
	const int64_t waiting =
		v->event_seq > delivered && !caught_up ? v->event_seq - delivered : 0;
	const int64_t now = pgs_wall_us();
	const int64_t age = waiting && r->delivered_time_us && now > r->delivered_time_us
				    ? now - r->delivered_time_us
				    : 0;
	status_queue(st, (uint64_t)waiting, (uint64_t)age, r->silent);
}

int retention_run(struct retention *r, struct source *s, struct status *st, const char *snapshot,
		  bool caught_up, struct pgs_err *reterr)
{
	const uint64_t now = pgs_now_us();
	struct view v = { .xmax = 0 };
	if (now < r->next_us)
		return 0;
	status_phase(st, CTL_PHASE_UPKEEP);
	if (source_check(s, reterr) || look(s, &v, reterr))
		return -1;
	if (move_mark(r, s, &v, snapshot, reterr) || watch_ticker(r, s, &v, now, reterr))
		return -1;
	if (now >= r->next_check_us &&
	    (watch_failures(r, s, st, reterr) || check_capture(r, s, now, reterr)))
		return -1;
	watch_holder(r, s, &v, now);
	tell_queue(r, st, &v, caught_up);
	/* A quiet source needs no look every second: nothing can have moved but by events. */
	const bool quiet =
		caught_up && !r->silent && !r->carried && !r->problems && v.event_seq <= v.tick_seq;
	r->next_us = pgs_now_us() + (quiet ? IDLE_SECONDS : BUSY_SECONDS) * SECOND;
	return 0;
}

int retention_tell_queue(const struct retention *r, const struct source *s, struct status *st,
			 struct pgs_err *reterr)
{
	struct view v = { .xmax = 0 };
	if (look(s, &v, reterr))
		return -1;
	tell_queue(r, st, &v, false);
	return 0;
}

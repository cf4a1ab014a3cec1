/*
 * worker/task_position.c
 *    --task position | position-accept | position-reset | position-skip [DATABASE]: both sides of a position for
 *    people, and the ways out when they do not belong together.
 *
 * One JSON object a database on stdout. Showing takes nothing over. Changing takes the source's lock (an older
 * owner's session is ended) and the transactional id first, so no relay works on the source meanwhile. Whatever
 * step such a change dies at, position and hint do not fit together afterwards: the set stays parked and the
 * command can be given again.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/step.h"
#include "worker/kafka_internal.h"
#include "worker/position.h"
#include "worker/snapshot.h"
#include "worker/source.h"
#include "worker/task.h"

enum { COUNT_MAX = 1000000 }; /* events that are counted; more are said to be more */

/* One database, from its session to the verdict. */
struct side {
	struct source *source;
	struct pgs_buf key;
	struct pgs_buf raw; /* the record; empty: none */
	struct position pos;
	bool found;
	char unreadable[320]; /* why the record is not understood; "": it is, or there is none */
	enum position_verdict verdict;
	struct pgs_buf why;
	char *mark_snapshot; /* of the consumer's tick */
	int64_t next_txid;
	int64_t queued; /* events behind the consumer's tick */
	int64_t shown; /* those of them that the position says are delivered */
};

static void side_done(struct side *side)
{
	source_free(side->source);
	pgs_buf_done(&side->key);
	pgs_buf_done(&side->raw);
	pgs_buf_done(&side->why);
	position_done(&side->pos);
	free(side->mark_snapshot);
}

/* What the queue holds; `position` may be NULL. */
static int look_at_queue(struct side *side, const char *position, struct pgs_err *reterr)
{
	const struct source *s = side->source;
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_clearp) PGresult *tick = NULL;
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char queue[16];
	char mark[24];
	char sql[768];
	const char *params[] = { queue, mark };
	(void)snprintf(queue, sizeof(queue), "%" PRId32, s->queue_id);
	(void)snprintf(mark, sizeof(mark), "%" PRId64, s->mark);
	if (pg_query(s->conn,
		     "SELECT tick_snapshot::text, pg_snapshot_xmax(pg_current_snapshot()) FROM "
		     "pgq.tick WHERE tick_queue = $1::int4 AND tick_id = $2::int8",
		     2, params, &limit, &tick, reterr))
		return -1;
	if (PQntuples(tick) != 1)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "queue \"%s\" in database \"%s\" has no consumer \"relay\" any "
				   "more: drop the set and create it anew",
				   s->queue, s->config.db->name);
	side->mark_snapshot = source_field(tick, 0, 0);
	side->next_txid = strtoll(PQgetvalue(tick, 0, 1), NULL, 10);
	if (!side->mark_snapshot)
		return pgs_err_nomem(reterr);
	const char *snapshots[] = { side->mark_snapshot, position };
	(void)snprintf(sql, sizeof(sql),
		       "SELECT count(*), coalesce(sum(CASE WHEN pg_visible_in_snapshot("
		       "t::text::xid8, $2::pg_snapshot) THEN 1 END), 0) FROM (SELECT ev_txid AS t "
		       "FROM %s WHERE ev_txid >= pg_snapshot_xmin($1::pg_snapshot)::text::int8 AND "
		       "NOT pg_visible_in_snapshot(ev_txid::text::xid8, $1::pg_snapshot) LIMIT %d) "
		       "e",
		       s->event_table, COUNT_MAX);
	if (pg_query(s->conn, sql, 2, snapshots, &limit, &res, reterr))
		return -1;
	side->queued = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
	side->shown = strtoll(PQgetvalue(res, 0, 1), NULL, 10);
	return 0;
}

/* The record in Kafka; the handle is open. */
static int read_kafka(struct side *side, struct sink *sink, struct pgs_err *reterr)
{
	struct kafka_sink *k = (struct kafka_sink *)sink;
	struct pgs_err why;
	int rc = 0;
	position_key(side->source->node, side->source->rollout, &side->key);
	if (!kafka_positions_exist(k, &rc, reterr))
		return rc;
	if (kafka_position_read(k, pgs_buf_str(&side->key), side->key.len, &side->raw, reterr))
		return -1;
	side->found = side->raw.len > 0;
	if (side->found && position_read(side->raw.data, side->raw.len, &side->pos, &why))
		(void)snprintf(side->unreadable, sizeof(side->unreadable), "%s", why.msg);
	return 0;
}

static int judge(struct side *side, struct pgs_err *reterr)
{
	if (!*side->unreadable)
		return source_judge(side->source, side->found ? &side->pos : NULL, &side->verdict,
				    &side->why, reterr);
	pgs_buf_puts(&side->why, side->unreadable);
	side->verdict = POSITION_REWIND;
	return 0;
}

static const char *verdict_name(enum position_verdict verdict)
{
	switch (verdict) {
	case POSITION_FIRST:
		return "first";
	case POSITION_GOES_ON:
		return "goes-on";
	case POSITION_REWIND:
	case POSITION_NEWER_OWNER:
		return "refused";
	}
	return "";
}

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *lsn_text(uint64_t lsn)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(64);
	if (!lsn)
		return json_null();
	position_put_lsn(lsn, &text);
	return json_string(pgs_buf_str(&text));
}

/* Consumes the object. */
static int print_line(json_t *object, struct pgs_err *reterr)
{
	char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (!line)
		return pgs_err_nomem(reterr);
	(void)puts(line);
	free(line);
	return 0;
}

/* done: what was done, "" nothing. start: where reading begins now. */
static int print_side(const struct side *side, const char *done, const char *start,
		      struct pgs_err *reterr)
{
	const struct source *s = side->source;
	json_t *kafka = side->found ? json_loadb(side->raw.data, side->raw.len, 0, NULL) : NULL;
	json_t *source = json_pack(
		"{s:s, s:s, s:I, s:I, s:o, s:I, s:o, s:o, s:I, s:o, s:I, s:s, s:s, s:s}", "node",
		s->node, "system", s->system, "database", (json_int_t)s->database, "timeline",
		(json_int_t)s->timeline, "lsn", lsn_text(s->lsn), "next_txid",
		(json_int_t)side->next_txid, "nonce", text_or_null(s->hint.nonce), "prev_nonce",
		text_or_null(s->hint.prev_nonce), "tick", (json_int_t)s->hint.tick, "hint_lsn",
		lsn_text(s->hint.lsn), "consumer_tick", (json_int_t)s->mark, "consumer_snapshot",
		side->mark_snapshot, "start_snapshot", s->start_snapshot, "token", s->token_text);
	json_t *object = json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:b, s:o, s:o}", "database",
		s->config.db->name, "verdict", verdict_name(side->verdict), "why",
		text_or_null(pgs_buf_str(&side->why)), "kafka", kafka ? kafka : json_null(),
		"source", source, "queued", (json_int_t)side->queued, "queued_shown",
		(json_int_t)side->shown, "queued_more", side->queued >= COUNT_MAX, "done",
		text_or_null(done), "start", text_or_null(start));
	return print_line(object, reterr);
}

/* ---- Changing. ---- */

/* One committed record; value NULL: a tombstone. */
static int write_record(struct side *side, struct sink *sink, const struct pgs_buf *value,
			struct pgs_err *reterr)
{
	return sink->ops->begin(sink, reterr) ||
			       sink->ops->position(sink, pgs_buf_str(&side->key), side->key.len,
						   value ? value->data : NULL,
						   value ? value->len : 0, reterr) ||
			       sink->ops->commit(sink, reterr)
		       ? -1
		       : 0;
}

/* The position counts transactions of a source that is not this one, or not yet there. */
static int check_acceptable(const struct side *side, struct pgs_err *reterr)
{
	const struct source *s = side->source;
	const struct position *pos = &side->pos;
	PGS_CLEANUP(snapshot_done) struct snapshot snapshot = { .xmin = 0 };
	if (!side->found)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "Kafka holds no position of database \"%s\" that could be "
				   "accepted; \"--reset\" begins anew",
				   s->config.db->name);
	if (*side->unreadable)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "%s; only \"--reset\" helps",
				   side->unreadable);
	if ((pos->system && strcmp(pos->system, s->system) != 0) ||
	    (pos->database && pos->database != s->database))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "the position in Kafka counts the transactions of another "
				   "server or database than \"%s\" and cannot be accepted; "
				   "\"--reset\" begins anew",
				   s->config.db->name);
	if (snapshot_parse(pos->state.upto ? pos->state.upto : pos->state.snapshot, &snapshot,
			   reterr))
		return -1;
	if (snapshot.xmax > (uint64_t)side->next_txid)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"the position in Kafka covers transactions below %" PRIu64
			", database \"%s\" has only come to %" PRId64
			": the changes in between are still to be made and would be skipped; it "
			"cannot be accepted, \"--reset\" begins anew",
			snapshot.xmax, s->config.db->name, side->next_txid);
	return 0;
}

/* Hint first: until the record is committed nothing fits, afterwards all does. */
static int accept_position(struct side *side, struct sink *sink, struct pgs_err *reterr)
{
	struct source *s = side->source;
	char nonce[POSITION_NONCE_MAX];
	char token[TOKEN_TEXT_MAX];
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(2 * POSITION_MAX_BYTES);
	if (check_acceptable(side, reterr) || source_new_nonce(nonce, reterr))
		return -1;
	/* Below every token of a relay of this generation. */
	(void)snprintf(token, sizeof(token), "%" PRId64 ".0.0", s->token.generation);
	(void)snprintf(s->hint.prev_nonce, sizeof(s->hint.prev_nonce), "%s", nonce);
	const struct position pos = { .state = side->pos.state,
				      .transaction = side->pos.transaction,
				      .version = side->pos.version,
				      .system = s->system,
				      .database = s->database,
				      .timeline = s->timeline,
				      .lsn = s->lsn,
				      .nonce = nonce,
				      .tick = side->pos.tick,
				      .host = s->config.assignment->host,
				      .token = token,
				      .at_us = pgs_wall_us() };
	position_write(&pos, &text);
	if (pgs_buf_failed(&text))
		return pgs_err_nomem(reterr);
	return source_write_hint(s, reterr) || write_record(side, sink, &text, reterr) ? -1 : 0;
}

/* Tombstone first: a missing position is refused while the hint says that something was delivered. */
static int reset_position(struct side *side, struct sink *sink, bool skip, char **ret_start,
			  struct pgs_err *reterr)
{
	const struct source *s = side->source;
	const struct pg_limit limit = source_limit_firm();
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[512];
	const char *params[] = { s->config.assignment->set, skip ? NULL : side->mark_snapshot };
	if (write_record(side, sink, NULL, reterr))
		return -1;
	(void)snprintf(sql, sizeof(sql),
		       "WITH h AS (UPDATE %s.hint SET nonce = NULL, prev_nonce = NULL, tick = "
		       "NULL, lsn = NULL, at = now() WHERE set_name = $1) UPDATE %s.set SET "
		       "start_snapshot = coalesce($2, pg_current_snapshot()::text), start_lsn = "
		       "pg_current_wal_insert_lsn() WHERE name = $1 RETURNING start_snapshot",
		       s->schema, s->schema);
	if (pg_query(s->conn, sql, 2, params, &limit, &res, reterr))
		return -1;
	if (PQntuples(res) != 1)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "",
				   "set \"%s\" is gone from database \"%s\"", params[0],
				   s->config.db->name);
	*ret_start = source_field(res, 0, 0);
	return *ret_start ? 0 : pgs_err_nomem(reterr);
}

static int change(struct side *side, struct sink *sink, enum task_position_act act,
		  struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) char *start = NULL;
	switch (act) {
	case TASK_POSITION_SHOW:
		return print_side(side, "", NULL, reterr);
	case TASK_POSITION_ACCEPT:
		if (side->verdict == POSITION_FIRST || side->verdict == POSITION_GOES_ON)
			return print_side(side, "nothing", NULL, reterr);
		return accept_position(side, sink, reterr)
			       ? -1
			       : print_side(side, "accepted", side->pos.state.snapshot, reterr);
	case TASK_POSITION_RESET:
	case TASK_POSITION_SKIP:
		return reset_position(side, sink, act == TASK_POSITION_SKIP, &start, reterr)
			       ? -1
			       : print_side(side, act == TASK_POSITION_SKIP ? "skipped" : "reset",
					    start, reterr);
	}
	return -1;
}

/* A producer that owns nothing, or the one that fences the set's relay. */
static int open_kafka(struct side *side, struct sink *sink, bool owner, struct pgs_err *reterr)
{
	struct kafka_sink *k = (struct kafka_sink *)sink;
	const bool transactional = k->transactional;
	sink_kafka_set_node(sink, side->source->node);
	if (owner)
		return sink->ops->acquire(sink, reterr) || kafka_positions_ensure(k, true, reterr)
			       ? -1
			       : 0;
	k->transactional = false;
	const int rc = sink->ops->acquire(sink, reterr);
	k->transactional = transactional;
	return rc;
}

static int one_database(const struct source_config *config, struct sink *sink,
			enum task_position_act act, struct pgs_err *reterr)
{
	PGS_CLEANUP(side_done)
	struct side side = { .key = PGS_BUF_INIT(256),
			     .raw = PGS_BUF_INIT(2 * POSITION_MAX_BYTES),
			     .why = PGS_BUF_INIT(4096) };
	if (source_new(config, &side.source, reterr) || source_open(side.source, reterr))
		return -1;
	PGS_STEP("asked_source"); /* not in worker/steps.h: no relay passes it */
	if (open_kafka(&side, sink, config->owned, reterr) || read_kafka(&side, sink, reterr) ||
	    judge(&side, reterr))
		return -1;
	if (look_at_queue(&side,
			  side.pos.state.upto ? side.pos.state.upto : side.pos.state.snapshot,
			  reterr))
		return -1;
	return change(&side, sink, act, reterr);
}

/* A database that is away must not hide the others. */
static int print_error(const char *database, const struct pgs_err *err, struct pgs_err *reterr)
{
	json_t *object = json_pack("{s:s, s:s, s:s}", "database", database, "verdict", "unknown",
				   "why", err->msg);
	return print_line(object, reterr);
}

int task_position(struct sink *sink, const struct assignment *assignment, const struct setdoc *doc,
		  enum task_position_act act, const char *database, struct pgs_err *reterr)
{
	struct token_box tokens;
	struct token token;
	size_t n = 0;
	if (!token_parse(assignment->token, &token))
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "the assignment's token \"%s\" is none",
				   assignment->token);
	token_box_init(&tokens, &token, assignment->token);
	for (size_t i = 0; i < doc->n_databases; i++) {
		const struct source_config config = { .assignment = assignment,
						      .doc = doc,
						      .db = &doc->databases[i],
						      .tokens = &tokens,
						      .stop_fd = -1,
						      .owned = act != TASK_POSITION_SHOW };
		struct pgs_err err;
		if (database && strcmp(database, config.db->name) != 0)
			continue;
		n++;
		if (one_database(&config, sink, act, &err) == 0)
			continue;
		if (act != TASK_POSITION_SHOW || database || doc->n_databases == 1) {
			*reterr = err;
			return -1;
		}
		if (print_error(config.db->name, &err, reterr))
			return -1;
	}
	if (!n)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "set \"%s\" has no database \"%s\"",
				   assignment->set, database ? database : "");
	return fflush(stdout) ? pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not write: %m") : 0;
}

/*
 * worker/quarantine.c
 *    See worker/quarantine.h.
 */
#include "worker/quarantine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "worker/encode_part.h"

bool quarantine_is_poison(const struct pgs_err *err)
{
	static const char *const codes[] = {
		"poison", /* a column holds what its type does not write */
		"too-large", "MSG_SIZE_TOO_LARGE", /* the same, found by the library */
		"refused", /* by the brokers, for good */
		"relation", /* the database does not know its shape */
	};
	if (err->cls == PGS_ERR_BUG)
		return strcmp(err->code, "record") == 0; /* not even record text */
	for (size_t i = 0; err->cls == PGS_ERR_CONFIG && i < PGS_ARRAY_LEN(codes); i++)
		if (strcmp(err->code, codes[i]) == 0)
			return true;
	return false;
}

/* Parameters end with a NUL, texts of events do not. NULL for SQL null; false: no memory. */
static bool copy_text(struct event_text text, char **ret)
{
	*ret = text.text ? strndup(text.text, text.len) : NULL;
	return *ret || !text.text;
}

int quarantine_keep(struct source *s, const struct event *ev, const char *reason,
		    struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit_firm();
	PGS_CLEANUP(pgs_freep) char *new_row = NULL;
	PGS_CLEANUP(pgs_freep) char *old_row = NULL;
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char relation[16];
	char id[24];
	char txid[24];
	char time[24];
	char sql[1280];
	PGS_CLEANUP(pgs_freep) char *type = NULL;
	PGS_CLEANUP(pgs_freep) char *leaf = NULL;
	const struct event_text own_leaf = { .text = ev->leaf, .len = ev->leaf_len };
	const struct event_text own_type = { .text = &ev->type, .len = 1 };
	if (!copy_text(ev->new_row, &new_row) || !copy_text(ev->old_row, &old_row) ||
	    !copy_text(own_leaf, &leaf) || !copy_text(ev->foreign ? ev->ev_type : own_type, &type))
		return pgs_err_nomem(reterr);
	const char *params[] = { s->config.assignment->set, relation, id,      txid,   time,
				 type ? type : "",          new_row,  old_row, reason, leaf };
	(void)snprintf(relation, sizeof(relation), "%" PRId32, ev->relation);
	(void)snprintf(id, sizeof(id), "%" PRId64, ev->id);
	(void)snprintf(txid, sizeof(txid), "%" PRId64, ev->txid);
	(void)snprintf(time, sizeof(time), "%" PRId64, ev->time_us);
	/* Nobody else writes here: the source's lock is ours. */
	(void)snprintf(
		sql, sizeof(sql),
		"WITH old AS (SELECT FROM %s.quarantine WHERE set_name = $1 AND ev_id = $3::int8), "
		"new AS (INSERT INTO %s.quarantine (set_name, relation, ev_id, ev_txid, ev_time, "
		"ev_type, new_row, old_row, reason, leaf) SELECT $1, $2::int4, $3::int8, $4::int8, "
		"timestamptz 'epoch' + $5::int8 / 1000000 * interval '1 second' + $5::int8 %% "
		"1000000 * interval '1 microsecond', $6, $7, $8, $9, $10 WHERE NOT EXISTS (SELECT "
		"FROM "
		"old) AND (SELECT count(*) FROM %s.quarantine WHERE set_name = $1 AND state = "
		"'kept') < %d RETURNING id), gone AS (DELETE FROM %s.quarantine WHERE set_name = "
		"$1 "
		"AND state <> 'kept' AND at < now() - interval '%d days') SELECT FROM old UNION "
		"ALL "
		"SELECT FROM new",
		s->schema, s->schema, s->schema, QUARANTINE_MAX_EVENTS, s->schema,
		QUARANTINE_KEEP_DAYS);
	if (pg_query(s->conn, sql, 10, params, &limit, &res, reterr))
		return -1;
	if (PQntuples(res) > 0)
		return 0;
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "full",
			   "the quarantine of set \"%s\" in database \"%s\" holds %d events "
			   "already: look at them with \"pgshovel event list\", then discard or "
			   "retry them",
			   s->config.assignment->set, s->config.db->name, QUARANTINE_MAX_EVENTS);
}

static void put_text(struct pgs_buf *out, const char *name, const char *text)
{
	pgs_buf_printf(out, ",\"%s\":", name);
	encode_json_text(out, text);
}

static const char *op_of(char type)
{
	switch (type) {
	case 'I':
		return "c";
	case 'U':
		return "u";
	case 'D':
		return "d";
	case 'T':
		return "t";
	default:
		return NULL;
	}
}

void quarantine_put_skeleton(const struct source *s, const struct relation *rel,
			     const struct event *ev, const char *key, const char *reason,
			     int64_t now_us, struct pgs_buf *out)
{
	pgs_buf_lit(out, "{\"database\":");
	encode_json_text(out, s->database_name);
	put_text(out, "schema", rel ? rel->schema : NULL);
	put_text(out, "table", rel ? rel->table : NULL);
	pgs_buf_printf(out, ",\"relation\":%" PRId32 ",\"ev_id\":%" PRId64 ",\"txId\":%" PRId64,
		       ev->relation, ev->id, ev->txid);
	put_text(out, "op", op_of(ev->type));
	pgs_buf_printf(out, ",\"key\":%s", *key ? key : "null");
	put_text(out, "reason", reason);
	pgs_buf_printf(out, ",\"source_ts_us\":%" PRId64 ",\"ts_us\":%" PRId64 "}", ev->time_us,
		       now_us);
}

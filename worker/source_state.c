/*
 * worker/source_state.c
 *    What a source remembers and writes: relations, the hint, forced flushes. See worker/source.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "worker/source_internal.h"
#include "worker/wait.h"

/* Before, at or behind what the event names. */
static int relation_compare(const struct relation *rel, const struct event *ev)
{
	const size_t len = rel->leaf ? strlen(rel->leaf) : 0;
	if (rel->id != ev->relation)
		return rel->id < ev->relation ? -1 : 1;
	if (len != ev->leaf_len)
		return len < ev->leaf_len ? -1 : 1;
	return len ? memcmp(rel->leaf, ev->leaf, len) : 0;
}

bool source_relation_is(const struct relation *rel, const struct event *ev)
{
	return relation_compare(rel, ev) == 0;
}

/* Where the relation is, or where it belongs. */
static size_t relation_place(const struct source *s, const struct event *ev)
{
	size_t low = 0;
	size_t high = s->n_relations;
	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		if (relation_compare(s->relations[mid], ev) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int relation_load(struct source *s, const struct event *ev, struct relation **ret,
			 struct pgs_err *reterr)
{
	const int32_t id = ev->relation;
	/* A Kafka transaction may be open. */
	const struct pg_limit limit = source_limit_firm();
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char id_text[16];
	char sql[256];
	const char *params[] = { id_text, s->config.assignment->set };
	(void)snprintf(id_text, sizeof(id_text), "%" PRId32, id);
	(void)snprintf(sql, sizeof(sql),
		       "SELECT reloid::int8, schema_name, table_name, version, chained, columns "
		       "FROM %s.relation WHERE id = $1 AND set_name = $2",
		       s->schema);
	if (pg_query(s->conn, sql, 2, params, &limit, &res, reterr))
		return -1;
	if (PQntuples(res) != 1)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "relation",
				   "database \"%s\" does not know relation %" PRId32
				   " of set \"%s\"",
				   s->config.db->name, id, s->config.assignment->set);
	PGS_CLEANUP(relation_freep) struct relation *rel = NULL;
	if (relation_from_row(id, (uint32_t)strtoul(PQgetvalue(res, 0, 0), NULL, 10),
			      PQgetvalue(res, 0, 1), PQgetvalue(res, 0, 2), PQgetvalue(res, 0, 3),
			      *PQgetvalue(res, 0, 4) == 't', PQgetvalue(res, 0, 5), &rel, reterr) ||
	    (ev->leaf && relation_set_leaf(rel, ev->leaf, ev->leaf_len, reterr)))
		return -1;
	*ret = PGS_STEAL(rel);
	return 0;
}

int source_relation(struct source *s, const struct event *ev, struct relation **ret,
		    struct pgs_err *reterr)
{
	const size_t place = relation_place(s, ev);
	if (place < s->n_relations && source_relation_is(s->relations[place], ev)) {
		*ret = s->relations[place];
		return 0;
	}
	if (s->n_relations >= SOURCE_MAX_RELATIONS)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "set \"%s\" uses more than %d relations of database \"%s\"",
				   s->config.assignment->set, SOURCE_MAX_RELATIONS,
				   s->config.db->name);
	PGS_CLEANUP(relation_freep) struct relation *rel = NULL;
	if (relation_load(s, ev, &rel, reterr))
		return -1;
	struct relation **more = realloc(s->relations, (s->n_relations + 1) * sizeof(*more));
	if (!more)
		return pgs_err_nomem(reterr);
	s->relations = more;
	memmove(&more[place + 1], &more[place], (s->n_relations - place) * sizeof(*more));
	s->n_relations++;
	*ret = more[place] = PGS_STEAL(rel);
	return 0;
}

int source_new_nonce(char ret[POSITION_NONCE_MAX], struct pgs_err *reterr)
{
	unsigned char bytes[16];
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return pgs_err_set(reterr, PGS_ERR_RETRY, "GETRANDOM",
				   "could not get random bytes: %m");
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

int source_write_hint(struct source *s, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit_firm();
	char sql[256];
	char tick[24];
	char lsn[24];
	const struct position_hint *h = &s->hint;
	const char *params[] = { s->config.assignment->set, h->nonce,
				 *h->prev_nonce ? h->prev_nonce : NULL, h->tick ? tick : NULL,
				 h->lsn ? lsn : NULL };
	(void)snprintf(tick, sizeof(tick), "%" PRId64, h->tick);
	(void)snprintf(lsn, sizeof(lsn), "%" PRIX32 "/%" PRIX32, (uint32_t)(h->lsn >> 32),
		       (uint32_t)h->lsn);
	(void)snprintf(
		sql, sizeof(sql),
		"UPDATE %s.hint SET nonce = $2, prev_nonce = $3, tick = $4, lsn = $5, at = now() "
		"WHERE set_name = $1",
		s->schema);
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	if (pg_query(s->conn, sql, 5, params, &limit, &res, reterr))
		return -1;
	if (strcmp(PQcmdTuples(res), "1") != 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "",
				   "set \"%s\" has no row in %s.hint of database \"%s\" any more",
				   s->config.assignment->set, s->schema, s->config.db->name);
	return 0;
}

enum { FLUSH_PATIENCE_US = 5000, FLUSH_STEP_US = 500 };

static int ask_flushed(struct source *s, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit_firm();
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	if (pg_query(s->conn, "SELECT pg_current_wal_flush_lsn()", 0, NULL, &limit, &res, reterr))
		return -1;
	if (!position_parse_lsn(PQgetvalue(res, 0, 0), &s->flushed))
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "\"%s\" is not a WAL position",
				   PQgetvalue(res, 0, 0));
	return 0;
}

/*
 * A commit of ours that waits as the server's synchronous_standby_names says: what was committed before it is
 * then on the standbys too. The server's own rule (FIRST, ANY) decides, not a copy of it here.
 */
static int standbys_flushed(struct source *s, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit_firm();
	return pg_exec(s->conn,
		       "BEGIN; SET LOCAL synchronous_commit = on; "
		       "SELECT pg_logical_emit_message(true, 'pgshovel', ''); COMMIT",
		       0, NULL, &limit, reterr);
}

int source_flushed(struct source *s, uint64_t lsn, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit_firm();
	if (s->config.owned && s->config.doc->relay.sync_standbys)
		return standbys_flushed(s, reterr);
	const uint64_t patience = pgs_now_us() + FLUSH_PATIENCE_US;
	bool forced = false;
	/* Mostly the statement that read the window has seen it flushed. */
	while (s->flushed < lsn) {
		if (ask_flushed(s, reterr))
			return -1;
		if (s->flushed >= lsn)
			break;
		if (pgs_now_us() < patience) {
			(void)wait_for(-1, -1, false, FLUSH_STEP_US);
			continue;
		}
		if (forced)
			return pgs_err_set(
				reterr, PGS_ERR_RETRY, "",
				"database \"%s\" did not flush its WAL although a commit of ours "
				"was acknowledged",
				s->config.db->name);
		/* A message is WAL with a commit and nothing else; the commit flushes all before it. */
		if (pg_exec(s->conn, "SELECT pg_logical_emit_message(true, 'pgshovel', '')", 0,
			    NULL, &limit, reterr))
			return -1;
		forced = true;
	}
	return 0;
}

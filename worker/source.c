/*
 * worker/source.c
 *    Sessions of a source: settings, identity, the row of the set. See worker/source.h.
 *
 * The lock is in source_lock.c; relations, hint and flush in source_state.c.
 */
#include "worker/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "worker/pgpass.h"
#include "worker/source_internal.h"
#include "worker/steps.h"

enum { STATEMENT_TIMEOUT_US = 60 * 1000 * 1000, CONNECT_TIMEOUT_US = 15 * 1000 * 1000 };

struct pg_limit source_limit(const struct source *s)
{
	return (struct pg_limit){ .timeout_us = STATEMENT_TIMEOUT_US,
				  .interrupt_fd = s->config.stop_fd };
}

struct pg_limit source_limit_firm(void)
{
	return (struct pg_limit){ .timeout_us = STATEMENT_TIMEOUT_US / 2, .interrupt_fd = -1 };
}

char *source_field(const PGresult *res, int row, int column)
{
	return strdup(PQgetvalue(res, row, column));
}

int source_new(const struct source_config *config, struct source **ret, struct pgs_err *reterr)
{
	struct source *s = calloc(1, sizeof(*s));
	if (!s)
		return pgs_err_nomem(reterr);
	s->config = *config;
	const char *cluster = config->assignment->cluster;
	const char *set = config->assignment->set;
	/* Cluster and set names are at most 24 plain characters: all of these fit. */
	(void)snprintf(s->prefix, sizeof(s->prefix), "set=%s database=%.64s", set,
		       config->db->name);
	(void)snprintf(s->schema, sizeof(s->schema), "\"pgshovel_%s\"", cluster);
	(void)snprintf(s->queue, sizeof(s->queue), "pgshovel:%s:%s", cluster, set);
	*ret = s;
	return 0;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	source_close(s);
	free(s);
}

void source_close(struct source *s)
{
	source_bulk_close(s);
	pg_closep(&s->conn);
	s->conn = NULL;
	for (size_t i = 0; i < s->n_relations; i++)
		relation_free(s->relations[i]);
	free(s->relations);
	s->relations = NULL;
	s->n_relations = 0;
	free(s->database_name);
	free(s->start_snapshot);
	free(s->event_table);
	free(s->event_seq);
	s->database_name = s->start_snapshot = s->event_table = s->event_seq = NULL;
}

/*
 * Event tables have no statistics, so the planner is told; a generic plan saves planning at every poll; our
 * own writes do not wait for standbys; nothing of the role's or database's settings may end the session.
 */
static const char session_settings[] =
	"SET enable_seqscan = off; SET max_parallel_workers_per_gather = 0; SET jit = off;"
	"SET plan_cache_mode = force_generic_plan; SET synchronous_commit = local;"
	"SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout "
	"= 0;"
	"SET idle_session_timeout = 0; SET client_connection_check_interval = '2s';"
	"SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = "
	"off;"
	"SET default_transaction_deferrable = off; SET search_path = pg_catalog;"
	"SET datestyle = 'ISO'; SET client_min_messages = warning; SET row_security = off";

int source_connect(struct source *s, const char *application_name, bool replication, PGconn **ret,
		   struct pgs_err *reterr)
{
	PGS_CLEANUP(pgpass_freep) char *password = NULL;
	const struct assignment_credential *file =
		assignment_credential(s->config.assignment, "pgpass");
	if (file && pgpass_find(file->data, s->config.db->conninfo, &password, reterr))
		return -1;
	const struct pg_connect params = { .conninfo = s->config.db->conninfo,
					   .password = password,
					   .application_name = application_name,
					   .replication = replication };
	const struct pg_limit limit = { .timeout_us = CONNECT_TIMEOUT_US,
					.interrupt_fd = s->config.stop_fd };
	return pg_connect(&params, &limit, ret, reterr);
}

static int open_session(struct source *s, const char *application_name, PGconn **ret,
			struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_closep) PGconn *conn = NULL;
	if (source_connect(s, application_name, false, &conn, reterr) ||
	    pg_exec(conn, session_settings, 0, NULL, &limit, reterr))
		return -1;
	*ret = PGS_STEAL(conn);
	return 0;
}

int source_bulk(struct source *s, struct pgs_err *reterr)
{
	return s->bulk ? 0 : open_session(s, "pgshovel reader", &s->bulk, reterr);
}

void source_bulk_close(struct source *s)
{
	pg_closep(&s->bulk);
	s->bulk = NULL;
}

/* A pooler that shares servers between statements would lose lock, settings and prepared statements. */
int source_check_pid(const struct source *s, int pid, struct pgs_err *reterr)
{
	if (pid == PQbackendPID(s->conn))
		return 0;
	return pgs_err_set(
		reterr, PGS_ERR_CONFIG, "",
		"database \"%s\" is reached through a pooler that changes servers between "
		"statements (process %d answers instead of %d): connect to the server itself",
		s->config.db->name, pid, PQbackendPID(s->conn));
}

/* The schema is here, of a format that we know, in the very database for which it was made. */
static int read_identity(struct source *s, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	PGS_CLEANUP(pg_clearp) PGresult *node = NULL;
	char sql[512];
	(void)snprintf(sql, sizeof(sql),
		       "SELECT to_regclass('%s.node') IS NOT NULL, pg_is_in_recovery(), "
		       "pg_has_role('pg_read_all_stats', 'usage'), pg_backend_pid(), current_user",
		       s->schema);
	if (pg_query(s->conn, sql, 0, NULL, &limit, &res, reterr) ||
	    source_check_pid(s, (int)strtol(PQgetvalue(res, 0, 3), NULL, 10), reterr))
		return -1;
	if (*PQgetvalue(res, 0, 1) == 't')
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "database \"%s\" is a standby",
				   s->config.db->name);
	if (*PQgetvalue(res, 0, 0) != 't')
		return pgs_err_set(reterr, PGS_ERR_RETRY, "",
				   "schema %s does not exist in database \"%s\" yet", s->schema,
				   s->config.db->name);
	if (s->config.owned && *PQgetvalue(res, 0, 2) != 't')
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"role \"%s\" cannot see the snapshots of other sessions in database "
			"\"%s\": run GRANT pg_read_all_stats TO \"%s\"",
			PQgetvalue(res, 0, 4), s->config.db->name, PQgetvalue(res, 0, 4));

	(void)snprintf(
		sql, sizeof(sql),
		"SELECT n.id, n.system_identifier, n.database::int8, n.format, "
		"c.system_identifier, d.oid::int8, d.datname, "
		"('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int, "
		"pg_current_wal_flush_lsn(), pg_snapshot_xmax(pg_current_snapshot()) FROM %s.node "
		"n, pg_control_system() c, pg_database d "
		"WHERE d.datname = current_database()",
		s->schema);
	if (pg_query(s->conn, sql, 0, NULL, &limit, &node, reterr))
		return -1;
	if (PQntuples(node) != 1)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"table %s.node in database \"%s\" has %d rows instead of one: run "
			"\"pgshovel cluster upgrade\"",
			s->schema, s->config.db->name, PQntuples(node));
	if (strcmp(PQgetvalue(node, 0, 3), "1") != 0)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"schema %s in database \"%s\" has format %s, this relay knows 1: "
			"install the same version everywhere",
			s->schema, s->config.db->name, PQgetvalue(node, 0, 3));
	if (strcmp(PQgetvalue(node, 0, 1), PQgetvalue(node, 0, 4)) != 0 ||
	    strcmp(PQgetvalue(node, 0, 2), PQgetvalue(node, 0, 5)) != 0)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"database \"%s\" is a copy or was restored from a dump: its identity was "
			"made on system %s, database oid %s, but it lives on system %s, oid %s; "
			"point the set at the original, or drop schema %s and queue \"%s\" here, "
			"then run \"pgshovel set drop\" and \"set create\"",
			s->config.db->name, PQgetvalue(node, 0, 1), PQgetvalue(node, 0, 2),
			PQgetvalue(node, 0, 4), PQgetvalue(node, 0, 5), s->schema, s->queue);
	(void)snprintf(s->node, sizeof(s->node), "%s", PQgetvalue(node, 0, 0));
	(void)snprintf(s->system, sizeof(s->system), "%s", PQgetvalue(node, 0, 4));
	s->database = strtoll(PQgetvalue(node, 0, 5), NULL, 10);
	s->database_name = source_field(node, 0, 6);
	s->timeline = strtoll(PQgetvalue(node, 0, 7), NULL, 10);
	if (!s->database_name)
		return pgs_err_nomem(reterr);
	if (!position_parse_lsn(PQgetvalue(node, 0, 8), &s->lsn))
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "\"%s\" is not a WAL position",
				   PQgetvalue(node, 0, 8));
	s->next_txid = strtoull(PQgetvalue(node, 0, 9), NULL, 10);
	return 0;
}

/* Of a rollout, Kafka's side may be ahead or the database's: both pass by themselves. */
static int read_set(struct source *s, struct pgs_err *reterr)
{
	const struct assignment *a = s->config.assignment;
	const struct pg_limit limit = source_limit(s);
	const char *params[] = { a->set, s->queue };
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[1024];
	(void)snprintf(
		sql, sizeof(sql),
		"SELECT s.state, s.rollout, s.partitions, s.start_snapshot, coalesce(h.nonce, ''), "
		"coalesce(h.prev_nonce, ''), coalesce(h.tick, 0), coalesce(h.lsn, '0/0'), "
		"q.queue_id, q.queue_data_pfx, q.queue_event_seq, coalesce(u.sub_last_tick, 0) "
		"FROM %s.set s JOIN %s.hint h ON h.set_name = s.name "
		"LEFT JOIN pgq.queue q ON q.queue_name = $2 "
		"LEFT JOIN pgq.consumer c ON c.co_name = 'relay' "
		"LEFT JOIN pgq.subscription u ON u.sub_queue = q.queue_id AND "
		"u.sub_consumer = c.co_id WHERE s.name = $1",
		s->schema, s->schema);
	if (pg_query(s->conn, sql, 2, params, &limit, &res, reterr))
		return -1;
	if (PQntuples(res) != 1 || strcmp(PQgetvalue(res, 0, 0), "active") != 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "set \"%s\" is %s in database \"%s\"",
				   a->set,
				   PQntuples(res) == 1 ? "being dropped" : "not rolled out yet",
				   s->config.db->name);
	if (PQgetisnull(res, 0, 8))
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"queue \"%s\" is missing in database \"%s\": drop the set and create it "
			"anew",
			s->queue, s->config.db->name);
	if (strtol(PQgetvalue(res, 0, 2), NULL, 10) != a->partitions)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"database \"%s\" says that set \"%s\" has %s partitions, ZooKeeper says "
			"%d: run \"pgshovel cluster verify\"",
			s->config.db->name, a->set, PQgetvalue(res, 0, 2), a->partitions);
	(void)snprintf(s->rollout, sizeof(s->rollout), "%s", PQgetvalue(res, 0, 1));
	(void)snprintf(s->hint.nonce, sizeof(s->hint.nonce), "%s", PQgetvalue(res, 0, 4));
	(void)snprintf(s->hint.prev_nonce, sizeof(s->hint.prev_nonce), "%s", PQgetvalue(res, 0, 5));
	s->hint.tick = strtoll(PQgetvalue(res, 0, 6), NULL, 10);
	if (!position_parse_lsn(PQgetvalue(res, 0, 7), &s->hint.lsn))
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "\"%s\" is not a WAL position",
				   PQgetvalue(res, 0, 7));
	s->queue_id = (int32_t)strtol(PQgetvalue(res, 0, 8), NULL, 10);
	s->mark = strtoll(PQgetvalue(res, 0, 11), NULL, 10);
	s->start_snapshot = source_field(res, 0, 3);
	s->event_table = source_field(res, 0, 9);
	s->event_seq = source_field(res, 0, 10);
	return s->start_snapshot && s->event_table && s->event_seq ? 0 : pgs_err_nomem(reterr);
}

int source_open(struct source *s, struct pgs_err *reterr)
{
	char name[sizeof(TOKEN_APPLICATION_PREFIX) + TOKEN_TEXT_MAX];
	s->token_version = token_box_get(s->config.tokens, &s->token, s->token_text);
	/* Without ownership the token must not show: it would look like an owner. */
	(void)snprintf(name, sizeof(name), "%s%s", TOKEN_APPLICATION_PREFIX,
		       s->config.owned ? s->token_text : "reader");
	if (open_session(s, name, &s->conn, reterr) || read_identity(s, reterr))
		return pgs_err_prefix(reterr, "database \"%s\"", s->config.db->name);
	if (s->config.owned) {
		RELAY_STEP(identified);
		if (source_lock(s, reterr))
			return -1;
	}
	return read_set(s, reterr);
}

int source_check(struct source *s, struct pgs_err *reterr)
{
	const struct pg_limit limit = source_limit(s);
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char name[sizeof(TOKEN_APPLICATION_PREFIX) + TOKEN_TEXT_MAX];
	struct token token;
	char text[TOKEN_TEXT_MAX];
	const unsigned version = token_box_get(s->config.tokens, &token, text);
	if (pg_query(s->conn, "SELECT pg_backend_pid()", 0, NULL, &limit, &res, reterr) ||
	    source_check_pid(s, (int)strtol(PQgetvalue(res, 0, 0), NULL, 10), reterr))
		return -1;
	if (version == s->token_version || !s->config.owned)
		return 0;
	(void)snprintf(name, sizeof(name), "%s%s", TOKEN_APPLICATION_PREFIX, text);
	const char *params[] = { name };
	if (pg_exec(s->conn, "SELECT set_config('application_name', $1, false)", 1, params, &limit,
		    reterr))
		return -1;
	s->token = token;
	s->token_version = version;
	memcpy(s->token_text, text, sizeof(text));
	pgs_log(PGS_LOG_INFO, s->prefix, "shows the new token %s", text);
	return 0;
}

/*
 * admin/cleanup.c
 *    What follows a decision in one database.
 *
 * Does not touch ZooKeeper or Kafka.
 */
#include "admin/cleanup.h"

#include <stdio.h>
#include <string.h>

#include "admin/progress.h"
#include "admin/steps.h"
#include "common/clock.h"

/* *ret: the schema of the cluster is there. */
static int has_schema(struct session *s, bool *ret, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char name[96];

	snprintf(name, sizeof(name), "%s.set", s->a->schema);
	if (session_query(s, "select to_regclass($1) is not null", 1, (const char *const[]){ name },
			  &res, reterr) < 0)
		return -1;
	*ret = PQgetvalue(res, 0, 0)[0] == 't';
	return 0;
}

/*
 * Capture functions, with their triggers, of tables that the set does not capture. None while a transaction is
 * prepared: one that a failover brought back may capture them, and is decided by "txn recover".
 */
static int drop_captures(struct session *s, const char *set, uint64_t deadline_us,
			 struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[768], what[256];

	snprintf(sql, sizeof(sql),
		 "select l.rel, l.table_name from %s.capture_list($1) l where not exists (select "
		 "from "
		 "%s.relation r join %s.set s on s.name = r.set_name and s.state = 'active' "
		 "where r.set_name = $1 and r.reloid = l.rel and r.current) and not exists (select "
		 "from pg_prepared_xacts p where p.database = current_database() and "
		 "starts_with(p.gid, 'pgshovel:%s:')) order by l.rel",
		 s->a->schema, s->a->schema, s->a->schema, s->a->options.cluster);
	if (session_query(s, sql, 1, &set, &res, reterr) < 0)
		return -1;
	snprintf(sql, sizeof(sql), "select %s.capture_drop($1, $2)", s->a->schema);
	struct progress progress = { .database = s->name,
				     .what = "tables let go",
				     .total = (size_t)PQntuples(res) };
	for (int i = 0; i < PQntuples(res); i++) {
		const char *const params[] = { set, PQgetvalue(res, i, 0) };
		snprintf(what, sizeof(what), "drop the capture triggers of %s",
			 PQgetvalue(res, i, 1));
		if (session_patient(s, sql, 2, params, what, deadline_us, reterr) < 0)
			return -1;
		progress_step(&progress);
		ADMIN_STEP(TRIGGER_DROPPED);
	}
	return 0;
}

int cleanup_fit_table(struct session *s, const char *set, const PGresult *tables, int row,
		      const char *verb, uint64_t deadline_us, struct pgs_err *reterr)
{
	const char *const params[] = { set, PQgetvalue(tables, row, 0),
				       PQgetisnull(tables, row, 1) ? NULL
								   : PQgetvalue(tables, row, 1),
				       PQgetvalue(tables, row, 2) };
	char sql[256], what[256];

	snprintf(sql, sizeof(sql), "select %s.capture_stub($1, $2::oid::regclass, $3::text[], $4)",
		 s->a->schema);
	snprintf(what, sizeof(what), "%s the capture triggers of %s", verb,
		 PQgetvalue(tables, row, 3));
	return session_patient(s, sql, 4, params, what, deadline_us, reterr);
}

/* Triggers of captured tables hold exactly the columns of the version that stands. */
static int fit_captures(struct session *s, const char *set, uint64_t deadline_us,
			struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[768];

	snprintf(
		sql, sizeof(sql),
		"select r.reloid, case when not r.all_columns then (select array_agg(c->>'name') "
		"from jsonb_array_elements(r.columns) c) end, r.mode, "
		"format('%%I.%%I', r.schema_name, r.table_name) from %s.relation r join %s.set s "
		"on s.name = r.set_name and s.state = 'active' join pg_class k on k.oid = r.reloid "
		"where r.set_name = $1 and r.current order by r.reloid",
		s->a->schema, s->a->schema);
	if (session_query(s, sql, 1, &set, &res, reterr) < 0)
		return -1;
	struct progress progress = { .database = s->name,
				     .what = "tables fitted",
				     .total = (size_t)PQntuples(res) };
	for (int i = 0; i < PQntuples(res); i++) {
		if (cleanup_fit_table(s, set, res, i, "fit", deadline_us, reterr) < 0)
			return -1;
		progress_step(&progress);
	}
	return 0;
}

/* A dropped set goes when nothing stands in the way any more. */
static int forget(struct session *s, const char *set, uint64_t deadline_us, struct pgs_err *reterr)
{
	char sql[256];

	for (;;) {
		PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
		snprintf(sql, sizeof(sql),
			 "select %s.set_forget(name) from %s.set where name = $1 and state = "
			 "'dropped'",
			 s->a->schema, s->a->schema);
		if (session_query(s, sql, 1, &set, &res, reterr) < 0)
			return -1;
		if (PQntuples(res) == 0 || PQgetisnull(res, 0, 0)) {
			ADMIN_STEP(FORGOTTEN);
			return 0;
		}
		if (pgs_now_us() >= deadline_us)
			return pgs_err_set(
				reterr, PGS_ERR_RETRY, "waiting",
				"database \"%s\": set \"%s\" cannot be forgotten yet: %s", s->name,
				set, PQgetvalue(res, 0, 0));
		if (admin_pause(s->a, 200 * 1000, reterr) < 0)
			return -1;
	}
}

int cleanup_database(struct session *s, const char *set, uint64_t deadline_us,
		     struct pgs_err *reterr)
{
	bool there = false;

	if (session_open(s, reterr) < 0 || has_schema(s, &there, reterr) < 0)
		return -1;
	if (!there)
		return 0;
	if (drop_captures(s, set, deadline_us, reterr) < 0 ||
	    fit_captures(s, set, deadline_us, reterr) < 0 ||
	    forget(s, set, deadline_us, reterr) < 0)
		return -1;
	return 0;
}

int cleanup_dropped_document(struct session *s, const char *set, char **ret_text,
			     int *ret_partitions, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	bool there = false;
	char sql[256];

	*ret_text = NULL;
	if (session_open(s, reterr) < 0 || has_schema(s, &there, reterr) < 0)
		return -1;
	if (!there)
		return 0;
	snprintf(sql, sizeof(sql),
		 "select document, partitions from %s.set where name = $1 and state = 'dropped'",
		 s->a->schema);
	if (session_query(s, sql, 1, &set, &res, reterr) < 0)
		return -1;
	if (PQntuples(res) == 0)
		return 0;
	*ret_text = strdup(PQgetvalue(res, 0, 0));
	*ret_partitions = (int)strtol(PQgetvalue(res, 0, 1), NULL, 10);
	return *ret_text ? 0 : pgs_err_nomem(reterr);
}

/*
 * admin/catalog.c
 *    Reads what the plan must know of one database.
 *
 * Judges nothing. Tables are read by catalog_tables.c.
 */
#include "admin/catalog_internal.h"

#include <stdio.h>
#include <string.h>

enum { CATALOG_MAX_BYTES = 64 * 1024 * 1024 };

const char *catalog_copy(struct catalog *c, const PGresult *res, int row, int column,
			 struct pgs_err *reterr)
{
	const char *text = pgs_arena_strdup(&c->arena, PQgetvalue(res, row, column));

	if (!text)
		(void)pgs_err_nomem(reterr);
	return text;
}

static bool yes(const PGresult *res, int row, int column)
{
	return PQgetvalue(res, row, column)[0] == 't';
}

/* Copy a text column of row 0 into the field, or return -1 from the caller's caller. */
static int take(struct catalog *c, const PGresult *res, int column, const char **field,
		struct pgs_err *reterr)
{
	*field = catalog_copy(c, res, 0, column, reterr);
	return *field ? 0 : -1;
}

static int read_server(struct session *s, struct catalog *c, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char like[64], node[96];

	snprintf(like, sizeof(like), "pgshovel:%s:%%", s->a->options.cluster);
	snprintf(node, sizeof(node), "%s.node", s->a->schema);
	if (session_query(s,
			  "select current_setting('server_version_num'), "
			  "current_setting('server_encoding'), "
			  "pg_is_in_recovery(), current_setting('max_prepared_transactions'), "
			  "current_user, "
			  "d.datname, c.system_identifier, d.oid, has_database_privilege(d.oid, "
			  "'CREATE'), "
			  "to_regprocedure('pgq.create_queue(text)') is not null, "
			  "coalesce((select pg_has_role(r.oid, 'usage') from pg_roles r "
			  "where r.rolname = 'pgq_admin'), false), "
			  "pg_has_role('pg_read_all_stats', 'usage'), to_regclass($1) is not null, "
			  "(select min(x.gid) from pg_prepared_xacts x where x.database = "
			  "d.datname and x.gid like $2), "
			  "current_setting('max_connections')::int - "
			  "current_setting('superuser_reserved_connections')::int, "
			  "(select count(*) from pg_stat_activity where backend_type = 'client "
			  "backend'), "
			  "(select count(*) from pg_stat_activity where application_name ~ "
			  "'^pgshovel:[0-9]+[.]') "
			  "from pg_control_system() c, pg_database d where d.datname = "
			  "current_database()",
			  2, (const char *const[]){ node, like }, &res, reterr) < 0)
		return -1;
	c->server_version = (int)strtol(PQgetvalue(res, 0, 0), NULL, 10);
	c->standby = yes(res, 0, 2);
	c->max_prepared = (int)strtol(PQgetvalue(res, 0, 3), NULL, 10);
	c->max_connections = (int)strtol(PQgetvalue(res, 0, 14), NULL, 10);
	c->connections = (int)strtol(PQgetvalue(res, 0, 15), NULL, 10);
	c->relays = (int)strtol(PQgetvalue(res, 0, 16), NULL, 10);
	c->may_create = yes(res, 0, 8);
	c->has_pgq = yes(res, 0, 9);
	c->pgq_admin = yes(res, 0, 10);
	c->read_all_stats = yes(res, 0, 11);
	c->has_schema = yes(res, 0, 12);
	if (!PQgetisnull(res, 0, 13) && take(c, res, 13, &c->open_gid, reterr) < 0)
		return -1;
	if (take(c, res, 1, &c->encoding, reterr) < 0 || take(c, res, 4, &c->role, reterr) < 0 ||
	    take(c, res, 5, &c->database, reterr) < 0 ||
	    take(c, res, 6, &c->system_identifier, reterr) < 0 ||
	    take(c, res, 7, &c->database_oid, reterr) < 0)
		return -1;
	return 0;
}

static int read_node(struct session *s, struct catalog *c, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "select id, system_identifier, database, format, software from %s.node",
		 s->a->schema);
	if (session_query(s, sql, 0, NULL, &res, reterr) < 0)
		return -1;
	if (PQntuples(res) != 1)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "database \"%s\": table \"%s.node\" must hold one row and holds "
				   "%d; restore it from a backup",
				   s->name, s->a->schema, PQntuples(res));
	c->format = (int)strtol(PQgetvalue(res, 0, 3), NULL, 10);
	if (take(c, res, 0, &c->node, reterr) < 0 || take(c, res, 1, &c->node_system, reterr) < 0 ||
	    take(c, res, 2, &c->node_database, reterr) < 0 ||
	    take(c, res, 4, &c->software, reterr) < 0)
		return -1;
	return 0;
}

static int read_set(struct session *s, struct catalog *c, const char *set, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[256];

	snprintf(sql, sizeof(sql), "select version, state, document from %s.set where name = $1",
		 s->a->schema);
	if (session_query(s, sql, 1, &set, &res, reterr) < 0)
		return -1;
	if (PQntuples(res) == 0)
		return 0;
	if (take(c, res, 0, &c->set_version, reterr) < 0 ||
	    take(c, res, 1, &c->set_state, reterr) < 0 ||
	    take(c, res, 2, &c->set_document, reterr) < 0)
		return -1;
	return 0;
}

/* Rows come grouped by relation, one for each of its columns that the table still has. */
static int read_relations(struct session *s, struct catalog *c, const char *set,
			  struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[768];

	snprintf(sql, sizeof(sql),
		 "select r.id, r.reloid, format('%%I.%%I', r.schema_name, r.table_name), "
		 "r.all_columns, "
		 "a.attname from %s.relation r left join lateral (select a.attname, x.ord "
		 "from jsonb_array_elements(r.columns) with ordinality x (c, ord) join "
		 "pg_attribute a "
		 "on a.attrelid = r.reloid and a.attname = x.c->>'name' and not a.attisdropped) a "
		 "on true "
		 "where r.set_name = $1 and r.current order by r.id, a.ord",
		 s->a->schema);
	if (session_query(s, sql, 1, &set, &res, reterr) < 0)
		return -1;
	int rows = PQntuples(res);
	c->relations = pgs_arena_array(&c->arena, (size_t)rows + 1, sizeof(*c->relations));
	const char **names = pgs_arena_array(&c->arena, (size_t)rows + 1, sizeof(*names));
	if (!c->relations || !names)
		return pgs_err_nomem(reterr);
	struct catalog_relation *r = NULL;
	for (int i = 0; i < rows; i++) {
		if (!r || strcmp(r->id, PQgetvalue(res, i, 0)) != 0) {
			r = &c->relations[c->n_relations++];
			r->id = catalog_copy(c, res, i, 0, reterr);
			r->oid = catalog_copy(c, res, i, 1, reterr);
			r->label = catalog_copy(c, res, i, 2, reterr);
			if (!r->id || !r->oid || !r->label)
				return -1;
			r->all_columns = yes(res, i, 3);
			r->columns = &names[i];
		}
		if (PQgetisnull(res, i, 4))
			continue;
		names[i] = catalog_copy(c, res, i, 4, reterr);
		if (!names[i])
			return -1;
		r->n_columns++;
	}
	return 0;
}

static int read_ddl_followed(struct session *s, struct catalog *c, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[128];

	snprintf(sql, sizeof(sql), "select %s.ddl_followed()", s->a->schema);
	if (session_query(s, sql, 0, NULL, &res, reterr) < 0)
		return -1;
	c->ddl_followed = yes(res, 0, 0);
	return 0;
}

static int read_problems(struct session *s, struct catalog *c, const char *set,
			 struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "select concat_ws(': ', nullif(format('\"%%s.%%s\"', schema_name, table_name), "
		 "'\".\"'), problem) "
		 "from %s.capture_check($1)",
		 s->a->schema);
	if (session_query(s, sql, 1, &set, &res, reterr) < 0)
		return -1;
	c->capture_problems = PQntuples(res);
	if (c->capture_problems > 0)
		return take(c, res, 0, &c->first_problem, reterr);
	return 0;
}

static int read_all(struct session *s, struct catalog *c, const char *set, const struct setdoc *doc,
		    struct pgs_err *reterr)
{
	if (read_server(s, c, reterr) < 0)
		return -1;
	if (c->has_schema &&
	    (read_node(s, c, reterr) < 0 ||
	     (set && (read_set(s, c, set, reterr) < 0 || read_relations(s, c, set, reterr) < 0))))
		return -1;
	if (doc) {
		PGS_CLEANUP(pgs_freep) char *fingerprint = NULL;
		if (catalog_fingerprint(s, doc, &fingerprint, reterr) < 0)
			return -1;
		c->fingerprint = pgs_arena_strdup(&c->arena, fingerprint);
		if (!c->fingerprint)
			return pgs_err_nomem(reterr);
		if (catalog_read_tables(s, c, doc, reterr) < 0)
			return -1;
	}
	/* Functions of another version may not be there: ask them only when the schema is at ours. */
	if (!c->has_schema || strcmp(c->software, PGSHOVEL_VERSION) != 0)
		return 0;
	if (read_ddl_followed(s, c, reterr) < 0)
		return -1;
	if (set && c->set_version && strcmp(c->set_state, "active") == 0)
		return read_problems(s, c, set, reterr);
	return 0;
}

int catalog_read(struct session *s, const char *set, const struct setdoc *doc, struct catalog **ret,
		 struct pgs_err *reterr)
{
	PGS_CLEANUP(catalog_freep) struct catalog *c = calloc(1, sizeof(*c));
	struct pgs_err err = { 0 };

	if (!c)
		return pgs_err_nomem(reterr);
	c->arena = PGS_ARENA_INIT(CATALOG_MAX_BYTES);
	if (session_exec(s, "begin isolation level repeatable read read only", 0, NULL, reterr) < 0)
		return -1;
	int r = read_all(s, c, set, doc, &err);
	if (session_exec(s, "rollback", 0, NULL, NULL) < 0)
		session_close(s);
	if (r < 0) {
		*reterr = err;
		return -1;
	}
	*ret = PGS_STEAL(c);
	return 0;
}

void catalog_free(struct catalog *c)
{
	if (!c)
		return;
	pgs_arena_done(&c->arena);
	free(c);
}

void catalog_freep(struct catalog **c)
{
	catalog_free(*c);
	*c = NULL;
}

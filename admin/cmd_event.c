/*
 * admin/cmd_event.c
 *    event list, show, retry, discard: the table `quarantine` of a set's databases.
 *
 * What put the events there is the relay's business. Takes no lock: a row changes its state once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/commands.h"
#include "admin/render.h"
#include "admin/session.h"
#include "admin/store.h"
#include "common/parse.h"

/* The set of a command, and the one database that the options choose; the set stays the caller's. */
struct place {
	struct stored_set *set;
	const struct setdoc_database *only; /* NULL: all */
};

static void place_done(struct place *place)
{
	stored_set_free(place->set);
}

static int find_place(struct admin *a, const char *name, bool one, struct place *ret,
		      struct pgs_err *reterr)
{
	if (!pgs_set_name_ok(name))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "\"%s\" cannot be the name of a set",
				   name);
	if (admin_open_cluster(a, reterr) < 0 || store_read(a, name, &ret->set, reterr) < 0)
		return -1;
	const struct setdoc *doc = ret->set->doc;
	for (size_t i = 0; a->options.database && i < doc->n_databases; i++)
		if (strcmp(doc->databases[i].name, a->options.database) == 0)
			ret->only = &doc->databases[i];
	if (a->options.database && !ret->only)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "set \"%s\" has no database \"%s\"",
				   name, a->options.database);
	if (!ret->only && doc->n_databases == 1)
		ret->only = &doc->databases[0];
	if (one && !ret->only)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "set \"%s\" has %zu databases: say which with --database", name,
				   doc->n_databases);
	return 0;
}

static const char *const list_fields[] = { "id", "state", "table", "op", "ev_id", "at", "reason" };

/* Rows of `fields`, for the table of people and for JSON alike. */
static void add_rows(const char *database, const PGresult *res, struct render_table *table,
		     struct pgs_buf *json)
{
	for (int row = 0; row < PQntuples(res); row++) {
		render_add(table, database);
		if (json->len > 1)
			pgs_buf_putc(json, ',');
		pgs_buf_lit(json, "{\"database\":");
		zkdoc_put_json_string(json, database);
		for (size_t i = 0; i < PGS_ARRAY_LEN(list_fields); i++) {
			const char *value = PQgetvalue(res, row, (int)i);
			render_add(table, value);
			pgs_buf_printf(json, ",\"%s\":", list_fields[i]);
			if (i == 0 || i == 4)
				pgs_buf_puts(json, value);
			else
				zkdoc_put_json_string(json, value);
		}
		pgs_buf_putc(json, '}');
	}
}

static int list_database(struct admin *a, const char *set, const struct setdoc_database *db,
			 struct render_table *table, struct pgs_buf *json, struct pgs_err *reterr)
{
	struct session s = { .a = a, .name = db->name, .conninfo = db->conninfo };
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "select q.id, q.state, coalesce(r.schema_name || '.' || r.table_name, '?'), "
		 "q.ev_type, q.ev_id, date_trunc('second', q.at), q.reason from %s.quarantine q "
		 "left join %s.relation r on r.id = q.relation where q.set_name = $1 order by q.id",
		 a->schema, a->schema);
	int r = session_open(&s, reterr) < 0 ? -1 : session_query(&s, sql, 1, &set, &res, reterr);
	session_close(&s);
	if (r == 0)
		add_rows(db->name, res, table, json);
	return r;
}

int cmd_event_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	static const char *const titles[] = { "DATABASE", "ID",    "STATE", "TABLE",
					      "OP",       "EVENT", "SINCE", "REASON" };
	PGS_CLEANUP(place_done) struct place place = { .set = NULL };
	PGS_CLEANUP(render_done)
	struct render_table table = { .titles = titles, .n_columns = PGS_ARRAY_LEN(titles) };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf json = PGS_BUF_INIT(RENDER_MAX_BYTES);

	(void)n;
	if (find_place(a, arguments[0], false, &place, reterr) < 0)
		return -1;
	pgs_buf_putc(&json, '[');
	for (size_t i = 0; i < place.set->doc->n_databases; i++) {
		const struct setdoc_database *db = &place.set->doc->databases[i];
		if ((!place.only || db == place.only) &&
		    list_database(a, arguments[0], db, &table, &json, reterr) < 0)
			return -1;
	}
	pgs_buf_lit(&json, "]\n");
	if (pgs_buf_failed(&json))
		return pgs_err_nomem(reterr);
	if (a->options.json)
		fputs(pgs_buf_str(&json), stdout);
	else
		render_print(&table, stdout);
	return 0;
}

/* `sql` about one event: parameters set and id. No row: there is no such event. */
static int about_event(struct admin *a, char **arguments, const char *sql, PGresult **ret,
		       struct pgs_err *reterr)
{
	PGS_CLEANUP(place_done) struct place place = { .set = NULL };
	const char *const params[] = { arguments[0], arguments[1] };

	if (arguments[1][0] == '\0' || strspn(arguments[1], "0123456789") != strlen(arguments[1]) ||
	    strlen(arguments[1]) > 18)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "\"%s\" is not the number of an event; \"pgshovel event list "
				   "%s\" shows them",
				   arguments[1], arguments[0]);
	if (find_place(a, arguments[0], true, &place, reterr) < 0)
		return -1;
	struct session s = { .a = a, .name = place.only->name, .conninfo = place.only->conninfo };
	int r = session_open(&s, reterr) < 0 ? -1 : session_query(&s, sql, 2, params, ret, reterr);
	session_close(&s);
	if (r < 0 || PQntuples(*ret) == 1)
		return r;
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
			   "set \"%s\" has no event %s in quarantine in database \"%s\"",
			   arguments[0], arguments[1], place.only->name);
}

int cmd_event_show(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	static const char *const names[] = { "id",      "state",   "schema", "table",  "relation",
					     "op",      "ev_id",   "txId",   "time",   "at",
					     "new_row", "old_row", "reason", "columns" };
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf json = PGS_BUF_INIT(2U << 30);
	char sql[768];

	(void)n;
	snprintf(sql, sizeof(sql),
		 "select q.id, q.state, r.schema_name, r.table_name, q.relation, q.ev_type, "
		 "q.ev_id, q.ev_txid, q.ev_time, q.at, q.new_row, q.old_row, q.reason, (select "
		 "string_agg(c->>'name', ', ') from jsonb_array_elements(r.columns) c) from "
		 "%s.quarantine q left join %s.relation r on r.id = q.relation where q.set_name = "
		 "$1 and q.id = $2::int8",
		 a->schema, a->schema);
	if (about_event(a, arguments, sql, &res, reterr) < 0)
		return -1;
	for (size_t i = 0; i < PGS_ARRAY_LEN(names); i++) {
		const bool null = PQgetisnull(res, 0, (int)i);
		const char *value = PQgetvalue(res, 0, (int)i);
		const bool number = i == 0 || i == 4 || i == 6 || i == 7;
		if (!a->options.json) {
			printf("%-9s %s\n", names[i], null ? "-" : value);
			continue;
		}
		pgs_buf_printf(&json, "%s\"%s\":", i ? "," : "{", names[i]);
		if (null || number)
			pgs_buf_puts(&json, null ? "null" : value);
		else
			zkdoc_put_json_string(&json, value);
	}
	if (!a->options.json)
		return 0;
	pgs_buf_lit(&json, "}\n");
	if (pgs_buf_failed(&json))
		return pgs_err_nomem(reterr);
	fputs(pgs_buf_str(&json), stdout);
	return 0;
}

/* `sql` changed it, or it was not there to be changed any more: column 0 is the state before. */
static int leave_kept(struct admin *a, char **arguments, const char *sql, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

	if (about_event(a, arguments, sql, &res, reterr) < 0)
		return -1;
	if (strcmp(PQgetvalue(res, 0, 0), "kept") == 0)
		return 0;
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "event %s of set \"%s\" is %s already",
			   arguments[1], arguments[0], PQgetvalue(res, 0, 0));
}

static int plan(struct admin *a, char **arguments, const char *what, struct pgs_err *reterr)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "select state from %s.quarantine where set_name = $1 and id = $2::int8",
		 a->schema);
	if (leave_kept(a, arguments, sql, reterr) < 0)
		return -1;
	printf("event %s of set \"%s\" would be %s\n", arguments[1], arguments[0], what);
	return 0;
}

int cmd_event_retry(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	char sql[1024];

	(void)n;
	/* One statement: state and new event together. Both parts see the state as it was before. */
	if (a->options.dry_run)
		return plan(a, arguments, "put into the queue again", reterr);
	snprintf(sql, sizeof(sql),
		 "with old as (select id, state from %s.quarantine where set_name = $1 and id = "
		 "$2::int8 for update), changed as (update %s.quarantine q set state = 'retried' "
		 "from old where q.id = old.id and old.state = 'kept' returning q.*) select "
		 "old.state, (select pgq.insert_event('pgshovel:%s:' || c.set_name, c.ev_type, "
		 "c.new_row, concat_ws(':', c.relation, c.leaf), c.old_row, null, null) from "
		 "changed c) "
		 "from old",
		 a->schema, a->schema, a->options.cluster);
	return leave_kept(a, arguments, sql, reterr);
}

int cmd_event_discard(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	char sql[512];

	(void)n;
	if (a->options.dry_run)
		return plan(a, arguments, "marked as never to be sent", reterr);
	snprintf(sql, sizeof(sql),
		 "with old as (select id, state from %s.quarantine where set_name = $1 and id = "
		 "$2::int8 for update), changed as (update %s.quarantine q set state = 'discarded' "
		 "from old where q.id = old.id and old.state = 'kept') select old.state from old",
		 a->schema, a->schema);
	return leave_kept(a, arguments, sql, reterr);
}

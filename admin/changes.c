/*
 * admin/changes.c
 *    See admin/changes.h. Looks only.
 */
#include "admin/changes.h"

#include <stdio.h>
#include <string.h>

#include "admin/catalog.h"

enum { MAX_LINES = 200 }; /* a table may have 1,600 columns */

/* Functions of another version may not be there: then nothing is known. */
static int ask(struct session *s, const struct stored_set *set, PGresult **ret,
	       struct pgs_err *reterr)
{
	char sql[512];
	struct pgs_err err = { 0 };

	if (session_open(s, reterr) < 0)
		return -1;
	snprintf(
		sql, sizeof(sql),
		"select coalesce(schema_name, ''), coalesce(table_name, ''), change, 0 as ord from "
		"%s.relation_changes($1) union all select coalesce(schema_name, ''), "
		"coalesce(table_name, ''), problem, 1 from %s.capture_check($1) order by 4, 1, 2",
		s->a->schema, s->a->schema);
	if (session_query(s, sql, 1, (const char *const[]){ set->name }, ret, &err) == 0)
		return 0;
	if (strcmp(err.code, "42883") == 0 || strcmp(err.code, "3F000") == 0)
		return 0;
	*reterr = err;
	return -1;
}

static void report(const struct session *s, const PGresult *res)
{
	int n = PQntuples(res);

	for (int i = 0; i < n && i < MAX_LINES; i++) {
		bool table = PQgetvalue(res, i, 1)[0] != '\0';
		fprintf(stderr, "database \"%s\": %s%s%s%s%s%s%s\n", s->name,
			table ? "table \"" : "", PQgetvalue(res, i, 0), table ? "." : "",
			PQgetvalue(res, i, 1), table ? "\": " : "", PQgetvalue(res, i, 2),
			PQgetvalue(res, i, 3)[0] == '0' ? " (capture has followed)" : "");
	}
	if (n > MAX_LINES)
		fprintf(stderr, "database \"%s\": and %d more changes\n", s->name, n - MAX_LINES);
}

void changes_report(struct admin *a, const struct stored_set *set, bool say_away)
{
	for (size_t i = 0; i < set->doc->n_databases; i++) {
		struct session s = { .a = a,
				     .name = set->doc->databases[i].name,
				     .conninfo = set->doc->databases[i].conninfo };
		PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
		struct pgs_err err = { 0 };
		int r = ask(&s, set, &res, &err);
		if (r < 0 && say_away)
			fprintf(stderr, "could not ask what has changed: %s\n", err.msg);
		else if (r == 0 && res)
			report(&s, res);
		session_close(&s);
	}
}

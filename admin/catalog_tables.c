/*
 * admin/catalog_tables.c
 *    Reads the tables that a document names: columns, unique indexes, partitions, privileges.
 *
 * Judges nothing.
 */
#include <stdio.h>
#include <string.h>

#include "admin/catalog_internal.h"

/* The tables of the document as two text[] parameters. */
struct name_arrays {
	struct pgs_buf schemas;
	struct pgs_buf tables;
};

static void name_arrays_done(struct name_arrays *n)
{
	pgs_buf_done(&n->schemas);
	pgs_buf_done(&n->tables);
}

static int name_arrays_make(const struct setdoc *doc, struct name_arrays *n, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) const char **names = calloc(doc->n_tables + 1, sizeof(*names));

	if (!names)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < doc->n_tables; i++)
		names[i] = doc->tables[i].schema;
	session_put_array(&n->schemas, names, doc->n_tables);
	for (size_t i = 0; i < doc->n_tables; i++)
		names[i] = doc->tables[i].table;
	session_put_array(&n->tables, names, doc->n_tables);
	if (pgs_buf_failed(&n->schemas) || pgs_buf_failed(&n->tables))
		return pgs_err_nomem(reterr);
	return 0;
}

#define NAME_ARRAYS_INIT                                                                           \
	{                                                                                          \
		.schemas = PGS_BUF_INIT(SESSION_MAX_SQL), .tables = PGS_BUF_INIT(SESSION_MAX_SQL)  \
	}

/* Names, in document order, joined to what exists. */
#define NAMED                                                                                      \
	"from unnest($1::text[], $2::text[]) with ordinality x (s, t, ord) "                       \
	"join pg_namespace n on n.nspname = x.s join pg_class c on c.relnamespace = n.oid and "    \
	"c.relname = x.t "

int catalog_fingerprint(struct session *s, const struct setdoc *doc, char **ret,
			struct pgs_err *reterr)
{
	PGS_CLEANUP(name_arrays_done) struct name_arrays names = NAME_ARRAYS_INIT;
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

	if (name_arrays_make(doc, &names, reterr) < 0 ||
	    session_query(s,
			  "select coalesce(md5(string_agg(concat_ws(' ', x.ord, c.oid, a.attnum, "
			  "quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), "
			  "a.attnotnull), ',' "
			  "order by x.ord, a.attnum)), '') " NAMED
			  "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not "
			  "a.attisdropped",
			  2,
			  (const char *const[]){ pgs_buf_str(&names.schemas),
						 pgs_buf_str(&names.tables) },
			  &res, reterr) < 0)
		return -1;
	*ret = strdup(PQgetvalue(res, 0, 0));
	return *ret ? 0 : pgs_err_nomem(reterr);
}

static struct catalog_table *by_ord(struct catalog *c, const PGresult *res, int row)
{
	return &c->tables[strtoul(PQgetvalue(res, row, 0), NULL, 10) - 1];
}

static int read_classes(struct session *s, struct catalog *c, const char *const *params,
			struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

	if (session_query(s,
			  "select x.ord, c.oid, format('%I.%I', n.nspname, c.relname), c.relkind, "
			  "c.relpersistence, c.relispartition, has_table_privilege(c.oid, "
			  "'TRIGGER'), has_schema_privilege(n.oid, 'USAGE') " NAMED,
			  2, params, &res, reterr) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++) {
		struct catalog_table *t = by_ord(c, res, i);
		t->oid = catalog_copy(c, res, i, 1, reterr);
		t->label = catalog_copy(c, res, i, 2, reterr);
		if (!t->oid || !t->label)
			return -1;
		t->kind = PQgetvalue(res, i, 3)[0];
		t->persistence = PQgetvalue(res, i, 4)[0];
		t->is_partition = PQgetvalue(res, i, 5)[0] == 't';
		t->may_trigger = PQgetvalue(res, i, 6)[0] == 't';
		t->may_use = PQgetvalue(res, i, 7)[0] == 't';
	}
	return 0;
}

static int read_columns(struct session *s, struct catalog *c, const char *const *params,
			struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

	if (session_query(s,
			  "select x.ord, a.attname, a.attnotnull " NAMED
			  "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not "
			  "a.attisdropped "
			  "order by x.ord, a.attnum",
			  2, params, &res, reterr) < 0)
		return -1;
	struct catalog_column *columns =
		pgs_arena_array(&c->arena, (size_t)PQntuples(res) + 1, sizeof(*columns));
	if (!columns)
		return pgs_err_nomem(reterr);
	for (int i = 0; i < PQntuples(res); i++) {
		struct catalog_table *t = by_ord(c, res, i);
		if (t->n_columns++ == 0)
			t->columns = &columns[i];
		columns[i].name = catalog_copy(c, res, i, 1, reterr);
		if (!columns[i].name)
			return -1;
		columns[i].not_null = PQgetvalue(res, i, 2)[0] == 't';
	}
	return 0;
}

/* Rows come grouped by table and index, one for each key column. */
static int read_indexes(struct session *s, struct catalog *c, const char *const *params,
			struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

	if (session_query(
		    s,
		    "select x.ord, i.indexrelid, i.indisprimary, i.indimmediate, i.indisvalid and "
		    "i.indisready "
		    "and i.indpred is null and i.indexprs is null, coalesce(a.attname, '') " NAMED
		    "join pg_index i on i.indrelid = c.oid and i.indisunique and i.indislive "
		    "cross join unnest(i.indkey::int2[]) with ordinality k (n, ord) "
		    "left join pg_attribute a on a.attrelid = c.oid and a.attnum = k.n and k.n > 0 "
		    "where k.ord <= i.indnkeyatts order by x.ord, not i.indisprimary, "
		    "i.indexrelid, k.ord",
		    2, params, &res, reterr) < 0)
		return -1;
	size_t rows = (size_t)PQntuples(res);
	struct catalog_index *indexes = pgs_arena_array(&c->arena, rows + 1, sizeof(*indexes));
	const char **names = pgs_arena_array(&c->arena, rows + 1, sizeof(*names));
	if (!indexes || !names)
		return pgs_err_nomem(reterr);
	struct catalog_index *index = NULL;
	size_t n_indexes = 0;
	for (int i = 0; i < (int)rows; i++) {
		struct catalog_table *t = by_ord(c, res, i);
		if (!index || strcmp(index->oid, PQgetvalue(res, i, 1)) != 0) {
			index = &indexes[n_indexes++];
			if (t->n_indexes++ == 0)
				t->indexes = index;
			index->oid = catalog_copy(c, res, i, 1, reterr);
			if (!index->oid)
				return -1;
			index->primary = PQgetvalue(res, i, 2)[0] == 't';
			index->immediate = PQgetvalue(res, i, 3)[0] == 't';
			index->plain = PQgetvalue(res, i, 4)[0] == 't';
			index->columns = &names[i];
		}
		names[i] = catalog_copy(c, res, i, 5, reterr);
		if (!names[i])
			return -1;
		index->n_columns++;
	}
	return 0;
}

/* Not pg_partition_tree(): that takes a lock on every partition. */
static int read_leaves(struct session *s, struct catalog *c, const char *const *params,
		       struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

	if (session_query(s,
			  "with recursive tree (ord, oid) as (select x.ord, c.oid " NAMED
			  "union select t.ord, i.inhrelid from tree t join pg_inherits i on "
			  "i.inhparent = t.oid "
			  "join pg_class c on c.oid = i.inhrelid and c.relispartition where not "
			  "i.inhdetachpending) "
			  "select t.ord, c.oid, format('%I.%I', n.nspname, c.relname), c.relkind, "
			  "c.relpersistence, "
			  "has_table_privilege(c.oid, 'TRIGGER') "
			  "from tree t join pg_class c on c.oid = t.oid join pg_namespace n on "
			  "n.oid = c.relnamespace "
			  "where c.relkind <> 'p' order by t.ord, c.oid",
			  2, params, &res, reterr) < 0)
		return -1;
	struct catalog_leaf *leaves =
		pgs_arena_array(&c->arena, (size_t)PQntuples(res) + 1, sizeof(*leaves));
	if (!leaves)
		return pgs_err_nomem(reterr);
	for (int i = 0; i < PQntuples(res); i++) {
		struct catalog_table *t = by_ord(c, res, i);
		if (t->n_leaves++ == 0)
			t->leaves = &leaves[i];
		leaves[i].oid = catalog_copy(c, res, i, 1, reterr);
		leaves[i].label = catalog_copy(c, res, i, 2, reterr);
		if (!leaves[i].oid || !leaves[i].label)
			return -1;
		if (PQgetvalue(res, i, 3)[0] != 'r' || PQgetvalue(res, i, 4)[0] != 'p')
			t->foreign_or_unlogged_leaf = leaves[i].label;
		t->may_trigger = t->may_trigger && PQgetvalue(res, i, 5)[0] == 't';
	}
	return 0;
}

int catalog_read_tables(struct session *s, struct catalog *c, const struct setdoc *doc,
			struct pgs_err *reterr)
{
	PGS_CLEANUP(name_arrays_done) struct name_arrays names = NAME_ARRAYS_INIT;

	if (name_arrays_make(doc, &names, reterr) < 0)
		return -1;
	const char *const params[] = { pgs_buf_str(&names.schemas), pgs_buf_str(&names.tables) };
	c->tables = pgs_arena_array(&c->arena, doc->n_tables + 1, sizeof(*c->tables));
	if (!c->tables)
		return pgs_err_nomem(reterr);
	c->n_tables = doc->n_tables;
	if (read_classes(s, c, params, reterr) < 0 || read_columns(s, c, params, reterr) < 0 ||
	    read_indexes(s, c, params, reterr) < 0 || read_leaves(s, c, params, reterr) < 0)
		return -1;
	return 0;
}

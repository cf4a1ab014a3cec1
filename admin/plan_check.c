/*
 * admin/plan_check.c
 *    Is the database fit, are the tables as the document says, are the topics free? Pure.
 *
 * Every refusal is one line that says what to do. Changes nothing, reads nothing.
 */
#include <stdio.h>
#include <string.h>

#include "admin/plan.h"

enum { MIN_SERVER_VERSION = 140000 };

#define REFUSE(...) pgs_err_set(reterr, PGS_ERR_CONFIG, "", __VA_ARGS__)

static int check_role(const struct plan_database *db, struct pgs_err *reterr)
{
	const struct catalog *c = db->catalog;

	if (!c->has_pgq)
		return REFUSE("database \"%s\": extension \"pgq\" is missing; run CREATE EXTENSION "
			      "pgq in it as a superuser (Debian package postgresql-NN-pgq3)",
			      db->name);
	if (!c->pgq_admin)
		return REFUSE("database \"%s\": role \"%s\" is not a member of pgq_admin; run "
			      "GRANT pgq_admin TO \"%s\"",
			      db->name, c->role, c->role);
	if (!c->read_all_stats)
		return REFUSE("database \"%s\": role \"%s\" may not see other sessions' snapshots; "
			      "run GRANT pg_read_all_stats TO \"%s\" (pg_monitor includes it)",
			      db->name, c->role, c->role);
	if (!c->has_schema && !c->may_create)
		return REFUSE("database \"%s\": role \"%s\" may not create a schema; run GRANT "
			      "CREATE ON DATABASE \"%s\" TO \"%s\"",
			      db->name, c->role, c->database, c->role);
	return 0;
}

static int check_node(const struct plan_database *db, const char *cluster, struct pgs_err *reterr)
{
	const struct catalog *c = db->catalog;

	if (!c->has_schema)
		return 0;
	if (strcmp(c->node_system, c->system_identifier) != 0 ||
	    strcmp(c->node_database, c->database_oid) != 0)
		return REFUSE("database \"%s\" is a copy: its node %s was made in database oid %s "
			      "of system %s and this is oid %s of system %s; "
			      "run DROP SCHEMA pgshovel_%s CASCADE in the copy to use it as a "
			      "database of its own",
			      db->name, c->node, c->node_database, c->node_system, c->database_oid,
			      c->system_identifier, cluster);
	return 0;
}

int plan_check_server(const struct plan_database *db, const char *cluster, struct pgs_err *reterr)
{
	const struct catalog *c = db->catalog;

	if (c->server_version < MIN_SERVER_VERSION)
		return REFUSE(
			"database \"%s\": PostgreSQL %d is too old; version 14 or later is needed",
			db->name, c->server_version / 10000);
	if (c->standby)
		return REFUSE(
			"database \"%s\" is a standby and cannot be written; name the primary in "
			"conninfo (several hosts with target_session_attrs=read-write will do)",
			db->name);
	if (strcmp(c->encoding, "UTF8") != 0)
		return REFUSE("database \"%s\" is encoded in %s; only UTF8 databases can be "
			      "captured: convert it by dump and restore",
			      db->name, c->encoding);
	if (c->max_prepared == 0)
		return REFUSE("database \"%s\": max_prepared_transactions is 0; set it to 10 or "
			      "more and restart the server",
			      db->name);
	if (check_role(db, reterr) < 0 || check_node(db, cluster, reterr) < 0)
		return -1;
	if (c->open_gid)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "",
				   "database \"%s\": prepared transaction \"%s\" is left of an "
				   "interrupted rollout; run \"pgshovel txn recover\"",
				   db->name, c->open_gid);
	return 0;
}

bool plan_connections_short(const struct plan_request *request, size_t i, char *ret, size_t size)
{
	const struct catalog *c = request->databases[i].catalog;
	int fresh = 0;

	for (size_t k = 0; k < request->n_databases; k++) {
		const struct plan_database *db = &request->databases[k];
		if (strcmp(db->catalog->system_identifier, c->system_identifier) != 0)
			continue;
		if (k < i)
			return false; /* said already */
		fresh += !db->removed && !db->catalog->set_version;
	}
	/* A relay that runs holds its first connection already. */
	int more = c->relays * (PLAN_RELAY_CONNECTIONS - 1) + fresh * PLAN_RELAY_CONNECTIONS;
	if (!request->doc || 10 * (c->connections + more) <= 9 * c->max_connections)
		return false;
	(void)snprintf(
		ret, size,
		"database \"%s\": its server takes %d connections, %d are in use, and relays "
		"may need %d more (up to %d for each set and database); raise "
		"max_connections before they are refused",
		request->databases[i].name, c->max_connections, c->connections, more,
		PLAN_RELAY_CONNECTIONS);
	return true;
}

int plan_check_distinct(const struct plan_database *databases, size_t n, struct pgs_err *reterr)
{
	for (size_t i = 0; i < n; i++) {
		const struct catalog *a = databases[i].catalog;
		for (size_t j = i + 1; j < n; j++) {
			const struct catalog *b = databases[j].catalog;
			bool same_node = a->node && b->node && strcmp(a->node, b->node) == 0;
			bool same_place = strcmp(a->system_identifier, b->system_identifier) == 0 &&
					  strcmp(a->database_oid, b->database_oid) == 0;
			if (same_node || same_place)
				return REFUSE("databases \"%s\" and \"%s\" are the same database "
					      "(\"%s\" of system %s); list it once",
					      databases[i].name, databases[j].name, a->database,
					      a->system_identifier);
		}
	}
	return 0;
}

/* "FILE:LINE: table "x"" of a document, and where. */
static int refuse_table(const struct setdoc *doc, const struct setdoc_table *table,
			const struct plan_database *db, const char *what, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf name = PGS_BUF_INIT(1024);

	setdoc_table_name(&name, table);
	return REFUSE("%s:%d: table \"%s\" %s (database \"%s\")", doc->filename, table->line,
		      pgs_buf_str(&name), what, db->name);
}

static int refuse_column(const struct setdoc *doc, const struct setdoc_table *table,
			 const struct plan_database *db, const char *format_before,
			 const char *column, const char *format_after, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(1024);

	pgs_buf_printf(&text, "%s \"%s\"%s", format_before, column, format_after);
	return refuse_table(doc, table, db, pgs_buf_str(&text), reterr);
}

static const struct catalog_column *find_column(const struct catalog_table *t, const char *name)
{
	for (size_t i = 0; i < t->n_columns; i++)
		if (strcmp(t->columns[i].name, name) == 0)
			return &t->columns[i];
	return NULL;
}

static bool listed(const struct setdoc_table *table, const char *name)
{
	if (table->n_columns == 0)
		return true;
	for (size_t i = 0; i < table->n_columns; i++)
		if (strcmp(table->columns[i], name) == 0)
			return true;
	return false;
}

/* The same columns in any order. */
static bool covers(const struct catalog_index *index, char *const *key, size_t n)
{
	if (index->n_columns != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool found = false;
		for (size_t j = 0; j < n && !found; j++)
			found = strcmp(index->columns[i], key[j]) == 0;
		if (!found)
			return false;
	}
	return true;
}

static int check_named_key(const struct setdoc *doc, const struct setdoc_table *table,
			   const struct catalog_table *t, const struct plan_database *db,
			   struct pgs_err *reterr)
{
	bool deferrable = false, partial = false;

	for (size_t i = 0; i < table->n_key; i++) {
		const struct catalog_column *column = find_column(t, table->key[i]);
		if (!column)
			return refuse_column(doc, table, db, "has no column", table->key[i],
					     ", which its key names; correct the key", reterr);
		if (!column->not_null)
			return refuse_column(doc, table, db, "may have null in key column",
					     table->key[i],
					     "; set it NOT NULL or choose other columns", reterr);
		if (!listed(table, table->key[i]))
			return refuse_column(doc, table, db, "does not list its key column",
					     table->key[i], "; add it to columns", reterr);
	}
	for (size_t i = 0; i < t->n_indexes; i++) {
		const struct catalog_index *index = &t->indexes[i];
		if (!covers(index, table->key, table->n_key))
			continue;
		if (index->immediate && index->plain)
			return 0;
		deferrable = deferrable || !index->immediate;
		partial = partial || !index->plain;
	}
	if (deferrable)
		return refuse_table(
			doc, table, db,
			"has only a deferrable unique constraint on its key, and a swap of keys "
			"would look like a delete; make it NOT DEFERRABLE or choose another key",
			reterr);
	return refuse_table(doc, table, db,
			    partial ? "has only a partial or invalid unique index on its key; "
				      "create a full one or choose another key"
				    : "has no unique index on exactly the columns of its key; "
				      "create one or choose another key",
			    reterr);
}

static int check_primary_key(const struct setdoc *doc, const struct setdoc_table *table,
			     const struct catalog_table *t, const struct plan_database *db,
			     struct pgs_err *reterr)
{
	const struct catalog_index *primary = NULL;

	for (size_t i = 0; i < t->n_indexes && !primary; i++)
		if (t->indexes[i].primary)
			primary = &t->indexes[i];
	if (!primary)
		return refuse_table(
			doc, table, db,
			"has no primary key; add one, or name a unique key of columns "
			"that are not null: key = [ \"...\" ]; key = [ ] is for records "
			"without a key",
			reterr);
	if (!primary->immediate)
		return refuse_table(doc, table, db,
				    "has a deferrable primary key, and a swap of keys would look "
				    "like a delete; make it NOT DEFERRABLE or name another key",
				    reterr);
	for (size_t i = 0; i < primary->n_columns; i++)
		if (!listed(table, primary->columns[i]))
			return refuse_column(doc, table, db, "does not list its key column",
					     primary->columns[i], "; add it to columns", reterr);
	return 0;
}

static int check_table(const struct setdoc *doc, const struct setdoc_table *table,
		       const struct catalog_table *t, const struct plan_database *db,
		       struct pgs_err *reterr)
{
	if (!t->oid)
		return refuse_table(doc, table, db, "does not exist; correct the name or create it",
				    reterr);
	if (t->kind != 'r' && t->kind != 'p')
		return refuse_table(doc, table, db, "is not a table; only tables can be captured",
				    reterr);
	if (t->is_partition)
		return refuse_table(doc, table, db,
				    "is a partition; name the partitioned table itself", reterr);
	if (t->persistence != 'p' || t->foreign_or_unlogged_leaf)
		return refuse_table(doc, table, db,
				    "is unlogged, temporary or has such or a foreign partition; a "
				    "crash would empty it unseen",
				    reterr);
	if (!t->may_use)
		return refuse_table(doc, table, db,
				    "is in a schema that this role may not use; run GRANT USAGE ON "
				    "SCHEMA",
				    reterr);
	if (!t->may_trigger)
		return refuse_table(doc, table, db,
				    "gives this role no TRIGGER privilege; run GRANT TRIGGER on it "
				    "and on its partitions, or make the role its owner",
				    reterr);
	for (size_t i = 0; i < table->n_columns; i++)
		if (!find_column(t, table->columns[i]))
			return refuse_column(doc, table, db, "has no column", table->columns[i],
					     "; correct the list", reterr);
	if (table->partitions == SETDOC_PARTITIONS_LEAF && t->kind != 'p')
		return refuse_table(doc, table, db,
				    "is not partitioned; leave partitions = \"leaf\" out", reterr);
	if (table->key && table->n_key == 0)
		return 0; /* records without a key */
	return table->key ? check_named_key(doc, table, t, db, reterr)
			  : check_primary_key(doc, table, t, db, reterr);
}

int plan_check_tables(const struct plan_database *db, const struct setdoc *doc,
		      struct pgs_err *reterr)
{
	for (size_t i = 0; i < doc->n_tables; i++)
		if (check_table(doc, &doc->tables[i], &db->catalog->tables[i], db, reterr) < 0)
			return -1;
	return 0;
}

/* The positions topic of a set with "." as "_". */
static void positions_collision(struct pgs_buf *out, const char *cluster, const char *set)
{
	pgs_buf_printf(out, "%s_%s_positions", cluster, set);
}

/* Does any data topic of the list collide with this name? */
static const struct setdoc_topic *collides(const struct setdoc_topic *topics, size_t n,
					   const char *collision)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(topics[i].collision, collision) == 0)
			return &topics[i];
	return NULL;
}

struct topic_list {
	struct setdoc_topic *topics;
	size_t n;
};

static void topic_list_done(struct topic_list *list)
{
	setdoc_topics_free(list->topics, list->n);
}

int plan_check_topics(const char *cluster, const char *set, const struct setdoc *doc,
		      const char *other_set, const struct setdoc *other, struct pgs_err *reterr)
{
	PGS_CLEANUP(topic_list_done) struct topic_list mine = { 0 };
	PGS_CLEANUP(topic_list_done) struct topic_list theirs = { 0 };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf my_positions = PGS_BUF_INIT(256);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf their_positions = PGS_BUF_INIT(256);
	bool self = strcmp(set, other_set) == 0;

	if (setdoc_topics(doc, set, &mine.topics, &mine.n, reterr) < 0 ||
	    setdoc_topics(other, other_set, &theirs.topics, &theirs.n, reterr) < 0)
		return -1;
	positions_collision(&my_positions, cluster, set);
	positions_collision(&their_positions, cluster, other_set);
	const struct setdoc_topic *hit =
		collides(mine.topics, mine.n, pgs_buf_str(&their_positions));
	if (!hit && !self) {
		for (size_t i = 0; i < theirs.n && !hit; i++)
			hit = collides(mine.topics, mine.n, theirs.topics[i].collision);
		if (!hit && collides(theirs.topics, theirs.n, pgs_buf_str(&my_positions)))
			return REFUSE("%s: the positions topic \"%s.%s.positions\" is a data topic "
				      "of set \"%s\" (Kafka takes \".\" and \"_\" as equal); "
				      "choose another name for the set",
				      doc->filename, cluster, set, other_set);
	}
	if (!hit)
		return 0;
	return REFUSE("%s: topic \"%s\" is also written by set \"%s\" (Kafka takes \".\" and \"_\" "
		      "as equal); choose another topics.prefix",
		      doc->filename, hit->name, other_set);
}

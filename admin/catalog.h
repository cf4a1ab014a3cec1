/*
 * admin/catalog.h
 *    What the plan must know of one database: the server, our schema, the set, the tables of the document.
 *
 * Facts only, read in one transaction; plan_check.c and plan.c judge them.
 */
#ifndef PGSHOVEL_ADMIN_CATALOG_H
#define PGSHOVEL_ADMIN_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

#include "admin/session.h"
#include "common/arena.h"
#include "common/setdoc.h"

struct catalog_column {
	const char *name;
	bool not_null;
};

/* A unique index: a candidate for the key. */
struct catalog_index {
	const char *oid;
	bool primary;
	bool immediate; /* not deferrable */
	bool plain; /* valid, not partial, columns only */
	const char **columns;
	size_t n_columns;
};

/* A partition, or the table itself when it is not partitioned. */
struct catalog_leaf {
	const char *oid;
	const char *label; /* quoted, with its schema */
};

struct catalog_table {
	const char *oid; /* NULL: there is no such table */
	const char *label; /* quoted, with its schema */
	char kind; /* relkind */
	char persistence;
	bool is_partition;
	bool may_use; /* the role may use the schema */
	bool may_trigger; /* the role may make triggers on it and on every leaf */
	const char *foreign_or_unlogged_leaf; /* label, NULL: none */
	struct catalog_column *columns;
	size_t n_columns;
	struct catalog_index *indexes;
	size_t n_indexes;
	struct catalog_leaf *leaves;
	size_t n_leaves;
};

/* A table that the set captures now: a current row of the relation table. */
struct catalog_relation {
	const char *id;
	const char *oid;
	const char *label;
	bool all_columns;
	const char **columns; /* those that the table still has */
	size_t n_columns;
};

struct catalog {
	struct pgs_arena arena;
	int server_version;
	const char *encoding;
	bool standby;
	int max_prepared;
	int max_connections; /* without those kept for superusers */
	int connections; /* of clients, to the whole server, this one included */
	int relays; /* those of them that are relays' first ones */
	const char *role;
	const char *database;
	const char *system_identifier;
	const char *database_oid;
	bool may_create;
	bool has_pgq;
	bool pgq_admin;
	bool read_all_stats;
	const char *open_gid; /* a prepared transaction of this cluster, NULL: none */
	bool has_schema;
	const char *node; /* uuid, NULL: no schema */
	const char *node_system;
	const char *node_database;
	int format;
	const char *software;
	bool ddl_followed; /* our event trigger is there: triggers need not hold columns fast */
	const char *set_version; /* NULL: this database does not know the set */
	const char *set_state;
	const char *set_document;
	int capture_problems; /* rows of capture_check() */
	const char *first_problem; /* text of the first, NULL: none */
	const char *fingerprint; /* of the tables' names, columns and types */
	struct catalog_table *tables; /* one for each table of the document, in its order */
	size_t n_tables;
	struct catalog_relation *relations;
	size_t n_relations;
};

/* doc NULL: no tables. The document must outlive the catalog. */
int catalog_read(struct session *s, const char *set, const struct setdoc *doc, struct catalog **ret,
		 struct pgs_err *reterr) PGS_MUST_CHECK;
void catalog_free(struct catalog *c);
void catalog_freep(struct catalog **c);

/* The fingerprint alone, inside the caller's transaction. malloc'ed. */
int catalog_fingerprint(struct session *s, const struct setdoc *doc, char **ret,
			struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

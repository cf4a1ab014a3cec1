/*
 * admin/plan.h
 *    From what is and what is wanted to ordered steps, with the locks each takes. Pure.
 *
 * No connection, no clock: catalogs and documents come in, steps go out. Who runs them: before.c (BEFORE),
 * txn.c (PREPARED), cleanup.c (AFTER; from the state of the database, so that a crash between is no matter).
 */
#ifndef PGSHOVEL_ADMIN_PLAN_H
#define PGSHOVEL_ADMIN_PLAN_H

#include <stdio.h>

#include "admin/catalog.h"
#include "common/arena.h"

enum plan_kind { PLAN_CREATE, PLAN_UPGRADE, PLAN_DROP, PLAN_CLUSTER_UPGRADE };

enum plan_phase {
	PLAN_BEFORE, /* short plain transactions, harmless when nothing follows */
	PLAN_PREPARED, /* one transaction for each database, ends with PREPARE TRANSACTION */
	PLAN_AFTER, /* short plain transactions when the rollout is decided */
};

enum plan_action {
	PLAN_INSTALL, /* the schema of the cluster */
	PLAN_STUB, /* triggers of one table or leaf, with a function that does nothing */
	PLAN_ROLLOUT_OPEN,
	PLAN_REINSTALL, /* the schema, inside the prepared transaction */
	PLAN_SET_CREATE,
	PLAN_SET_CHANGE,
	PLAN_SET_RETIRE,
	PLAN_RELATION_ADD, /* and its capture function */
	PLAN_RELATION_RETIRE,
	PLAN_NARROW, /* triggers let go of columns that are not captured any more */
	PLAN_CAPTURE_DROP,
	PLAN_SET_FORGET,
};

/* Strings live in the plan's arena or in the catalogs. */
struct plan_step {
	enum plan_action action;
	size_t database; /* index into the request's databases */
	const char *label; /* the table, quoted; NULL: none */
	const char *oid; /* of the table */
	const char *columns; /* text[] literal; NULL: all */
	const char *key; /* text[] literal; NULL: the primary key */
	const char *mode; /* "row", "statement" or "leaf" */
	const char *on_error; /* "fail" or "count" */
	bool writes_locked; /* the triggers will be made: writers of the table wait meanwhile */
};

struct plan_database {
	const char *name;
	const struct catalog *catalog;
	bool removed; /* the new document does not list it */
};

struct plan_request {
	enum plan_kind kind;
	const char *cluster;
	const char *set; /* NULL in a cluster upgrade */
	const struct setdoc *doc; /* the new document; NULL in drop and cluster upgrade */
	const struct plan_database *databases;
	size_t n_databases;
	unsigned lock_timeout_ms; /* for the text of the plan */
};

struct plan {
	struct pgs_arena arena;
	struct plan_step *steps;
	size_t n_steps;
};

enum plan_phase plan_phase_of(enum plan_action action);

/* Is the server, the role, our schema fit? doc and table facts are not looked at. Class CONFIG. */
int plan_check_server(const struct plan_database *db, const char *cluster,
		      struct pgs_err *reterr) PGS_MUST_CHECK;

/* The same database twice, by node uuid or by the instance itself. Class CONFIG. */
int plan_check_distinct(const struct plan_database *databases, size_t n,
			struct pgs_err *reterr) PGS_MUST_CHECK;

/* A relay's connections to one database: lock, reading and hint; another while a backlog is read. */
enum { PLAN_RELAY_CONNECTIONS = 2 };

/*
 * Would the server of databases[i] come near its max_connections (nine tenths of what it takes from others than
 * superusers) when all relays read a backlog, those of the new databases of this rollout included? Then ret says
 * so, one line. Of several databases of one server only the first is asked about.
 */
bool plan_connections_short(const struct plan_request *request, size_t i, char *ret, size_t size);

/* Tables, columns and keys of the document exist and will do; errors are "FILE:LINE: ...". */
int plan_check_tables(const struct plan_database *db, const struct setdoc *doc,
		      struct pgs_err *reterr) PGS_MUST_CHECK;

/* A topic of `doc` that `other` of the same cluster writes too; positions topics included. Class CONFIG. */
int plan_check_topics(const char *cluster, const char *set, const struct setdoc *doc,
		      const char *other_set, const struct setdoc *other,
		      struct pgs_err *reterr) PGS_MUST_CHECK;

/* The steps, ordered: by phase, then by database. Everything has been checked. */
int plan_make(const struct plan_request *request, struct plan *ret,
	      struct pgs_err *reterr) PGS_MUST_CHECK;
void plan_done(struct plan *plan);

/* What a step does and which locks it takes, for people; one line each. */
void plan_describe(const struct plan_request *request, const struct plan_step *step,
		   struct pgs_buf *out);
const char *plan_locks(const struct plan_step *step);

void plan_print(const struct plan_request *request, const struct plan *plan, bool kafka, FILE *out);
void plan_print_json(const struct plan_request *request, const struct plan *plan, FILE *out);

#endif

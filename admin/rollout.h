/*
 * admin/rollout.h
 *    One change of configuration on its way: databases, catalogs, plan.
 *
 * rollout.c gathers and does what comes before; txn.c applies. Commands fill the first part and call
 * rollout_run().
 */
#ifndef PGSHOVEL_ADMIN_ROLLOUT_H
#define PGSHOVEL_ADMIN_ROLLOUT_H

#include "admin/catalog.h"
#include "admin/plan.h"
#include "admin/session.h"
#include "admin/store.h"

struct rollout_database {
	struct session session;
	struct catalog *catalog;
	bool removed; /* the new document does not list it any more */
	bool left_out; /* gone for good (--force), or nothing of the set is there */
	bool given_up; /* left out by --force: it is written down when the rollout is committed */
};

struct rollout {
	/* Given by the command. */
	struct admin *a;
	enum plan_kind kind;
	const char *set; /* NULL: cluster upgrade */
	const struct stored_set *stored; /* what ZooKeeper has; NULL: create and cluster upgrade */
	const struct setdoc *doc; /* what is wanted; NULL: drop and cluster upgrade */
	bool adopt; /* create: a database that knows the set already is no error */

	/* Filled by rollout_run(); a cluster upgrade fills databases itself. */
	struct rollout_database *databases;
	size_t n_databases;
	struct plan_database *plan_databases;
	struct plan_request request;
	struct plan plan;
	bool unchanged; /* everything is as wanted already; nothing was done */
	struct session *given_up; /* names and conninfos of those that --force left out */
	size_t n_given_up;
	struct zkdoc_intent *intent; /* txn_open() to the end */
};

/* Check, prepare, decide, commit, clean up; or, with --dry-run, print the plan. */
int rollout_run(struct rollout *r, struct pgs_err *reterr) PGS_MUST_CHECK;
void rollout_done(struct rollout *r);

/*
 * txn.c. txn_open() writes the intent: from there on whoever comes next undoes or completes the rollout.
 * txn_apply() prepares, decides, commits and cleans up; code "replan" means that the catalog has changed since
 * the plan was made. txn_abort() takes everything back after a failure; *reterr keeps the reason and says when
 * something could not be taken back. Both end what txn_open() began.
 */
int txn_open(struct rollout *r, struct pgs_err *reterr) PGS_MUST_CHECK;
int txn_apply(struct rollout *r, struct pgs_err *reterr) PGS_MUST_CHECK;
int txn_abort(struct rollout *r, struct pgs_err *reterr);

/*
 * rollout.c. One database lost its part of a rollout that is committed elsewhere: what is planned for it there now
 * is done in a plain transaction under the same ID. `session` is lent and stays open. `stored`: what ZooKeeper
 * has of the set, NULL for a drop and a cluster upgrade.
 */
int rollout_redo(struct admin *a, const struct zkdoc_intent *intent,
		 const struct stored_set *stored, struct session *session,
		 struct pgs_err *reterr) PGS_MUST_CHECK;

/* txn.c. What the plan wants in database `at`, committed at once; code "replan" as above. */
int txn_redo(struct rollout *r, size_t at, struct pgs_err *reterr) PGS_MUST_CHECK;

/* "create", "upgrade", "drop", "cluster-upgrade". */
const char *rollout_kind_name(enum plan_kind kind);

#endif

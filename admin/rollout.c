/*
 * admin/rollout.c
 *    Gathers what a rollout needs, makes its plan, does what comes before the prepared transactions.
 *
 * The prepared transactions and the decision are in txn.c.
 */
#include "admin/rollout.h"

#include <stdio.h>
#include <string.h>

#include "admin/install.h"
#include "admin/kafka_task.h"
#include "admin/progress.h"
#include "admin/sql.h"
#include "admin/steps.h"
#include "common/clock.h"
#include "common/log.h"

enum { MAX_REPLANS = 3 };

const char *rollout_kind_name(enum plan_kind kind)
{
	switch (kind) {
	case PLAN_CREATE:
		return "create";
	case PLAN_UPGRADE:
		return "upgrade";
	case PLAN_DROP:
		return "drop";
	case PLAN_CLUSTER_UPGRADE:
		return "cluster-upgrade";
	}
	return "";
}

static void forget_catalogs(struct rollout *r)
{
	for (size_t i = 0; i < r->n_databases; i++)
		catalog_freep(&r->databases[i].catalog);
	plan_done(&r->plan);
	free(r->plan_databases);
	r->plan_databases = NULL;
}

void rollout_done(struct rollout *r)
{
	forget_catalogs(r);
	zkdoc_intent_free(r->intent);
	r->intent = NULL;
	for (size_t i = 0; i < r->n_databases; i++)
		session_close(&r->databases[i].session);
	free(r->databases);
	r->databases = NULL;
	r->n_databases = 0;
	free(r->given_up);
	r->given_up = NULL;
	r->n_given_up = 0;
}

static struct rollout_database *add_database(struct rollout *r, const struct setdoc_database *entry,
					     bool removed)
{
	struct rollout_database *db = &r->databases[r->n_databases++];

	*db = (struct rollout_database){
		.session = { .a = r->a, .name = entry->name, .conninfo = entry->conninfo },
		.removed = removed
	};
	return db;
}

/* Databases of the new document, then room for those of the old one that it lacks. */
static int list_databases(struct rollout *r, struct pgs_err *reterr)
{
	const struct setdoc *doc = r->doc ? r->doc : r->stored ? r->stored->doc : NULL;
	size_t old = r->stored ? r->stored->doc->n_databases : 0;

	if (r->databases)
		return 0;
	r->databases = calloc(doc->n_databases + old + 1, sizeof(*r->databases));
	if (!r->databases)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < doc->n_databases; i++)
		add_database(r, &doc->databases[i], false);
	return 0;
}

/*
 * One that cannot be reached is left out only when the operator says that it is gone for good, and only where
 * nothing has to be installed.
 */
static int read_database(struct rollout *r, struct rollout_database *db, struct pgs_err *reterr)
{
	bool may_leave_out = r->kind == PLAN_DROP || r->kind == PLAN_CLUSTER_UPGRADE || db->removed;
	struct pgs_err err = { 0 };

	if (db->left_out)
		return 0;
	if (session_open(&db->session, &err) < 0) {
		if (may_leave_out && r->a->options.force) {
			pgs_log(PGS_LOG_WARNING, NULL, "%s; left out (--force)", err.msg);
			db->left_out = db->given_up = true;
			return 0;
		}
		*reterr = err;
		if (!may_leave_out)
			return -1;
		return pgs_err_set(reterr, err.cls, err.code,
				   "%s; when it is gone for good, --force leaves it out", err.msg);
	}
	return catalog_read(&db->session, r->set, db->removed ? NULL : r->doc, &db->catalog,
			    reterr);
}

static bool knows_set(const struct catalog *c)
{
	return c && c->set_version && strcmp(c->set_state, "active") == 0;
}

/* Is this entry of the old document among the databases of the new one? */
static bool is_kept(const struct rollout *r, const struct setdoc_database *old)
{
	for (size_t i = 0; i < r->doc->n_databases; i++) {
		const struct setdoc_database *now = &r->doc->databases[i];
		if (strcmp(now->conninfo, old->conninfo) == 0)
			return true;
		/* The same name elsewhere, and the set is there: the database moved, with all it holds. */
		if (strcmp(now->name, old->name) == 0 && knows_set(r->databases[i].catalog))
			return true;
	}
	return false;
}

static bool same_place(const struct catalog *a, const struct catalog *b)
{
	return (a->node && b->node && strcmp(a->node, b->node) == 0) ||
	       (strcmp(a->system_identifier, b->system_identifier) == 0 &&
		strcmp(a->database_oid, b->database_oid) == 0);
}

/* Databases that the new document lacks are found by what they are, not by how they are reached. */
static int add_removed(struct rollout *r, struct pgs_err *reterr)
{
	if (r->kind != PLAN_UPGRADE)
		return 0;
	for (size_t i = 0; i < r->stored->doc->n_databases; i++) {
		const struct setdoc_database *old = &r->stored->doc->databases[i];
		if (is_kept(r, old))
			continue;
		struct rollout_database *db = add_database(r, old, true);
		if (read_database(r, db, reterr) < 0)
			return -1;
		for (size_t j = 0; db->catalog && j < r->doc->n_databases; j++)
			if (same_place(db->catalog, r->databases[j].catalog))
				db->left_out = true;
	}
	return 0;
}

static int check_software(const struct plan_database *db, const struct rollout *r,
			  struct pgs_err *reterr)
{
	const struct catalog *c = db->catalog;

	if (!c->has_schema)
		return 0;
	if (c->format > SQL_FORMAT || admin_compare_software(c->software, PGSHOVEL_VERSION) > 0)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"database \"%s\": schema pgshovel_%s is at version %s (format %d) and this "
			"program is version %s (format %d); use the newer program",
			db->name, r->a->options.cluster, c->software, c->format, PGSHOVEL_VERSION,
			SQL_FORMAT);
	if (r->kind != PLAN_CLUSTER_UPGRADE &&
	    admin_compare_software(c->software, PGSHOVEL_VERSION) < 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "database \"%s\": schema pgshovel_%s is at version %s and this "
				   "program is version %s; run \"pgshovel cluster upgrade\" first",
				   db->name, r->a->options.cluster, c->software, PGSHOVEL_VERSION);
	return 0;
}

static int check_set(const struct plan_database *db, const struct rollout *r,
		     struct pgs_err *reterr)
{
	const struct catalog *c = db->catalog;

	if (c->set_version && strcmp(c->set_state, "dropped") == 0 && !db->removed &&
	    r->kind != PLAN_DROP)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "",
				   "database \"%s\": set \"%s\" is still being dropped; run "
				   "\"pgshovel txn recover\" and try again",
				   db->name, r->set);
	if (r->kind == PLAN_CREATE && knows_set(c) && !r->adopt)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "database \"%s\" has set \"%s\" already (version %.12s), which "
				   "this ZooKeeper does not know; "
				   "use another cluster name, or --force to take it over when "
				   "ZooKeeper was wiped",
				   db->name, r->set, c->set_version);
	return 0;
}

/* No reason to refuse: a warning before it happens. */
static void warn_of_connections(const struct rollout *r)
{
	char text[512];

	for (size_t i = 0; i < r->request.n_databases; i++)
		if (plan_connections_short(&r->request, i, text, sizeof(text)))
			pgs_log(PGS_LOG_WARNING, NULL, "%s", text);
}

static int check_all(struct rollout *r, struct pgs_err *reterr)
{
	size_t n = r->request.n_databases;

	for (size_t i = 0; i < n; i++) {
		const struct plan_database *db = &r->plan_databases[i];
		if (plan_check_server(db, r->a->options.cluster, reterr) < 0 ||
		    check_software(db, r, reterr) < 0 || check_set(db, r, reterr) < 0)
			return -1;
		if (r->doc && !db->removed && plan_check_tables(db, r->doc, reterr) < 0)
			return -1;
	}
	if (r->kind == PLAN_CLUSTER_UPGRADE)
		return 0;
	return plan_check_distinct(r->plan_databases, n, reterr);
}

/* Nothing differs from what is wanted: neither versions nor, in the databases, what captures them. */
static bool is_unchanged(const struct rollout *r)
{
	if (r->kind != PLAN_UPGRADE || strcmp(r->stored->version, r->doc->version) != 0)
		return false;
	for (size_t i = 0; i < r->request.n_databases; i++) {
		const struct catalog *c = r->plan_databases[i].catalog;
		if (!knows_set(c) || strcmp(c->set_version, r->doc->version) != 0)
			return false;
		if (c->capture_problems > 0) {
			pgs_log(PGS_LOG_NOTICE, NULL, "database \"%s\": %s; repairing",
				r->plan_databases[i].name, c->first_problem);
			return false;
		}
	}
	return true;
}

/* The plan is made more than once; a database is given up in the first. */
static int keep_given_up(struct rollout *r, struct pgs_err *reterr)
{
	if (!r->given_up)
		r->given_up = calloc(r->n_databases + 1, sizeof(*r->given_up));
	if (!r->given_up)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < r->n_databases; i++)
		if (r->databases[i].given_up)
			r->given_up[r->n_given_up++] =
				(struct session){ .name = r->databases[i].session.name,
						  .conninfo = r->databases[i].session.conninfo };
	return 0;
}

/* Databases that take part move to the front, in order; the others are closed and forgotten. */
static void drop_left_out(struct rollout *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_databases; i++) {
		struct rollout_database *db = &r->databases[i];
		/* To drop where nothing of the set is, there is nothing to do. */
		if (!db->left_out && (r->kind == PLAN_DROP || db->removed) &&
		    !db->catalog->set_version)
			db->left_out = true;
		if (db->left_out) {
			catalog_freep(&db->catalog);
			session_close(&db->session);
			continue;
		}
		if (n != i)
			r->databases[n] = *db;
		n++;
	}
	r->n_databases = n;
}

/* Connect everywhere, read, check, plan. */
static int gather(struct rollout *r, struct pgs_err *reterr)
{
	forget_catalogs(r);
	if (list_databases(r, reterr) < 0)
		return -1;
	for (size_t i = 0; i < r->n_databases; i++)
		if (read_database(r, &r->databases[i], reterr) < 0)
			return -1;
	bool first = r->request.n_databases == 0;
	if (first && add_removed(r, reterr) < 0)
		return -1;
	if (keep_given_up(r, reterr) < 0)
		return -1;
	drop_left_out(r);
	r->plan_databases = calloc(r->n_databases + 1, sizeof(*r->plan_databases));
	if (!r->plan_databases)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < r->n_databases; i++)
		r->plan_databases[i] = (struct plan_database){ .name = r->databases[i].session.name,
							       .catalog = r->databases[i].catalog,
							       .removed = r->databases[i].removed };
	r->request = (struct plan_request){
		.kind = r->kind,
		.cluster = r->a->options.cluster,
		.set = r->set,
		.doc = r->doc,
		.databases = r->plan_databases,
		.n_databases = r->n_databases,
		.lock_timeout_ms = (unsigned)(r->a->options.lock_timeout_us / 1000),
	};
	if (check_all(r, reterr) < 0)
		return -1;
	r->unchanged = is_unchanged(r);
	return plan_make(&r->request, &r->plan, reterr);
}

static int install_missing(struct rollout *r, bool *ret_installed, struct pgs_err *reterr)
{
	*ret_installed = false;
	for (size_t i = 0; i < r->n_databases; i++) {
		if (r->databases[i].catalog->has_schema)
			continue;
		if (install_schema(&r->databases[i].session, reterr) < 0)
			return -1;
		ADMIN_STEP(INSTALL);
		*ret_installed = true;
	}
	return 0;
}

/* Triggers with a function that does nothing: short transactions, one table or leaf each. */
static int make_stubs(struct rollout *r, struct pgs_err *reterr)
{
	uint64_t deadline_us = pgs_now_us() + r->a->options.wait_us;
	char sql[192], what[256];
	struct progress progress = { .what = "capture triggers made" };

	for (size_t i = 0; i < r->plan.n_steps; i++)
		progress.total += r->plan.steps[i].action == PLAN_STUB;
	snprintf(sql, sizeof(sql), "select %s.capture_stub($1, $2::oid::regclass, $3::text[], $4)",
		 r->a->schema);
	for (size_t i = 0; i < r->plan.n_steps; i++) {
		const struct plan_step *step = &r->plan.steps[i];
		if (step->action != PLAN_STUB)
			continue;
		const char *const params[] = { r->set, step->oid, step->columns, step->mode };
		snprintf(what, sizeof(what), "make the capture triggers of %s", step->label);
		if (session_patient(&r->databases[step->database].session, sql, 4, params, what,
				    deadline_us, reterr) < 0)
			return -1;
		progress_step(&progress);
		ADMIN_STEP(STUB);
	}
	ADMIN_STEP(STUBBED);
	return 0;
}

static int run_kafka(struct rollout *r, const char *task, struct pgs_err *reterr)
{
	if (!r->doc || r->a->options.skip_kafka)
		return 0;
	return kafka_task(r->a, task, r->set, r->stored ? r->stored->rollout : "",
			  r->stored ? r->stored->partitions : r->doc->topics.partitions, r->doc,
			  reterr);
}

static void print_plan(const struct rollout *r)
{
	bool kafka = r->kind != PLAN_CLUSTER_UPGRADE && !r->a->options.skip_kafka;

	if (r->a->options.json)
		plan_print_json(&r->request, &r->plan, stdout);
	else
		plan_print(&r->request, &r->plan, kafka, stdout);
}

int rollout_run(struct rollout *r, struct pgs_err *reterr)
{
	for (int attempt = 0; attempt < MAX_REPLANS; attempt++) {
		bool installed;
		r->a->interrupt_fd = r->a->signal_fd; /* an attempt that was given up held them */
		if (gather(r, reterr) < 0)
			return -1;
		if (r->unchanged)
			return 0;
		if (attempt == 0)
			warn_of_connections(r);
		if (r->a->options.dry_run) {
			print_plan(r);
			return 0;
		}
		if (install_missing(r, &installed, reterr) < 0 ||
		    (installed && gather(r, reterr) < 0))
			return -1;
		/* A topic that is made and then not used is harmless; one that is missing is not. */
		if (attempt == 0 &&
		    (run_kafka(r, "check", reterr) < 0 || run_kafka(r, "topics", reterr) < 0))
			return -1;
		if (txn_open(r, reterr) < 0)
			return -1;
		if (make_stubs(r, reterr) < 0)
			return txn_abort(r, reterr);
		if (txn_apply(r, reterr) == 0)
			return 0;
		if (strcmp(reterr->code, "replan") != 0)
			return -1;
		pgs_log(PGS_LOG_NOTICE, NULL, "%s; planning again", reterr->msg);
	}
	return -1;
}

static int kind_of(const struct zkdoc_intent *intent, enum plan_kind *ret, struct pgs_err *reterr)
{
	/* A set whose creation is decided exists: the database is one that lacks it. */
	static const struct {
		const char *name;
		enum plan_kind kind;
	} kinds[] = { { "create", PLAN_UPGRADE },
		      { "upgrade", PLAN_UPGRADE },
		      { "drop", PLAN_DROP },
		      { "cluster-upgrade", PLAN_CLUSTER_UPGRADE } };

	for (size_t i = 0; i < PGS_ARRAY_LEN(kinds); i++)
		if (strcmp(intent->kind, kinds[i].name) == 0) {
			*ret = kinds[i].kind;
			return 0;
		}
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "lost", "a rollout of kind \"%s\" is not known",
			   intent->kind);
}

static bool lists(const struct setdoc *doc, const char *conninfo)
{
	for (size_t i = 0; i < doc->n_databases; i++)
		if (strcmp(doc->databases[i].conninfo, conninfo) == 0)
			return true;
	return false;
}

int rollout_redo(struct admin *a, const struct zkdoc_intent *intent,
		 const struct stored_set *stored, struct session *session, struct pgs_err *reterr)
{
	PGS_CLEANUP(rollout_done)
	struct rollout r = {
		.a = a, .set = intent->set, .stored = stored, .doc = stored ? stored->doc : NULL
	};
	bool installed;

	if (kind_of(intent, &r.kind, reterr) < 0)
		return -1;
	r.databases = calloc(1, sizeof(*r.databases));
	r.intent = calloc(1, sizeof(*r.intent));
	if (!r.databases || !r.intent)
		return pgs_err_nomem(reterr);
	snprintf(r.intent->id, sizeof(r.intent->id), "%s", intent->id);
	r.intent->kind = strdup(intent->kind);
	if (!r.intent->kind)
		return pgs_err_nomem(reterr);
	r.n_databases = 1;
	r.databases[0].session = *session;
	r.databases[0].removed = stored && !lists(stored->doc, session->conninfo);
	int done = -1;
	for (int attempt = 0; attempt < MAX_REPLANS && done < 0; attempt++) {
		if (gather(&r, reterr) < 0)
			break;
		if (r.n_databases == 0 || r.unchanged) {
			done = 0; /* nothing of the set is there to be taken away, or it is as it should be */
			break;
		}
		if (install_missing(&r, &installed, reterr) < 0 ||
		    (installed && gather(&r, reterr) < 0) || make_stubs(&r, reterr) < 0)
			break;
		done = txn_redo(&r, 0, reterr);
		if (done < 0 && strcmp(reterr->code, "replan") != 0)
			break;
		if (done < 0 && session_open(&r.databases[0].session, reterr) < 0)
			break;
	}
	/* The session goes back to whom it belongs, as it is. */
	if (r.n_databases > 0) {
		session->conn = r.databases[0].session.conn;
		r.databases[0].session.conn = NULL;
	} else {
		session->conn = NULL; /* closed: nothing had to be done there */
	}
	return done;
}

/*
 * admin/txn.c
 *    The rollout itself: intent, prepared transactions, one deciding request, and the end of it.
 *
 *    /rollouts/ID → [stubs] → PREPARE in each database → multi { check /CLUSTER, check /rollouts/ID, /sets/NAME,
 *    create /decisions/ID } → COMMIT PREPARED in each → cleanup → intent deleted.
 *
 * Whatever fails before the multi ends in txn_abort(); a lost answer to the multi is resolved by recover.c. What
 * was planned is not questioned here.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/install.h"
#include "admin/progress.h"
#include "admin/recover.h"
#include "admin/rollout.h"
#include "admin/steps.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/zpath.h"

enum {
	PREPARED_LOCK_MS = 5000, /* longest wait for a lock inside the prepared part */
	ABORT_WAIT_US = 5 * 1000 * 1000, /* for triggers that have to go again */
};

static char *iso_time(void)
{
	time_t now = (time_t)(pgs_wall_us() / 1000000);
	struct tm tm;
	char text[32];

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return strdup(text);
}

static char *who(void)
{
	char host[64] = "unknown", text[96];

	(void)gethostname(host, sizeof(host) - 1); /* then it stays "unknown" */
	snprintf(text, sizeof(text), "%s %d", host, (int)getpid());
	return strdup(text);
}

static int fill_left(const struct rollout *r, struct zkdoc_intent *intent, struct pgs_err *reterr)
{
	if (r->n_given_up == 0)
		return 0;
	intent->left = calloc(r->n_given_up, sizeof(*intent->left));
	if (!intent->left)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < r->n_given_up; i++) {
		struct zkdoc_intent_left *left = &intent->left[intent->n_left++];
		left->name = strdup(r->given_up[i].name);
		left->conninfo = strdup(r->given_up[i].conninfo);
		if (!left->name || !left->conninfo)
			return pgs_err_nomem(reterr);
	}
	return 0;
}

static int fill_intent(const struct rollout *r, struct zkdoc_intent *intent, struct pgs_err *reterr)
{
	const char *from = r->stored ? r->stored->version : NULL;
	const char *to = r->doc ? r->doc->version : NULL;

	intent->kind = strdup(rollout_kind_name(r->kind));
	intent->at = iso_time();
	intent->by = who();
	intent->set = r->set ? strdup(r->set) : NULL;
	intent->from = from ? strdup(from) : NULL;
	intent->to = to ? strdup(to) : NULL;
	intent->databases = calloc(r->n_databases + 1, sizeof(*intent->databases));
	if (!intent->kind || !intent->at || !intent->by || !intent->databases ||
	    (r->set && !intent->set) || (from && !intent->from) || (to && !intent->to))
		return pgs_err_nomem(reterr);
	if (fill_left(r, intent, reterr) < 0)
		return -1;
	for (size_t i = 0; i < r->n_databases; i++) {
		struct zkdoc_intent_database *db = &intent->databases[i];
		char gid[128];
		snprintf(gid, sizeof(gid), "pgshovel:%s:%s:%zu", r->a->options.cluster, intent->id,
			 i);
		intent->n_databases++;
		db->name = strdup(r->databases[i].session.name);
		db->conninfo = strdup(r->databases[i].session.conninfo);
		db->node = strdup(r->databases[i].catalog->node);
		db->gid = strdup(gid);
		if (!db->name || !db->conninfo || !db->node || !db->gid)
			return pgs_err_nomem(reterr);
	}
	return 0;
}

int txn_open(struct rollout *r, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);

	zkdoc_intent_free(r->intent);
	r->intent = calloc(1, sizeof(*r->intent));
	if (!r->intent)
		return pgs_err_nomem(reterr);
	if (zkdoc_new_id(r->intent->id, reterr) < 0 || fill_intent(r, r->intent, reterr) < 0)
		return -1;
	zkdoc_intent_write(r->intent, &text);
	if (pgs_buf_failed(&text))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "the intent of this rollout would be larger than %d bytes; use "
				   "fewer databases",
				   ZK_NODE_MAX_BYTES);
	struct zpath path = zpath_rollout(r->a->options.cluster, r->intent->id);
	if (zk_wait_create(r->a->zk, path.text, text.data, text.len, false, admin_deadline(r->a),
			   NULL, reterr) < 0)
		return -1;
	ADMIN_STEP(INTENT);
	return 0;
}

/* recover_close() with the sessions of this rollout. */
static int close_rollout(struct rollout *r, enum recover_known known, uint64_t wait_us,
			 struct recover_result *ret, struct pgs_err *reterr)
{
	struct session *sessions = calloc(r->n_databases + 1, sizeof(*sessions));

	if (!sessions)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < r->n_databases; i++)
		sessions[i] = r->databases[i].session;
	int done = recover_close(r->a, r->intent, sessions, known, wait_us, ret, reterr);
	for (size_t i = 0; i < r->n_databases; i++)
		r->databases[i].session = sessions[i];
	free(sessions);
	return done;
}

int txn_abort(struct rollout *r, struct pgs_err *reterr)
{
	struct recover_result result;
	struct pgs_err err = { 0 };

	admin_hold_interrupts(r->a);
	if (close_rollout(r, RECOVER_KNOW_NEVER_ASKED, ABORT_WAIT_US, &result, &err) == 0)
		return -1;
	pgs_log(PGS_LOG_WARNING, NULL,
		"the rollout was given up but could not be taken back completely: %s; the next "
		"pgshovel command goes on with it",
		err.msg);
	return reterr->cls == PGS_ERR_NONE ? (*reterr = err, -1) : -1;
}

/* ---- the prepared part of one database ---- */

static int run_call(struct session *s, const char *schema, const char *call, int n,
		    const char *const *params, struct pgs_err *reterr)
{
	char sql[256];

	snprintf(sql, sizeof(sql), "select %s.%s", schema, call);
	return session_exec(s, sql, n, params, reterr);
}

static int add_relation(const struct rollout *r, struct session *s, const struct plan_step *step,
			struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[256];
	const char *const params[] = { r->set,    r->doc->version, step->oid,     step->columns,
				       step->key, step->mode,      step->on_error };

	snprintf(
		sql, sizeof(sql),
		"select %s.relation_add($1, $2, $3::oid::regclass, $4::text[], $5::text[], $6, $7)",
		r->a->schema);
	if (session_query(s, sql, 7, params, &res, reterr) < 0)
		return -1;
	const char *const replace[] = { r->set, PQgetvalue(res, 0, 0) };
	return run_call(s, r->a->schema, "capture_replace($1, $2)", 2, replace, reterr);
}

static int run_step(const struct rollout *r, struct session *s, const struct plan_step *step,
		    struct pgs_err *reterr)
{
	const char *schema = r->a->schema, *id = r->intent->id;
	char partitions[16];

	switch (step->action) {
	case PLAN_ROLLOUT_OPEN:
		return run_call(s, schema, "rollout_open($1, $2, $3)", 3,
				(const char *const[]){ id, r->intent->kind, r->set }, reterr);
	case PLAN_REINSTALL:
		return install_apply(s, reterr);
	case PLAN_SET_CREATE:
		snprintf(partitions, sizeof(partitions), "%d", r->doc->topics.partitions);
		return run_call(s, schema, "set_create($1, $2, $3, $4, $5)", 5,
				(const char *const[]){ r->set, r->doc->version, r->doc->canonical,
						       id, partitions },
				reterr);
	case PLAN_SET_CHANGE:
		return run_call(
			s, schema, "set_change($1, $2, $3, $4)", 4,
			(const char *const[]){ r->set, r->doc->version, r->doc->canonical, id },
			reterr);
	case PLAN_SET_RETIRE:
		return run_call(s, schema, "set_retire($1, $2)", 2,
				(const char *const[]){ r->set, id }, reterr);
	case PLAN_RELATION_ADD:
		return add_relation(r, s, step, reterr);
	case PLAN_RELATION_RETIRE:
		return run_call(s, schema, "relation_retire($1, $2)", 2,
				(const char *const[]){ r->set, step->oid }, reterr);
	case PLAN_INSTALL:
	case PLAN_STUB:
	case PLAN_NARROW:
	case PLAN_CAPTURE_DROP:
	case PLAN_SET_FORGET:
		return 0; /* before or after */
	}
	return 0;
}

/* Under the rollout's lock: are the tables still those that the plan was made from? */
static int check_catalog(const struct rollout *r, struct rollout_database *db,
			 struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) char *now = NULL;

	if (!r->doc || db->removed)
		return 0;
	if (catalog_fingerprint(&db->session, r->doc, &now, reterr) < 0)
		return -1;
	if (strcmp(now, db->catalog->fingerprint) == 0)
		return 0;
	return pgs_err_set(reterr, PGS_ERR_RETRY, "replan",
			   "database \"%s\": tables have changed since the plan was made",
			   db->session.name);
}

/* A transaction with everything that the plan wants in this database; stays open. */
static int begin_changes(struct rollout *r, size_t at, struct pgs_err *reterr)
{
	struct rollout_database *db = &r->databases[at];
	char begin[96];
	struct progress progress = { .database = db->session.name, .what = "changes prepared" };

	for (size_t i = 0; i < r->plan.n_steps; i++)
		progress.total += r->plan.steps[i].database == at &&
				  plan_phase_of(r->plan.steps[i].action) == PLAN_PREPARED;
	snprintf(begin, sizeof(begin), "begin read write; set local lock_timeout = %d",
		 PREPARED_LOCK_MS);
	if (session_exec(&db->session, begin, 0, NULL, reterr) < 0)
		return -1;
	for (size_t i = 0; i < r->plan.n_steps; i++) {
		const struct plan_step *step = &r->plan.steps[i];
		if (step->database != at || plan_phase_of(step->action) != PLAN_PREPARED)
			continue;
		if (run_step(r, &db->session, step, reterr) < 0)
			return -1;
		progress_step(&progress);
		if (step->action == PLAN_ROLLOUT_OPEN && check_catalog(r, db, reterr) < 0)
			return -1;
	}
	return 0;
}

int txn_redo(struct rollout *r, size_t at, struct pgs_err *reterr)
{
	struct session *s = &r->databases[at].session;

	if (begin_changes(r, at, reterr) == 0 && session_exec(s, "commit", 0, NULL, reterr) == 0)
		return 0;
	session_close(s); /* whatever is open there goes with it */
	return -1;
}

static int prepare_database(struct rollout *r, size_t at, struct pgs_err *reterr)
{
	struct rollout_database *db = &r->databases[at];
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf sql = PGS_BUF_INIT(1024);

	ADMIN_STEP(PREPARE);
	if (begin_changes(r, at, reterr) < 0)
		return -1;
	pgs_buf_lit(&sql, "prepare transaction ");
	pg_put_literal(&sql, r->intent->databases[at].gid);
	if (session_exec(&db->session, pgs_buf_str(&sql), 0, NULL, reterr) < 0)
		return -1;
	ADMIN_STEP(PREPARED);
	return 0;
}

static int prepare_all(struct rollout *r, struct pgs_err *reterr)
{
	for (size_t i = 0; i < r->n_databases; i++)
		if (prepare_database(r, i, reterr) < 0) {
			/* Whether a transaction is open, failed or prepared: the session is of no use. */
			session_close(&r->databases[i].session);
			return -1;
		}
	admin_breathe(r->a);
	if (!r->a->locked)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "locked",
				   "the ZooKeeper session expired and the lock of the cluster with "
				   "it; nothing was kept, try again");
	if (admin_interrupted(r->a))
		return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt", "interrupted by a signal");
	return 0;
}

/* ---- the decision ---- */

static int write_set_node(const struct rollout *r, struct pgs_buf *out, struct pgs_err *reterr)
{
	struct zkdoc_set node = { .partitions = r->stored ? r->stored->partitions
							  : r->doc->topics.partitions,
				  .document = r->doc->canonical,
				  .document_len = r->doc->canonical_len };

	snprintf(node.version, sizeof(node.version), "%s", r->doc->version);
	snprintf(node.rollout, sizeof(node.rollout), "%s", r->intent->id);
	zkdoc_set_write(&node, out);
	return pgs_buf_failed(out) ? pgs_err_nomem(reterr) : 0;
}

/* What is decided: the set's node, or for a cluster upgrade the cluster's. */
static int make_change(const struct rollout *r, struct zk_op *op, struct zpath *path,
		       struct pgs_buf *data, struct pgs_err *reterr)
{
	struct zkdoc_cluster cluster = r->a->cluster;

	*path = r->set ? zpath_set(r->a->options.cluster, r->set)
		       : zpath_cluster(r->a->options.cluster);
	*op = (struct zk_op){ .path = path->text,
			      .version = r->stored ? r->stored->node_version
						   : r->a->cluster_node_version };
	switch (r->kind) {
	case PLAN_CREATE:
	case PLAN_UPGRADE:
		op->kind = r->kind == PLAN_CREATE ? ZK_OP_CREATE : ZK_OP_SET;
		if (write_set_node(r, data, reterr) < 0)
			return -1;
		break;
	case PLAN_DROP:
		op->kind = ZK_OP_DELETE;
		break;
	case PLAN_CLUSTER_UPGRADE:
		op->kind = ZK_OP_SET;
		snprintf(cluster.software, sizeof(cluster.software), "%s", PGSHOVEL_VERSION);
		zkdoc_cluster_write(&cluster, data);
		break;
	}
	op->data = pgs_buf_str(data);
	op->len = data->len;
	return 0;
}

/* Why ZooKeeper refused, in words. */
static void explain_refusal(const struct rollout *r, int failed, struct pgs_err *err)
{
	static const char *const what[] = {
		"the cluster was changed by another admin",
		"another admin has taken this rollout back",
		"the set was changed by another admin",
		"another admin has decided this rollout",
	};

	if (failed < 0 || (size_t)failed >= PGS_ARRAY_LEN(what))
		return;
	(void)pgs_err_set(err, PGS_ERR_RETRY, err->code,
			  "%s meanwhile; nothing of rollout %s was kept, try again", what[failed],
			  r->intent->id);
}

static int decide(struct rollout *r, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);
	const char *cluster = r->a->options.cluster;
	struct zpath cluster_path = zpath_cluster(cluster), change_path,
		     intent_path = zpath_rollout(cluster, r->intent->id),
		     decision_path = zpath_decision(cluster, r->intent->id);
	struct zk_op ops[] = {
		{ .kind = ZK_OP_CHECK,
		  .path = cluster_path.text,
		  .version = r->a->cluster_node_version },
		{ .kind = ZK_OP_CHECK, .path = intent_path.text, .version = 0 },
		{ 0 },
		{ .kind = ZK_OP_CREATE, .path = decision_path.text, .data = "commit", .len = 6 },
	};
	int failed = -1;

	if (make_change(r, &ops[2], &change_path, &data, reterr) < 0)
		return -1;
	if (zk_wait_multi(r->a->zk, ops, PGS_ARRAY_LEN(ops), admin_deadline(r->a), &failed,
			  reterr) == 0)
		return 0;
	if (!zk_err_unknown(reterr))
		explain_refusal(r, failed, reterr);
	return -1;
}

/* The answer was lost: ask in a new session; whoever decides first is obeyed. */
static int resolve(struct rollout *r, const struct pgs_err *lost, struct pgs_err *reterr)
{
	struct recover_result result;

	pgs_log(PGS_LOG_WARNING, NULL, "ZooKeeper's answer was lost (%s); asking again", lost->msg);
	/* Another admin that has the lock meanwhile has found our intent and ends it. */
	if (admin_reconnect(r->a, reterr) < 0 || admin_lock_again(r->a, reterr) < 0)
		return pgs_err_prefix(
			reterr,
			"the outcome of rollout %s is not known; run \"pgshovel txn recover\"",
			r->intent->id);
	if (close_rollout(r, RECOVER_KNOW_NOTHING, r->a->options.wait_us, &result, reterr) < 0)
		return -1;
	if (result.committed)
		return 0;
	*reterr = *lost;
	return pgs_err_prefix(reterr, "rolled back");
}

int txn_apply(struct rollout *r, struct pgs_err *reterr)
{
	struct recover_result result;

	if (prepare_all(r, reterr) < 0)
		return txn_abort(r, reterr);
	/* From here on a signal does not stop us: the decision is taken and carried out. */
	admin_hold_interrupts(r->a);
	ADMIN_STEP(DECIDE);
	if (decide(r, reterr) < 0) {
		if (!zk_err_unknown(reterr))
			return txn_abort(r, reterr);
		struct pgs_err lost = *reterr;
		return resolve(r, &lost, reterr);
	}
	ADMIN_STEP(DECIDED);
	return close_rollout(r, RECOVER_KNOW_COMMIT, r->a->options.wait_us, &result, reterr);
}

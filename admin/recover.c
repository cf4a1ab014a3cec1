/*
 * admin/recover.c
 *    Ends one rollout: facts, decision, commit or rollback everywhere, cleanup, intent.
 *
 * Which rollouts there are is recover_all.c's business; the verdict is recover_decide.c's.
 */
#include "admin/recover.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "admin/cleanup.h"
#include "admin/kafka_task.h"
#include "admin/leftover.h"
#include "admin/rollout.h"
#include "admin/steps.h"
#include "admin/store.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/zpath.h"

enum { ABORT_TRIES_US = 20 * 1000 * 1000 };

/* What one database says of the rollout. */
struct place {
	struct session *session;
	const struct zkdoc_intent_database *entry;
	bool reachable;
	bool has_schema;
	bool committed;
	bool aborted;
	struct pgs_err err; /* why it is not reachable */
};

static int look_inside(struct place *place, const char *id, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[256], table[96];
	struct session *s = place->session;

	snprintf(table, sizeof(table), "%s.rollout", s->a->schema);
	if (session_query(s, "select to_regclass($1) is not null", 1,
			  (const char *const[]){ table }, &res, reterr) < 0)
		return -1;
	place->has_schema = PQgetvalue(res, 0, 0)[0] == 't';
	if (!place->has_schema)
		return 0;
	PGS_CLEANUP(pg_clearp) PGresult *row = NULL;
	snprintf(sql, sizeof(sql),
		 "select n.id, (select outcome from %s.rollout where id = $1) from %s.node n",
		 s->a->schema, s->a->schema);
	if (session_query(s, sql, 1, &id, &row, reterr) < 0)
		return -1;
	if (PQntuples(row) != 1 ||
	    (place->entry->node[0] && strcmp(place->entry->node, PQgetvalue(row, 0, 0)) != 0))
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"database \"%s\" is not node %s of rollout %s any more; give the right "
			"database this conninfo, or use --force when it is gone for good",
			s->name, place->entry->node, id);
	place->committed = strcmp(PQgetvalue(row, 0, 1), "committed") == 0;
	place->aborted = strcmp(PQgetvalue(row, 0, 1), "aborted") == 0;
	return 0;
}

static void look(struct place *place, const char *id)
{
	for (int tries = 0; tries < 2; tries++) {
		place->reachable = session_open(place->session, &place->err) == 0 &&
				   look_inside(place, id, &place->err) == 0;
		/* A session that was open may have been ended meanwhile, by another admin or a restart. */
		if (place->reachable || !place->session->conn ||
		    PQstatus(place->session->conn) == CONNECTION_OK)
			return;
	}
}

int recover_read_decision(struct admin *a, const char *id, enum recover_decision *ret,
			  struct pgs_err *reterr)
{
	struct zpath path = zpath_decision(a->options.cluster, id);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(64);
	struct pgs_err err = { 0 };

	if (zk_wait_get(a->zk, path.text, admin_deadline(a), &data, NULL, &err) < 0) {
		if (strcmp(err.code, "ZNONODE") == 0) {
			*ret = RECOVER_UNDECIDED;
			return 0;
		}
		*reterr = err;
		return -1;
	}
	if (strcmp(pgs_buf_str(&data), "commit") == 0)
		*ret = RECOVER_DECIDED_COMMIT;
	else if (strcmp(pgs_buf_str(&data), "abort") == 0)
		*ret = RECOVER_DECIDED_ABORT;
	else
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"decision \"%s\" in ZooKeeper is neither commit nor abort; restore it",
			path.text);
	return 0;
}

/* Does the set's node name the rollout? */
static int in_header(struct admin *a, const struct zkdoc_intent *intent, bool *ret,
		     struct pgs_err *reterr)
{
	struct pgs_err err = { 0 };

	*ret = false;
	if (!intent->set) {
		/* A prepared transaction without an intent: any set may have been its. */
		struct stored_set **sets;
		size_t n;
		if (store_list(a, &sets, &n, reterr) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			*ret = *ret || strcmp(sets[i]->rollout, intent->id) == 0;
		store_list_free(sets, n);
		return 0;
	}
	PGS_CLEANUP(stored_set_freep) struct stored_set *set = NULL;
	if (store_read(a, intent->set, &set, &err) < 0) {
		if (strcmp(err.code, "ZNONODE") == 0)
			return 0;
		*reterr = err;
		return -1;
	}
	*ret = strcmp(set->rollout, intent->id) == 0;
	return 0;
}

/* Create the decision "abort", or learn what was decided before. */
static int ask(struct admin *a, const char *id, bool *ret_commit, struct pgs_err *reterr)
{
	struct zpath path = zpath_decision(a->options.cluster, id);

	for (int tries = 0; tries < 5; tries++) {
		enum recover_decision decision;
		struct pgs_err err = { 0 };
		if (zk_wait_create(a->zk, path.text, "abort", 5, false, admin_deadline(a), NULL,
				   &err) < 0) {
			/* A repeated create may meet its own first try: what stands there counts. */
			if (zk_err_unknown(&err))
				continue;
			if (strcmp(err.code, "ZNODEEXISTS") != 0) {
				*reterr = err;
				return -1;
			}
		}
		if (recover_read_decision(a, id, &decision, reterr) < 0)
			return -1;
		if (decision == RECOVER_UNDECIDED)
			continue;
		*ret_commit = decision == RECOVER_DECIDED_COMMIT;
		return 0;
	}
	return pgs_err_set(reterr, PGS_ERR_RETRY, "",
			   "could not learn from ZooKeeper what was decided of rollout %s; run "
			   "\"pgshovel txn recover\"",
			   id);
}

static int gather_facts(struct admin *a, const struct zkdoc_intent *intent,
			const struct place *places, struct recover_facts *facts,
			struct pgs_err *reterr)
{
	for (size_t i = 0; i < intent->n_databases; i++) {
		facts->n_committed += places[i].reachable && places[i].committed;
		facts->n_unreachable += !places[i].reachable;
	}
	return recover_read_decision(a, intent->id, &facts->decision, reterr) < 0 ||
			       in_header(a, intent, &facts->in_set_header, reterr) < 0
		       ? -1
		       : 0;
}

static int decide(struct admin *a, const struct zkdoc_intent *intent, struct place *places,
		  enum recover_known known, bool *ret_commit, struct pgs_err *reterr)
{
	struct recover_facts facts = { .never_asked = known == RECOVER_KNOW_NEVER_ASKED,
				       .force = a->options.force };
	const struct place *away = NULL;

	if (known == RECOVER_KNOW_COMMIT) {
		*ret_commit = true;
		return 0;
	}
	for (size_t i = 0; i < intent->n_databases; i++)
		if (!places[i].reachable)
			away = &places[i];
	if (gather_facts(a, intent, places, &facts, reterr) < 0)
		return -1;
	switch (recover_decide(&facts)) {
	case RECOVER_COMMIT:
		*ret_commit = true;
		return 0;
	case RECOVER_ABORT:
		*ret_commit = false;
		return 0;
	case RECOVER_ASK:
		return ask(a, intent->id, ret_commit, reterr);
	case RECOVER_WAIT:
		*reterr = away->err;
		return pgs_err_prefix(reterr, "rollout %s stays open", intent->id);
	}
	return pgs_err_set(reterr, PGS_ERR_BUG, "", "no verdict over rollout %s", intent->id);
}

static void put_gid_statement(struct pgs_buf *out, const char *verb, const char *gid)
{
	pgs_buf_printf(out, "%s prepared ", verb);
	pg_put_literal(out, gid);
}

/*
 * The database has neither the prepared transaction nor its commit: somebody rolled it back by hand, or the
 * database was restored. What was decided is done there once more, when ZooKeeper still says what it was.
 */
static int redo(struct admin *a, const struct zkdoc_intent *intent, struct place *place,
		struct pgs_err *reterr)
{
	PGS_CLEANUP(stored_set_freep) struct stored_set *stored = NULL;
	bool needs_set = intent->set && strcmp(intent->kind, "drop") != 0;
	struct pgs_err err = { 0 };

	if (needs_set && store_read(a, intent->set, &stored, &err) < 0 &&
	    strcmp(err.code, "ZNONODE") != 0) {
		*reterr = err;
		return -1;
	}
	if (needs_set && (!stored || strcmp(stored->rollout, intent->id) != 0))
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "lost",
			"database \"%s\" lost its part of rollout %s, which is committed "
			"elsewhere, and ZooKeeper does not know it any more; "
			"run \"pgshovel txn recover --force\", then \"pgshovel set upgrade\" "
			"with the set's file",
			place->session->name, intent->id);
	pgs_log(PGS_LOG_WARNING, NULL,
		"database \"%s\" lost its part of rollout %s, which is committed elsewhere; doing "
		"it again: what was written there meanwhile was captured by the version before",
		place->session->name, intent->id);
	if (rollout_redo(a, intent, stored, place->session, reterr) < 0)
		return pgs_err_prefix(reterr, "rollout %s is decided (commit) but not complete",
				      intent->id);
	place->committed = true;
	return 0;
}

static int commit_place(struct admin *a, const struct zkdoc_intent *intent, struct place *place,
			struct pgs_err *reterr)
{
	const char *id = intent->id;
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf sql = PGS_BUF_INIT(1024);
	struct pgs_err err = { 0 };

	if (!place->reachable) {
		*reterr = place->err;
		return pgs_err_prefix(reterr, "rollout %s is decided (commit) but not complete",
				      id);
	}
	put_gid_statement(&sql, "commit", place->entry->gid);
	if (session_exec(place->session, pgs_buf_str(&sql), 0, NULL, &err) == 0) {
		ADMIN_STEP(COMMITTED);
		return 0;
	}
	if (strcmp(err.code, "42704") != 0) {
		*reterr = err;
		return pgs_err_prefix(reterr, "rollout %s is decided (commit) but not complete",
				      id);
	}
	if (look_inside(place, id, reterr) < 0)
		return -1;
	return place->committed ? 0 : redo(a, intent, place, reterr);
}

/* Roll back what is prepared and make sure that it cannot be prepared late. */
static int abort_place(struct place *place, const struct zkdoc_intent *intent,
		       struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf rollback = PGS_BUF_INIT(1024);
	struct session *s = place->session;
	uint64_t until_us = pgs_now_us() + ABORT_TRIES_US;
	char record[256];
	const char *const params[] = { intent->id, intent->kind, intent->set };

	if (!place->reachable) {
		*reterr = place->err;
		return pgs_err_prefix(reterr, "rollout %s is decided (abort) but not complete",
				      intent->id);
	}
	put_gid_statement(&rollback, "rollback", place->entry->gid);
	snprintf(record, sizeof(record), "select %s.rollout_abort($1, $2, $3)", s->a->schema);
	for (;;) {
		PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
		struct pgs_err err = { 0 };
		if (session_exec(s, pgs_buf_str(&rollback), 0, NULL, &err) < 0 &&
		    strcmp(err.code, "42704") != 0) {
			*reterr = err;
			return -1;
		}
		ADMIN_STEP(ROLLED_BACK);
		if (!place->has_schema)
			return 0;
		err = (struct pgs_err){ 0 };
		if (session_query(s, record, 3, params, &res, &err) == 0) {
			if (strcmp(PQgetvalue(res, 0, 0), "aborted") == 0)
				return 0;
			return pgs_err_set(reterr, PGS_ERR_BUG, "",
					   "rollout %s is committed in database \"%s\" but was "
					   "decided to abort",
					   intent->id, s->name);
		}
		/* Its row is locked by a part that was prepared after we looked: roll that back too. */
		if (strcmp(err.code, "55P03") != 0 || pgs_now_us() > until_us) {
			*reterr = err;
			return -1;
		}
	}
}

/* The relay has let go of the set: its lock node is gone. */
static int wait_relay(struct admin *a, const char *set, uint64_t deadline_us,
		      struct pgs_err *reterr)
{
	struct zpath path = zpath_lock(a->options.cluster, set);
	bool said = false;

	for (;;) {
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);
		struct pgs_err err = { 0 };
		if (zk_wait_get(a->zk, path.text, admin_deadline(a), &data, NULL, &err) < 0) {
			if (strcmp(err.code, "ZNONODE") == 0)
				return 0;
			*reterr = err;
			return -1;
		}
		json_t *owner = json_loadb(pgs_buf_str(&data), data.len, 0, NULL);
		const char *host = json_string_value(json_object_get(owner, "host"));
		if (!said)
			pgs_log(PGS_LOG_INFO, NULL, "waiting for the relay of set \"%s\" on \"%s\"",
				set, host ? host : "an unknown host");
		said = true;
		bool late = pgs_now_us() >= deadline_us;
		if (late)
			(void)pgs_err_set(
				reterr, PGS_ERR_RETRY, "waiting",
				"set \"%s\" is dropped, but its relay on host \"%s\" has not "
				"stopped yet; the next pgshovel command finishes the work",
				set, host ? host : "unknown");
		json_decref(owner);
		if (late || admin_pause(a, 50 * 1000, reterr) < 0)
			return -1;
	}
}

/* The set's positions in Kafka, from the document that the databases still hold. */
static int forget_positions(struct admin *a, const struct zkdoc_intent *intent,
			    struct place *places, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) char *text = NULL;
	PGS_CLEANUP(setdoc_freep) struct setdoc *doc = NULL;
	int partitions = 1;

	if (a->options.skip_kafka)
		return 0;
	for (size_t i = 0; i < intent->n_databases && !text; i++)
		if (places[i].reachable && cleanup_dropped_document(places[i].session, intent->set,
								    &text, &partitions, reterr) < 0)
			return -1;
	if (!text)
		return 0;
	if (setdoc_parse(text, strlen(text), intent->set, &doc, reterr) < 0)
		return -1;
	if (kafka_task(a, "forget", intent->set, intent->id, partitions, doc, reterr) < 0)
		return pgs_err_prefix(
			reterr, "set \"%s\" is dropped, but its positions are not deleted yet",
			intent->set);
	return 0;
}

static int clean(struct admin *a, const struct zkdoc_intent *intent, struct place *places,
		 bool committed, uint64_t deadline_us, struct pgs_err *reterr)
{
	int r = 0;

	if (committed && strcmp(intent->kind, "drop") == 0) {
		if (wait_relay(a, intent->set, deadline_us, reterr) < 0)
			return -1;
		ADMIN_STEP(RELAY_STOPPED);
		if (forget_positions(a, intent, places, reterr) < 0)
			return -1;
		ADMIN_STEP(POSITIONS_DELETED);
	}
	for (size_t i = 0; intent->set && i < intent->n_databases; i++) {
		/* One database that is in the way must not keep the others from being cleaned. */
		struct pgs_err err = { 0 };
		if (places[i].reachable &&
		    cleanup_database(places[i].session, intent->set, deadline_us, &err) < 0) {
			*reterr = err;
			r = -1;
		}
	}
	ADMIN_STEP(CLEANED);
	return r;
}

/* Commit or roll back in every database; the first error is given, the others are tried all the same. */
static int carry_out(struct admin *a, const struct zkdoc_intent *intent, struct place *places,
		     bool commit, struct pgs_err *reterr)
{
	int r = 0;

	for (size_t i = 0; i < intent->n_databases; i++) {
		struct pgs_err err = { 0 };
		if ((commit ? commit_place(a, intent, &places[i], &err)
			    : abort_place(&places[i], intent, &err)) == 0)
			continue;
		if (a->options.force && (!places[i].reachable || strcmp(err.code, "lost") == 0)) {
			pgs_log(PGS_LOG_WARNING, NULL, "%s; left out (--force)", err.msg);
			if (!commit || leftover_note(a, intent, places[i].session->name,
						     places[i].session->conninfo, &err) == 0)
				continue;
		}
		if (r == 0)
			*reterr = err;
		r = -1;
	}
	if (commit)
		ADMIN_STEP(ALL_COMMITTED);
	else
		ADMIN_STEP(ABORTED);
	return r;
}

/* Databases that the rollout has left out are remembered longer than the rollout. */
static int note_left(struct admin *a, const struct zkdoc_intent *intent, struct pgs_err *reterr)
{
	for (size_t i = 0; i < intent->n_left; i++)
		if (leftover_note(a, intent, intent->left[i].name, intent->left[i].conninfo,
				  reterr) < 0)
			return -1;
	return 0;
}

static int delete_intent(struct admin *a, const char *id, struct pgs_err *reterr)
{
	struct zpath path = zpath_rollout(a->options.cluster, id);
	struct pgs_err err = { 0 };

	if (zk_wait_delete(a->zk, path.text, -1, admin_deadline(a), &err) == 0 ||
	    strcmp(err.code, "ZNONODE") == 0) {
		ADMIN_STEP(CLOSED);
		return 0;
	}
	*reterr = err;
	return -1;
}

static struct place *make_places(const struct zkdoc_intent *intent, struct session *sessions)
{
	struct place *places = calloc(intent->n_databases + 1, sizeof(*places));

	for (size_t i = 0; places && i < intent->n_databases; i++) {
		places[i].session = &sessions[i];
		places[i].entry = &intent->databases[i];
		look(&places[i], intent->id);
	}
	return places;
}

static enum recover_part part_of(const struct place *place)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

	if (!place->reachable ||
	    session_query(place->session,
			  "select from pg_prepared_xacts where database = current_database() and "
			  "gid = $1",
			  1, (const char *const[]){ place->entry->gid }, &res, NULL) < 0)
		return RECOVER_PART_AWAY;
	if (PQntuples(res) > 0)
		return RECOVER_PART_PREPARED;
	return place->committed ? RECOVER_PART_COMMITTED
	       : place->aborted ? RECOVER_PART_ABORTED
				: RECOVER_PART_NOTHING;
}

int recover_look(struct admin *a, const struct zkdoc_intent *intent, struct session *sessions,
		 struct recover_facts *ret, enum recover_part *ret_parts, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) struct place *places = make_places(intent, sessions);

	if (!places)
		return pgs_err_nomem(reterr);
	*ret = (struct recover_facts){ .force = a->options.force };
	for (size_t i = 0; i < intent->n_databases; i++)
		ret_parts[i] = part_of(&places[i]);
	return gather_facts(a, intent, places, ret, reterr);
}

int recover_close(struct admin *a, const struct zkdoc_intent *intent, struct session *sessions,
		  enum recover_known known, uint64_t wait_us, struct recover_result *ret,
		  struct pgs_err *reterr)
{
	uint64_t deadline_us = pgs_now_us() + wait_us;
	PGS_CLEANUP(pgs_freep) struct place *places = make_places(intent, sessions);
	bool commit = false;

	*ret = (struct recover_result){ 0 };
	if (!places)
		return pgs_err_nomem(reterr);
	if (decide(a, intent, places, known, &commit, reterr) < 0)
		return -1;
	ret->decided = true;
	ret->committed = commit;
	if (carry_out(a, intent, places, commit, reterr) < 0 ||
	    (commit && note_left(a, intent, reterr) < 0) ||
	    clean(a, intent, places, commit, deadline_us, reterr) < 0 ||
	    delete_intent(a, intent->id, reterr) < 0)
		return -1;
	ret->complete = true;
	return 0;
}

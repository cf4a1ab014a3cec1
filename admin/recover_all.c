/*
 * admin/recover_all.c
 *    Which rollouts are open: intents in ZooKeeper, prepared transactions in databases, old decisions.
 *
 * Closing one is recover.c's business.
 */
#include <stdio.h>
#include <string.h>

#include "admin/recover.h"
#include "admin/store.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/zpath.h"

enum { DECISION_KEPT_MS = 24 * 3600 * 1000 };

void recover_intent_freep(struct zkdoc_intent **intent)
{
	zkdoc_intent_free(*intent);
	*intent = NULL;
}

int recover_read_intent(struct admin *a, const char *id, struct zkdoc_intent **ret,
			int64_t *ret_made_ms, struct pgs_err *reterr)
{
	struct zpath path = zpath_rollout(a->options.cluster, id);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);
	struct pgs_err err = { 0 };
	struct zk_stat stat = { 0 };

	*ret = NULL;
	if (zk_wait_get(a->zk, path.text, admin_deadline(a), &data, &stat, &err) < 0) {
		if (strcmp(err.code, "ZNONODE") == 0)
			return 0;
		*reterr = err;
		return -1;
	}
	if (ret_made_ms)
		*ret_made_ms = stat.ctime_ms;
	if (zkdoc_intent_read(pgs_buf_str(&data), data.len, ret, reterr) < 0)
		return pgs_err_prefix(reterr, "rollout %s", id);
	return 0;
}

/* Close the rollout of an intent with sessions of its own. */
static int close_intent(struct admin *a, const struct zkdoc_intent *intent,
			enum recover_known known, uint64_t wait_us, struct recover_result *ret,
			struct pgs_err *reterr)
{
	struct session *sessions = calloc(intent->n_databases + 1, sizeof(*sessions));

	if (!sessions)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < intent->n_databases; i++)
		sessions[i] = (struct session){ .a = a,
						.name = intent->databases[i].name,
						.conninfo = intent->databases[i].conninfo };
	int r = recover_close(a, intent, sessions, known, wait_us, ret, reterr);
	for (size_t i = 0; i < intent->n_databases; i++)
		session_close(&sessions[i]);
	free(sessions);
	return r;
}

static void say(enum pgs_log_level level, const struct zkdoc_intent *intent,
		const struct recover_result *result)
{
	pgs_log(level, NULL, "rollout %s (%s%s%s%s by %s): %s", intent->id, intent->kind,
		intent->set ? " of set \"" : "", intent->set ? intent->set : "",
		intent->set ? "\"" : "", intent->by,
		result->committed ? "committed everywhere" : "rolled back everywhere");
}

static int list_ids(struct admin *a, struct zpath path, char ***ret, size_t *ret_n,
		    struct pgs_err *reterr)
{
	return zk_wait_list(a->zk, path.text, admin_deadline(a), ret, ret_n, reterr);
}

/* Decisions outlive their intents by a day: a late admin finds them. Failing to delete one is no matter. */
static void forget_decisions(struct admin *a)
{
	char **ids;
	size_t n;
	struct pgs_err err = { 0 };

	if (list_ids(a, zpath_decisions(a->options.cluster), &ids, &n, &err) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		PGS_CLEANUP(recover_intent_freep) struct zkdoc_intent *intent = NULL;
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(64);
		struct zpath path = zpath_decision(a->options.cluster, ids[i]);
		struct zk_stat stat = { 0 };
		if (zk_wait_get(a->zk, path.text, admin_deadline(a), &data, &stat, &err) < 0 ||
		    a->now_ms - stat.ctime_ms < DECISION_KEPT_MS)
			continue;
		if (recover_read_intent(a, ids[i], &intent, NULL, &err) < 0 || intent)
			continue;
		if (zk_wait_delete(a->zk, path.text, -1, admin_deadline(a), &err) < 0)
			pgs_log(PGS_LOG_INFO, NULL, "%s", err.msg);
	}
	zk_names_free(ids, n);
}

static bool concerns(const struct zkdoc_intent *intent, const char *set)
{
	return !set || !intent->set || strcmp(intent->set, set) == 0;
}

int recover_first(struct admin *a, const char *set, struct pgs_err *reterr)
{
	char **ids;
	size_t n;
	int r = 0;

	if (list_ids(a, zpath_rollouts(a->options.cluster), &ids, &n, reterr) < 0)
		return -1;
	for (size_t i = 0; i < n && r == 0; i++) {
		PGS_CLEANUP(recover_intent_freep) struct zkdoc_intent *intent = NULL;
		struct recover_result result;
		struct pgs_err err = { 0 };
		r = recover_read_intent(a, ids[i], &intent, NULL, reterr);
		if (r < 0 || !intent)
			continue;
		bool ours = concerns(intent, set);
		if (close_intent(a, intent, RECOVER_KNOW_NOTHING, ours ? a->options.wait_us : 0,
				 &result, &err) == 0) {
			say(PGS_LOG_NOTICE, intent, &result);
		} else if (ours || strcmp(err.code, "interrupt") == 0) {
			*reterr = err;
			r = -1;
		} else {
			pgs_log(PGS_LOG_WARNING, NULL,
				"an earlier rollout of set \"%s\" is still open: %s", intent->set,
				err.msg);
		}
	}
	zk_names_free(ids, n);
	if (r == 0)
		forget_decisions(a);
	return r;
}

/* ---- txn recover ---- */

/* First error wins; every rollout is tried. */
static void keep_first(struct pgs_err *first, const struct pgs_err *err)
{
	if (first->cls == PGS_ERR_NONE)
		*first = *err;
}

static int recover_intents(struct admin *a, const char *only, size_t *ret_found,
			   struct pgs_err *first, struct pgs_err *reterr)
{
	char **ids;
	size_t n;

	if (list_ids(a, zpath_rollouts(a->options.cluster), &ids, &n, reterr) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		PGS_CLEANUP(recover_intent_freep) struct zkdoc_intent *intent = NULL;
		struct recover_result result;
		struct pgs_err err = { 0 };
		if (only && strcmp(only, ids[i]) != 0)
			continue;
		int r = recover_read_intent(a, ids[i], &intent, NULL, &err);
		if (r == 0 && !intent)
			continue;
		(*ret_found)++;
		if (r == 0)
			r = close_intent(a, intent, RECOVER_KNOW_NOTHING, a->options.wait_us,
					 &result, &err);
		if (r == 0)
			say(PGS_LOG_NOTICE, intent, &result);
		else
			keep_first(first, &err);
	}
	zk_names_free(ids, n);
	return 0;
}

/* One prepared transaction that no intent names: its databases are those where it was found. */
static int close_orphan(struct admin *a, const struct session *s, const char *gid, const char *id,
			bool committed, void *ctx, struct pgs_err *reterr)
{
	size_t *found = ctx;
	char kind[] = "unknown", by[] = "nobody known", empty[] = "";
	struct zkdoc_intent_database database = { .name = (char *)s->name,
						  .conninfo = (char *)s->conninfo,
						  .node = empty,
						  .gid = (char *)gid };
	struct zkdoc_intent intent = {
		.kind = kind, .by = by, .databases = &database, .n_databases = 1
	};
	struct recover_result result;

	(*found)++;
	snprintf(intent.id, sizeof(intent.id), "%s", id);
	if (close_intent(a, &intent, committed ? RECOVER_KNOW_COMMIT : RECOVER_KNOW_NOTHING, 0,
			 &result, reterr) < 0)
		return -1;
	say(PGS_LOG_NOTICE, &intent, &result);
	return 0;
}

/* Is the rollout committed in any of these databases? */
static bool committed_anywhere(struct session *sessions, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++) {
		PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
		char sql[160];
		snprintf(sql, sizeof(sql),
			 "select from %s.rollout where id = $1 and outcome = 'committed'",
			 sessions[i].a->schema);
		if (session_open(&sessions[i], NULL) == 0 &&
		    session_query(&sessions[i], sql, 1, &id, &res, NULL) == 0 && PQntuples(res) > 0)
			return true;
	}
	return false;
}

static int orphans_in(struct admin *a, struct session *sessions, size_t n, size_t at,
		      const char *only, recover_orphan_fn *fn, void *ctx, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char prefix[64];
	int r = 0;

	snprintf(prefix, sizeof(prefix), "pgshovel:%s:", a->options.cluster);
	if (session_open(&sessions[at], reterr) < 0 ||
	    session_query(&sessions[at],
			  "select gid from pg_prepared_xacts where database = current_database() "
			  "and starts_with(gid, $1)",
			  1, (const char *const[]){ prefix }, &res, reterr) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++) {
		const char *gid = PQgetvalue(res, i, 0);
		char id[ZKDOC_ID_HEX + 1];
		struct pgs_err err = { 0 };
		PGS_CLEANUP(recover_intent_freep) struct zkdoc_intent *intent = NULL;
		snprintf(id, sizeof(id), "%s", gid + strlen(prefix));
		if (only && strcmp(only, id) != 0)
			continue;
		/* One with an intent is the intent's. */
		if (recover_read_intent(a, id, &intent, NULL, reterr) < 0)
			return -1;
		if (intent)
			continue;
		if (fn(a, &sessions[at], gid, id, committed_anywhere(sessions, n, id), ctx, &err) <
		    0) {
			*reterr = err;
			r = -1;
		}
	}
	return r;
}

int recover_orphans(struct admin *a, const char *only, recover_orphan_fn *fn, void *ctx,
		    struct pgs_err *first, struct pgs_err *reterr)
{
	struct stored_set **sets;
	size_t n_sets, n = 0;

	if (store_list(a, &sets, &n_sets, reterr) < 0)
		return -1;
	for (size_t i = 0; i < n_sets; i++)
		n += sets[i]->doc->n_databases;
	struct session *sessions = calloc(n + 1, sizeof(*sessions));
	int r = sessions ? 0 : pgs_err_nomem(reterr);
	n = 0;
	for (size_t i = 0; r == 0 && i < n_sets; i++)
		for (size_t j = 0; j < sets[i]->doc->n_databases; j++)
			sessions[n++] = (struct session){
				.a = a,
				.name = sets[i]->doc->databases[j].name,
				.conninfo = sets[i]->doc->databases[j].conninfo,
			};
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct pgs_err err = { 0 };
		if (orphans_in(a, sessions, n, i, only, fn, ctx, &err) < 0)
			keep_first(first, &err);
	}
	for (size_t i = 0; sessions && i < n; i++)
		session_close(&sessions[i]);
	free(sessions);
	store_list_free(sets, n_sets);
	return r;
}

int recover_all(struct admin *a, const char *id, struct pgs_err *reterr)
{
	struct pgs_err first = { 0 }, first_orphan = { 0 };
	size_t found = 0;

	/* Orphans first: one that a failover brought back holds the rollout lock of its set. */
	if (recover_orphans(a, id, close_orphan, &found, &first_orphan, reterr) < 0 ||
	    recover_intents(a, id, &found, &first, reterr) < 0)
		return -1;
	forget_decisions(a);
	if (first.cls == PGS_ERR_NONE)
		first = first_orphan;
	if (first.cls != PGS_ERR_NONE) {
		*reterr = first;
		return -1;
	}
	if (found == 0 && id)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "there is no open rollout %s in cluster \"%s\"", id,
				   a->options.cluster);
	if (found == 0)
		pgs_log(PGS_LOG_NOTICE, NULL, "no open rollouts in cluster \"%s\"",
			a->options.cluster);
	return 0;
}

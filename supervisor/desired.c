/*
 * supervisor/desired.c
 *    Reads the cluster node, the list of sets and each set's node, with watches, and keeps the slots current.
 *
 * Level-triggered: a watch only marks "look again"; what counts is the next answer. Decides nothing about
 * workers (pass.c) and takes no locks (locks.c). A whole look is repeated every few minutes in any case.
 */
#include "supervisor/desired.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/parse.h"
#include "common/zkdoc.h"
#include "common/zpath.h"
#include "supervisor/locks.h"
#include "supervisor/loop.h"

enum {
	LOOK_AGAIN_US = 300 * 1000 * 1000,
	RETRY_US = 500 * 1000,
};

void desired_request_failed(struct supervisor *sup, const struct pgs_err *err)
{
	/* A lost connection is waited for by its state; anything else must not become a hot loop. */
	if (zk_state(sup->zk) == ZK_CONNECTED && strcmp(err->code, "ZCONNECTIONLOSS") != 0)
		sup->retry_at_us = pgs_now_us() + RETRY_US;
	loop_wake(sup);
}

static void on_cluster_exists(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
			      void *ctx)
{
	struct supervisor *sup = ctx;

	(void)zk;
	(void)stat;
	sup->n_requests--;
	sup->cluster_asked = false;
	/* No error: it was made meanwhile; the watch would tell only of the next change. */
	if (!err || strcmp(err->code, "ZNONODE") != 0)
		sup->cluster_dirty = true;
	loop_wake(sup);
}

static void cluster_is_missing(struct supervisor *sup)
{
	if (!sup->cluster_missing)
		pgs_log(PGS_LOG_WARNING, NULL,
			"cluster \"%s\" does not exist in ZooKeeper at \"%s\"; run \"pgshovel "
			"cluster initialize\"; waiting",
			sup->config.cluster, sup->config.zookeeper_hosts);
	sup->cluster_missing = true;
	(void)snprintf(
		sup->cluster_error, sizeof(sup->cluster_error),
		"cluster \"%s\" does not exist in ZooKeeper; run \"pgshovel cluster initialize\"",
		sup->config.cluster);
	/* A read of a missing node leaves no watch; this does. */
	struct pgs_err err;
	if (zk_exists(sup->zk, zpath_cluster(sup->config.cluster).text, true, on_cluster_exists,
		      sup, &err) < 0) {
		sup->cluster_dirty = true;
		desired_request_failed(sup, &err);
		return;
	}
	sup->n_requests++;
	sup->cluster_asked = true;
}

static void on_cluster(struct zk *zk, const struct pgs_err *err, const char *data, size_t len,
		       const struct zk_stat *stat, void *ctx)
{
	struct supervisor *sup = ctx;
	struct zkdoc_cluster doc;
	struct pgs_err doc_err;

	(void)zk;
	(void)stat;
	sup->n_requests--;
	sup->cluster_asked = false;
	loop_wake(sup);
	if (err && strcmp(err->code, "ZNONODE") == 0) {
		cluster_is_missing(sup);
		return;
	}
	if (err) {
		sup->cluster_dirty = true;
		(void)snprintf(sup->cluster_error, sizeof(sup->cluster_error), "%.300s", err->msg);
		desired_request_failed(sup, err);
		return;
	}
	if (zkdoc_cluster_read(data, len, &doc, &doc_err) < 0) {
		if (strcmp(sup->cluster_error, doc_err.msg) != 0)
			pgs_log(PGS_LOG_ERR, NULL,
				"cluster \"%s\" cannot be used: %s; waiting for a change",
				sup->config.cluster, doc_err.msg);
		(void)snprintf(sup->cluster_error, sizeof(sup->cluster_error), "%.300s",
			       doc_err.msg);
		return;
	}
	/* The list was not there as long as the cluster was not. */
	if (sup->cluster_missing)
		sup->list_dirty = true;
	sup->cluster_missing = false;
	sup->cluster_error[0] = '\0';
	sup->cluster_known = true;
	if (doc.generation < sup->generation) {
		pgs_log(PGS_LOG_WARNING, NULL,
			"the generation of cluster \"%s\" was %lld and is %lld: ZooKeeper went "
			"back in time; what runs goes on, what starts will be refused: run "
			"\"pgshovel cluster recover\"",
			sup->config.cluster, (long long)sup->generation, (long long)doc.generation);
		sup->generation = doc.generation;
	} else if (doc.generation > sup->generation) {
		sup->generation = doc.generation;
		loop_tokens_changed(sup);
	}
}

static void set_unreadable(struct slot *slot, const char *why)
{
	if (strcmp(slot->document_error, why) != 0)
		pgs_log(PGS_LOG_ERR, slot->prefix,
			"the set's document cannot be used: %.300s; parked until it is changed",
			why);
	(void)snprintf(slot->document_error, sizeof(slot->document_error), "%.300s", why);
}

/* The node's bytes into the slot. What cannot be read stops this set and no other. */
static void take_document(struct slot *slot, const char *data, size_t len)
{
	struct zkdoc_set doc;
	struct pgs_err err;
	PGS_CLEANUP(setdoc_freep) struct setdoc *parsed = NULL;

	if (zkdoc_set_read(data, len, &doc, &err) < 0 ||
	    setdoc_parse(doc.document, doc.document_len, slot->set, &parsed, &err) < 0) {
		set_unreadable(slot, err.msg);
		return;
	}
	char *document = malloc(doc.document_len + 1);
	if (!document) {
		set_unreadable(slot, "out of memory");
		return;
	}
	memcpy(document, doc.document, doc.document_len);
	document[doc.document_len] = '\0';
	free(slot->document);
	slot->document = document;
	slot->document_len = doc.document_len;
	slot->document_error[0] = '\0';
	slot->partitions = doc.partitions;
	slot->n_databases = parsed->n_databases;
	(void)snprintf(slot->version, sizeof(slot->version), "%s", doc.version);
	(void)snprintf(slot->rollout, sizeof(slot->rollout), "%s", doc.rollout);
}

struct set_request {
	struct supervisor *sup;
	struct slot *slot; /* kept alive by node_asked */
};

/*
 * A set is dropped when its parent is there and it is not. A ZooKeeper that was wiped has neither: what runs then goes on.
 */
static void set_is_missing(struct supervisor *sup, struct slot *slot)
{
	if (!sup->config.set) {
		sup->list_dirty = !sup->cluster_missing; /* the list decides */
		return;
	}
	if (sup->cluster_missing)
		return;
	slot->exists = false;
	slot->node_known = true;
}

static void on_set(struct zk *zk, const struct pgs_err *err, const char *data, size_t len,
		   const struct zk_stat *stat, void *ctx)
{
	struct set_request *request = ctx;
	struct supervisor *sup = request->sup;
	struct slot *slot = request->slot;

	(void)zk;
	free(request);
	sup->n_requests--;
	slot->node_asked = false;
	loop_wake(sup);
	if (err && strcmp(err->code, "ZNONODE") == 0) {
		set_is_missing(sup, slot);
		return;
	}
	if (err) {
		slot->node_dirty = true;
		desired_request_failed(sup, err);
		return;
	}
	slot->exists = true;
	slot->node_known = true;
	if (slot->mzxid == stat->mzxid)
		return;
	slot->mzxid = stat->mzxid;
	sup->status_dirty = true;
	take_document(slot, data, len);
}

static void add_set(struct supervisor *sup, const char *name)
{
	struct slot *slot = slots_find(&sup->slots, name);

	if (!slot) {
		if (!pgs_set_name_ok(name) || sup->slots.n >= (size_t)sup->config.max_sets) {
			sup->n_ignored_sets++;
			return;
		}
		slot = slots_add(&sup->slots, name);
		if (!slot) {
			sup->list_dirty = true;
			sup->retry_at_us = pgs_now_us() + RETRY_US;
			return;
		}
		slot->node_dirty = true;
		slot->lock_dirty = true;
	} else if (!slot->exists) {
		slot->node_dirty = true; /* came back before it was forgotten */
	}
	slot->exists = true;
}

static void on_list(struct zk *zk, const struct pgs_err *err, char *const *names, size_t n,
		    const struct zk_stat *stat, void *ctx)
{
	struct supervisor *sup = ctx;

	(void)zk;
	(void)stat;
	sup->n_requests--;
	sup->list_asked = false;
	loop_wake(sup);
	if (err) {
		/* Without the parent nothing is known: what runs goes on. It is no drop of every set. */
		sup->list_dirty = !sup->cluster_missing;
		if (sup->cluster_missing)
			sup->list_known = true;
		else if (strcmp(err->code, "ZNONODE") == 0)
			sup->cluster_dirty = true;
		desired_request_failed(sup, err);
		return;
	}
	PGS_CLEANUP(pgs_freep) char **sorted = calloc(n ? n : 1, sizeof(char *));
	if (!sorted) {
		sup->list_dirty = true;
		sup->retry_at_us = pgs_now_us() + RETRY_US;
		return;
	}
	memcpy(sorted, names, n * sizeof(char *));
	qsort(sorted, n, sizeof(char *), zk_names_compare);

	size_t ignored_before = sup->n_ignored_sets;
	sup->n_ignored_sets = 0;
	for (size_t i = 0; i < sup->slots.n; i++) {
		struct slot *slot = sup->slots.list[i];
		if (!bsearch(&(char *){ slot->set }, sorted, n, sizeof(char *), zk_names_compare))
			slot->exists = false;
	}
	for (size_t i = 0; i < n; i++)
		add_set(sup, sorted[i]);
	if (sup->n_ignored_sets != ignored_before && sup->n_ignored_sets > 0)
		pgs_log(PGS_LOG_WARNING, NULL,
			"%zu sets are not looked after: there are more than max-sets (%lld), or "
			"their names are not valid",
			sup->n_ignored_sets, (long long)sup->config.max_sets);
	sup->list_known = true;
	sup->place_dirty = true;
	sup->status_dirty = true;
}

void desired_forget(struct supervisor *sup)
{
	sup->cluster_dirty = true;
	sup->list_dirty = !sup->config.set;
	sup->hosts_dirty = !sup->config.set;
	for (size_t i = 0; i < sup->slots.n; i++)
		sup->slots.list[i]->node_dirty = true;
	locks_look_again(sup);
	sup->look_at_us = pgs_now_us() + LOOK_AGAIN_US;
	loop_wake(sup);
}

bool desired_on_watch(struct supervisor *sup, const char *path)
{
	struct zpath sets = zpath_sets(sup->config.cluster);
	size_t n = strlen(sets.text);

	loop_wake(sup);
	if (strcmp(path, zpath_cluster(sup->config.cluster).text) == 0) {
		sup->cluster_dirty = true;
		return true;
	}
	if (strcmp(path, sets.text) == 0) {
		sup->list_dirty = !sup->config.set;
		return true;
	}
	if (strncmp(path, sets.text, n) != 0 || path[n] != '/')
		return false;
	struct slot *slot = slots_find(&sup->slots, path + n + 1);
	if (slot)
		slot->node_dirty = true;
	return true;
}

static bool may_ask(const struct supervisor *sup)
{
	return zk_state(sup->zk) == ZK_CONNECTED && sup->n_requests < DESIRED_MAX_REQUESTS &&
	       pgs_now_us() >= sup->retry_at_us;
}

static void ask_set(struct supervisor *sup, struct slot *slot)
{
	struct set_request *request = malloc(sizeof(*request));
	struct pgs_err err;

	if (!request) {
		sup->retry_at_us = pgs_now_us() + RETRY_US;
		return;
	}
	*request = (struct set_request){ .sup = sup, .slot = slot };
	if (zk_get(sup->zk, zpath_set(sup->config.cluster, slot->set).text, true, on_set, request,
		   &err) < 0) {
		free(request);
		desired_request_failed(sup, &err);
		return;
	}
	slot->watched = true;
	slot->node_asked = true;
	slot->node_dirty = false;
	sup->n_requests++;
}

void desired_pump(struct supervisor *sup)
{
	struct pgs_err err;

	if (pgs_now_us() >= sup->look_at_us && zk_state(sup->zk) == ZK_CONNECTED)
		desired_forget(sup);
	if (sup->cluster_dirty && !sup->cluster_asked && may_ask(sup)) {
		if (zk_get(sup->zk, zpath_cluster(sup->config.cluster).text, true, on_cluster, sup,
			   &err) == 0) {
			sup->cluster_asked = true;
			sup->cluster_dirty = false;
			sup->n_requests++;
		} else {
			desired_request_failed(sup, &err);
		}
	}
	if (sup->list_dirty && !sup->list_asked && may_ask(sup)) {
		if (zk_list(sup->zk, zpath_sets(sup->config.cluster).text, true, on_list, sup,
			    &err) == 0) {
			sup->list_asked = true;
			sup->list_dirty = false;
			sup->n_requests++;
		} else {
			desired_request_failed(sup, &err);
		}
	}
	for (size_t i = 0; i < sup->slots.n_busy && may_ask(sup); i++) {
		struct slot *slot = sup->slots.busy[i];
		if (slot->node_dirty && !slot->node_asked && slot_ours(slot))
			ask_set(sup, slot);
	}
}

bool desired_complete(const struct supervisor *sup)
{
	if (sup->cluster_missing)
		return true; /* a complete look that found nothing */
	if (sup->cluster_dirty || sup->cluster_asked || sup->list_dirty || sup->list_asked ||
	    (!sup->list_known && !sup->config.set))
		return false;
	for (size_t i = 0; i < sup->slots.n; i++) {
		const struct slot *slot = sup->slots.list[i];
		if (slot->exists && slot_ours(slot) && !slot->node_known)
			return false;
	}
	if (sup->config.set && sup->slots.n > 0 && !sup->slots.list[0]->node_known)
		return false;
	return true;
}

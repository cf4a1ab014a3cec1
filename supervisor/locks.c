/*
 * supervisor/locks.c
 *    Takes, watches and gives back /locks/SET.
 *
 * The token of an owner is the czxid of its node: it grows with every change of owner. While ZooKeeper is away
 * nothing changes here. Which sets to take is spread.c's answer; what to run is pass.c's.
 */
#include "supervisor/locks.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/zkdoc.h"
#include "common/zpath.h"
#include "supervisor/channel.h"
#include "supervisor/desired.h"
#include "supervisor/loop.h"
#include "supervisor/reap.h"
#include "supervisor/spread.h"

enum { RETRY_US = 500 * 1000 };

struct lock_request {
	struct supervisor *sup;
	struct slot *slot; /* kept alive by lock_asked */
	bool proof; /* the answer is no older than the question */
};

static void lock_text(const struct supervisor *sup, struct pgs_buf *out)
{
	pgs_buf_lit(out, "{\"v\":1,\"host\":");
	zkdoc_put_json_string(out, sup->host);
	pgs_buf_lit(out, ",\"boot\":");
	zkdoc_put_json_string(out, sup->boot_id);
	pgs_buf_printf(out, ",\"pid\":%d}", (int)getpid());
}

static void describe_owner(struct slot *slot, const char *data, size_t len)
{
	json_t *doc = json_loadb(data, len, 0, NULL);
	const char *host = json_string_value(json_object_get(doc, "host"));
	long long pid = json_integer_value(json_object_get(doc, "pid"));

	if (host)
		(void)snprintf(slot->owner, sizeof(slot->owner), "host \"%.64s\" (pid %lld)", host,
			       pid);
	else
		(void)snprintf(slot->owner, sizeof(slot->owner), "somebody unknown");
	json_decref(doc);
}

static struct slot *request_end(struct lock_request *request, struct supervisor **ret_sup)
{
	struct slot *slot = request->slot;

	*ret_sup = request->sup;
	request->sup->n_requests--;
	slot->lock_asked = false;
	loop_wake(request->sup);
	free(request);
	return slot;
}

static void lock_held(struct supervisor *sup, struct slot *slot, int64_t czxid)
{
	bool moved = slot->lock_czxid != czxid, back = czxid < slot->lock_czxid;

	slot->lock = LOCK_HELD;
	slot->owned = true;
	slot->lock_czxid = czxid;
	slot->owner[0] = '\0';
	sup->status_dirty = true;
	if (!moved || !slot_running(slot))
		return;
	if (back && sup->generation == slot->run_generation) {
		pgs_log(PGS_LOG_WARNING, slot->prefix,
			"the lock that was taken again is older than the one before: ZooKeeper "
			"went back in time; the worker goes on with the token it has, the next one "
			"will be refused: run \"pgshovel cluster recover\"");
		return;
	}
	pgs_log(PGS_LOG_NOTICE, slot->prefix,
		"took the lock again; the worker goes on with a new token");
	channel_send_token(sup, slot);
}

static void lock_elsewhere(struct supervisor *sup, struct slot *slot, const char *data, size_t len)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf ours = PGS_BUF_INIT(1024);
	enum lock_state before = slot->lock;

	slot->lock = LOCK_ELSEWHERE;
	sup->status_dirty = true;
	lock_text(sup, &ours);
	if (ours.len == len && memcmp(pgs_buf_str(&ours), data, len) == 0)
		return; /* our own former session, about to expire: the node goes by itself and wakes us */
	describe_owner(slot, data, len);
	if (slot->owned)
		pgs_log(PGS_LOG_WARNING, slot->prefix, "the lock is held by %s now; stopping here",
			slot->owner);
	else if (before != LOCK_ELSEWHERE)
		pgs_log(PGS_LOG_NOTICE, slot->prefix, "the set is owned by %s; waiting",
			slot->owner);
	slot->owned = false;
}

bool locks_in_doubt(const struct supervisor *sup, const struct slot *slot)
{
	return slot->fenced && slot->state == SLOT_BACKOFF && zk_state(sup->zk) == ZK_CONNECTED &&
	       (slot->lock_dirty || slot->lock_asked);
}

static bool token_changed(const struct supervisor *sup, const struct slot *slot)
{
	return slot->lock_czxid != slot->run_czxid || sup->generation != slot->run_generation;
}

/* A worker ended because somebody has a newer token. With the token of a lock that is still held nobody can have. */
static void fence_judge(struct supervisor *sup, struct slot *slot, bool proof)
{
	if (token_changed(sup, slot)) {
		slot->fenced = false;
		slot->deadline_us = 0;
	} else if (proof && slot->state == SLOT_BACKOFF) {
		reap_owner_after_all(sup, slot);
	}
}

static void on_look(struct zk *zk, const struct pgs_err *err, const char *data, size_t len,
		    const struct zk_stat *stat, void *ctx)
{
	struct supervisor *sup;
	bool proof = ((struct lock_request *)ctx)->proof;
	struct slot *slot = request_end(ctx, &sup);

	if (err) {
		slot->lock_dirty = true;
		if (strcmp(err->code, "ZNONODE") == 0)
			slot->lock = LOCK_NONE; /* free: the next pump tries to take it */
		else
			desired_request_failed(sup, err);
		return;
	}
	if (stat->ephemeral_owner != zk_session_id(zk)) {
		lock_elsewhere(sup, slot, data, len);
		return;
	}
	lock_held(sup, slot, stat->czxid);
	if (slot->fenced)
		fence_judge(sup, slot, proof);
}

static void on_create(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
		      void *ctx)
{
	struct supervisor *sup;
	struct slot *slot = request_end(ctx, &sup);

	(void)zk;
	/* Whatever the answer was, look next: it sets the watch, and after a lost answer it tells whose it is. */
	slot->lock_dirty = true;
	if (!err)
		lock_held(sup, slot, stat->czxid);
	else if (strcmp(err->code, "ZNODEEXISTS") == 0)
		slot->lock = LOCK_UNKNOWN;
	else
		desired_request_failed(sup, err);
}

static void on_delete(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
		      void *ctx)
{
	struct supervisor *sup;
	struct slot *slot = request_end(ctx, &sup);

	(void)zk;
	(void)stat;
	slot->lock_dirty = true;
	if (!err || strcmp(err->code, "ZNONODE") == 0) {
		slot->lock = LOCK_NONE;
		slot->owned = false;
	} else {
		desired_request_failed(sup, err);
	}
}

static struct lock_request *request_new(struct supervisor *sup, struct slot *slot)
{
	struct lock_request *request = malloc(sizeof(*request));

	if (request)
		*request = (struct lock_request){ .sup = sup, .slot = slot };
	else
		sup->retry_at_us = pgs_now_us() + RETRY_US;
	return request;
}

static void request_sent(struct supervisor *sup, struct slot *slot, struct lock_request *request,
			 int rc, const struct pgs_err *err)
{
	if (rc < 0) {
		free(request);
		desired_request_failed(sup, err);
		return;
	}
	slot->lock_asked = true;
	sup->n_requests++;
}

static bool may_ask(const struct supervisor *sup)
{
	return zk_state(sup->zk) == ZK_CONNECTED && sup->n_requests < DESIRED_MAX_REQUESTS &&
	       pgs_now_us() >= sup->retry_at_us;
}

static void ask(struct supervisor *sup, struct slot *slot)
{
	struct zpath path = zpath_lock(sup->config.cluster, slot->set);
	struct lock_request *request = request_new(sup, slot);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(1024);
	struct pgs_err err = { 0 };
	int rc;

	if (!request)
		return;
	slot->lock_dirty = false;
	if (slot->lock == LOCK_NONE) {
		lock_text(sup, &text);
		rc = pgs_buf_failed(&text) ? pgs_err_nomem(&err)
					   : zk_create(sup->zk, path.text, pgs_buf_str(&text),
						       text.len, true, on_create, request, &err);
	} else {
		/* The server that we talk to may be behind the others: that the lock is ours is believed but not proven. */
		request->proof = slot->fenced && zk_sync(sup->zk, path.text, NULL, NULL, &err) == 0;
		/* Of very many sets a lock that is held is looked at from time to time instead (locks_look_again). */
		rc = zk_get(sup->zk, path.text, slot->lock != LOCK_HELD || !sup->watches_full,
			    on_look, request, &err);
		slot->watched = true;
	}
	if (rc < 0)
		slot->lock_dirty = true;
	request_sent(sup, slot, request, rc, &err);
}

void locks_forget(struct supervisor *sup)
{
	for (size_t i = 0; i < sup->slots.n; i++) {
		sup->slots.list[i]->watched = false;
		sup->slots.list[i]->lock = LOCK_NONE;
		sup->slots.list[i]->lock_dirty = true;
	}
}

void locks_look_again(struct supervisor *sup)
{
	for (size_t i = 0; sup->watches_full && i < sup->slots.n; i++)
		sup->slots.list[i]->lock_dirty = true;
}

bool locks_on_watch(struct supervisor *sup, const char *path)
{
	struct zpath locks = zpath_locks(sup->config.cluster);
	size_t n = strlen(locks.text);

	if (strncmp(path, locks.text, n) != 0 || path[n] != '/')
		return false;
	struct slot *slot = slots_find(&sup->slots, path + n + 1);
	if (slot)
		slot->lock_dirty = true;
	loop_wake(sup);
	return true;
}

bool locks_release(struct supervisor *sup, struct slot *slot)
{
	struct pgs_err err = { 0 };

	if (!supervisor_takes_locks(sup))
		return true;
	if (slot->lock_asked)
		return false;
	if (slot->lock == LOCK_NONE || slot->lock == LOCK_ELSEWHERE)
		return true;
	if (slot->lock == LOCK_UNKNOWN) {
		if (slot->lock_dirty && may_ask(sup))
			ask(sup, slot); /* never delete what may be another host's */
		return false;
	}
	if (!may_ask(sup))
		return false;
	struct lock_request *request = request_new(sup, slot);
	if (request)
		request_sent(sup, slot, request,
			     zk_delete(sup->zk, zpath_lock(sup->config.cluster, slot->set).text, -1,
				       on_delete, request, &err),
			     &err);
	return false;
}

/* The watches of a set that has become another host's: they would pile up, and all are sent again at each reconnect. */
static void unwatch(struct supervisor *sup, struct slot *slot)
{
	zk_unwatch(sup->zk, zpath_set(sup->config.cluster, slot->set).text);
	zk_unwatch(sup->zk, zpath_lock(sup->config.cluster, slot->set).text);
	slot->watched = false;
}

void locks_pump(struct supervisor *sup)
{
	if (!supervisor_takes_locks(sup) || sup->stopping)
		return;
	for (size_t i = 0; i < sup->slots.n_busy && may_ask(sup); i++) {
		struct slot *slot = sup->slots.busy[i];
		if (!slot->exists || slot->lock_asked)
			continue;
		if (!slot_running(slot) && spread_leaves(sup, slot))
			(void)locks_release(sup, slot);
		else if (slot->lock_dirty && slot_ours(slot))
			ask(sup, slot);
		if (slot->watched && !slot_ours(slot) && !slot->lock_asked && !slot->node_asked)
			unwatch(sup, slot);
	}
}

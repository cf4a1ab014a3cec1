/*
 * supervisor/leftover.c
 *    See leftover.h.
 *
 * Between the end of the former supervisor and our first look a set may have been dropped, or placed elsewhere: nobody here
 * would ever look at its lock, and the session that holds it goes on. One request at a time: nothing waits for this.
 */
#include "supervisor/leftover.h"

#include <stdlib.h>
#include <string.h>

#include "common/zpath.h"
#include "supervisor/desired.h"
#include "supervisor/loop.h"
#include "supervisor/supervisor.h"

void leftover_forget(struct supervisor *sup)
{
	struct leftover *l = &sup->leftover;

	zk_names_free(l->names, l->n);
	*l = (struct leftover){ .asked = l->asked };
}

static void answered(struct supervisor *sup)
{
	sup->n_requests--;
	sup->leftover.asked = false;
	loop_wake(sup);
}

static void on_names(struct zk *zk, const struct pgs_err *err, char *const *names, size_t n,
		     const struct zk_stat *stat, void *ctx)
{
	struct supervisor *sup = ctx;
	struct leftover *l = &sup->leftover;

	(void)zk;
	(void)stat;
	answered(sup);
	if (err) {
		if (strcmp(err->code, "ZNONODE") == 0)
			leftover_forget(sup);
		else
			desired_request_failed(sup, err);
		return;
	}
	l->names = calloc(n ? n : 1, sizeof(*l->names));
	for (size_t i = 0; l->names && i < n; i++) {
		l->names[i] = strdup(names[i]);
		if (!l->names[i]) {
			leftover_forget(sup); /* without memory: the set waits for our next start */
			return;
		}
		l->n++;
	}
}

static void on_deleted(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
		       void *ctx)
{
	(void)zk;
	(void)err; /* it goes with the session then */
	(void)stat;
	answered(ctx);
}

static void on_owner(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
		     void *ctx)
{
	struct supervisor *sup = ctx;
	struct leftover *l = &sup->leftover;
	struct pgs_err failure;

	answered(sup);
	if (err || l->next >= l->n || stat->ephemeral_owner != zk_session_id(zk)) {
		l->next++;
		return;
	}
	const char *set = l->names[l->next++];
	pgs_log(PGS_LOG_INFO, NULL,
		"giving back the lock of set \"%s\", which is not ours any more", set);
	if (zk_delete(zk, zpath_lock(sup->config.cluster, set).text, -1, on_deleted, sup,
		      &failure) < 0)
		return;
	l->asked = true;
	sup->n_requests++;
}

/* The next lock of a set that this supervisor will not look at by itself; NULL: none is left. */
static const char *next_name(struct supervisor *sup)
{
	struct leftover *l = &sup->leftover;

	for (; l->next < l->n; l->next++) {
		const struct slot *slot = slots_find(&sup->slots, l->names[l->next]);
		if (!slot || !slot_ours(slot))
			return l->names[l->next];
	}
	return NULL;
}

void leftover_pump(struct supervisor *sup)
{
	struct leftover *l = &sup->leftover;
	struct pgs_err err;
	int r;

	if (!l->wanted || l->asked || !sup->ready || sup->stopping ||
	    zk_state(sup->zk) != ZK_CONNECTED)
		return;
	const char *name = next_name(sup);
	if (l->names && !name) {
		leftover_forget(sup);
		return;
	}
	if (name)
		r = zk_exists(sup->zk, zpath_lock(sup->config.cluster, name).text, false, on_owner,
			      sup, &err);
	else
		r = zk_list(sup->zk, zpath_locks(sup->config.cluster).text, false, on_names, sup,
			    &err);
	if (r < 0)
		return; /* at the next pass */
	l->asked = true;
	sup->n_requests++;
}

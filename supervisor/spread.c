/*
 * supervisor/spread.c
 *    See spread.h.
 *
 * Decides where a set belongs and since when, not what is done about it (pass.c) nor whose the lock is
 * (locks.c): a set that is placed here may still run elsewhere, until its owner lets go.
 */
#include "supervisor/spread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/step.h"
#include "common/zpath.h"
#include "supervisor/desired.h"
#include "supervisor/loop.h"
#include "supervisor/place.h"

enum {
	HOLD_SECONDS =
		30, /* a running set moves when its new place has been the same for this long */
	MAX_HOSTS = 1000,
	WATCHES_MAX_BYTES =
		900 * 1000, /* the client sends all of them in one packet, a server takes 1 MB */
	RETRY_US = 500 * 1000,
};

static uint64_t hold_us(void)
{
	return (uint64_t)PGS_TEST_NUMBER("PGSHOVEL_HOLD_SECONDS", HOLD_SECONDS) * 1000 * 1000;
}

/* The names without the mark of a drained host: a view into the list. */
static bool drained(const char *name, char *const *names, size_t n)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (strncmp(names[i], name, length) == 0 &&
		    strcmp(names[i] + length, ZPATH_DRAINED) == 0)
			return true;
	return false;
}

/* 0, or -1 without memory: then the old list stays. */
static int hosts_take(struct supervisor *sup, char *const *names, size_t n)
{
	char **hosts = calloc(n ? n : 1, sizeof(*hosts));
	size_t n_hosts = 0;
	bool found = false;

	if (!hosts)
		return -1;
	for (size_t i = 0; i < n && n_hosts < MAX_HOSTS; i++) {
		if (strchr(names[i], '~') || drained(names[i], names, n))
			continue;
		found |= strcmp(names[i], sup->host) == 0;
		hosts[n_hosts] = strdup(names[i]);
		if (!hosts[n_hosts++]) {
			zk_names_free(hosts, n_hosts);
			return -1;
		}
	}
	zk_names_free(sup->hosts, sup->n_hosts);
	sup->hosts = hosts;
	sup->n_hosts = n_hosts;
	bool is_drained = !found && drained(sup->host, names, n);
	if (is_drained != sup->drained)
		pgs_log(PGS_LOG_NOTICE, NULL,
			is_drained ? "this host is drained: its sets go to other hosts; end it by "
				     "\"pgshovel host resume %s\""
				   : "this host takes sets again; it is \"%s\"",
			sup->host);
	sup->drained = is_drained;
	/* A list without us would give our sets away; our node comes or is back soon, and with it the next list. */
	sup->hosts_known = found || is_drained;
	return 0;
}

static void on_hosts(struct zk *zk, const struct pgs_err *err, char *const *names, size_t n,
		     const struct zk_stat *stat, void *ctx)
{
	struct supervisor *sup = ctx;

	(void)zk;
	(void)stat;
	sup->n_requests--;
	sup->hosts_asked = false;
	loop_wake(sup);
	if (err) {
		sup->hosts_dirty = true;
		desired_request_failed(sup, err);
	} else if (hosts_take(sup, names, n) < 0) {
		sup->hosts_dirty = true;
		sup->retry_at_us = pgs_now_us() + RETRY_US;
	} else {
		sup->place_dirty = true;
		sup->status_dirty = true;
	}
}

/* One set's new place. */
static void move(struct supervisor *sup, struct slot *slot, const char *host, uint64_t now_us)
{
	if (strcmp(slot->place, host) == 0 && slot->leave_at_us != 0)
		return;
	(void)snprintf(slot->place, sizeof(slot->place), "%s", host);
	if (!slot_ours(slot))
		slot->well_us = 0;
	slot->placed = strcmp(host, sup->host) == 0;
	slot->leave_at_us = sup->drained ? now_us : now_us + hold_us();
	if (!slot->placed)
		return;
	slot->node_dirty = true;
	slot->lock_dirty = true;
}

/* Two watches for each set that is placed here, as zk.h counts them. */
static bool watches_fit(const struct supervisor *sup)
{
	const char *chroot = strchr(sup->config.zookeeper_hosts, '/');
	size_t bytes = 0, more = 2 * (4 + (chroot ? strlen(chroot) : 0));

	for (size_t i = 0; i < sup->slots.n; i++) {
		const char *set = sup->slots.list[i]->set;
		if (sup->slots.list[i]->placed)
			bytes += strlen(zpath_set(sup->config.cluster, set).text) +
				 strlen(zpath_lock(sup->config.cluster, set).text) + more;
	}
	return bytes <= WATCHES_MAX_BYTES;
}

static void place_all(struct supervisor *sup)
{
	size_t n = sup->slots.n;
	PGS_CLEANUP(pgs_freep) const char **sets = calloc(n ? n : 1, sizeof(*sets));
	PGS_CLEANUP(pgs_freep) uint32_t *owner = calloc(n ? n : 1, sizeof(*owner));
	uint64_t now_us = pgs_now_us();
	struct pgs_err err;
	size_t n_sets = 0;

	if (!sets || !owner) {
		sup->retry_at_us = now_us + RETRY_US;
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (sup->slots.list[i]->exists)
			sets[n_sets++] = sup->slots.list[i]->set;
	if (place_compute((const char *const *)sup->hosts, sup->n_hosts, sets, n_sets, owner,
			  &err) < 0) {
		sup->retry_at_us = now_us + RETRY_US;
		return;
	}
	sup->place_dirty = false;
	for (size_t i = 0, k = 0; i < n; i++) {
		if (!sup->slots.list[i]->exists)
			continue;
		const uint32_t host = owner[k++];
		move(sup, sup->slots.list[i], host == PLACE_NONE ? "" : sup->hosts[host], now_us);
	}
	slots_gather(&sup->slots);
	sup->watches_full = !watches_fit(sup);
}

void spread_forget(struct supervisor *sup)
{
	sup->hosts_dirty = !sup->config.set;
	sup->hosts_known = false;
}

bool spread_on_watch(struct supervisor *sup, const char *path)
{
	if (strcmp(path, zpath_hosts(sup->config.cluster).text) != 0)
		return false;
	sup->hosts_dirty = true;
	loop_wake(sup);
	return true;
}

void spread_pump(struct supervisor *sup)
{
	struct pgs_err err;

	if (sup->config.set || sup->stopping || pgs_now_us() < sup->retry_at_us)
		return;
	if (sup->hosts_dirty && !sup->hosts_asked && sup->cluster_known && !sup->cluster_missing &&
	    zk_state(sup->zk) == ZK_CONNECTED) {
		if (zk_list(sup->zk, zpath_hosts(sup->config.cluster).text, true, on_hosts, sup,
			    &err) == 0) {
			sup->hosts_asked = true;
			sup->hosts_dirty = false;
			sup->n_requests++;
		} else {
			desired_request_failed(sup, &err);
		}
	}
	if (sup->place_dirty && sup->hosts_known && sup->list_known)
		place_all(sup);
}

bool spread_complete(const struct supervisor *sup)
{
	return sup->config.set || sup->cluster_missing || (sup->hosts_known && !sup->place_dirty);
}

bool spread_leaves(const struct supervisor *sup, const struct slot *slot)
{
	return !sup->config.set && !slot->placed && slot->leave_at_us != 0 &&
	       pgs_now_us() >= slot->leave_at_us;
}

void spread_done(struct supervisor *sup)
{
	zk_names_free(sup->hosts, sup->n_hosts);
	sup->hosts = NULL;
	sup->n_hosts = 0;
}

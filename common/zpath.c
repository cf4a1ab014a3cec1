/*
 * common/zpath.c
 *    Every ZooKeeper path is built here and nowhere else (docs/protocol.md 1).
 *
 * Does no I/O and does not check names: whoever took them from outside did.
 */
#include "common/zpath.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static struct zpath join(const char *cluster, const char *folder, const char *leaf)
{
	struct zpath path;
	int n = snprintf(path.text, sizeof(path.text), "/%s%s%s%s%s", cluster, folder[0] ? "/" : "",
			 folder, leaf[0] ? "/" : "", leaf);

	/* names that passed their checks fit three times over; a cut path would name another node */
	assert(n > 0 && n < ZPATH_MAX);
	return path;
}

struct zpath zpath_cluster(const char *cluster)
{
	return join(cluster, "", "");
}

struct zpath zpath_sets(const char *cluster)
{
	return join(cluster, "sets", "");
}

struct zpath zpath_set(const char *cluster, const char *set)
{
	return join(cluster, "sets", set);
}

struct zpath zpath_rollouts(const char *cluster)
{
	return join(cluster, "rollouts", "");
}

struct zpath zpath_rollout(const char *cluster, const char *id)
{
	return join(cluster, "rollouts", id);
}

struct zpath zpath_decisions(const char *cluster)
{
	return join(cluster, "decisions", "");
}

struct zpath zpath_decision(const char *cluster, const char *id)
{
	return join(cluster, "decisions", id);
}

struct zpath zpath_admin(const char *cluster)
{
	return join(cluster, "admin", "");
}

struct zpath zpath_recovering(const char *cluster)
{
	return join(cluster, "recovering", "");
}

struct zpath zpath_hosts(const char *cluster)
{
	return join(cluster, "hosts", "");
}

struct zpath zpath_host(const char *cluster, const char *host)
{
	return join(cluster, "hosts", host);
}

struct zpath zpath_host_drained(const char *cluster, const char *host)
{
	char leaf[64 + sizeof(ZPATH_DRAINED)];

	(void)snprintf(leaf, sizeof(leaf), "%.63s" ZPATH_DRAINED, host);
	return join(cluster, "hosts", leaf);
}

struct zpath zpath_statuses(const char *cluster)
{
	return join(cluster, "status", "");
}

struct zpath zpath_status(const char *cluster, const char *host)
{
	return join(cluster, "status", host);
}

struct zpath zpath_status_set(const char *cluster, const char *host, const char *set)
{
	char leaf[64 + 1 + 32];

	(void)snprintf(leaf, sizeof(leaf), "%.63s%c%.24s", host, ZPATH_STATUS_SET, set);
	return join(cluster, "status", leaf);
}

struct zpath zpath_locks(const char *cluster)
{
	return join(cluster, "locks", "");
}

struct zpath zpath_lock(const char *cluster, const char *set)
{
	return join(cluster, "locks", set);
}

struct zpath zpath_lefts(const char *cluster)
{
	return join(cluster, "left", "");
}

struct zpath zpath_left(const char *cluster, const char *id)
{
	return join(cluster, "left", id);
}

void zpath_host_clean(const char *name, char ret[64])
{
	static const char legal[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = 0;

	for (; name[n] && n < 63; n++)
		ret[n] = strchr(legal, name[n]) ? name[n] : '_';
	ret[n] = '\0';
	if (n == 0)
		memcpy(ret, "_", sizeof("_"));
	/* ZooKeeper refuses the two names that mean folders */
	if (strcmp(ret, ".") == 0 || strcmp(ret, "..") == 0)
		memset(ret, '_', n);
}

/*
 * common/zpath.h
 *    Every ZooKeeper path is built here and nowhere else (docs/protocol.md 1).
 *
 * Paths are below the chroot of the connection. Names must have passed pgs_cluster_name_ok() and its kin;
 * a host name is cleaned by zpath_host_clean().
 */
#ifndef PGSHOVEL_COMMON_ZPATH_H
#define PGSHOVEL_COMMON_ZPATH_H

#include <stddef.h>

#include "common/base.h"

enum { ZPATH_MAX = 192 }; /* bytes of any path, the NUL included */

/* Behind the name of a host below /hosts: no new sets, and those that it has go elsewhere. No host name has a "~". */
#define ZPATH_DRAINED "~drained"

/* Below /status, between host and set: written by "pgshoveld --set SET" on that host. */
#define ZPATH_STATUS_SET '~'

struct zpath {
	char text[ZPATH_MAX];
};

struct zpath zpath_cluster(const char *cluster);
struct zpath zpath_sets(const char *cluster);
struct zpath zpath_set(const char *cluster, const char *set);
struct zpath zpath_rollouts(const char *cluster);
struct zpath zpath_rollout(const char *cluster, const char *id);
struct zpath zpath_decisions(const char *cluster);
struct zpath zpath_decision(const char *cluster, const char *id);
struct zpath zpath_admin(const char *cluster);
struct zpath zpath_recovering(const char *cluster);
struct zpath zpath_hosts(const char *cluster);
struct zpath zpath_host(const char *cluster, const char *host);
struct zpath zpath_host_drained(const char *cluster, const char *host);
struct zpath zpath_statuses(const char *cluster);
struct zpath zpath_status(const char *cluster, const char *host);
struct zpath zpath_status_set(const char *cluster, const char *host, const char *set);
struct zpath zpath_locks(const char *cluster);
struct zpath zpath_lock(const char *cluster, const char *set);
struct zpath zpath_lefts(const char *cluster);
struct zpath zpath_left(const char *cluster, const char *id);

/* A host name fit for a path: [A-Za-z0-9._-], others "_", at most 63 bytes. */
void zpath_host_clean(const char *name, char ret[64]);

#endif

/*
 * common/zk_internal.h
 *    What the files of the ZooKeeper client share: zk.c (sessions), zk_servers.c (addresses),
 *    zk_request.c (requests), zk_wait.c (blocking calls).
 *
 * No other file includes this.
 */
#ifndef PGSHOVEL_COMMON_ZK_INTERNAL_H
#define PGSHOVEL_COMMON_ZK_INTERNAL_H

#include <zookeeper/zookeeper.h>

#include "common/backoff.h"
#include "common/zk.h"

enum {
	ZK_MAX_PENDING = 8192, /* requests without an answer yet */
	ZK_MULTI_MAX_BYTES = 900 * 1024, /* a request of 1 MB makes the server cut the connection */
	ZK_MAX_SERVERS = 31, /* addresses handed to the library; odd */
};

struct zk {
	struct zk_params params; /* hosts and digest are owned copies */
	char *hosts;
	char *digest;
	const char *chroot; /* into hosts; NULL: none */
	zhandle_t *handle; /* NULL between two sessions */
	enum zk_state state;
	int64_t session_id; /* the newest one, 0: none yet */
	int64_t announced_id; /* the session that on_session was last told of */
	uint64_t reopen_at_us; /* while handle is NULL */
	uint64_t not_before_us; /* the library asked for a pause: do not ask it again earlier */
	uint64_t socket_inode; /* tells a new socket under an old number */
	uint64_t socket_seen_us; /* when the present socket was first seen */
	unsigned n_refused; /* servers that hung up on the greeting, since the last connection */
	uint64_t refused_since_us;
	struct pgs_backoff reopen;
	unsigned depth; /* > 0 inside the library: closing is forbidden */
	bool closing;
	bool resolving; /* on_resolve was asked and has not answered */
	size_t n_pending;
	char trouble[320];
};

/* zk_servers.c: hosts with names → "a.b.c.d:port,…/chroot" with an odd number of addresses; malloc'ed. */
int zk_servers_check(const char *hosts, struct pgs_err *reterr) PGS_MUST_CHECK;
int zk_servers_resolve(const char *hosts, char **ret, struct pgs_err *reterr) PGS_MUST_CHECK;
bool zk_servers_numeric(const char *hosts);

/* zk.c: the one watcher of every watch. */
void zk_on_event(zhandle_t *handle, int type, int state, const char *path, void *ctx);

/* zk_request.c: a client's return code as an error; path may be NULL. Returns -1. */
int zk_err_from_rc(int rc, const char *path, struct pgs_err *reterr);

/* All or nothing; failed: index of the op that was refused or -1. */
typedef void zk_multi_fn(struct zk *zk, const struct pgs_err *err, int failed, void *ctx);
int zk_multi(struct zk *zk, const struct zk_op *ops, size_t n, zk_multi_fn *done, void *ctx,
	     struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

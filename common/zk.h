/*
 * common/zk.h
 *    The ZooKeeper client: sessions, typed requests, watches, without a loop of its own.
 *
 * Two ways to drive it: supervisor/zk_event.c feeds it from sd-event with zk_interest()/zk_process();
 * commands use the zk_wait_* calls, which pump it with poll() until the answer or the deadline. One thread.
 * The traps of the C client (descriptor reuse, DNS in every call, even numbers of servers, CLOEXEC, closing
 * inside a callback, oversized SetWatches) are handled here; a caller only sees sessions and answers.
 *
 * Not handled here: the C client sends all its watches in one packet after a reconnect and the server takes
 * 1 MB, so a caller keeps the sum of (path + 4 bytes, chroot included) over its watches below 900 kB.
 *
 * Errors: `code` is the client's name ("ZNONODE", "ZNODEEXISTS", "ZBADVERSION", "ZCONNECTIONLOSS",
 * "ZOPERATIONTIMEOUT", "ZSESSIONEXPIRED", ...). For a writing request the last three mean: outcome unknown.
 */
#ifndef PGSHOVEL_COMMON_ZK_H
#define PGSHOVEL_COMMON_ZK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"

enum {
	ZK_NODE_MAX_BYTES = 64 * 1024 + 256, /* no node of ours is larger */
	ZK_READ = 1,
	ZK_WRITE = 2,
};

struct zk; /* one client; survives any number of sessions */

struct zk_stat {
	int64_t czxid; /* changes when the node is deleted and made again */
	int64_t mzxid; /* changes with every write */
	int64_t ephemeral_owner;
	int64_t ctime_ms; /* by the server's clock, since 1970 */
	int64_t mtime_ms;
	int32_t version;
	int32_t n_children;
};

enum zk_state {
	ZK_CONNECTING, /* no server; the session may still live */
	ZK_CONNECTED,
	ZK_EXPIRED, /* a new session is being opened by itself */
	ZK_DENIED, /* authentication refused; tried again with back-off */
};

struct zk_params {
	const char *hosts; /* "a:2181,b:2181/chroot" */
	uint64_t session_timeout_us;
	const char *digest; /* "user:password", NULL: none */
	int64_t resume_id; /* 0: a new session; one that has expired is replaced by a new one */
	char resume_password[16];
	/*
	 * Addresses are wanted and not all hosts are numeric: find them without waiting and answer by zk_resolved().
	 * NULL: names are resolved here, and that waits for the resolver.
	 */
	void (*on_resolve)(struct zk *zk, const char *hosts, void *ctx);
	/* Session state changed. new_session: nothing is known any more, read everything again. */
	void (*on_session)(struct zk *zk, enum zk_state state, bool new_session, void *ctx);
	/* A one-shot watch fired: look at this path again. */
	void (*on_watch)(struct zk *zk, const char *path, void *ctx);
	void *ctx;
};

/* Starts connecting; does not wait. Both callbacks may be NULL. */
int zk_open(const struct zk_params *params, struct zk **ret, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Ends the session (its ephemeral nodes go at once). Blocks up to 4 s with a mute server. Not in callbacks. */
void zk_close(struct zk *zk);
void zk_closep(struct zk **zk);

/* As zk_close(), but the session goes on for its timeout: whoever has what zk_session_save() gave can take it over. Never blocks. */
void zk_leave(struct zk *zk);

/* What resume_id and resume_password want; id 0 before the first connection. */
void zk_session_save(const struct zk *zk, int64_t *ret_id, char ret_password[16]);

/* hosts as numeric addresses, as zk_params.hosts may be given. Blocks for as long as the resolver does. malloc'ed. */
int zk_resolve(const char *hosts, char **ret, struct pgs_err *reterr) PGS_MUST_CHECK;

/* The answer to on_resolve: what zk_resolve() found, or NULL and why not; asked again later then. Not in callbacks of requests. */
void zk_resolved(struct zk *zk, const char *addresses, const char *trouble);

enum zk_state zk_state(const struct zk *zk);
int64_t zk_session_id(const struct zk *zk); /* 0 before the first connection */
/* Why there is no connection, for people; "" when nothing is known or connected. Valid until the next call. */
const char *zk_trouble(const struct zk *zk);

/*
 * For a loop. zk_interest says what to wait for: *ret_fd may be -1 (then only the time counts, and it must
 * not be called earlier than that). The descriptor may be a new file under an old number: re-arm it each
 * turn. zk_process handles what came (events: ZK_READ|ZK_WRITE; on HUP or ERR pass both) and runs callbacks.
 */
void zk_interest(struct zk *zk, int *ret_fd, int *ret_events, uint64_t *ret_timeout_us);
void zk_process(struct zk *zk, int events);

/*
 * Requests with callbacks. Each is answered exactly once (with ZCLOSING when the client closes). err is NULL
 * on success. Data and names are lent for the duration of the callback. -1: could not even be queued, and
 * the callback is not called.
 */
typedef void zk_done_fn(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
			void *ctx);
typedef void zk_data_fn(struct zk *zk, const struct pgs_err *err, const char *data, size_t len,
			const struct zk_stat *stat, void *ctx);
typedef void zk_names_fn(struct zk *zk, const struct pgs_err *err, char *const *names, size_t n,
			 const struct zk_stat *stat, void *ctx);

int zk_get(struct zk *zk, const char *path, bool watch, zk_data_fn *done, void *ctx,
	   struct pgs_err *reterr) PGS_MUST_CHECK;
int zk_list(struct zk *zk, const char *path, bool watch, zk_names_fn *done, void *ctx,
	    struct pgs_err *reterr) PGS_MUST_CHECK;
int zk_exists(struct zk *zk, const char *path, bool watch, zk_done_fn *done, void *ctx,
	      struct pgs_err *reterr) PGS_MUST_CHECK;
/* What is read of this path after it is not older than this moment. `done` may be NULL: the reads come later anyway. */
int zk_sync(struct zk *zk, const char *path, zk_done_fn *done, void *ctx,
	    struct pgs_err *reterr) PGS_MUST_CHECK;
/* No more watches of this node's data, here and at the server. When that fails they stay: nothing else is wrong then. */
void zk_unwatch(struct zk *zk, const char *path);
int zk_create(struct zk *zk, const char *path, const void *data, size_t len, bool ephemeral,
	      zk_done_fn *done, void *ctx, struct pgs_err *reterr) PGS_MUST_CHECK;
int zk_set(struct zk *zk, const char *path, const void *data, size_t len, int32_t version,
	   zk_done_fn *done, void *ctx, struct pgs_err *reterr) PGS_MUST_CHECK; /* -1: any */
int zk_delete(struct zk *zk, const char *path, int32_t version, zk_done_fn *done, void *ctx,
	      struct pgs_err *reterr) PGS_MUST_CHECK;

enum zk_op_kind { ZK_OP_CHECK, ZK_OP_CREATE, ZK_OP_SET, ZK_OP_DELETE };

struct zk_op {
	enum zk_op_kind kind;
	const char *path;
	const void *data;
	size_t len;
	int32_t version; /* check, set, delete; -1: any */
	bool ephemeral;
};

/* ---- For commands: send, pump until answered. ---- */

/* Until connected or the deadline; class RETRY when no server answers. */
int zk_wait_connected(struct zk *zk, uint64_t deadline_us, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * The chroot of the hosts string must exist before anything below it does. create: make it when missing (its
 * parents must exist); else a missing one is an error of class CONFIG. Nothing happens without a chroot.
 */
int zk_wait_chroot(struct zk *zk, bool create, uint64_t deadline_us,
		   struct pgs_err *reterr) PGS_MUST_CHECK;

/* All wait calls: ret_stat may be NULL. names: malloc'ed array of malloc'ed strings, sorted; zk_names_free. */
int zk_wait_get(struct zk *zk, const char *path, uint64_t deadline_us, struct pgs_buf *ret_data,
		struct zk_stat *ret_stat, struct pgs_err *reterr) PGS_MUST_CHECK;
int zk_wait_list(struct zk *zk, const char *path, uint64_t deadline_us, char ***ret_names,
		 size_t *ret_n, struct pgs_err *reterr) PGS_MUST_CHECK;
int zk_wait_create(struct zk *zk, const char *path, const void *data, size_t len, bool ephemeral,
		   uint64_t deadline_us, struct zk_stat *ret_stat,
		   struct pgs_err *reterr) PGS_MUST_CHECK;
int zk_wait_set(struct zk *zk, const char *path, const void *data, size_t len, int32_t version,
		uint64_t deadline_us, struct zk_stat *ret_stat,
		struct pgs_err *reterr) PGS_MUST_CHECK;
int zk_wait_delete(struct zk *zk, const char *path, int32_t version, uint64_t deadline_us,
		   struct pgs_err *reterr) PGS_MUST_CHECK;
/* All or nothing. *ret_failed (may be NULL): index of the op that was refused, -1 when unknown. */
int zk_wait_multi(struct zk *zk, const struct zk_op *ops, size_t n, uint64_t deadline_us,
		  int *ret_failed, struct pgs_err *reterr) PGS_MUST_CHECK;
void zk_names_free(char **names, size_t n);

/* The order of names, for qsort() and bsearch() over arrays of strings. */
int zk_names_compare(const void *a, const void *b);

/* True when the outcome of a writing request is unknown after this error. */
bool zk_err_unknown(const struct pgs_err *err);

#endif

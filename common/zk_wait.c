/*
 * common/zk_wait.c
 *    Blocking calls of the ZooKeeper client for commands: send, pump with poll() until answered.
 *
 * Reads are repeated until the deadline when the connection breaks; a write is sent once, and when its answer
 * is lost the caller is told so. Not for programs with a loop of their own.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "common/zk_internal.h"

/* Lives until the answer came and the caller has left, whichever is later: a deadline may pass first. */
struct answer {
	bool done;
	bool abandoned;
	struct pgs_err err; /* class NONE: success */
	struct zk_stat stat;
	struct pgs_buf data;
	char **names;
	size_t n_names;
	int failed;
};

static struct answer *answer_new(struct pgs_err *reterr)
{
	struct answer *answer = calloc(1, sizeof(*answer));

	if (!answer) {
		(void)pgs_err_nomem(reterr);
		return NULL;
	}
	answer->data = PGS_BUF_INIT(2 * 1024 * 1024);
	answer->failed = -1;
	return answer;
}

static void answer_free(struct answer *answer)
{
	pgs_buf_done(&answer->data);
	zk_names_free(answer->names, answer->n_names);
	free(answer);
}

/* The caller leaves; the request may still be open. */
static void answer_drop(struct answer **answer)
{
	if (!*answer)
		return;
	if ((*answer)->done)
		answer_free(*answer);
	else
		(*answer)->abandoned = true;
}

/* The answer is there; false: nobody waits for it any more and it is gone. */
static bool answer_arrived(struct answer *answer, const struct pgs_err *err,
			   const struct zk_stat *stat)
{
	if (answer->abandoned) {
		answer_free(answer);
		return false;
	}
	answer->done = true;
	if (err)
		answer->err = *err;
	if (stat)
		answer->stat = *stat;
	return true;
}

static void on_done(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat, void *ctx)
{
	(void)zk;
	(void)answer_arrived(ctx, err, stat);
}

static void on_data(struct zk *zk, const struct pgs_err *err, const char *data, size_t len,
		    const struct zk_stat *stat, void *ctx)
{
	struct answer *answer = ctx;

	(void)zk;
	if (answer_arrived(answer, err, stat) && !err)
		pgs_buf_put(&answer->data, data, len);
}

int zk_names_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void on_names(struct zk *zk, const struct pgs_err *err, char *const *names, size_t n,
		     const struct zk_stat *stat, void *ctx)
{
	struct answer *answer = ctx;

	(void)zk;
	if (!answer_arrived(answer, err, stat) || err)
		return;
	answer->names = calloc(n ? n : 1, sizeof(char *));
	for (size_t i = 0; answer->names && i < n; i++) {
		answer->names[i] = strdup(names[i]);
		if (!answer->names[i])
			break;
		answer->n_names++;
	}
	if (!answer->names || answer->n_names != n)
		(void)pgs_err_nomem(&answer->err);
	else
		qsort(answer->names, n, sizeof(char *), zk_names_compare);
}

static void on_multi(struct zk *zk, const struct pgs_err *err, int failed, void *ctx)
{
	struct answer *answer = ctx;

	(void)zk;
	if (answer_arrived(answer, err, NULL))
		answer->failed = failed;
}

/* One turn: wait for the socket or the time, whichever is first, and let the library work. */
static void pump(struct zk *zk, uint64_t deadline_us)
{
	int fd, events;
	uint64_t timeout_us;

	zk_interest(zk, &fd, &events, &timeout_us);
	uint64_t until_us = pgs_now_us() + timeout_us;
	if (until_us > deadline_us)
		until_us = deadline_us;
	struct pollfd p = { .fd = fd,
			    .events = (short)(((events & ZK_READ) ? POLLIN : 0) |
					      ((events & ZK_WRITE) ? POLLOUT : 0)) };
	if (poll(&p, 1, pgs_ms_until(until_us)) <= 0 || fd < 0)
		return;
	int came = ((p.revents & POLLIN) ? ZK_READ : 0) | ((p.revents & POLLOUT) ? ZK_WRITE : 0);
	if (p.revents & (POLLHUP | POLLERR | POLLNVAL))
		came = ZK_READ | ZK_WRITE;
	if (came)
		zk_process(zk, came);
}

int zk_wait_connected(struct zk *zk, uint64_t deadline_us, struct pgs_err *reterr)
{
	while (zk->state != ZK_CONNECTED) {
		if (zk->state == ZK_DENIED)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "ZAUTHFAILED",
					   "ZooKeeper at \"%s\" refused the authentication",
					   zk->hosts);
		if (pgs_now_us() >= deadline_us)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "ENOTCONN",
					   "could not connect to ZooKeeper at \"%s\": %s",
					   zk->hosts,
					   zk->trouble[0] ? zk->trouble : "no answer in time");
		pump(zk, deadline_us);
	}
	return 0;
}

/* Pump until the answer or the deadline. */
static int await(struct zk *zk, struct answer *answer, const char *path, uint64_t deadline_us,
		 struct pgs_err *reterr)
{
	while (!answer->done) {
		if (pgs_now_us() >= deadline_us)
			return zk_err_from_rc(ZOPERATIONTIMEOUT, path, reterr);
		pump(zk, deadline_us);
	}
	if (answer->err.cls == PGS_ERR_NONE)
		return 0;
	if (reterr)
		*reterr = answer->err;
	return -1;
}

/* Waits for a connection first. NULL: *reterr says why. */
static struct answer *answer_for(struct zk *zk, uint64_t deadline_us, struct pgs_err *reterr)
{
	return zk_wait_connected(zk, deadline_us, reterr) < 0 ? NULL : answer_new(reterr);
}

/* A read may be sent again when it failed for want of a connection and time is left. */
static bool again(const struct pgs_err *err, uint64_t deadline_us)
{
	return (zk_err_unknown(err) || strcmp(err->code, "ZINVALIDSTATE") == 0) &&
	       pgs_now_us() < deadline_us;
}

int zk_wait_get(struct zk *zk, const char *path, uint64_t deadline_us, struct pgs_buf *ret_data,
		struct zk_stat *ret_stat, struct pgs_err *reterr)
{
	for (;;) {
		struct pgs_err err = { 0 };
		PGS_CLEANUP(answer_drop)
		struct answer *answer = answer_for(zk, deadline_us, reterr);
		if (!answer)
			return -1;
		int r = zk_get(zk, path, false, on_data, answer, &err);
		if (r < 0)
			answer->done = true; /* no callback will come */
		else
			r = await(zk, answer, path, deadline_us, &err);
		if (r == 0) {
			pgs_buf_put(ret_data, pgs_buf_str(&answer->data), answer->data.len);
			if (pgs_buf_failed(ret_data) || pgs_buf_failed(&answer->data))
				return pgs_err_nomem(reterr);
			if (ret_stat)
				*ret_stat = answer->stat;
			return 0;
		}
		if (!again(&err, deadline_us)) {
			if (reterr)
				*reterr = err;
			return -1;
		}
	}
}

int zk_wait_list(struct zk *zk, const char *path, uint64_t deadline_us, char ***ret_names,
		 size_t *ret_n, struct pgs_err *reterr)
{
	for (;;) {
		struct pgs_err err = { 0 };
		PGS_CLEANUP(answer_drop)
		struct answer *answer = answer_for(zk, deadline_us, reterr);
		if (!answer)
			return -1;
		int r = zk_list(zk, path, false, on_names, answer, &err);
		if (r < 0)
			answer->done = true;
		else
			r = await(zk, answer, path, deadline_us, &err);
		if (r == 0) {
			*ret_n = answer->n_names;
			*ret_names = PGS_STEAL(answer->names);
			answer->n_names = 0;
			return 0;
		}
		if (!again(&err, deadline_us)) {
			if (reterr)
				*reterr = err;
			return -1;
		}
	}
}

/* The end of every write: `queued` is what the asynchronous call returned. */
static int finish_write(struct zk *zk, struct answer *answer, int queued, const char *path,
			uint64_t deadline_us, struct zk_stat *ret_stat, struct pgs_err *reterr)
{
	if (queued < 0) {
		answer->done = true;
		return -1;
	}
	if (await(zk, answer, path, deadline_us, reterr) < 0)
		return -1;
	if (ret_stat)
		*ret_stat = answer->stat;
	return 0;
}

int zk_wait_create(struct zk *zk, const char *path, const void *data, size_t len, bool ephemeral,
		   uint64_t deadline_us, struct zk_stat *ret_stat, struct pgs_err *reterr)
{
	PGS_CLEANUP(answer_drop) struct answer *answer = answer_for(zk, deadline_us, reterr);
	if (!answer)
		return -1;
	int queued = zk_create(zk, path, data, len, ephemeral, on_done, answer, reterr);
	return finish_write(zk, answer, queued, path, deadline_us, ret_stat, reterr);
}

int zk_wait_set(struct zk *zk, const char *path, const void *data, size_t len, int32_t version,
		uint64_t deadline_us, struct zk_stat *ret_stat, struct pgs_err *reterr)
{
	PGS_CLEANUP(answer_drop) struct answer *answer = answer_for(zk, deadline_us, reterr);
	if (!answer)
		return -1;
	int queued = zk_set(zk, path, data, len, version, on_done, answer, reterr);
	return finish_write(zk, answer, queued, path, deadline_us, ret_stat, reterr);
}

int zk_wait_delete(struct zk *zk, const char *path, int32_t version, uint64_t deadline_us,
		   struct pgs_err *reterr)
{
	PGS_CLEANUP(answer_drop) struct answer *answer = answer_for(zk, deadline_us, reterr);
	if (!answer)
		return -1;
	int queued = zk_delete(zk, path, version, on_done, answer, reterr);
	return finish_write(zk, answer, queued, path, deadline_us, NULL, reterr);
}

int zk_wait_multi(struct zk *zk, const struct zk_op *ops, size_t n, uint64_t deadline_us,
		  int *ret_failed, struct pgs_err *reterr)
{
	if (ret_failed)
		*ret_failed = -1;
	PGS_CLEANUP(answer_drop) struct answer *answer = answer_for(zk, deadline_us, reterr);
	if (!answer)
		return -1;
	int queued = zk_multi(zk, ops, n, on_multi, answer, reterr);
	if (finish_write(zk, answer, queued, n ? ops[0].path : "/", deadline_us, NULL, reterr) == 0)
		return 0;
	if (answer->done && answer->failed >= 0 && (size_t)answer->failed < n) {
		if (ret_failed)
			*ret_failed = answer->failed;
		/* Name the node that was refused, not the first of the transaction. */
		static const char *const codes[] = { "ZNONODE", "ZNODEEXISTS", "ZBADVERSION",
						     "ZNOTEMPTY", "ZNOAUTH" };
		static const int rcs[] = { ZNONODE, ZNODEEXISTS, ZBADVERSION, ZNOTEMPTY, ZNOAUTH };
		for (size_t i = 0; reterr && i < PGS_ARRAY_LEN(codes); i++)
			if (strcmp(reterr->code, codes[i]) == 0) {
				(void)zk_err_from_rc(rcs[i], ops[answer->failed].path, reterr);
				break;
			}
	}
	return -1;
}

int zk_wait_chroot(struct zk *zk, bool create, uint64_t deadline_us, struct pgs_err *reterr)
{
	struct pgs_err err = { 0 };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf unused = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);

	if (!zk->chroot || zk_wait_get(zk, "/", deadline_us, &unused, NULL, &err) == 0)
		return 0;
	if (strcmp(err.code, "ZNONODE") != 0) {
		if (reterr)
			*reterr = err;
		return -1;
	}
	if (!create)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "ZNONODE",
			"ZooKeeper has no node \"%s\"; run \"pgshovel cluster initialize\"",
			zk->chroot);
	if (zk_wait_create(zk, "/", NULL, 0, false, deadline_us, NULL, &err) == 0 ||
	    strcmp(err.code, "ZNODEEXISTS") == 0)
		return 0;
	if (strcmp(err.code, "ZNONODE") == 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "ZNONODE",
				   "ZooKeeper has no parent of the node \"%s\"; create it first",
				   zk->chroot);
	if (reterr)
		*reterr = err;
	return -1;
}

void zk_names_free(char **names, size_t n)
{
	for (size_t i = 0; names && i < n; i++)
		free(names[i]);
	free(names);
}

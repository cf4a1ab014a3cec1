/*
 * common/zk.c
 *    Sessions of the ZooKeeper client: opening, losing, expiring, opening again; what a loop has to wait for.
 *
 * Requests are in zk_request.c, blocking calls in zk_wait.c, addresses in zk_servers.c. A handle of the C
 * library lives for one session; struct zk outlives any number of them. Handles are closed and opened in
 * zk_interest() and zk_close() only, never inside a callback of the library.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/zk_internal.h"

enum {
	RETRY_MIN_US = 500 * 1000,
	RETRY_CAP_US = 30 * 1000 * 1000,
	CONNECT_MIN_US = 1000 * 1000,
	WAIT_MIN_US = 1000,
	WAIT_ERROR_US = 100 * 1000,
	REFUSED_MIN = 3,
};

/*
 * The library's own lines: "time:pid:LEVEL@function@line: text". It hands no context, hence the static limit;
 * a dead server makes it speak at every attempt.
 */
static void on_library_log(const char *message)
{
	static struct pgs_log_limit limit = { .interval_us = 10 * 1000 * 1000, .burst = 20 };
	unsigned held_back = 0;

	if (!pgs_log_allowed(&limit, pgs_now_us(), &held_back))
		return;
	const char *text = strstr(message, ": ");
	text = text ? text + 2 : message;
	size_t n = strcspn(text, "\n");
	if (held_back)
		pgs_log(PGS_LOG_DEBUG, "zookeeper", "%.*s (%u similar lines held back)", (int)n,
			text, held_back);
	else
		pgs_log(PGS_LOG_DEBUG, "zookeeper", "%.*s", (int)n, text);
}

static void set_state(struct zk *zk, enum zk_state state, bool new_session)
{
	bool changed = zk->state != state || new_session;

	zk->state = state;
	if (changed && zk->params.on_session && !zk->closing)
		zk->params.on_session(zk, state, new_session, zk->params.ctx);
}

static void on_connected(struct zk *zk)
{
	const clientid_t *id = zoo_client_id(zk->handle);
	bool new_session = id->client_id != zk->announced_id;

	zk->session_id = id->client_id;
	zk->announced_id = id->client_id;
	zk->trouble[0] = '\0';
	zk->n_refused = 0;
	pgs_backoff_reset(&zk->reopen);
	set_state(zk, ZK_CONNECTED, new_session);
}

/* Runs inside the library: may send requests, must not close. */
void zk_on_event(zhandle_t *handle, int type, int state, const char *path, void *ctx)
{
	struct zk *zk = ctx;

	if (handle != zk->handle || zk->closing)
		return; /* an event of a handle that is being closed */
	if (type != ZOO_SESSION_EVENT) {
		if (type != ZOO_NOTWATCHING_EVENT && zk->params.on_watch)
			zk->params.on_watch(zk, path, zk->params.ctx);
		return;
	}
	if (state == ZOO_CONNECTED_STATE) {
		on_connected(zk);
	} else if (state == ZOO_EXPIRED_SESSION_STATE) {
		set_state(zk, ZK_EXPIRED, false);
	} else if (state == ZOO_AUTH_FAILED_STATE) {
		(void)snprintf(zk->trouble, sizeof(zk->trouble),
			       "ZooKeeper refused the authentication");
		set_state(zk, ZK_DENIED, false);
	} else {
		set_state(zk, ZK_CONNECTING, false);
	}
}

static void retry_later(struct zk *zk)
{
	uint32_t mix =
		(uint32_t)pgs_now_us() * 2654435761U; /* spreads hosts; need not be unpredictable */

	zk->reopen_at_us = pgs_now_us() + pgs_backoff_next(&zk->reopen, mix);
}

/* A handle for a new session (or the one to be resumed, once). On failure: later again. */
static void open_handle(struct zk *zk, const char *addresses)
{
	clientid_t resume = { .client_id = zk->params.resume_id };

	memcpy(resume.passwd, zk->params.resume_password, sizeof(resume.passwd));
	bool resuming = zk->params.resume_id != 0;
	zk->params.resume_id = 0;

	zoo_set_debug_level(ZOO_LOG_LEVEL_WARN);
	zk->handle = zookeeper_init2(
		addresses, zk_on_event, (int)(zk->params.session_timeout_us / 1000),
		resuming ? &resume : NULL, zk, ZOO_NO_LOG_CLIENTENV, on_library_log);
	if (!zk->handle) {
		(void)snprintf(zk->trouble, sizeof(zk->trouble),
			       "could not open a ZooKeeper client: %s", strerrordesc_np(errno));
		retry_later(zk);
		return;
	}
	(void)zoo_set_servers_resolution_delay(zk->handle,
					       -1); /* fails for no reason but a NULL handle */
	zk->not_before_us = 0;
	zk->socket_inode = 0;
	if (zk->digest && zoo_add_auth(zk->handle, "digest", zk->digest, (int)strlen(zk->digest),
				       NULL, NULL) != ZOK)
		(void)snprintf(zk->trouble, sizeof(zk->trouble),
			       "could not queue the authentication");
	if (zk->state == ZK_DENIED)
		return; /* stays so until a server has accepted us */
	zk->state = ZK_CONNECTING;
}

static void resolve_and_open(struct zk *zk)
{
	PGS_CLEANUP(pgs_freep) char *addresses = NULL;
	struct pgs_err err = { 0 };

	if (zk->params.on_resolve && !zk_servers_numeric(zk->hosts)) {
		zk->reopen_at_us = pgs_now_us() + RETRY_CAP_US;
		if (!zk->resolving) {
			zk->resolving = true;
			zk->params.on_resolve(zk, zk->hosts, zk->params.ctx);
		}
		return;
	}
	if (zk_servers_resolve(zk->hosts, &addresses, &err) < 0) {
		(void)snprintf(zk->trouble, sizeof(zk->trouble), "%.300s", err.msg);
		retry_later(zk);
		return;
	}
	open_handle(zk, addresses);
}

void zk_resolved(struct zk *zk, const char *addresses, const char *trouble)
{
	assert(zk->depth == 0);
	zk->resolving = false;
	if (zk->handle)
		return;
	if (addresses) {
		open_handle(zk, addresses);
		return;
	}
	(void)snprintf(zk->trouble, sizeof(zk->trouble), "%.300s", trouble);
	retry_later(zk);
}

static void close_handle(struct zk *zk)
{
	zhandle_t *old = PGS_STEAL(zk->handle);

	assert(zk->depth == 0);
	if (!old)
		return;
	zk->depth++;
	(void)zookeeper_close(old); /* answers what is pending; its result changes nothing for us */
	zk->depth--;
}

int zk_open(const struct zk_params *params, struct zk **ret, struct pgs_err *reterr)
{
	if (zk_servers_check(params->hosts, reterr) < 0)
		return -1;
	struct zk *zk = calloc(1, sizeof(*zk));
	if (!zk)
		return pgs_err_nomem(reterr);
	zk->params = *params;
	zk->hosts = strdup(params->hosts);
	zk->digest = params->digest ? strdup(params->digest) : NULL;
	zk->reopen = (struct pgs_backoff){ .base_us = RETRY_MIN_US, .cap_us = RETRY_CAP_US };
	if (!zk->hosts || (params->digest && !zk->digest)) {
		zk_close(zk);
		return pgs_err_nomem(reterr);
	}
	zk->chroot = strchr(zk->hosts, '/');
	zk->params.hosts = zk->hosts;
	zk->params.digest = zk->digest;
	*ret = zk; /* on_resolve is told of it */
	resolve_and_open(zk);
	return 0;
}

void zk_close(struct zk *zk)
{
	if (!zk)
		return;
	zk->closing = true;
	close_handle(zk);
	assert(zk->n_pending == 0);
	if (zk->digest)
		explicit_bzero(zk->digest, strlen(zk->digest));
	free(zk->digest);
	free(zk->hosts);
	free(zk);
}

void zk_leave(struct zk *zk)
{
	struct timeval tv;
	int fd = -1, interest = 0;

	if (!zk)
		return;
	zk->closing = true;
	zk->depth++;
	/* A client that sees its connection broken ends without telling the server. */
	if (zk->handle && zookeeper_interest(zk->handle, &fd, &interest, &tv) == ZOK && fd >= 0) {
		(void)shutdown(fd, SHUT_RDWR);
		(void)zookeeper_process(zk->handle, ZOOKEEPER_READ); /* fails: that is the point */
	}
	zk->depth--;
	zk_close(zk);
}

void zk_session_save(const struct zk *zk, int64_t *ret_id, char ret_password[16])
{
	const clientid_t *id = zk->handle && zk->session_id ? zoo_client_id(zk->handle) : NULL;

	*ret_id = id ? id->client_id : 0;
	if (id)
		memcpy(ret_password, id->passwd, sizeof(id->passwd));
}

void zk_closep(struct zk **zk)
{
	zk_close(*zk);
}

enum zk_state zk_state(const struct zk *zk)
{
	return zk->state;
}

int64_t zk_session_id(const struct zk *zk)
{
	return zk->session_id;
}

const char *zk_trouble(const struct zk *zk)
{
	return zk->trouble;
}

/*
 * A server that accepts and says nothing would cost two thirds of the session timeout. Cut the socket earlier:
 * the loop then sees a hang-up and the library goes to the next server.
 */
static void guard_connect(struct zk *zk, int fd, uint64_t now_us, uint64_t *timeout_us)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return;
	if (st.st_ino != zk->socket_inode) {
		zk->socket_inode = st.st_ino;
		zk->socket_seen_us = now_us;
		/* Debian's build opens its sockets without CLOEXEC: a worker must not inherit one. */
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	if (zoo_state(zk->handle) == ZOO_CONNECTED_STATE)
		return;
	uint64_t limit_us = zk->params.session_timeout_us / 8;
	if (limit_us < CONNECT_MIN_US)
		limit_us = CONNECT_MIN_US;
	uint64_t at_us = zk->socket_seen_us + limit_us;
	if (now_us >= at_us) {
		(void)shutdown(fd, SHUT_RDWR); /* an unconnected socket needs no cutting */
		return;
	}
	if (at_us - now_us < *timeout_us)
		*timeout_us = at_us - now_us;
}

static bool is_dead(struct zk *zk)
{
	return zk->handle && is_unrecoverable(zk->handle) != ZOK;
}

/*
 * A server hangs up on who has seen more than it has. That is right while it is behind the others, and would be for
 * ever when ZooKeeper was put back from an old copy. A handle without memory asks for the same session: it goes on, or
 * turns out to be unknown. Whoever uses us then has to look at everything again, as in a new session.
 */
static void forget_what_was_seen(struct zk *zk, uint64_t now_us)
{
	if (!zk->handle || zk->state == ZK_CONNECTED || zk->n_refused < REFUSED_MIN ||
	    zk->session_id == 0 || now_us - zk->refused_since_us < zk->params.session_timeout_us)
		return;
	const clientid_t *id = zoo_client_id(zk->handle);
	zk->params.resume_id = id->client_id;
	memcpy(zk->params.resume_password, id->passwd, sizeof(zk->params.resume_password));
	zk->announced_id = 0;
	zk->n_refused = 0;
	zk->reopen_at_us = now_us;
	close_handle(zk);
}

static void note_refusal(struct zk *zk, int before)
{
	int after = zoo_state(zk->handle);

	if (before != ZOO_ASSOCIATING_STATE || after == ZOO_ASSOCIATING_STATE ||
	    after == ZOO_CONNECTED_STATE)
		return;
	if (zk->n_refused++ == 0)
		zk->refused_since_us = pgs_now_us();
}

void zk_interest(struct zk *zk, int *ret_fd, int *ret_events, uint64_t *ret_timeout_us)
{
	uint64_t now_us = pgs_now_us();

	assert(zk->depth == 0);
	*ret_fd = -1;
	*ret_events = 0;
	if (is_dead(zk)) {
		/* Expired: a new session at once. Refused: with back-off, or it would be a hot loop. */
		zk->reopen_at_us = now_us;
		if (zk->state == ZK_DENIED)
			retry_later(zk);
		close_handle(zk);
	}
	forget_what_was_seen(zk, now_us);
	if (!zk->handle && now_us >= zk->reopen_at_us) {
		resolve_and_open(zk);
		now_us = pgs_now_us();
	}
	if (!zk->handle) {
		*ret_timeout_us =
			zk->reopen_at_us > now_us ? zk->reopen_at_us - now_us : WAIT_MIN_US;
		return;
	}
	if (now_us < zk->not_before_us) {
		*ret_timeout_us = zk->not_before_us - now_us;
		return;
	}
	zk->not_before_us = 0;

	int fd = -1, interest = 0;
	struct timeval tv = { .tv_usec = WAIT_ERROR_US }; /* stays so when the library fails */
	zk->depth++;
	int rc = zookeeper_interest(zk->handle, &fd, &interest, &tv);
	zk->depth--;
	if (is_dead(zk)) {
		*ret_timeout_us = WAIT_MIN_US;
		return;
	}
	uint64_t timeout_us = (uint64_t)tv.tv_sec * 1000000 + (uint64_t)tv.tv_usec;
	if (rc != ZOK) {
		fd = -1;
		timeout_us = WAIT_ERROR_US;
	}
	/* A pause or an error: the last attempt failed. */
	if (fd < 0 && zk->state != ZK_CONNECTED && zk->trouble[0] == '\0')
		(void)snprintf(zk->trouble, sizeof(zk->trouble),
			       "no ZooKeeper server of \"%.200s\" answers", zk->hosts);
	if (fd >= 0)
		guard_connect(zk, fd, now_us, &timeout_us);
	if (timeout_us < WAIT_MIN_US)
		timeout_us = WAIT_MIN_US;
	if (fd < 0) {
		if (timeout_us < WAIT_ERROR_US)
			timeout_us =
				WAIT_ERROR_US; /* the library's own is a sixtieth of a short session */
		/* Asking again before the pause is over would clear it and connect in a hot loop. */
		zk->not_before_us = now_us + timeout_us;
	} else {
		*ret_fd = fd;
		*ret_events = ((interest & ZOOKEEPER_READ) ? ZK_READ : 0) |
			      ((interest & ZOOKEEPER_WRITE) ? ZK_WRITE : 0);
	}
	*ret_timeout_us = timeout_us;
}

void zk_process(struct zk *zk, int events)
{
	assert(zk->depth == 0);
	if (!zk->handle || is_dead(zk))
		return;
	int before = zoo_state(zk->handle);
	zk->depth++;
	/* ZNOTHING, ZCONNECTIONLOSS and ZOPERATIONTIMEOUT are ordinary here; the state says what follows. */
	(void)zookeeper_process(zk->handle, ((events & ZK_READ) ? ZOOKEEPER_READ : 0) |
						    ((events & ZK_WRITE) ? ZOOKEEPER_WRITE : 0));
	zk->depth--;
	note_refusal(zk, before);
	zk->not_before_us = 0;
}

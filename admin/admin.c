/*
 * admin/admin.c
 *    What every command works with: ZooKeeper connection, cluster node, lock, interrupts, the pump.
 *
 * Knows no command and no database.
 */
#include "admin/admin.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/credentials.h"
#include "common/clock.h"
#include "common/zpath.h"

uint64_t admin_deadline(const struct admin *a)
{
	return pgs_now_us() + a->options.connect_timeout_us;
}

struct pg_limit admin_limit(const struct admin *a, uint64_t timeout_us)
{
	return (struct pg_limit){ .timeout_us =
					  timeout_us ? timeout_us : a->options.connect_timeout_us,
				  .interrupt_fd = a->interrupt_fd };
}

static void on_session(struct zk *zk, enum zk_state state, bool new_session, void *ctx)
{
	struct admin *a = ctx;

	(void)zk;
	if (new_session || state == ZK_EXPIRED)
		a->locked = false;
}

static int open_client(struct admin *a, struct pgs_err *reterr)
{
	const struct zk_params params = { .hosts = a->options.zookeeper_hosts,
					  .session_timeout_us = a->options.session_timeout_us,
					  .digest = a->digest,
					  .on_session = on_session,
					  .ctx = a };

	if (zk_open(&params, &a->zk, reterr) < 0)
		return -1;
	return zk_wait_connected(a->zk, admin_deadline(a), reterr);
}

int admin_connect(struct admin *a, struct pgs_err *reterr)
{
	if (credentials_read_zookeeper(a->options.credentials_dir, &a->digest, reterr) < 0)
		return -1;
	return open_client(a, reterr);
}

int admin_reconnect(struct admin *a, struct pgs_err *reterr)
{
	zk_closep(&a->zk);
	a->locked = false;
	return open_client(a, reterr);
}

int admin_open_cluster(struct admin *a, struct pgs_err *reterr)
{
	struct zpath path = zpath_cluster(a->options.cluster);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);
	struct zk_stat stat;
	struct pgs_err err = { 0 };

	if (!a->zk && admin_connect(a, reterr) < 0)
		return -1;
	if (zk_wait_get(a->zk, path.text, admin_deadline(a), &data, &stat, &err) < 0) {
		if (strcmp(err.code, "ZNONODE") == 0)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "ZNONODE",
					   "cluster \"%s\" does not exist at \"%s\"; run "
					   "\"pgshovel cluster initialize\"",
					   a->options.cluster, a->options.zookeeper_hosts);
		*reterr = err;
		return -1;
	}
	if (zkdoc_cluster_read(data.data, data.len, &a->cluster, reterr) < 0)
		return pgs_err_prefix(reterr, "cluster \"%s\"", a->options.cluster);
	a->cluster_node_version = stat.version;
	return 0;
}

int admin_compare_software(const char *left, const char *right)
{
	while (*left || *right) {
		char *left_end, *right_end;
		unsigned long l = strtoul(left, &left_end, 10), r = strtoul(right, &right_end, 10);
		if (l != r)
			return l < r ? -1 : 1;
		if ((*left && left_end == left) || (*right && right_end == right))
			return strcmp(left, right); /* not a number: any order will do */
		left = left_end + (*left_end == '.');
		right = right_end + (*right_end == '.');
	}
	return 0;
}

int admin_check_software(const struct admin *a, struct pgs_err *reterr)
{
	int order = admin_compare_software(PGSHOVEL_VERSION, a->cluster.software);

	if (order == 0)
		return 0;
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
			   "cluster \"%s\" is at version %s and this program is version %s; %s",
			   a->options.cluster, a->cluster.software, PGSHOVEL_VERSION,
			   order > 0 ? "run \"pgshovel cluster upgrade\" first"
				     : "use the newer program");
}

/* Who holds the lock, for people; false when nobody does any more. */
static bool lock_holder(struct admin *a, char *ret, size_t size)
{
	struct zpath path = zpath_admin(a->options.cluster);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(1024);

	if (zk_wait_get(a->zk, path.text, admin_deadline(a), &data, NULL, NULL) < 0)
		return false;
	snprintf(ret, size, "%s", pgs_buf_str(&data));
	return true;
}

/* Code "locked" when somebody holds it; *ret_own then says that it is we, in a session that has ended. */
static int take_lock(struct admin *a, bool *ret_own, struct pgs_err *reterr)
{
	struct zpath path = zpath_admin(a->options.cluster);
	char holder[256];
	struct pgs_err err = { 0 };
	struct zk_stat stat = { 0 };

	*ret_own = false;
	for (int tries = 0; tries < 3; tries++) {
		if (zk_wait_create(a->zk, path.text, a->lock_text, strlen(a->lock_text), true,
				   admin_deadline(a), &stat, &err) == 0) {
			a->locked = true;
			a->lock_czxid = stat.czxid;
			a->now_ms = stat.ctime_ms;
			return 0;
		}
		if (strcmp(err.code, "ZNODEEXISTS") != 0)
			break;
		if (!lock_holder(a, holder, sizeof(holder)))
			continue;
		*ret_own = strcmp(holder, a->lock_text) == 0;
		return pgs_err_set(reterr, PGS_ERR_RETRY, "locked",
				   "another admin is at work on cluster \"%s\": %s; try again when "
				   "it has ended",
				   a->options.cluster, holder);
	}
	*reterr = err;
	return pgs_err_prefix(reterr, "could not lock cluster \"%s\"", a->options.cluster);
}

int admin_lock(struct admin *a, const char *command, struct pgs_err *reterr)
{
	char host[64] = "?";
	bool own;

	if (gethostname(host, sizeof(host)) < 0)
		snprintf(host, sizeof(host), "unknown");
	host[sizeof(host) - 1] = '\0';
	snprintf(a->lock_text, sizeof(a->lock_text), "%s %d %s", host, (int)getpid(), command);
	return take_lock(a, &own, reterr);
}

int admin_lock_again(struct admin *a, struct pgs_err *reterr)
{
	/* A server counts an expiry in ticks and may be late; after a restart it counts from the start. */
	uint64_t until_us =
		pgs_now_us() + 3 * a->options.session_timeout_us + a->options.connect_timeout_us;
	bool own;

	for (;;) {
		if (take_lock(a, &own, reterr) == 0)
			return 0;
		if (!own || pgs_now_us() >= until_us)
			return -1;
		if (admin_pause(a, 100 * 1000, reterr) < 0)
			return -1;
	}
}

void admin_hold_interrupts(struct admin *a)
{
	a->interrupt_fd = -1;
}

bool admin_interrupted(const struct admin *a)
{
	struct pollfd p = { .fd = a->interrupt_fd, .events = POLLIN };

	return a->interrupt_fd >= 0 && poll(&p, 1, 0) > 0;
}

/* One turn of at most until `until_us`: ZooKeeper's client works, a signal ends it. False: a signal came. */
static bool turn(struct admin *a, uint64_t until_us)
{
	struct pollfd p[] = { { .fd = a->interrupt_fd, .events = POLLIN }, { .fd = -1 } };
	int events = 0;
	uint64_t timeout_us;

	if (a->zk) {
		zk_interest(a->zk, &p[1].fd, &events, &timeout_us);
		p[1].events = (short)(((events & ZK_READ) ? POLLIN : 0) |
				      ((events & ZK_WRITE) ? POLLOUT : 0));
		uint64_t at_us = pgs_now_us() + timeout_us;
		until_us = at_us < until_us ? at_us : until_us;
	}
	if (poll(p, 2, pgs_ms_until(until_us)) <= 0)
		return true;
	int came =
		((p[1].revents & POLLIN) ? ZK_READ : 0) | ((p[1].revents & POLLOUT) ? ZK_WRITE : 0);
	if (p[1].revents & (POLLHUP | POLLERR | POLLNVAL))
		came = ZK_READ | ZK_WRITE;
	if (came)
		zk_process(a->zk, came);
	return p[0].revents == 0;
}

void admin_breathe(struct admin *a)
{
	(void)turn(a, 0); /* a signal is seen by whoever waits next */
}

int admin_pause(struct admin *a, uint64_t us, struct pgs_err *reterr)
{
	uint64_t until_us = pgs_now_us() + us;

	do {
		if (!turn(a, until_us))
			return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt",
					   "interrupted by a signal");
	} while (pgs_now_us() < until_us);
	return 0;
}

void admin_done(struct admin *a)
{
	zk_closep(&a->zk);
	credentials_freep(&a->digest);
	pgs_closep(&a->signal_fd);
	a->signal_fd = -1;
}

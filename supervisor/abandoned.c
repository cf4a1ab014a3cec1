/*
 * supervisor/abandoned.c
 *    See abandoned.h.
 *
 * An admin that works holds /admin, so an intent without that lock is nobody's. How long it has been so is counted by
 * our own clock, look by look: no two clocks are compared. Of all supervisors one recovers at a time: the
 * one that could make the ephemeral node /recovering.
 */
#include "supervisor/abandoned.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/exitcode.h"
#include "common/zpath.h"
#include "supervisor/desired.h"
#include "supervisor/loop.h"
#include "supervisor/supervisor.h"

enum {
	LOOK_MIN_US = 500 * 1000,
	LOOK_MAX_US = 15 * 1000 * 1000,
	BACKOFF_BASE_US = 30 * 1000 * 1000,
	BACKOFF_CAP_US = 3600LL * 1000 * 1000,
	PATH_SIZE = 512,
	MAX_WORDS = 16,
};

static uint64_t look_interval(const struct supervisor *sup)
{
	uint64_t us = sup->config.recover_after_us / 4;

	return us < LOOK_MIN_US ? LOOK_MIN_US : us > LOOK_MAX_US ? LOOK_MAX_US : us;
}

/* The request is answered; look again later, or soon after trouble. */
static void answered(struct supervisor *sup)
{
	sup->n_requests--;
	sup->abandoned.asked = false;
	sup->abandoned.look_at_us = pgs_now_us() + look_interval(sup);
}

static void sent(struct supervisor *sup)
{
	sup->n_requests++;
	sup->abandoned.asked = true;
}

/* ---- the child ---- */

static void on_released(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
			void *ctx)
{
	struct supervisor *sup = ctx;

	(void)zk;
	(void)stat;
	answered(sup);
	if (!err || strcmp(err->code, "ZNONODE") == 0)
		sup->abandoned.claimed = false;
	else
		desired_request_failed(sup, err); /* abandoned_pump() comes again */
}

static void release(struct supervisor *sup)
{
	struct pgs_err err;

	if (zk_delete(sup->zk, zpath_recovering(sup->config.cluster).text, -1, on_released, sup,
		      &err) == 0)
		sent(sup);
}

static void failed(struct supervisor *sup, const char *why)
{
	struct abandoned *ab = &sup->abandoned;
	uint64_t now_us = pgs_now_us(), wait_us;

	ab->backoff.base_us = BACKOFF_BASE_US;
	ab->backoff.cap_us = BACKOFF_CAP_US;
	wait_us = pgs_backoff_next(&ab->backoff, (uint32_t)now_us);
	ab->try_at_us = now_us + wait_us;
	pgs_log(PGS_LOG_WARNING, NULL,
		"could not recover the rollouts that were left open: %s; trying again in %llu s, "
		"\"pgshovel txn list\" shows them",
		why, (unsigned long long)(wait_us / 1000000));
}

static void forget_child(struct abandoned *ab)
{
	ab->child = sd_event_source_disable_unref(ab->child);
	if (ab->pid != 0 && ab->pidfd >= 0)
		(void)close(ab->pidfd); /* the process is reaped, or left alone */
	ab->pidfd = -1;
	ab->pid = 0;
}

static int on_exit_child(sd_event_source *source, const siginfo_t *si, void *userdata)
{
	struct supervisor *sup = userdata;
	struct abandoned *ab = &sup->abandoned;
	char why[96];

	(void)source;
	(void)waitpid(ab->pid, NULL, 0); /* it is dead: this only collects it */
	forget_child(ab);
	loop_wake(sup);
	if (si->si_code == CLD_EXITED && si->si_status == PGS_EXIT_OK) {
		pgs_log(PGS_LOG_NOTICE, NULL, "the rollouts that were left open are closed");
		pgs_backoff_reset(&ab->backoff);
		ab->open_since_us = 0;
		return 0;
	}
	(void)snprintf(why, sizeof(why), "\"pgshovel txn recover\" ended with %s %d",
		       si->si_code == CLD_EXITED ? "exit status" : "signal", si->si_status);
	failed(sup, why);
	return 0;
}

/* pgshovel beside our own binary, else in PATH. */
static int find_program(char path[PATH_SIZE])
{
	static const char name[] = "pgshovel";
	ssize_t n = readlink("/proc/self/exe", path, PATH_SIZE - sizeof(name) - 1);

	if (n > 0) {
		path[n] = '\0';
		char *slash = strrchr(path, '/');
		(void)snprintf(slash + 1, PATH_SIZE - (size_t)(slash + 1 - path), "%s", name);
		if (access(path, X_OK) == 0)
			return 0;
	}
	for (const char *dir = getenv("PATH"); dir && *dir;
	     dir += strcspn(dir, ":"), dir += *dir == ':') {
		int len = (int)strcspn(dir, ":");
		if (len > 0 && snprintf(path, PATH_SIZE, "%.*s/%s", len, dir, name) < PATH_SIZE &&
		    access(path, X_OK) == 0)
			return 0;
	}
	return -1;
}

static int run(struct supervisor *sup, const char *path, pid_t *ret)
{
	const struct config *c = &sup->config;
	char *argv[MAX_WORDS];
	int n = 0;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;

	argv[n++] = (char *)"pgshovel";
	argv[n++] = (char *)"--zookeeper-hosts";
	argv[n++] = c->zookeeper_hosts;
	argv[n++] = (char *)"--cluster";
	argv[n++] = c->cluster;
	if (c->credentials_dir) {
		argv[n++] = (char *)"--credentials-dir";
		argv[n++] = c->credentials_dir;
	}
	if (c->relay) {
		argv[n++] = (char *)"--relay";
		argv[n++] = c->relay;
	}
	argv[n++] = (char *)"txn";
	argv[n++] = (char *)"recover";
	argv[n] = NULL;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	int r = posix_spawnattr_init(&attr);
	if (r != 0)
		return r;
	r = posix_spawn_file_actions_init(&actions);
	if (r != 0) {
		(void)posix_spawnattr_destroy(&attr);
		return r;
	}
	r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						    POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawnattr_setsigmask(&attr, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(&attr, &all);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
						     0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn(ret, path, &actions, &attr, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attr);
	return r;
}

static void start(struct supervisor *sup)
{
	struct abandoned *ab = &sup->abandoned;
	char path[PATH_SIZE];

	if (find_program(path) < 0) {
		failed(sup, "cannot find \"pgshovel\" beside pgshoveld or in PATH");
		return;
	}
	int r = run(sup, path, &ab->pid);
	if (r != 0) {
		ab->pid = 0;
		failed(sup, strerrordesc_np(r));
		return;
	}
	ab->pidfd = (int)syscall(SYS_pidfd_open, ab->pid, 0);
	r = ab->pidfd < 0 ? -errno
			  : sd_event_add_child_pidfd(sup->event, &ab->child, ab->pidfd, WEXITED,
						     on_exit_child, sup);
	if (r < 0) {
		/* One that cannot be watched ends, as at any kill -9; the next goes on from there. */
		(void)kill(ab->pid, SIGKILL);
		(void)waitpid(ab->pid, NULL, 0);
		forget_child(ab);
		failed(sup, strerrordesc_np(-r));
		return;
	}
	pgs_log(PGS_LOG_NOTICE, NULL,
		"%u %s left open and no admin is at work: running \"pgshovel txn recover\" (pid "
		"%d)",
		ab->n_open, ab->n_open == 1 ? "rollout was" : "rollouts were", (int)ab->pid);
}

/* ---- looking ---- */

static void on_list_again(struct zk *zk, const struct pgs_err *err, char *const *names, size_t n,
			  const struct zk_stat *stat, void *ctx)
{
	struct supervisor *sup = ctx;

	(void)zk;
	(void)names;
	(void)stat;
	answered(sup);
	sup->abandoned.n_open = (unsigned)n;
	if (err)
		desired_request_failed(sup, err);
	else if (n > 0 && !sup->stopping)
		start(sup);
}

/* The claim is ours; abandoned_pump() gives it back. Whoever had it before us may have done the work. */
static void claimed(struct supervisor *sup)
{
	struct pgs_err err;

	sup->abandoned.claimed = true;
	if (zk_list(sup->zk, zpath_rollouts(sup->config.cluster).text, false, on_list_again, sup,
		    &err) < 0)
		desired_request_failed(sup, &err);
	else
		sent(sup);
}

static void on_owner(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
		     void *ctx)
{
	struct supervisor *sup = ctx;

	answered(sup);
	if (err && strcmp(err->code, "ZNONODE") != 0)
		desired_request_failed(sup, err);
	else if (!err && stat->ephemeral_owner == zk_session_id(zk))
		claimed(sup); /* the answer to our create was lost */
	else
		pgs_log(PGS_LOG_DEBUG, NULL, "another supervisor recovers rollouts");
}

static void on_claimed(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
		       void *ctx)
{
	struct supervisor *sup = ctx;

	struct pgs_err failure;

	(void)stat;
	answered(sup);
	if (!err) {
		claimed(sup);
	} else if (strcmp(err->code, "ZNODEEXISTS") != 0) {
		desired_request_failed(sup, err);
	} else if (zk_exists(zk, zpath_recovering(sup->config.cluster).text, false, on_owner, sup,
			     &failure) < 0) {
		desired_request_failed(sup, &failure);
	} else {
		sent(sup);
	}
}

static void claim(struct supervisor *sup)
{
	struct pgs_err err;

	if (zk_create(sup->zk, zpath_recovering(sup->config.cluster).text, sup->host,
		      strlen(sup->host), true, on_claimed, sup, &err) < 0)
		desired_request_failed(sup, &err);
	else
		sent(sup);
}

static void on_admin(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
		     void *ctx)
{
	struct supervisor *sup = ctx;
	struct abandoned *ab = &sup->abandoned;
	uint64_t now_us = pgs_now_us();

	(void)zk;
	(void)stat;
	answered(sup);
	if (!err) {
		ab->open_since_us = 0;
		pgs_log(PGS_LOG_DEBUG, NULL, "rollouts are open (%u) and an admin is at work",
			ab->n_open);
		return;
	}
	if (strcmp(err->code, "ZNONODE") != 0) {
		desired_request_failed(sup, err);
		return;
	}
	if (ab->open_since_us == 0)
		ab->open_since_us = now_us;
	if (now_us - ab->open_since_us >= sup->config.recover_after_us && now_us >= ab->try_at_us &&
	    !sup->stopping)
		claim(sup);
}

static void on_list(struct zk *zk, const struct pgs_err *err, char *const *names, size_t n,
		    const struct zk_stat *stat, void *ctx)
{
	struct supervisor *sup = ctx;
	struct abandoned *ab = &sup->abandoned;
	struct pgs_err failure;

	(void)zk;
	(void)names;
	(void)stat;
	answered(sup);
	if (err) {
		if (strcmp(err->code, "ZNONODE") != 0) /* no cluster: desired.c says so */
			desired_request_failed(sup, err);
		return;
	}
	ab->n_open = (unsigned)n;
	if (n == 0) {
		ab->open_since_us = ab->try_at_us = 0;
		pgs_backoff_reset(&ab->backoff);
		return;
	}
	if (zk_exists(sup->zk, zpath_admin(sup->config.cluster).text, false, on_admin, sup,
		      &failure) < 0)
		desired_request_failed(sup, &failure);
	else
		sent(sup);
}

void abandoned_pump(struct supervisor *sup)
{
	struct abandoned *ab = &sup->abandoned;
	struct pgs_err err;

	if (sup->config.set || ab->asked || ab->pid != 0 || !sup->cluster_known ||
	    zk_state(sup->zk) != ZK_CONNECTED || pgs_now_us() < sup->retry_at_us)
		return;
	if (ab->claimed) {
		release(sup);
		return;
	}
	if (sup->config.recover_after_us == 0 || sup->stopping || pgs_now_us() < ab->look_at_us)
		return;
	if (zk_list(sup->zk, zpath_rollouts(sup->config.cluster).text, false, on_list, sup, &err) <
	    0)
		desired_request_failed(sup, &err);
	else
		sent(sup);
}

void abandoned_forget(struct supervisor *sup)
{
	sup->abandoned.claimed = false;
	sup->abandoned.open_since_us = 0;
}

void abandoned_done(struct supervisor *sup)
{
	struct abandoned *ab = &sup->abandoned;

	if (ab->pid != 0)
		(void)kill(ab->pid, SIGTERM); /* it knows where it may stop */
	forget_child(ab);
}

/*
 * worker/confine.c
 *    The order of confinement: what must come before what. See worker/confine.h.
 */
#include "worker/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

enum {
	OPEN_FILES = 4096,
	/* RLIMIT_DATA counts the whole stack of a thread. Nothing of ours, nor of the libraries, needs 8 MB. */
	THREAD_STACK = 1024 * 1024,
};

/* Our parent is the one who made fd 3: else it died before we asked to be told of its death. */
static bool parent_is_supervisor(int ctl_fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(ctl_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return true; /* by hand, in tests: no such socket */
	return peer.pid == 0 || peer.pid == getppid(); /* 0: of another PID namespace */
}

int confine_process(int ctl_fd, struct pgs_err *reterr)
{
	const struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };

	if (prctl(PR_SET_PDEATHSIG, SIGTERM))
		return pgs_err_set(reterr, PGS_ERR_BUG, "PRCTL",
				   "could not isolate the process: %m");
	if (!parent_is_supervisor(ctl_fd))
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "the supervisor ended");
	(void)setrlimit(RLIMIT_CORE, &none); /* lowering is always permitted */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return pgs_err_set(reterr, PGS_ERR_BUG, "PRCTL",
				   "could not isolate the process: %m");
#ifndef PGSHOVEL_TEST_HOOKS
	if (prctl(PR_SET_DUMPABLE, 0)) /* debuggers and leak checkers need it in test builds */
		return pgs_err_set(reterr, PGS_ERR_BUG, "PRCTL",
				   "could not isolate the process: %m");
#endif
	return 0;
}

int confine_new(const struct assignment *a, const struct setdoc *doc, struct confine **ret,
		struct pgs_err *reterr)
{
	struct confine *c = calloc(1, sizeof(*c));

	if (!c)
		return pgs_err_nomem(reterr);
	if (confine_parse(a->confine ? a->confine : "none", &c->pieces, reterr) ||
	    confine_plan(c, a, doc, reterr)) {
		confine_free(c);
		return -1;
	}
	*ret = c;
	return 0;
}

void confine_free(struct confine *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_rules; i++)
		free(c->rules[i].path);
	free(c);
}

static void lower(int resource, rlim_t limit)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		return; /* of a kind that this kernel does not have */
	if (now.rlim_max != RLIM_INFINITY && now.rlim_max < limit)
		limit = now.rlim_max;
	now = (struct rlimit){ .rlim_cur = limit, .rlim_max = limit };
	(void)setrlimit(resource, &now); /* lowering is always permitted */
}

static int limit(uint64_t memory, struct pgs_err *reterr)
{
	pthread_attr_t attr;

	lower(RLIMIT_NOFILE, OPEN_FILES);
	lower(RLIMIT_MSGQUEUE, 0);
	/*
	 * Without a cgroup. Not RLIMIT_AS: libraries reserve address space that they never use. Not RLIMIT_NPROC: it counts all
	 * processes of the user; threads are bounded by their stacks, and processes by seccomp. Sanitizers reserve terabytes.
	 */
	if (memory && !CONFINE_SANITIZED)
		lower(RLIMIT_DATA, memory);
	int r = pthread_attr_init(&attr);
	if (r == 0) {
		r = pthread_attr_setstacksize(&attr, THREAD_STACK);
		if (r == 0)
			r = pthread_setattr_default_np(&attr);
		(void)pthread_attr_destroy(&attr); /* never fails here */
	}
	return r == 0 ? 0
		      : pgs_err_set(reterr, PGS_ERR_BUG, "", "could not bound the stacks: %s",
				    strerrordesc_np(r));
}

int confine_apply(struct confine *c, uint64_t memory, const char *log_prefix,
		  struct pgs_err *reterr)
{
	if (c->pieces & CONFINE_LIMITS && limit(memory, reterr))
		return -1;
	if (c->pieces & (CONFINE_FILES | CONFINE_NETWORK) &&
	    confine_landlock(c, log_prefix, reterr))
		return -1;
	/* Last: it forbids what the others do. */
	return c->pieces & CONFINE_CALLS ? confine_seccomp(log_prefix, reterr) : 0;
}

/* Many are replaced within a folder that may be read as a whole, such as systemd-resolved's. */
static bool is_closed(const char *path)
{
	PGS_CLEANUP(pgs_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 && errno == EACCES;
}

bool confine_stale(const struct confine *c, const char **ret_path)
{
	struct stat st;

	if (!(c->pieces & CONFINE_FILES))
		return false;
	for (size_t i = 0; i < c->n_rules; i++) {
		const struct confine_rule *rule = &c->rules[i];
		/* Away for the moment between two names is no change yet. */
		if (stat(rule->path, &st) < 0)
			continue;
		if ((st.st_dev != rule->device || st.st_ino != rule->inode) &&
		    is_closed(rule->path)) {
			*ret_path = rule->path;
			return true;
		}
	}
	return false;
}

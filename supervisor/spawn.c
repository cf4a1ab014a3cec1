/*
 * supervisor/spawn.c
 *    fork+exec of one worker: control socket on 3, sealed assignment on 4, own process group.
 *
 * Nothing secret goes into argv or the environment. posix_spawn, because a plain fork of a process with an open
 * ZooKeeper handle must do nothing but exec. Every descriptor of ours is CLOEXEC (main.c marks inherited ones),
 * so that a worker gets 0 to 4 and no more.
 */
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/assignment.h"
#include "common/clock.h"
#include "common/confine.h"
#include "common/ctlproto.h"
#include "supervisor/channel.h"
#include "supervisor/reap.h"

enum { ENVIRONMENT_MAX = 512, FIRST_FREE_FD = 10 };

/* Ours alone, or meaningless to a worker. */
static const char *const withheld[] = { "NOTIFY_SOCKET=", "WATCHDOG_PID=",      "WATCHDOG_USEC=",
					"LISTEN_FDS=",    "LISTEN_PID=",        "LISTEN_FDNAMES=",
					"MAINPID=",       "PGSHOVEL_LOG_LEVEL=" };

static int open_binary(struct supervisor *sup, const char *path)
{
	struct stat st;
	PGS_CLEANUP(pgs_closep) int low = open(path, O_PATH | O_CLOEXEC);

	if (low < 0)
		return -1;
	/* Above the numbers that the child uses: it is run by its number there. */
	int fd = fcntl(low, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0) {
		(void)close(fd); /* not the program: nothing was written through it */
		errno = EACCES;
		return -1;
	}
	if (sup->relay_fd >= 0)
		(void)close(sup->relay_fd); /* the former version of the same */
	sup->relay_fd = fd;
	(void)snprintf(sup->relay_path, sizeof(sup->relay_path), "%s", path);
	return 0;
}

int spawn_open_relay(struct supervisor *sup, struct pgs_err *reterr)
{
	static const char name[] = "pgshovel-kafka-relay";
	char path[512];

	if (sup->config.relay) {
		if (open_binary(sup, sup->config.relay) < 0)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "ENOENT",
					   "cannot run the worker \"%s\": %m", sup->config.relay);
		return 0;
	}
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(name) - 1);
	if (n > 0) {
		path[n] = '\0';
		char *slash = strrchr(path, '/');
		(void)snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "%s", name);
		if (open_binary(sup, path) == 0)
			return 0;
	}
	for (const char *dir = getenv("PATH"); dir && *dir;
	     dir += strcspn(dir, ":"), dir += *dir == ':') {
		int len = (int)strcspn(dir, ":");
		if (len == 0 ||
		    snprintf(path, sizeof(path), "%.*s/%s", len, dir, name) >= (int)sizeof(path))
			continue;
		if (open_binary(sup, path) == 0)
			return 0;
	}
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "ENOENT",
			   "cannot find \"%s\" beside pgshoveld or in PATH; give --relay PATH",
			   name);
}

/* The assignment as a memfd that nobody can change any more, above the numbers that the child uses. */
static int assignment_fd(struct supervisor *sup, struct slot *slot, uint64_t memory, int *ret_fd,
			 struct pgs_err *reterr)
{
	struct assignment_credential credentials[3];
	char token[CHANNEL_TOKEN_MAX];
	struct assignment a = {
		.cluster = sup->config.cluster,
		.set = slot->set,
		.rollout = slot->rollout,
		.version = slot->version,
		.host = sup->host,
		.token = token,
		.partitions = slot->partitions,
		.output = sup->config.to_stdout ? ASSIGNMENT_STDOUT
			  : sup->config.file    ? ASSIGNMENT_FILE
						: ASSIGNMENT_KAFKA,
		.output_path = sup->config.file,
		.from = sup->config.from,
		.commit_path = sup->config.commit,
		.confine = sup->config.confine,
		.ports = sup->config.worker_ports,
		.paths = sup->config.worker_paths,
		.memory = memory,
		.document = slot->document,
		.document_len = slot->document_len,
		.credentials = credentials,
	};
	struct pgs_buf text = PGS_BUF_INIT(ASSIGNMENT_MAX_BYTES);

	channel_token(sup, slot, token);
	credentials_for_set(&sup->credentials, slot->set, credentials, &a.n_credentials);
	assignment_write(&a, &text);
	PGS_CLEANUP(pgs_closep) int fd = -1;
	int r = -1;
	if (pgs_buf_failed(&text)) {
		r = pgs_err_nomem(reterr);
	} else {
		PGS_CLEANUP(pgs_closep)
		int low = memfd_create("pgshovel-assignment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		size_t done = 0;
		while (fd >= 0 && done < text.len) {
			ssize_t n = write(fd, text.data + done, text.len - done);
			if (n <= 0)
				break;
			done += (size_t)n;
		}
		if (fd < 0 || done < text.len || lseek(fd, 0, SEEK_SET) < 0 ||
		    fcntl(fd, F_ADD_SEALS,
			  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
			(void)pgs_err_set(reterr, PGS_ERR_RETRY, "ENOMEM",
					  "could not write the assignment: %m");
		else
			r = 0;
	}
	if (text.data)
		explicit_bzero(text.data, text.cap); /* holds the credentials */
	pgs_buf_done(&text);
	if (r == 0) {
		*ret_fd = fd;
		fd = -1;
	}
	return r;
}

static void build_environment(const struct supervisor *sup, char *level, size_t level_size,
			      char *list[ENVIRONMENT_MAX + 2])
{
	size_t n = 0;

	for (char **var = environ; *var && n < ENVIRONMENT_MAX; var++) {
		bool skip = false;
		for (size_t i = 0; i < PGS_ARRAY_LEN(withheld); i++)
			skip |= strncmp(*var, withheld[i], strlen(withheld[i])) == 0;
		if (!skip)
			list[n++] = *var;
	}
	(void)snprintf(level, level_size, "PGSHOVEL_LOG_LEVEL=%s", sup->config.log_level);
	list[n++] = level;
	list[n] = NULL;
}

static int run(struct supervisor *sup, struct slot *slot, int ctl_fd, int conf_fd,
	       struct pgs_err *reterr)
{
	char exe[32], level[64];
	char *env[ENVIRONMENT_MAX + 2];
	char *argv[] = { (char *)"pgshovel-kafka-relay", (char *)"--supervised", slot->set, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid = 0;

	(void)snprintf(exe, sizeof(exe), "/proc/self/fd/%d", sup->relay_fd);
	build_environment(sup, level, sizeof(level), env);
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	int r = posix_spawnattr_init(&attr);
	if (r != 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not start the worker: %s",
				   strerrordesc_np(r));
	r = posix_spawn_file_actions_init(&actions);
	if (r != 0) {
		(void)posix_spawnattr_destroy(&attr);
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not start the worker: %s",
				   strerrordesc_np(r));
	}
	r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						    POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawnattr_setpgroup(&attr,
					      0); /* a kill of the group reaches helpers too */
	if (r == 0)
		r = posix_spawnattr_setsigmask(&attr,
					       &none); /* our blocked mask would survive exec */
	if (r == 0)
		r = posix_spawnattr_setsigdefault(&attr, &all);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
						     0);
	if (r == 0 && !sup->config.to_stdout)
		r = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, ctl_fd, CTL_FD);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, conf_fd, CTL_ASSIGNMENT_FD);
	if (r == 0)
		r = posix_spawn(&pid, exe, &actions, &attr, argv, env);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attr);
	if (r == ENOENT || r == EACCES || r == ENOEXEC)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "ENOEXEC",
				   "cannot run the worker \"%s\": %s", sup->relay_path,
				   strerrordesc_np(r));
	if (r != 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "EAGAIN",
				   "could not start the worker: %s", strerrordesc_np(r));
	slot->pid = pid;
	return 0;
}

/* How much memory the worker has to limit itself to: nothing of the kind where its cgroup does. */
static uint64_t prepare_cgroup(struct supervisor *sup, struct slot *slot)
{
	const uint64_t n = slot->n_databases ? slot->n_databases : 1;
	const uint64_t memory = sup->config.worker_memory * n;
	unsigned pieces;

	/* config_read() has parsed it before. */
	if (confine_parse(sup->config.confine, &pieces, NULL) < 0 || !(pieces & CONFINE_LIMITS))
		return 0;
	return cgroup_prepare(&sup->cgroup, slot, memory, (uint64_t)sup->config.worker_tasks * n)
		       ? 0
		       : memory;
}

int spawn_worker(struct supervisor *sup, struct slot *slot, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_closep) int theirs = -1;
	PGS_CLEANUP(pgs_closep) int conf = -1;
	int pair[2];

	if (sup->relay_fd < 0 && spawn_open_relay(sup, reterr) < 0)
		return -1;
	slot->spawn = ++sup->n_spawns;
	if (assignment_fd(sup, slot, prepare_cgroup(sup, slot), &conf, reterr) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "EMFILE",
				   "could not make a control socket: %m");
	theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	(void)close(pair[1]); /* the duplicate above is what the child gets */
	if (theirs < 0 || channel_open(sup, slot, pair[0], reterr) < 0) {
		if (theirs < 0) {
			(void)close(pair[0]); /* nothing was sent yet */
			return pgs_err_set(reterr, PGS_ERR_RETRY, "EMFILE",
					   "could not make a control socket: %m");
		}
		channel_close(slot);
		return -1;
	}
	if (run(sup, slot, theirs, conf, reterr) < 0) {
		channel_close(slot);
		return -1;
	}
	/* Right after exec: until now it has been the dynamic linker's. */
	cgroup_enter(&sup->cgroup, slot);
	if (reap_watch(sup, slot, reterr) < 0) {
		/* A worker that cannot be watched is no worker. It has done nothing yet. */
		(void)kill(-slot->pid, SIGKILL);
		(void)kill(slot->pid, SIGKILL);
		(void)waitpid(slot->pid, NULL, 0);
		cgroup_leave(&sup->cgroup, slot);
		spawn_forget(slot);
		return -1;
	}
	slot->state = SLOT_STARTING;
	slot->spawned_us = slot->heard_us = pgs_now_us();
	slot->starts++;
	slot->hello = slot->stop_intended = false;
	slot->rung = RUNG_ASKED;
	slot->software[0] = slot->dying_text[0] = '\0';
	slot->strange_messages = 0;
	free(slot->sources);
	slot->sources = NULL;
	slot->n_sources = 0;
	(void)snprintf(slot->run_version, sizeof(slot->run_version), "%s", slot->version);
	(void)snprintf(slot->run_rollout, sizeof(slot->run_rollout), "%s", slot->rollout);
	slot->run_mzxid = slot->mzxid;
	slot->run_czxid = slot->lock_czxid;
	slot->run_generation = sup->generation;
	slot->fenced = false;
	sup->status_dirty = true;
	return 0;
}

void spawn_forget(struct slot *slot)
{
	channel_close(slot);
	slot->child = sd_event_source_disable_unref(slot->child);
	if (slot->pidfd >= 0)
		(void)close(slot->pidfd); /* the process is reaped */
	slot->pidfd = -1;
	slot->pid = 0;
}

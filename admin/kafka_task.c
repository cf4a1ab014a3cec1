/*
 * admin/kafka_task.c
 *    Runs pgshovel-kafka-relay --task NAME and turns its end into an error.
 *
 * Knows nothing of Kafka.
 */
#include "admin/kafka_task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "admin/credentials.h"
#include "common/assignment.h"
#include "common/clock.h"

enum {
	TASK_FD = 4,
	TASK_OUTPUT_MAX = 64 * 1024,
	TASK_TIMEOUT_US = 60 * 1000 * 1000,
	BREATH_US = 200 * 1000,
};

static int relay_path(const struct admin *a, char *ret, size_t size, struct pgs_err *reterr)
{
	if (a->options.relay) {
		snprintf(ret, size, "%s", a->options.relay);
		return 0;
	}
	ssize_t len = readlink("/proc/self/exe", ret, size - 1);
	char *slash = NULL;
	if (len > 0) {
		ret[len] = '\0';
		slash = strrchr(ret, '/');
	}
	if (slash && (size_t)(slash - ret) + 32 < size) {
		snprintf(slash + 1, size - (size_t)(slash + 1 - ret), "pgshovel-kafka-relay");
		if (access(ret, X_OK) == 0)
			return 0;
	}
	if (size < 32)
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "no room for a path");
	snprintf(ret, size, "pgshovel-kafka-relay"); /* execvp looks in PATH */
	return 0;
}

static int add_credential(const struct admin *a, const char *name,
			  struct assignment_credential *list, size_t *n, struct pgs_err *reterr)
{
	char *text;
	size_t len;

	if (credentials_read(a->options.credentials_dir, name, &text, &len, reterr) < 0)
		return -1;
	if (text)
		list[(*n)++] = (struct assignment_credential){ .name = (char *)name,
							       .data = text,
							       .len = len };
	return 0;
}

/* The assignment in sealed memory; the descriptor is the caller's. */
static int make_assignment(const struct admin *a, const char *set, const char *rollout,
			   int partitions, const struct setdoc *doc, struct pgs_err *reterr)
{
	struct assignment_credential credentials[2];
	char own[64], token[48];
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(ASSIGNMENT_MAX_BYTES);
	PGS_CLEANUP(pgs_closep) int fd = -1;
	struct assignment as = { .cluster = a->options.cluster,
				 .set = (char *)set,
				 .rollout = (char *)rollout,
				 .version = (char *)doc->version,
				 .host = (char *)"admin",
				 .token = token,
				 .partitions = partitions,
				 .output = ASSIGNMENT_KAFKA,
				 .document = doc->canonical,
				 .document_len = doc->canonical_len,
				 .credentials = credentials };

	snprintf(own, sizeof(own), "kafka.%s", set);
	snprintf(token, sizeof(token), "%lld.0.0", (long long)a->cluster.generation);
	int r = 0;
	if (add_credential(a, "kafka", credentials, &as.n_credentials, reterr) < 0 ||
	    add_credential(a, own, credentials, &as.n_credentials, reterr) < 0)
		r = -1;
	if (r == 0)
		assignment_write(&as, &text);
	for (size_t i = 0; i < as.n_credentials; i++)
		credentials_freep(&credentials[i].data);
	if (r < 0)
		return -1;
	fd = memfd_create("assignment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	bool written = fd >= 0 && !pgs_buf_failed(&text);
	for (size_t at = 0; written && at < text.len;) {
		ssize_t n = write(fd, text.data + at, text.len - at);
		written = n > 0;
		at += written ? (size_t)n : 0;
	}
	if (text.data)
		explicit_bzero(text.data, text.len);
	if (!written || lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "",
				   "could not write the assignment to memory: %m");
	int keep = fd;
	fd = -1;
	return keep;
}

/* In the child, between fork and exec: only calls that are safe there. */
static PGS_NORETURN void run_child(const char *path, const char *task, int assignment, int errors)
{
	sigset_t none;
	struct sigaction plain = { .sa_handler = SIG_DFL };
	char *argv[] = { (char *)path, (char *)"--task", (char *)task, NULL };
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	sigemptyset(&none);
	(void)sigaction(SIGPIPE, &plain, NULL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* Above the numbers that are given out, so that no dup2 closes what the next one needs. */
	assignment = fcntl(assignment, F_DUPFD_CLOEXEC, 16);
	errors = fcntl(errors, F_DUPFD_CLOEXEC, 16);
	if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0 || dup2(errors, 2) < 0 ||
	    dup2(assignment, TASK_FD) < 0)
		_exit(PGS_EXIT_RETRY);
	(void)close(3);
	execvp(path, argv);
	dprintf(2,
		"could not run \"%s\": %m; give its path with --relay or leave Kafka out with "
		"--skip-kafka\n",
		path);
	_exit(PGS_EXIT_CONFIG);
}

/* Read the child's stderr to its end. -1: time or signal; the child is told to end. */
static int drain(struct admin *a, pid_t pid, int fd, struct pgs_buf *out, struct pgs_err *reterr)
{
	uint64_t until_us = pgs_now_us() + TASK_TIMEOUT_US;
	char chunk[4096];

	for (;;) {
		struct pollfd p[] = { { .fd = fd, .events = POLLIN },
				      { .fd = a->interrupt_fd, .events = POLLIN } };
		uint64_t slice_us = pgs_now_us() + BREATH_US;
		admin_breathe(a);
		int ready = poll(p, 2, pgs_ms_until(slice_us < until_us ? slice_us : until_us));
		if (ready > 0 && p[1].revents) {
			(void)kill(pid, SIGTERM);
			return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt",
					   "interrupted by a signal");
		}
		if (ready <= 0 && pgs_now_us() >= until_us) {
			(void)kill(pid, SIGKILL);
			return pgs_err_set(reterr, PGS_ERR_RETRY, "deadline",
					   "could not finish the work in Kafka within a minute");
		}
		if (ready <= 0)
			continue;
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		pgs_buf_put(out, chunk, (size_t)n);
	}
}

/* The last line that says something, without its journal priority. */
static const char *last_line(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		text[--len] = '\0';
	char *line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (line[0] == '<' && line[1] && line[2] == '>')
		line += 3;
	return line;
}

static enum pgs_err_class class_of(int status)
{
	if (!WIFEXITED(status))
		return PGS_ERR_BUG;
	switch (WEXITSTATUS(status)) {
	case PGS_EXIT_RETRY:
		return PGS_ERR_RETRY;
	case PGS_EXIT_FENCED:
		return PGS_ERR_FENCED;
	case PGS_EXIT_BUG:
		return PGS_ERR_BUG;
	}
	return PGS_ERR_CONFIG;
}

int kafka_task(struct admin *a, const char *task, const char *set, const char *rollout,
	       int partitions, const struct setdoc *doc, struct pgs_err *reterr)
{
	char path[4096];
	int pipe_fds[2];

	if (relay_path(a, path, sizeof(path), reterr) < 0)
		return -1;
	PGS_CLEANUP(pgs_closep)
	int assignment = make_assignment(a, set, rollout, partitions, doc, reterr);
	if (assignment < 0)
		return -1;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not make a pipe: %m");
	PGS_CLEANUP(pgs_closep) int read_end = pipe_fds[0];
	pid_t pid = fork();
	if (pid == 0)
		run_child(path, task, assignment, pipe_fds[1]);
	(void)close(pipe_fds[1]);
	if (pid < 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not fork: %m");
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf output = PGS_BUF_INIT(TASK_OUTPUT_MAX);
	int r = drain(a, pid, read_end, &output, reterr), status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	const char *line = output.data ? last_line(output.data) : "";
	if (!line[0])
		return pgs_err_set(reterr, class_of(status), "",
				   "\"%s --task %s\" ended with status %d and said nothing", path,
				   task, status);
	return pgs_err_set(reterr, class_of(status), "", "Kafka: %s", line);
}

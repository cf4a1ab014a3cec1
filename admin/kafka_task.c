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

#include "common/credentials.h"
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
static int make_assignment(const struct admin *a, const struct kafka_task *t,
			   struct pgs_err *reterr)
{
	struct assignment_credential credentials[3];
	char own[64], token[80];
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(ASSIGNMENT_MAX_BYTES);
	PGS_CLEANUP(pgs_closep) int fd = -1;
	struct assignment as = { .cluster = a->options.cluster,
				 .set = (char *)t->set,
				 .rollout = (char *)t->rollout,
				 .version = (char *)t->doc->version,
				 .host = (char *)"admin",
				 .token = token,
				 .partitions = t->partitions,
				 .output = ASSIGNMENT_KAFKA,
				 .document = t->doc->canonical,
				 .document_len = t->doc->canonical_len,
				 .credentials = credentials };

	snprintf(own, sizeof(own), "kafka.%s", t->set);
	if (t->token)
		snprintf(token, sizeof(token), "%s", t->token);
	else
		snprintf(token, sizeof(token), "%lld.0.0", (long long)a->cluster.generation);
	int r = 0;
	if (add_credential(a, "kafka", credentials, &as.n_credentials, reterr) < 0 ||
	    add_credential(a, own, credentials, &as.n_credentials, reterr) < 0 ||
	    add_credential(a, "pgpass", credentials, &as.n_credentials, reterr) < 0)
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
static PGS_NORETURN void run_child(const char *path, const struct kafka_task *t, int assignment,
				   int output, int errors)
{
	sigset_t none;
	struct sigaction plain = { .sa_handler = SIG_DFL };
	char *argv[] = { (char *)path, (char *)"--task", (char *)t->task, (char *)t->argument,
			 NULL };
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	sigemptyset(&none);
	(void)sigaction(SIGPIPE, &plain, NULL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* Above the numbers that are given out, so that no dup2 closes what the next one needs. */
	assignment = fcntl(assignment, F_DUPFD_CLOEXEC, 16);
	output = fcntl(output, F_DUPFD_CLOEXEC, 16);
	errors = fcntl(errors, F_DUPFD_CLOEXEC, 16);
	if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0 ||
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

/* One read of what the child wrote; false: that descriptor is at its end. */
static bool take(int fd, struct pgs_buf *out)
{
	char chunk[4096];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n < 0 && errno == EINTR)
		return true;
	if (n > 0)
		pgs_buf_put(out, chunk, (size_t)n);
	return n > 0;
}

/* Read the child's stdout and stderr to their ends. -1: time or signal; the child is told to end. */
static int drain(struct admin *a, pid_t pid, const int fds[2], struct pgs_buf *const outs[2],
		 struct pgs_err *reterr)
{
	uint64_t until_us = pgs_now_us() + TASK_TIMEOUT_US;
	struct pollfd p[] = { { .fd = fds[0], .events = POLLIN },
			      { .fd = fds[1], .events = POLLIN },
			      { .fd = a->interrupt_fd, .events = POLLIN } };

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		uint64_t slice_us = pgs_now_us() + BREATH_US;
		admin_breathe(a);
		int ready = poll(p, 3, pgs_ms_until(slice_us < until_us ? slice_us : until_us));
		if (ready > 0 && p[2].revents) {
			(void)kill(pid, SIGTERM);
			return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt",
					   "interrupted by a signal");
		}
		if (ready <= 0 && pgs_now_us() >= until_us) {
			(void)kill(pid, SIGKILL);
			return pgs_err_set(reterr, PGS_ERR_RETRY, "deadline",
					   "could not finish the work in Kafka within a minute");
		}
		for (int i = 0; ready > 0 && i < 2; i++)
			if (p[i].fd >= 0 && p[i].revents && !take(p[i].fd, outs[i]))
				p[i].fd = -1;
	}
	return 0;
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

/* Two pipes for stdout and stderr; index 0 to read from, 1 for the child. */
static int make_pipes(int outputs[2], int errors[2], struct pgs_err *reterr)
{
	if (pipe2(outputs, O_CLOEXEC) == 0) {
		if (pipe2(errors, O_CLOEXEC) == 0)
			return 0;
		(void)close(outputs[0]);
		(void)close(outputs[1]);
	}
	return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not make a pipe: %m");
}

/* What its exit status says; `said` is its stderr. */
static int judge(const struct kafka_task *t, const char *path, int status, char *said,
		 struct pgs_err *reterr)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	const char *line = said ? last_line(said) : "";
	if (!line[0])
		return pgs_err_set(reterr, class_of(status), "",
				   "\"%s --task %s\" ended with status %d and said nothing", path,
				   t->task, status);
	return pgs_err_set(reterr, class_of(status), "", "%s%s", t->output ? "" : "Kafka: ", line);
}

int kafka_task_run(struct admin *a, const struct kafka_task *t, struct pgs_err *reterr)
{
	char path[4096];
	int outputs[2], errors[2];

	if (relay_path(a, path, sizeof(path), reterr) < 0)
		return -1;
	PGS_CLEANUP(pgs_closep)
	int assignment = make_assignment(a, t, reterr);
	if (assignment < 0 || make_pipes(outputs, errors, reterr) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		run_child(path, t, assignment, outputs[1], errors[1]);
	(void)close(outputs[1]);
	(void)close(errors[1]);
	PGS_CLEANUP(pgs_closep) int output_end = outputs[0];
	PGS_CLEANUP(pgs_closep) int error_end = errors[0];
	if (pid < 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not fork: %m");
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf said = PGS_BUF_INIT(TASK_OUTPUT_MAX);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf nothing = PGS_BUF_INIT(0);
	int r = drain(a, pid, (const int[]){ output_end, error_end },
		      (struct pgs_buf *const[]){ t->output ? t->output : &nothing, &said }, reterr);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return -1;
	if (t->output && pgs_buf_failed(t->output))
		return pgs_err_nomem(reterr);
	return judge(t, path, status, said.data, reterr);
}

int kafka_task(struct admin *a, const char *task, const char *set, const char *rollout,
	       int partitions, const struct setdoc *doc, struct pgs_err *reterr)
{
	const struct kafka_task t = {
		.task = task, .set = set, .rollout = rollout, .partitions = partitions, .doc = doc
	};

	return kafka_task_run(a, &t, reterr);
}

/*
 * tests/fakes/worker.c
 *    A worker that speaks the supervisor's protocol and relays nothing.
 *
 * What it does is the first word of `client.id` in the set document's kafka list:
 *    ok            works until it is told to stop           crash      dies by a signal after READY
 *    crashearly    dies before HELLO                        exit78     says DYING and exits 78
 *    exit79        exits 79                                 exit0      exits 0 unasked
 *    ignore        ignores STOP and SIGTERM                 flood      sends as many messages as it can
 *    silent        says HELLO and READY, then nothing       strange    sends messages that make no sense
 *    stubborn      ignores STOP, obeys SIGTERM              slow       takes half a second to stop
 *    partly        works, and says that its sources are parked
 *    real          becomes the program FAKE_WORKER_REAL, so that one supervisor has both kinds
 * Each event is one line in the file FAKE_WORKER_LOG: "EVENT set=… pid=… version=… token=… at=MICROSECONDS [more]".
 * FAKE_WORKER_BEAT_MS: time between two heartbeats (200). FAKE_WORKER_FENCE: a folder that stands for the sources: at each
 * heartbeat the worker writes its token into the file of its set, or ends with 79 when a higher one stands there.
 * No part of the product.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/assignment.h"
#include "common/clock.h"
#include "common/ctlproto.h"
#include "common/exitcode.h"
#include "common/setdoc.h"
#include "worker/token.h"

enum { SLOW_STOP_MS = 500 };

static struct assignment *task;
static struct setdoc *doc;
static char token[TOKEN_TEXT_MAX]; /* the newest */

static void say(const char *event, const char *more)
{
	const char *path = getenv("FAKE_WORKER_LOG");
	char line[1024];
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		return;
	int n = snprintf(line, sizeof(line), "%s set=%s pid=%d version=%.12s token=%s at=%lld %s\n",
			 event, task->set, (int)getpid(), task->version, task->token,
			 (long long)pgs_wall_us(), more);
	if (write(fd, line, (size_t)n) != n)
		_exit(PGS_EXIT_BUG);
	(void)close(fd);
}

static struct assignment *read_assignment(void)
{
	struct stat st;
	struct pgs_err err;
	struct assignment *ret;

	if (fstat(CTL_ASSIGNMENT_FD, &st) < 0)
		_exit(PGS_EXIT_USAGE);
	char *text = calloc(1, (size_t)st.st_size + 1);
	if (!text || pread(CTL_ASSIGNMENT_FD, text, (size_t)st.st_size, 0) != st.st_size ||
	    assignment_read(text, (size_t)st.st_size, &ret, &err) < 0)
		_exit(PGS_EXIT_BUG);
	free(text);
	return ret;
}

/* Facts about how we were started, for the test to check. */
static void say_start(int argc, char **argv)
{
	char more[512], fds[128] = "";
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	sigset_t blocked;

	while (dir && (entry = readdir(dir))) {
		int fd = (int)strtol(entry->d_name, NULL, 10);
		if (entry->d_name[0] != '.' && fd != dirfd(dir) && fd > CTL_ASSIGNMENT_FD)
			(void)snprintf(fds + strlen(fds), sizeof(fds) - strlen(fds), "%d,", fd);
	}
	if (dir)
		(void)closedir(dir);
	(void)sigprocmask(SIG_SETMASK, NULL, &blocked);
	int writable = (int)write(CTL_ASSIGNMENT_FD, "x", 1);
	(void)snprintf(more, sizeof(more),
		       "ppid=%d group=%s extra_fds=%s sealed=%s term_blocked=%d notify=%s "
		       "credentials=%zu argc=%d argv1=%s partitions=%d",
		       (int)getppid(), getpgrp() == getpid() ? "own" : "foreign",
		       fds[0] ? fds : "none", writable < 0 && errno == EPERM ? "yes" : "no",
		       sigismember(&blocked, SIGTERM), getenv("NOTIFY_SOCKET") ? "leaked" : "none",
		       task->n_credentials, argc, argc > 1 ? argv[1] : "", task->partitions);
	say("start", more);
}

static bool send_message(struct ctl_msg *msg)
{
	msg->format = CTL_FORMAT;
	return send(CTL_FD, msg, sizeof(*msg), MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       (ssize_t)sizeof(*msg);
}

static const char *behaviour(void)
{
	for (size_t i = 0; i < doc->n_kafka; i++)
		if (strcmp(doc->kafka[i].name, "client.id") == 0)
			return doc->kafka[i].value;
	return "ok";
}

static bool is(const char *word)
{
	const char *b = behaviour();
	size_t n = strlen(word);

	return strncmp(b, word, n) == 0 && (b[n] == '\0' || b[n] == '-');
}

static void beat(void)
{
	struct ctl_msg msg = { .type = CTL_BEAT };

	msg.u.beat.n_sources = (uint16_t)doc->n_databases;
	for (size_t i = 0; i < doc->n_databases; i++) {
		msg.u.beat.source = (uint16_t)i;
		msg.u.beat.state = is("partly") ? CTL_STATE_PARKED : CTL_STATE_WORKING;
		msg.u.beat.phase = CTL_PHASE_IDLE;
		msg.u.beat.events = 42;
		(void)snprintf(msg.u.beat.database, sizeof(msg.u.beat.database), "%s",
			       doc->databases[i].name);
		(void)send_message(&msg); /* the next one comes soon */
	}
}

static void die(int code, const char *text)
{
	struct ctl_msg msg = { .type = CTL_DYING };

	msg.u.dying.exit_code = code;
	(void)snprintf(msg.u.dying.text, sizeof(msg.u.dying.text), "%s", text);
	(void)send_message(&msg); /* the exit code says the same */
	say("exit", text);
	_exit(code);
}

/* What the source's lock does to a relay: the highest token wins, and nothing is published without it. */
static void publish(void)
{
	const char *folder = getenv("FAKE_WORKER_FENCE");
	char path[512], text[TOKEN_TEXT_MAX] = "";
	struct token theirs, ours;

	if (!folder)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s", folder, task->set);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0 || read(fd, text, sizeof(text) - 1) < 0 ||
	    !token_parse(token, &ours))
		_exit(PGS_EXIT_BUG);
	bool known = token_parse(text, &theirs);
	if (known && token_compare(&theirs, &ours) > 0) {
		say("fenced", text);
		die(PGS_EXIT_FENCED, "a higher token owns the source");
	}
	if (!known || token_compare(&theirs, &ours) < 0) {
		if (ftruncate(fd, 0) < 0 ||
		    pwrite(fd, token, strlen(token), 0) != (ssize_t)strlen(token))
			_exit(PGS_EXIT_BUG);
		say("took", token);
	}
	(void)close(fd);
}

static void become_real(char **argv)
{
	const char *program = getenv("FAKE_WORKER_REAL");

	if (program)
		(void)execv(program, argv);
	_exit(PGS_EXIT_USAGE);
}

static void obey(const struct ctl_msg *msg)
{
	switch (msg->type) {
	case CTL_STOP:
		if (is("slow"))
			(void)poll(NULL, 0, SLOW_STOP_MS);
		say("stop", "");
		if (!is("ignore") && !is("stubborn"))
			_exit(PGS_EXIT_OK);
		break;
	case CTL_TOKEN:
		(void)snprintf(token, sizeof(token), "%.*s", (int)sizeof(token) - 1,
			       msg->u.token.token);
		say("token", token);
		break;
	case CTL_DUMP:
		say("dump", "");
		break;
	default:
		say("strange", "");
	}
}

static void misbehave(void)
{
	struct ctl_msg msg = { .type = 999 };

	if (is("crash"))
		(void)raise(SIGKILL);
	if (is("exit78"))
		die(PGS_EXIT_CONFIG, "source \"main\" went back in time\x01; accept it or restore");
	if (is("exit79"))
		die(PGS_EXIT_FENCED, "a higher token owns the source");
	if (is("exit0"))
		_exit(PGS_EXIT_OK);
	if (is("strange")) {
		(void)send_message(&msg);
		(void)send(CTL_FD, "short", 5, MSG_DONTWAIT | MSG_NOSIGNAL);
		msg.type = CTL_BEAT;
		msg.u.beat.source = 500;
		(void)send_message(&msg);
		(void)memset(&msg, 0xff, sizeof(msg));
		(void)send(CTL_FD, &msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

int main(int argc, char **argv)
{
	struct pgs_err err;
	struct ctl_msg hello = { .type = CTL_HELLO }, ready = { .type = CTL_READY };
	pid_t parent = getppid();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(PGS_EXIT_RETRY);
	task = read_assignment();
	if (setdoc_parse(task->document, task->document_len, "document", &doc, &err) < 0)
		_exit(PGS_EXIT_BUG);
	say_start(argc, argv);
	if (is("real"))
		become_real(argv);
	(void)snprintf(token, sizeof(token), "%s", task->token);
	if (is("crashearly"))
		(void)raise(SIGUSR2); /* one that no sanitizer reports */
	if (is("ignore"))
		(void)sigaction(SIGTERM, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	if (task->output == ASSIGNMENT_STDOUT)
		(void)!write(STDOUT_FILENO, "{\"fake\":1}\n", 11);
	(void)snprintf(hello.u.hello.software, sizeof(hello.u.hello.software), "%s",
		       PGSHOVEL_VERSION);
	(void)send_message(&hello);
	publish();
	beat();
	(void)send_message(&ready);
	misbehave();

	const char *every = getenv("FAKE_WORKER_BEAT_MS");
	const uint64_t beat_every_us = (every ? strtoull(every, NULL, 10) : 200) * 1000;
	uint64_t beat_at_us = pgs_now_us();
	for (;;) {
		struct pollfd p = { .fd = CTL_FD, .events = POLLIN };
		(void)poll(&p, 1, is("flood") ? 0 : pgs_ms_until(beat_at_us));
		if (p.revents & (POLLIN | POLLHUP)) {
			struct ctl_msg msg;
			ssize_t n = recv(CTL_FD, &msg, sizeof(msg), MSG_DONTWAIT);
			if (n == 0) {
				say("eof", "");
				_exit(PGS_EXIT_RETRY);
			}
			if (n == (ssize_t)sizeof(msg))
				obey(&msg);
		}
		if (is("flood") || (!is("silent") && pgs_now_us() >= beat_at_us)) {
			publish();
			beat();
		}
		if (pgs_now_us() >= beat_at_us)
			beat_at_us = pgs_now_us() + beat_every_us;
	}
}

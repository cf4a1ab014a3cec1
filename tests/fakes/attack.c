/*
 * tests/fakes/attack.c
 *    A worker that was taken over: it confines itself as a relay does (worker/confine.h), then tries what its attacker would.
 *
 * Built without sanitizers and without test hooks, so that its confinement is that of a released relay. What it does is a property
 * of its set, "client.id=BEHAVIOUR", as in worker.c:
 *    victim     holds a secret in its memory and listens on an abstract socket
 *    attack     tries each attack once on the newest victim and writes "attack NAME done|refused (why)" for it
 *    leak       takes memory until it gets no more, then says how much it had and ends
 *    crash      is killed at once                     zero       ends with 0 at once
 *    spin       computes and says nothing             stopped    stops itself
 *    babble     writes to its log without end         flood      writes to its control socket without end
 *    deaf       ignores STOP and SIGTERM
 * Lines go to the file FAKE_WORKER_LOG, opened before the confinement. ATTACK_FOLDER: a folder that no relay may read, with a file
 * "pgpass"; ATTACK_PORT: a TCP port of the host where somebody listens. `attack delegate FOLDER` marks a cgroup as ours, `attack landlock` prints the version of Landlock. No part of the product.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/assignment.h"
#include "common/clock.h"
#include "common/ctlproto.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "common/setdoc.h"
#include "tests/fakes/attacks.h"
#include "worker/confine.h"

enum { LEAK_STEP = 1 << 20, LEAK_MAX = 512 };

static struct assignment *task;
static struct setdoc *doc;
static int out = -1;

static void say(const char *event, const char *more)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s set=%s pid=%d %s\n", event, task->set,
			 (int)getpid(), more);

	if (write(out, line, (size_t)n) != n)
		_exit(PGS_EXIT_BUG);
}

static const char *behaviour(void)
{
	for (size_t i = 0; i < doc->n_kafka; i++)
		if (strcmp(doc->kafka[i].name, "client.id") == 0)
			return doc->kafka[i].value;
	return "victim";
}

static void read_task(void)
{
	struct stat st;
	struct pgs_err err;

	if (fstat(CTL_ASSIGNMENT_FD, &st) < 0)
		_exit(PGS_EXIT_USAGE);
	char *text = calloc(1, (size_t)st.st_size + 1);
	if (!text || pread(CTL_ASSIGNMENT_FD, text, (size_t)st.st_size, 0) != st.st_size ||
	    assignment_read(text, (size_t)st.st_size, &task, &err) < 0 ||
	    setdoc_parse(task->document, task->document_len, "document", &doc, &err) < 0)
		_exit(PGS_EXIT_BUG);
	free(text);
	(void)close(CTL_ASSIGNMENT_FD);
}

static void attack(void)
{
	char more[128];

	for (size_t i = 0; i < n_attacks; i++) {
		int r = attacks[i].run();
		(void)snprintf(more, sizeof(more), "%s %s (%s)", attacks[i].name,
			       r ? "refused" : "done", r ? strerrorname_np(r) : "-");
		say("attack", more);
	}
	/* And that of its own it can still reach: nobody listens, which is another answer than a refusal. */
	int r = attack_connect_tcp(0, 9);
	(void)snprintf(more, sizeof(more), "%s", strerrorname_np(r ? r : ECONNREFUSED));
	say("own-port", more);
	say("end", "");
}

/* ---- What goes on around them. ---- */

/* The newest "start … address=…" of a victim in the log. */
static void find_victim(const char *path)
{
	char line[512];
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f)) {
		const char *pid = strstr(line, " pid="), *address = strstr(line, " address=");
		if (strncmp(line, "start ", 6) == 0 && pid && address &&
		    strstr(line, " kind=victim")) {
			victim.pid = (int)strtol(pid + 5, NULL, 10);
			victim.address = strtoul(address + 9, NULL, 16);
		}
	}
	if (f)
		(void)fclose(f); /* read only */
	(void)snprintf(victim.abstract, sizeof(victim.abstract), "pgshovel-victim-%d", victim.pid);
	const char *folder = getenv("ATTACK_FOLDER"), *port = getenv("ATTACK_PORT");
	(void)snprintf(victim.folder, sizeof(victim.folder), "%s", folder ? folder : "/nowhere");
	victim.port = port ? (unsigned)strtoul(port, NULL, 10) : 0;
}

static void be_victim(void)
{
	struct sockaddr_un at;
	char name[64], more[128];
	char *held = strdup(ATTACK_SECRET);

	(void)snprintf(name, sizeof(name), "pgshovel-victim-%d", (int)getpid());
	socklen_t len = attack_abstract_address(name, &at);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!held || fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 8) < 0)
		_exit(PGS_EXIT_BUG);
	(void)snprintf(more, sizeof(more), "kind=victim address=%lx",
		       (unsigned long)(held - (char *)NULL));
	say("start", more);
}

static void leak(void)
{
	size_t n = 0;
	char more[64];

	for (; n < LEAK_MAX; n++) {
		char *p = malloc(LEAK_STEP);
		if (!p)
			break;
		memset(p, 1, LEAK_STEP);
	}
	(void)snprintf(more, sizeof(more), "mb=%zu", n);
	say("leaked", more);
	_exit(PGS_EXIT_RETRY);
}

static void send_message(struct ctl_msg *msg)
{
	msg->format = CTL_FORMAT;
	(void)send(CTL_FD, msg, sizeof(*msg), MSG_DONTWAIT | MSG_NOSIGNAL); /* or the next one */
}

static void serve(const char *how)
{
	const bool deaf = strcmp(how, "deaf") == 0, floods = strcmp(how, "flood") == 0;

	struct ctl_msg beat = { .type = CTL_BEAT }, got;

	if (deaf)
		(void)sigaction(SIGTERM, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	beat.u.beat.n_sources = 1;
	beat.u.beat.state = CTL_STATE_WORKING;
	(void)snprintf(beat.u.beat.database, sizeof(beat.u.beat.database), "main");
	for (;;) {
		struct pollfd p = { .fd = CTL_FD, .events = POLLIN };
		if (poll(&p, 1, floods ? 0 : 200) > 0) {
			ssize_t n = recv(CTL_FD, &got, sizeof(got), MSG_DONTWAIT);
			if (!deaf &&
			    (n == 0 || (n == (ssize_t)sizeof(got) && got.type == CTL_STOP)))
				_exit(PGS_EXIT_OK);
		}
		send_message(&beat);
	}
}

static void misbehave(const char *how)
{
	static char line[1000];

	if (strcmp(how, "attack") == 0)
		attack();
	else if (strcmp(how, "leak") == 0)
		leak();
	else if (strcmp(how, "zero") == 0)
		_exit(PGS_EXIT_OK);
	else if (strcmp(how, "crash") == 0)
		(void)raise(SIGKILL);
	else if (strcmp(how, "stopped") == 0)
		(void)raise(SIGSTOP);
	memset(line, 'x', sizeof(line) - 1);
	while (strcmp(how, "spin") == 0)
		;
	while (strcmp(how, "babble") == 0)
		(void)fprintf(stderr, "%s\n", line);
}

static int delegate(const char *folder)
{
	if (setxattr(folder, "trusted.delegate", "1", 1, 0) == 0)
		return 0;
	perror("setxattr");
	return 1;
}

int main(int argc, char **argv)
{
	struct pgs_err err;
	struct confine *confine = NULL;
	const char *log = getenv("FAKE_WORKER_LOG");

	if (argc == 3 && strcmp(argv[1], "delegate") == 0)
		return delegate(argv[2]);
	if (argc == 2 && strcmp(argv[1], "landlock") == 0)
		return printf("%ld\n", syscall(SYS_landlock_create_ruleset, NULL, 0, 1)) < 0;
	pgs_log_open("attack", PGS_LOG_INFO);
	if (confine_process(CTL_FD, &err) < 0)
		_exit(PGS_EXIT_RETRY);
	read_task();
	out = open(log ? log : "/dev/null", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	find_victim(log ? log : "/dev/null");
	if (confine_new(task, doc, &confine, &err) < 0) {
		say("error", err.msg);
		_exit(PGS_EXIT_BUG);
	}
	const bool is_victim = strcmp(behaviour(), "victim") == 0;
	if (is_victim)
		be_victim();
	if (confine_apply(confine, task->memory, "set=attack", &err) < 0) {
		say("error", err.msg);
		_exit(PGS_EXIT_BUG);
	}
	struct ctl_msg hello = { .type = CTL_HELLO }, ready = { .type = CTL_READY };
	(void)snprintf(hello.u.hello.software, sizeof(hello.u.hello.software), "attack");
	send_message(&hello);
	send_message(&ready);
	if (!is_victim)
		say("start", "kind=attacker");
	misbehave(behaviour());
	serve(behaviour());
}

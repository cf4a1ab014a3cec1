/*
 * tests/lib/drive.c
 *    Stands in for pgshoveld: starts one worker with an assignment, prints what it says, passes a stop on.
 *
 * drive --cluster C --set S --document FILE --token G.C.S [--partitions N] [--file PATH [--commit PATH]]
 *       [--from SNAPSHOT] [--relay PATH]
 * Lines on stdout: "pid N", "ready", "state DATABASE STATE events N", "dying CODE TEXT". SIGTERM asks the worker
 * to stop. Ends with the worker's exit status, or 128 + its signal. Unlike pgshoveld it needs no ZooKeeper and
 * gives tests any token they want.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/assignment.h"
#include "common/ctlproto.h"
#include "common/setdoc.h"

struct drive {
	struct assignment assignment;
	struct setdoc *doc;
	const char *document;
	const char *relay;
	int ctl;
	int last_state[64];
};

static PGS_NORETURN void die(const char *what, const char *why)
{
	fprintf(stderr, "drive: %s: %s\n", what, why);
	exit(2);
}

static void parse(struct drive *d, int argc, char **argv)
{
	static const struct option options[] = {
		{ "cluster", 1, NULL, 'c' },    { "set", 1, NULL, 's' },
		{ "document", 1, NULL, 'd' },   { "token", 1, NULL, 't' },
		{ "partitions", 1, NULL, 'p' }, { "file", 1, NULL, 'f' },
		{ "commit", 1, NULL, 'C' },     { "from", 1, NULL, 'F' },
		{ "relay", 1, NULL, 'r' },      { "rollout", 1, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	struct assignment *a = &d->assignment;
	a->host = (char *)"drive";
	a->rollout = (char *)"00000000000000000000000000000000";
	a->partitions = 1;
	d->relay = "pgshovel-kafka-relay";
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (o) {
		case 'c':
			a->cluster = optarg;
			break;
		case 's':
			a->set = optarg;
			break;
		case 'd':
			d->document = optarg;
			break;
		case 't':
			a->token = optarg;
			break;
		case 'p':
			a->partitions = (int)strtol(optarg, NULL, 10);
			break;
		case 'f':
			a->output = ASSIGNMENT_FILE;
			a->output_path = optarg;
			break;
		case 'C':
			a->commit_path = optarg;
			break;
		case 'F':
			a->from = optarg;
			break;
		case 'r':
			d->relay = optarg;
			break;
		case 'o':
			a->rollout = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (!a->cluster || !a->set || !d->document || !a->token)
		die("usage", "--cluster, --set, --document and --token are needed");
}

static int assignment_fd(struct drive *d)
{
	struct pgs_buf text = PGS_BUF_INIT(ASSIGNMENT_MAX_BYTES);
	struct pgs_err err;
	if (setdoc_load(d->document, &d->doc, &err))
		die("document", err.msg);
	d->assignment.version = d->doc->version;
	d->assignment.document = d->doc->canonical;
	d->assignment.document_len = d->doc->canonical_len;
	assignment_write(&d->assignment, &text);
	const int fd = memfd_create("assignment", MFD_ALLOW_SEALING);
	if (fd < 0 || pgs_buf_failed(&text) ||
	    write(fd, text.data, text.len) != (ssize_t)text.len || lseek(fd, 0, SEEK_SET) < 0)
		die("assignment", strerror(errno));
	pgs_buf_done(&text);
	return fd;
}

static pid_t start(struct drive *d)
{
	int pair[2];
	const int memory = assignment_fd(d);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		die("socketpair", strerror(errno));
	const pid_t pid = fork();
	if (pid < 0)
		die("fork", strerror(errno));
	if (pid == 0) {
		sigset_t none;
		const int ctl = fcntl(pair[1], F_DUPFD, 10);
		const int conf = fcntl(memory, F_DUPFD, 10);
		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)setpgid(0, 0); /* a Ctrl-C is for us */
		if (dup2(ctl, CTL_FD) < 0 || dup2(conf, CTL_ASSIGNMENT_FD) < 0)
			_exit(2);
		(void)close(ctl);
		(void)close(conf);
		execlp(d->relay, "pgshovel-kafka-relay", "--supervised", d->assignment.set,
		       (char *)NULL);
		_exit(127);
	}
	(void)close(pair[1]);
	(void)close(memory);
	d->ctl = pair[0];
	printf("pid %d\n", (int)pid);
	return pid;
}

static void say(struct drive *d, const struct ctl_msg *m)
{
	static const char *const states[] = { "?",        "starting", "working",
					      "retrying", "parked",   "stalled" };
	if (m->type == CTL_READY)
		printf("ready\n");
	else if (m->type == CTL_DYING)
		printf("dying %d %s\n", m->u.dying.exit_code, m->u.dying.text);
	else if (m->type == CTL_BEAT && m->u.beat.source < PGS_ARRAY_LEN(d->last_state) &&
		 m->u.beat.state < PGS_ARRAY_LEN(states))
		printf("state %s %s events %llu waiting %llu silent %d %s\n", m->u.beat.database,
		       states[m->u.beat.state], (unsigned long long)m->u.beat.events,
		       (unsigned long long)m->u.beat.queue_events, m->u.beat.ticker_silent,
		       m->u.beat.text);
}

int main(int argc, char **argv)
{
	struct drive d = { .ctl = -1 };
	sigset_t set;
	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(&d, argc, argv);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	const int signals = signalfd(-1, &set, SFD_CLOEXEC);
	const pid_t pid = start(&d);
	int status = 0;
	for (bool over = false; !over;) {
		struct pollfd p[] = { { .fd = d.ctl, .events = POLLIN },
				      { .fd = signals, .events = POLLIN } };
		if (poll(p, 2, -1) < 0)
			continue;
		struct signalfd_siginfo info;
		if ((p[1].revents & POLLIN) && read(signals, &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo == SIGCHLD) {
				over = waitpid(pid, &status, WNOHANG) == pid;
			} else {
				const struct ctl_msg stop = { .type = CTL_STOP,
							      .format = CTL_FORMAT };
				(void)send(d.ctl, &stop, sizeof(stop), MSG_NOSIGNAL);
			}
		}
		struct ctl_msg m;
		while (recv(d.ctl, &m, sizeof(m), MSG_DONTWAIT) == (ssize_t)sizeof(m))
			say(&d, &m);
		if ((p[0].revents & POLLHUP) && !over)
			over = waitpid(pid, &status, 0) == pid;
	}
	setdoc_free(d.doc);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * supervisor/resolver.c
 *    See resolver.h. Fork without exec: the child looks up, writes one line and is gone.
 *
 * getaddrinfo() cannot be bounded or cancelled; a process can. The child holds nothing but its end of a pipe, so that no
 * worker's socket and no session lives by it, and what it writes fits the pipe: it never waits for us.
 */
#include "supervisor/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "common/zk.h"
#include "supervisor/supervisor.h"

enum { LIMIT_US = 20 * 1000 * 1000, ANSWER_MAX = 8 * 1024, ANSWER_FD = 3 };

/* First byte of an answer. */
enum { FOUND = '=', NOT_FOUND = '!' };

static void say(char kind, const char *text)
{
	char answer[ANSWER_MAX];
	int n = snprintf(answer, sizeof(answer), "%c%s", kind, text);

	/* Less than a pipe holds; whoever does not read it has given up. */
	if (n > 0 && (size_t)n < sizeof(answer) && write(ANSWER_FD, answer, (size_t)n) < 0)
		return;
}

_Noreturn static void child(pid_t parent, const char *hosts, int fd)
{
	struct pgs_err err = { 0 };
	char *addresses = NULL;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || (fd != ANSWER_FD && dup2(fd, ANSWER_FD) < 0))
		_exit(1);
	(void)close_range(ANSWER_FD + 1, ~0U,
			  0); /* an old kernel: they are CLOEXEC and we are short-lived */
	if (zk_resolve(hosts, &addresses, &err) == 0)
		say(FOUND, addresses);
	else
		say(NOT_FOUND, err.msg);
	_exit(0);
}

static void forget(struct resolver *r)
{
	r->child = sd_event_source_disable_unref(r->child);
	r->timer = sd_event_source_disable_unref(r->timer);
	if (r->pid != 0)
		(void)close(r->fd); /* was only read */
	r->pid = 0;
}

static int on_exit_child(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct supervisor *sup = userdata;
	char answer[ANSWER_MAX + 1], text[320];
	ssize_t n = read(sup->resolver.fd, answer, ANSWER_MAX);

	(void)source;
	(void)info;
	forget(&sup->resolver);
	answer[n > 0 ? n : 0] = '\0';
	if (answer[0] == FOUND) {
		zk_resolved(sup->resolver.zk, answer + 1, NULL);
		return 0;
	}
	(void)snprintf(text, sizeof(text), "could not resolve \"%.200s\": no answer within %d s",
		       sup->config.zookeeper_hosts, LIMIT_US / 1000000);
	zk_resolved(sup->resolver.zk, NULL, answer[0] == NOT_FOUND ? answer + 1 : text);
	return 0;
}

/* Its end is the answer. */
static int on_limit(sd_event_source *source, uint64_t at_us, void *userdata)
{
	struct supervisor *sup = userdata;

	(void)source;
	(void)at_us;
	(void)kill(sup->resolver.pid, SIGKILL);
	return 0;
}

static int start(struct supervisor *sup, const char *hosts)
{
	struct resolver *r = &sup->resolver;
	const pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	const pid_t pid = fork();
	if (pid == 0)
		child(parent, hosts, ends[1]);
	const int error = errno;
	(void)close(ends[1]); /* the child's */
	if (pid < 0) {
		(void)close(ends[0]); /* nothing will come */
		return -error;
	}
	r->pid = pid;
	r->fd = ends[0];
	int rc = sd_event_add_child(sup->event, &r->child, pid, WEXITED, on_exit_child, sup);
	if (rc >= 0)
		rc = sd_event_add_time_relative(sup->event, &r->timer, CLOCK_MONOTONIC, LIMIT_US, 0,
						on_limit, sup);
	if (rc >= 0)
		return 0;
	(void)kill(pid, SIGKILL);
	forget(r);
	(void)waitpid(pid, NULL, 0);
	return rc;
}

void resolver_ask(struct zk *zk, const char *hosts, void *ctx)
{
	struct supervisor *sup = ctx;
	char text[128];

	sup->resolver.zk = zk;
	int r = start(sup, hosts);
	if (r >= 0)
		return;
	(void)snprintf(text, sizeof(text), "could not start a child to resolve names: %s",
		       strerrordesc_np(-r));
	zk_resolved(zk, NULL, text);
}

void resolver_done(struct supervisor *sup)
{
	struct resolver *r = &sup->resolver;

	if (r->pid == 0)
		return;
	const pid_t pid = r->pid;
	(void)kill(pid, SIGKILL);
	forget(r);
	(void)waitpid(pid, NULL, 0);
}

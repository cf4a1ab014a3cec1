/*
 * tests/bench/bench_drain.c
 *    How long a relay takes for what is queued, its CPU and memory meanwhile and afterwards.
 *
 * bench_drain --brokers B --positions TOPIC --xid X [--settle S] -- drive OPTION…
 * Starts the command (tests/lib/drive.c) and counts from its "working" line until a position that holds every
 * transaction below X is committed. The positions topic is read, not the data: the reader costs nothing. Then waits S
 * seconds, so that memory is given back, stops the command and prints one line of JSON.
 */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/bench/bench.h"

enum { LIMIT_US = 600 * 1000 * 1000, MEMORY_EVERY_US = 100 * 1000 };

struct run {
	rd_kafka_t *rk;
	int out; /* of the command */
	char line[1024];
	size_t len;
	pid_t relay;
	int64_t started_us; /* 0: not yet */
	int64_t started_cpu_us;
	long peak_kb;
};

static pid_t start(struct run *r, char **argv)
{
	int pair[2];
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK))
		die("pipe", "could not make one");
	const pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(pair[1], STDOUT_FILENO);
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	(void)close(pair[1]);
	r->out = pair[0];
	return pid;
}

static void hear(struct run *r)
{
	char byte;
	ssize_t n;
	while ((n = read(r->out, &byte, 1)) == 1) {
		if (byte != '\n') {
			if (r->len < sizeof(r->line) - 1)
				r->line[r->len++] = byte;
			continue;
		}
		r->line[r->len] = '\0';
		r->len = 0;
		if (strncmp(r->line, "pid ", 4) == 0)
			r->relay = (pid_t)strtol(r->line + 4, NULL, 10);
		if (!r->started_us && strstr(r->line, " working ")) {
			r->started_us = (int64_t)pgs_now_us();
			r->started_cpu_us = cpu_us(r->relay);
		}
		if (strncmp(r->line, "dying ", 6) == 0)
			die("the relay ends", r->line);
	}
	if (n == 0)
		die("the relay", "ended");
}

/* The snapshot of a whole window shows everything below `xid`. */
static bool is_last(const rd_kafka_message_t *m, uint64_t xid)
{
	static const char name[] = "\"snapshot\":\"";
	char text[512];
	const size_t len = m->len < sizeof(text) - 1 ? m->len : sizeof(text) - 1;
	if (m->err || !m->payload)
		return false;
	memcpy(text, m->payload, len);
	text[len] = '\0';
	const char *at = strstr(text, name);
	return at && strstr(text, "\"upto\":null") &&
	       strtoull(at + sizeof(name) - 1, NULL, 10) >= xid;
}

static void sample_memory(struct run *r, uint64_t *next)
{
	const uint64_t now = pgs_now_us();
	if (!r->relay || now < *next)
		return;
	const long kb = memory_kb(r->relay, "Rss:");
	r->peak_kb = kb > r->peak_kb ? kb : r->peak_kb;
	*next = now + MEMORY_EVERY_US;
}

static int measure(struct run *r, uint64_t xid, long settle_s, pid_t command)
{
	const uint64_t give_up = pgs_now_us() + LIMIT_US;
	uint64_t next = 0;
	for (bool over = false; !over;) {
		hear(r);
		sample_memory(r, &next);
		rd_kafka_message_t *m = rd_kafka_consumer_poll(r->rk, 5);
		if (m) {
			over = is_last(m, xid);
			rd_kafka_message_destroy(m);
		}
		if (!over && pgs_now_us() > give_up)
			die("drain", "not done within 10 minutes");
	}
	const int64_t took = (int64_t)pgs_now_us() - r->started_us;
	const int64_t cpu = cpu_us(r->relay) - r->started_cpu_us;
	for (const uint64_t end = pgs_now_us() + (uint64_t)settle_s * 1000000;
	     pgs_now_us() < end;) {
		struct pollfd p = { .fd = r->out, .events = POLLIN };
		(void)poll(&p, 1, 100);
		hear(r);
	}
	printf("{\"us\":%lld,\"cpu_us\":%lld,\"rss_peak_kb\":%ld,\"rss_after_kb\":%ld,"
	       "\"private_after_kb\":%ld,\"pss_after_kb\":%ld}\n",
	       (long long)took, (long long)cpu, r->peak_kb, memory_kb(r->relay, "Rss:"),
	       memory_kb(r->relay, "Private_Dirty:") + memory_kb(r->relay, "Private_Clean:"),
	       memory_kb(r->relay, "Pss:"));
	(void)kill(command, SIGTERM);
	(void)waitpid(command, NULL, 0);
	return r->started_us ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "brokers", 1, NULL, 'b' },
						 { "positions", 1, NULL, 'p' },
						 { "xid", 1, NULL, 'x' },
						 { "settle", 1, NULL, 's' },
						 { NULL, 0, NULL, 0 } };
	const char *brokers = NULL;
	const char *positions = NULL;
	uint64_t xid = 0;
	long settle_s = 3;
	struct run r = { .out = -1 };
	for (int o; (o = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
		if (o == 'b')
			brokers = optarg;
		else if (o == 'p')
			positions = optarg;
		else if (o == 'x')
			xid = strtoull(optarg, NULL, 10);
		else if (o == 's')
			settle_s = strtol(optarg, NULL, 10);
		else
			return 2;
	}
	if (!brokers || !positions || !xid || optind == argc)
		die("usage", "--brokers, --positions, --xid and a command are needed");
	r.rk = consumer_new(brokers);
	(void)consumer_assign(r.rk, positions, true);
	const pid_t command = start(&r, argv + optind);
	if (command < 0)
		die("fork", "failed");
	const int rc = measure(&r, xid, settle_s, command);
	(void)rd_kafka_consumer_close(r.rk);
	rd_kafka_destroy(r.rk);
	return rc;
}

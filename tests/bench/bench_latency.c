/*
 * tests/bench/bench_latency.c
 *    From "commit returned" to "seen by a read_committed consumer", and the CPU of the relay meanwhile.
 *
 * bench_latency --brokers B --conninfo C --topic TOPIC --table TABLE --first ID [--rate R] [--seconds S] [--hold]
 *               [--idle S --count N] [--pid RELAY] [--backend PID]
 * One session inserts rows (id, pad) with ids from ID on at R commits a second; --hold: another one keeps a
 * transaction with an xid open. With --idle: N single rows, each after S seconds without any; CPU is that of the idle time
 * from its 62nd second on, when a relay polls least, or of its second half when S is below 70.
 * Prints one line of JSON; "lost" are rows that did not come within 10 s, "twice" those that came again.
 */
#include <getopt.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/clock.h"
#include "tests/bench/bench.h"
#include "tests/lib/latency.h"

enum {
	MAX_ROWS = 1000000,
	PATIENCE_US = 10 * 1000 * 1000,
	CALM_US = 62 * 1000 * 1000,
	CALM_LEAST_US = 8 * 1000 * 1000, /* a shorter time says nothing of CPU */
};

struct bench {
	const char *brokers;
	const char *conninfo;
	const char *topic;
	const char *table;
	long first;
	double rate;
	double seconds;
	long idle_s;
	long count;
	bool hold;
	pid_t relay;
	pid_t backend;
	rd_kafka_t *rk;
	atomic_long n_sent;
	atomic_long n_got;
	atomic_long n_twice;
	atomic_bool stop;
};

/* Written by one thread each; 0: not yet. */
static _Atomic int64_t sent_us[MAX_ROWS];
static _Atomic int64_t got_us[MAX_ROWS];
static struct latency histogram;

static void wait_to(uint64_t at_us)
{
	for (uint64_t now; (now = pgs_now_us()) < at_us;) {
		const struct timespec ts = { .tv_sec = (time_t)((at_us - now) / 1000000),
					     .tv_nsec = (long)((at_us - now) % 1000000 * 1000) };
		(void)ppoll(NULL, 0, &ts, NULL);
	}
}

static void take(struct bench *b, const rd_kafka_message_t *m)
{
	static const char name[] = "\"id\":";
	char key[128];
	const size_t len = m->key_len < sizeof(key) - 1 ? m->key_len : sizeof(key) - 1;
	memcpy(key, m->key, len);
	key[len] = '\0';
	const char *at = strstr(key, name);
	const long id = at ? strtol(at + sizeof(name) - 1, NULL, 10) - b->first : -1;
	if (id < 0 || id >= MAX_ROWS)
		return;
	if (got_us[id])
		b->n_twice++;
	else
		b->n_got++;
	got_us[id] = (int64_t)pgs_now_us();
}

static void *read_main(void *arg)
{
	struct bench *b = arg;
	while (!b->stop) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(b->rk, 50);
		if (!m)
			continue;
		if (!m->err && m->key)
			take(b, m);
		rd_kafka_message_destroy(m);
	}
	return NULL;
}

static PGconn *session(const struct bench *b)
{
	PGconn *conn = PQconnectdb(b->conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		die("connection", PQerrorMessage(conn));
	return conn;
}

static void insert(struct bench *b, PGconn *conn)
{
	char id[24];
	const char *params[] = { id };
	const long n = b->n_sent;
	if (n >= MAX_ROWS)
		die("rows", "too many");
	(void)snprintf(id, sizeof(id), "%ld", b->first + n);
	PGresult *res = PQexecPrepared(conn, "w", 1, params, NULL, NULL, 0);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		die("insert", PQerrorMessage(conn));
	sent_us[n] = (int64_t)pgs_now_us();
	b->n_sent = n + 1;
	PQclear(res);
}

struct cpu {
	int64_t at_us;
	int64_t relay_us;
	int64_t backend_us;
};

static struct cpu look(const struct bench *b)
{
	return (struct cpu){ .at_us = (int64_t)pgs_now_us(),
			     .relay_us = b->relay ? cpu_us(b->relay) : 0,
			     .backend_us = b->backend ? cpu_us(b->backend) : 0 };
}

static void add(struct cpu *sum, struct cpu from, struct cpu to)
{
	sum->at_us += to.at_us - from.at_us;
	sum->relay_us += to.relay_us - from.relay_us;
	sum->backend_us += to.backend_us - from.backend_us;
}

/* Rows at a fixed rate, or rare ones. */
static struct cpu write_rows(struct bench *b, PGconn *conn)
{
	struct cpu sum = { .at_us = 0 };
	if (b->idle_s) {
		for (long i = 0; i < b->count; i++) {
			const uint64_t start = pgs_now_us();
			const uint64_t end = start + (uint64_t)b->idle_s * 1000000;
			const uint64_t half = start + (end - start) / 2;
			const uint64_t calm = start + CALM_US;
			wait_to(calm < end - CALM_LEAST_US ? calm : half);
			const struct cpu from = look(b);
			wait_to(end);
			add(&sum, from, look(b));
			insert(b, conn);
			wait_to(pgs_now_us() + 2000000); /* its own work is not idleness */
		}
		return sum;
	}
	const struct cpu from = look(b);
	const uint64_t start = pgs_now_us();
	const long n = (long)(b->rate * b->seconds);
	for (long i = 0; i < n; i++) {
		wait_to(start + (uint64_t)((double)i * 1000000 / b->rate));
		insert(b, conn);
	}
	add(&sum, from, look(b));
	return sum;
}

static void report(const struct bench *b, struct cpu sum)
{
	long lost = 0;
	for (long i = 0; i < b->n_sent; i++) {
		if (got_us[i])
			latency_add(&histogram, got_us[i] - sent_us[i]);
		else
			lost++;
	}
	const double time = (double)sum.at_us / 100;
	printf("{\"n\":%ld,\"lost\":%ld,\"twice\":%ld,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,"
	       "\"max\":%.1f,\"rate\":%.0f,\"relay_cpu\":%.3f,\"backend_cpu\":%.3f}\n",
	       b->n_sent, lost, b->n_twice, latency_ms(&histogram, 0.5),
	       latency_ms(&histogram, 0.9), latency_ms(&histogram, 0.99),
	       (double)histogram.max_us / 1000, (double)b->n_sent * 1e6 / (double)sum.at_us,
	       (double)sum.relay_us / time, (double)sum.backend_us / time);
}

static void parse(struct bench *b, int argc, char **argv)
{
	static const struct option options[] = {
		{ "brokers", 1, NULL, 'b' }, { "conninfo", 1, NULL, 'c' },
		{ "topic", 1, NULL, 't' },   { "table", 1, NULL, 'T' },
		{ "first", 1, NULL, 'f' },   { "rate", 1, NULL, 'r' },
		{ "seconds", 1, NULL, 's' }, { "hold", 0, NULL, 'h' },
		{ "idle", 1, NULL, 'i' },    { "count", 1, NULL, 'n' },
		{ "pid", 1, NULL, 'p' },     { "backend", 1, NULL, 'B' },
		{ NULL, 0, NULL, 0 },
	};
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (o) {
		case 'b':
			b->brokers = optarg;
			break;
		case 'c':
			b->conninfo = optarg;
			break;
		case 't':
			b->topic = optarg;
			break;
		case 'T':
			b->table = optarg;
			break;
		case 'f':
			b->first = strtol(optarg, NULL, 10);
			break;
		case 'r':
			b->rate = strtod(optarg, NULL);
			break;
		case 's':
			b->seconds = strtod(optarg, NULL);
			break;
		case 'h':
			b->hold = true;
			break;
		case 'i':
			b->idle_s = strtol(optarg, NULL, 10);
			break;
		case 'n':
			b->count = strtol(optarg, NULL, 10);
			break;
		case 'p':
			b->relay = (pid_t)strtol(optarg, NULL, 10);
			break;
		case 'B':
			b->backend = (pid_t)strtol(optarg, NULL, 10);
			break;
		default:
			exit(2);
		}
	}
	if (!b->brokers || !b->conninfo || !b->topic || !b->table)
		die("usage", "--brokers, --conninfo, --topic and --table are needed");
}

int main(int argc, char **argv)
{
	static struct bench b = { .rate = 500, .seconds = 20, .count = 1 };
	char sql[256];
	pthread_t thread;
	parse(&b, argc, argv);
	b.rk = consumer_new(b.brokers);
	(void)consumer_assign(b.rk, b.topic, true);
	PGconn *conn = session(&b);
	PGconn *holder = b.hold ? session(&b) : NULL;
	(void)snprintf(sql, sizeof(sql),
		       "INSERT INTO %s (id, pad) VALUES ($1, repeat('latency ', 25))", b.table);
	PQclear(PQprepare(conn, "w", sql, 0, NULL));
	if (holder)
		PQclear(PQexec(holder, "BEGIN; SELECT pg_current_xact_id()"));
	if (pthread_create(&thread, NULL, read_main, &b))
		die("thread", "could not start one");
	const struct cpu sum = write_rows(&b, conn);
	const uint64_t give_up = pgs_now_us() + PATIENCE_US;
	while (b.n_got < b.n_sent && pgs_now_us() < give_up)
		wait_to(pgs_now_us() + 20000);
	b.stop = true;
	(void)pthread_join(thread, NULL);
	report(&b, sum);
	PQfinish(holder);
	PQfinish(conn);
	(void)rd_kafka_consumer_close(b.rk);
	rd_kafka_destroy(b.rk);
	return 0;
}

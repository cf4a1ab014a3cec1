/*
 * tests/bench/bench_limit.c
 *    What the two libraries allow: COPY of the queue's rows, unread, and records of a relay produced once more.
 *
 * bench_limit --brokers B --conninfo C --queue TABLE --xid X --like TOPIC --topic TOPIC --positions TOPIC --batch N
 * Reads up to 50,000 records of --like (what a relay has made of such rows) into memory, then for every row
 * from transaction X on produces one of them, key, bytes and partition as they were, to --topic, in transactions of N with
 * a record in --positions as the last, mixed as a queue mixes them. No parsing, no encoding, no order. Prints one line of JSON.
 */
#include <getopt.h>
#include <libpq-fe.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/bench/bench.h"

enum { SAMPLES = 50000, HEADER_AND_TRAILER = 2, POLL_EVERY = 512 };

struct sample {
	char *bytes; /* key, then value */
	size_t key_len;
	size_t value_len;
	int32_t partition;
};

struct limit {
	const char *brokers;
	const char *conninfo;
	const char *queue;
	const char *xid;
	const char *like;
	const char *topic;
	const char *positions;
	long batch;
	struct sample *samples;
	size_t n_samples;
	rd_kafka_t *rk;
	rd_kafka_topic_t *rkt;
	rd_kafka_topic_t *positions_rkt;
	uint64_t bytes;
};

static void take_sample(struct limit *l, const rd_kafka_message_t *m)
{
	struct sample *s = &l->samples[l->n_samples];
	s->bytes = malloc(m->key_len + m->len + 1);
	if (!s->bytes)
		die("samples", "out of memory");
	memcpy(s->bytes, m->key, m->key_len);
	memcpy(s->bytes + m->key_len, m->payload, m->len);
	s->key_len = m->key_len;
	s->value_len = m->len;
	s->partition = m->partition;
	l->n_samples++;
}

static void take_samples(struct limit *l)
{
	rd_kafka_t *rk = consumer_new(l->brokers);
	const int n = consumer_assign(rk, l->like, false);
	l->samples = calloc(SAMPLES, sizeof(*l->samples));
	if (!l->samples)
		die("samples", "out of memory");
	for (int ended = 0; ended < n && l->n_samples < SAMPLES;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 10000);
		if (!m)
			die(l->like, "no records came");
		if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			ended++;
		else if (!m->err && m->payload && m->key)
			take_sample(l, m);
		rd_kafka_message_destroy(m);
	}
	(void)rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	if (!l->n_samples)
		die(l->like, "it is empty");
}

/* They came partition by partition; a relay meets them mixed. The same order each time. */
static void mix_samples(struct limit *l)
{
	srand48(1);
	for (size_t i = l->n_samples; i > 1; i--) {
		const size_t j = (size_t)lrand48() % i;
		const struct sample s = l->samples[i - 1];
		l->samples[i - 1] = l->samples[j];
		l->samples[j] = s;
	}
}

static void open_producer(struct limit *l)
{
	const struct rd_kafka_metadata *md = NULL;
	l->rk = producer_new(l->brokers, "bench.limit");
	l->rkt = rd_kafka_topic_new(l->rk, l->topic, NULL);
	l->positions_rkt = rd_kafka_topic_new(l->rk, l->positions, NULL);
	if (rd_kafka_metadata(l->rk, 0, NULL, &md, 10000))
		die("metadata", "none");
	rd_kafka_metadata_destroy(md);
}

static void commit(struct limit *l)
{
	char position[600];
	memset(position, 'p', sizeof(position));
	produce(l->rk, l->positions_rkt, 0, position, 1, position, sizeof(position));
	need(rd_kafka_commit_transaction(l->rk, BENCH_COMMIT_MS));
}

static PGconn *copy_open(const struct limit *l)
{
	char sql[512];
	PGconn *conn = PQconnectdb(l->conninfo);
	(void)snprintf(sql, sizeof(sql),
		       "COPY (SELECT ev_id, ev_txid, ev_time, ev_type, ev_extra1, ev_data, "
		       "ev_extra2, ev_extra3, ev_extra4 FROM %s WHERE ev_txid >= %s) TO STDOUT "
		       "(FORMAT binary)",
		       l->queue, l->xid);
	PQclear(PQexec(conn, "SET enable_seqscan = off; SET max_parallel_workers_per_gather = 0; "
			     "SET jit = off"));
	PGresult *res = PQexec(conn, sql);
	if (PQresultStatus(res) != PGRES_COPY_OUT)
		die("COPY", PQerrorMessage(conn));
	PQclear(res);
	return conn;
}

static long pass(struct limit *l, PGconn *conn)
{
	char *row;
	long n = 0;
	int len;
	/* The trailer comes as a row of its own; the header stands before the first row. */
	while ((len = PQgetCopyData(conn, &row, 0)) > 0) {
		PQfreemem(row);
		if (len <= HEADER_AND_TRAILER)
			continue;
		if (n % l->batch == 0)
			need(rd_kafka_begin_transaction(l->rk));
		const struct sample *s = &l->samples[(size_t)n % l->n_samples];
		produce(l->rk, l->rkt, s->partition, s->bytes, s->key_len, s->bytes + s->key_len,
			s->value_len);
		l->bytes += s->value_len;
		if (++n % POLL_EVERY == 0)
			(void)rd_kafka_poll(l->rk, 0);
		if (n % l->batch == 0)
			commit(l);
	}
	if (len == -2)
		die("COPY", PQerrorMessage(conn));
	if (n % l->batch)
		commit(l);
	return n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "brokers", 1, NULL, 'b' },   { "conninfo", 1, NULL, 'c' },
		{ "queue", 1, NULL, 'q' },     { "xid", 1, NULL, 'x' },
		{ "like", 1, NULL, 'l' },      { "topic", 1, NULL, 't' },
		{ "positions", 1, NULL, 'p' }, { "batch", 1, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	struct limit l = { .batch = 20000 };
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (o) {
		case 'b':
			l.brokers = optarg;
			break;
		case 'c':
			l.conninfo = optarg;
			break;
		case 'q':
			l.queue = optarg;
			break;
		case 'x':
			l.xid = optarg;
			break;
		case 'l':
			l.like = optarg;
			break;
		case 't':
			l.topic = optarg;
			break;
		case 'p':
			l.positions = optarg;
			break;
		case 'n':
			l.batch = strtol(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	if (!l.brokers || !l.conninfo || !l.queue || !l.xid || !l.like || !l.topic ||
	    !l.positions || l.batch < 1)
		die("usage", "an option is missing");
	take_samples(&l);
	mix_samples(&l);
	open_producer(&l);
	const int64_t start = (int64_t)pgs_now_us();
	const int64_t cpu = cpu_us(getpid());
	PGconn *conn = copy_open(&l);
	const long n = pass(&l, conn);
	printf("{\"us\":%lld,\"cpu_us\":%lld,\"rows\":%ld,\"bytes\":%llu}\n",
	       (long long)((int64_t)pgs_now_us() - start), (long long)(cpu_us(getpid()) - cpu), n,
	       (unsigned long long)l.bytes);
	PQfinish(conn);
	rd_kafka_topic_destroy(l.rkt);
	rd_kafka_topic_destroy(l.positions_rkt);
	rd_kafka_destroy(l.rk);
	for (size_t i = 0; i < l.n_samples; i++)
		free(l.samples[i].bytes);
	free(l.samples);
	return 0;
}

/*
 * tests/bench/bench_pass.c
 *    The least that a relay must do, for the latency that the two libraries and the servers leave.
 *
 * bench_pass --brokers B --conninfo C --queue TABLE --topic TOPIC --partitions N --positions TOPIC
 * Looks for new rows of the queue, produces a record of constant bytes for each (key {"id":N}, from the row's first
 * column) and a position, commits, waits 2 ms, looks again; every 5 ms when there was nothing. No parsing, no encoding, no
 * order, no open transactions of others. Says "working" on stdout and goes on until SIGTERM.
 */
#include <getopt.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>

#include "common/clock.h"
#include "tests/bench/bench.h"

enum { PAUSE_MS = 2, POLL_MS = 5, VALUE_BYTES = 700, POSITION_BYTES = 600 };

struct pass {
	const char *brokers;
	const char *conninfo;
	const char *queue;
	const char *topic;
	const char *positions;
	int32_t partitions;
	PGconn *conn;
	rd_kafka_t *rk;
	rd_kafka_topic_t *rkt;
	rd_kafka_topic_t *positions_rkt;
	char xmax
		[24]; /* rows of transactions from here on are not sent yet, but for those up to `last` */
	int64_t last;
};

static volatile sig_atomic_t stop;

static void on_term(int number)
{
	(void)number;
	stop = 1;
}

static PGresult *look(struct pass *p)
{
	const char *params[] = { p->xmax };
	PGresult *res = PQexecPrepared(p->conn, "look", 1, params, NULL, NULL, 0);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		die("look", PQerrorMessage(p->conn));
	return res;
}

static long send_row(struct pass *p, const PGresult *res, int row)
{
	char value[VALUE_BYTES];
	char key[64];
	const int64_t ev_id = strtoll(PQgetvalue(res, row, 1), NULL, 10);
	if (PQgetisnull(res, row, 1) || ev_id <= p->last)
		return 0;
	/* Record text: "(ID,..." */
	const long id = strtol(PQgetvalue(res, row, 2) + 1, NULL, 10);
	memset(value, 'v', sizeof(value));
	const int len = snprintf(key, sizeof(key), "{\"id\":%ld}", id);
	produce(p->rk, p->rkt, (int32_t)(id % p->partitions), key, (size_t)len, value,
		sizeof(value));
	p->last = ev_id;
	return 1;
}

/* One look and what it shows; how many rows. */
static long pass(struct pass *p)
{
	char position[POSITION_BYTES];
	PGresult *res = look(p);
	const int n = PQntuples(res);
	long sent = 0;
	if (n > 1)
		need(rd_kafka_begin_transaction(p->rk));
	for (int i = 0; i < n; i++)
		sent += send_row(p, res, i);
	(void)snprintf(p->xmax, sizeof(p->xmax), "%s", PQgetvalue(res, 0, 0));
	PQclear(res);
	if (n > 1) {
		memset(position, 'p', sizeof(position));
		produce(p->rk, p->positions_rkt, 0, position, 1, position, sizeof(position));
		need(rd_kafka_commit_transaction(p->rk, BENCH_COMMIT_MS));
	}
	return sent;
}

static void open_all(struct pass *p)
{
	const struct rd_kafka_metadata *md = NULL;
	char sql[512];
	p->conn = PQconnectdb(p->conninfo);
	PQclear(PQexec(p->conn, "SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = "
				"force_generic_plan"));
	(void)snprintf(sql, sizeof(sql),
		       "SELECT pg_snapshot_xmax(pg_current_snapshot()), NULL::int8, NULL::text "
		       "UNION ALL (SELECT NULL, ev_id, ev_data FROM %s WHERE ev_txid >= $1::int8)",
		       p->queue);
	PGresult *res = PQprepare(p->conn, "look", sql, 1, NULL);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		die("prepare", PQerrorMessage(p->conn));
	PQclear(res);
	res = PQexec(p->conn, "SELECT pg_snapshot_xmax(pg_current_snapshot())");
	(void)snprintf(p->xmax, sizeof(p->xmax), "%s", PQgetvalue(res, 0, 0));
	PQclear(res);
	p->rk = producer_new(p->brokers, "bench.pass");
	p->rkt = rd_kafka_topic_new(p->rk, p->topic, NULL);
	p->positions_rkt = rd_kafka_topic_new(p->rk, p->positions, NULL);
	if (rd_kafka_metadata(p->rk, 0, NULL, &md, 10000))
		die("metadata", "none");
	rd_kafka_metadata_destroy(md);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "brokers", 1, NULL, 'b' },   { "conninfo", 1, NULL, 'c' },
		{ "queue", 1, NULL, 'q' },     { "topic", 1, NULL, 't' },
		{ "positions", 1, NULL, 'p' }, { "partitions", 1, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	struct pass p = { .partitions = 1 };
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 'b')
			p.brokers = optarg;
		else if (o == 'c')
			p.conninfo = optarg;
		else if (o == 'q')
			p.queue = optarg;
		else if (o == 't')
			p.topic = optarg;
		else if (o == 'p')
			p.positions = optarg;
		else if (o == 'n')
			p.partitions = (int32_t)strtol(optarg, NULL, 10);
		else
			return 2;
	}
	if (!p.brokers || !p.conninfo || !p.queue || !p.topic || !p.positions || p.partitions < 1)
		die("usage", "an option is missing");
	open_all(&p);
	(void)sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_term }, NULL);
	(void)puts("working");
	(void)fflush(stdout);
	while (!stop)
		(void)poll(NULL, 0, pass(&p) ? PAUSE_MS : POLL_MS);
	rd_kafka_topic_destroy(p.rkt);
	rd_kafka_topic_destroy(p.positions_rkt);
	rd_kafka_destroy(p.rk);
	PQfinish(p.conn);
	return 0;
}

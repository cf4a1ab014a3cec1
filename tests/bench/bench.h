/*
 * tests/bench/bench.h
 *    What the measuring programs share: the end with a message, CPU and memory of a process, a reader's settings.
 *
 * Waits for nothing and knows nothing of pgshovel.
 */
#ifndef PGSHOVEL_TESTS_BENCH_H
#define PGSHOVEL_TESTS_BENCH_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include "common/base.h"

static inline PGS_NORETURN void die(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(2);
}

/* CPU time of a process, all threads, microseconds; 0: it is gone. */
static inline int64_t cpu_us(pid_t pid)
{
	clockid_t clock;
	struct timespec ts;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
		return 0;
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* A line of /proc/PID/smaps_rollup in kB, such as "Rss:"; 0: it is gone. */
static inline long memory_kb(pid_t pid, const char *what)
{
	char path[64];
	char line[256];
	long kb = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	FILE *file = fopen(path, "r");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, what, strlen(what)) == 0)
			kb += strtol(line + strlen(what), NULL, 10);
	(void)fclose(file);
	return kb;
}

static inline void conf_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char why[256];
	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
		die(name, why);
}

/* A read_committed consumer without a group's duties. */
static inline rd_kafka_t *consumer_new(const char *brokers)
{
	char why[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	conf_set(conf, "bootstrap.servers", brokers);
	conf_set(conf, "group.id", "bench");
	conf_set(conf, "enable.auto.commit", "false");
	conf_set(conf, "isolation.level", "read_committed");
	conf_set(conf, "fetch.wait.max.ms", "100");
	conf_set(conf, "fetch.min.bytes", "1");
	conf_set(conf, "fetch.error.backoff.ms", "1");
	conf_set(conf, "enable.partition.eof", "true");
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	if (!rk)
		die("consumer", why);
	(void)rd_kafka_poll_set_consumer(rk);
	return rk;
}

/* Every partition of a topic, from its beginning or from where it ends now; how many there are. */
static inline int consumer_assign(rd_kafka_t *rk, const char *topic, bool from_end)
{
	const struct rd_kafka_metadata *md = NULL;
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	if (rd_kafka_metadata(rk, 0, rkt, &md, 10000) || md->topic_cnt != 1 ||
	    md->topics[0].partition_cnt < 1)
		die(topic, "no such topic");
	const int n = md->topics[0].partition_cnt;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++) {
		int64_t low;
		int64_t high;
		if (rd_kafka_query_watermark_offsets(rk, topic, i, &low, &high, 10000))
			die(topic, "could not ask for its offsets");
		rd_kafka_topic_partition_list_add(list, topic, i)->offset = from_end ? high : low;
	}
	if (rd_kafka_assign(rk, list))
		die(topic, "could not assign");
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_metadata_destroy(md);
	rd_kafka_topic_destroy(rkt);
	return n;
}

/* ---- A producer as worker/kafka_conf.c makes it for a relay that has no properties of its own. */

enum { BENCH_COMMIT_MS = 60000 };

static inline void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	(void)rk;
	(void)opaque;
	if (m->err)
		die("delivery", rd_kafka_err2str(m->err));
}

static inline void need(rd_kafka_error_t *error)
{
	if (error)
		die("transaction", rd_kafka_error_string(error));
}

static inline rd_kafka_t *producer_new(const char *brokers, const char *transactional_id)
{
	static const char *const properties[][2] = {
		{ "compression.type", "zstd" },
		{ "compression.level", "1" },
		{ "linger.ms", "5" },
		{ "batch.size", "1000000" },
		{ "batch.num.messages", "100000" },
		{ "queue.buffering.max.messages", "100000" },
		{ "queue.buffering.max.kbytes", "65536" },
		{ "socket.nagle.disable", "true" },
	};
	char why[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	conf_set(conf, "bootstrap.servers", brokers);
	conf_set(conf, "transactional.id", transactional_id);
	for (size_t i = 0; i < PGS_ARRAY_LEN(properties); i++)
		conf_set(conf, properties[i][0], properties[i][1]);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!rk)
		die("producer", why);
	need(rd_kafka_init_transactions(rk, BENCH_COMMIT_MS));
	return rk;
}

static inline void produce(rd_kafka_t *rk, rd_kafka_topic_t *rkt, int32_t partition, char *key,
			   size_t key_len, char *value, size_t value_len)
{
	while (rd_kafka_produce(rkt, partition, RD_KAFKA_MSG_F_COPY, value, value_len, key, key_len,
				NULL)) {
		if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("produce", rd_kafka_err2str(rd_kafka_last_error()));
		(void)rd_kafka_flush(rk, 10);
	}
}

#endif

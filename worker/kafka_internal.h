/*
 * worker/kafka_internal.h
 *    What sink_kafka.c and kafka_*.c share with one another and with nobody else.
 */
#ifndef PGSHOVEL_WORKER_KAFKA_INTERNAL_H
#define PGSHOVEL_WORKER_KAFKA_INTERNAL_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/log.h"
#include "worker/sink_kafka.h"

enum { KAFKA_MAX_TOPICS = 16384 };

/* The topic's opaque: offsets only grow while a topic is the same. */
struct kafka_last {
	int n;
	int64_t offset[]; /* of the last record delivered to each partition; -1: none yet */
};

struct kafka_topic {
	char *name;
	rd_kafka_topic_t *rkt;
	struct kafka_last *last;
};

struct kafka_sink {
	struct sink sink; /* first: the interface is cast to this */
	struct sink_kafka_config config;
	bool transactional; /* exactly once */
	char node[40];
	char positions[64]; /* topic: CLUSTER.SET.positions */
	char transactional_id[128];
	rd_kafka_t *rk; /* NULL: nothing taken over */
	struct kafka_topic *topics; /* open addressing, cap a power of two */
	size_t n_topics;
	size_t topics_cap;
	const char *
		last_name; /* of the last record, by address: records of one table follow each other */
	rd_kafka_topic_t *last_rkt;
	bool open; /* between begin() and the end of commit() */
	enum {
		KAFKA_COMMIT_NONE,
		KAFKA_COMMIT_RUNS,
		KAFKA_COMMIT_ENDED
	} committing; /* in a thread */
	pthread_t committer;
	int commit_rc; /* how it ended, with commit_err */
	struct pgs_err commit_err;
	unsigned since_poll;
	uint64_t committed_at_us;
	uint64_t transaction_timeout_us;

	/* Written by librdkafka's callbacks; error_cb and dr_msg_cb run in our own calls, log_cb anywhere. */
	rd_kafka_resp_err_t auth_error; /* authentication or TLS refused: comes by error_cb only */
	char auth_text[320];
	rd_kafka_resp_err_t delivery_error; /* the first failed delivery */
	uint64_t delivery_failures;
	char delivery_text[200];
	char anew_text[320]; /* a topic was made anew behind our back; "": none */
	pthread_mutex_t log_lock;
	struct pgs_log_limit log_limit;
};

enum kafka_role {
	KAFKA_PROBE, /* any producer: metadata and nothing else */
	KAFKA_PRODUCER, /* the one that takes over */
	KAFKA_READER, /* a consumer of what is committed */
	KAFKA_READER_ALL, /* a consumer of everything */
};

/* kafka_conf.c: our settings, the set's properties, the credential file; and the callbacks. */
int kafka_handle_new(struct kafka_sink *k, enum kafka_role role, rd_kafka_t **ret,
		     struct pgs_err *reterr) PGS_MUST_CHECK;

/* kafka_error.c: codes to classes. `what` begins the message: "could not commit". */
int kafka_fail(struct kafka_sink *k, rd_kafka_resp_err_t code, const char *what, const char *text,
	       struct pgs_err *reterr);
/* The same for an error object, which is destroyed. */
int kafka_fail_error(struct kafka_sink *k, rd_kafka_error_t *error, const char *what,
		     struct pgs_err *reterr);
/* Refused authentication or TLS, when there was any; 0: none. */
int kafka_check_auth(struct kafka_sink *k, struct pgs_err *reterr) PGS_MUST_CHECK;
/* A topic that was deleted and made again while we wrote to it, when there is one; 0: none. */
int kafka_check_anew(struct kafka_sink *k, struct pgs_err *reterr) PGS_MUST_CHECK;
/* The first failed delivery as an error; 0: none failed. */
int kafka_check_deliveries(struct kafka_sink *k, struct pgs_err *reterr) PGS_MUST_CHECK;
bool kafka_code_is_permanent(rd_kafka_resp_err_t code);
/* The fault is in a record, not in the topic or in our rights: without it the others are taken. */
bool kafka_code_is_of_record(rd_kafka_resp_err_t code);

/* kafka_commit.c: every record is with the brokers; a transaction's commit does it by itself. */
int kafka_flush(struct kafka_sink *k, struct pgs_err *reterr) PGS_MUST_CHECK;
/* See sink.h: commit_begin(), and commit() as far as the brokers are concerned. */
void kafka_commit_begin(struct kafka_sink *k);
int kafka_commit_end(struct kafka_sink *k, struct pgs_err *reterr) PGS_MUST_CHECK;
/* Until no thread commits; how it ended is still kafka_commit_end()'s to say. */
void kafka_commit_wait(struct kafka_sink *k);

/* kafka_topics.c */
int kafka_topic(struct kafka_sink *k, const char *name, rd_kafka_topic_t **ret,
		struct pgs_err *reterr) PGS_MUST_CHECK;
void kafka_topics_done(struct kafka_sink *k);
int kafka_topics_ensure(struct kafka_sink *k, const char *const *names, size_t n, bool may_create,
			struct pgs_err *reterr) PGS_MUST_CHECK;
/* Those that exist have the right shape; missing ones are no error. */
int kafka_topics_check(struct kafka_sink *k, const char *const *names, size_t n,
		       struct pgs_err *reterr) PGS_MUST_CHECK;
/* Every partition of those that exist, and of the positions topic; the caller's to destroy. */
int kafka_topics_partitions(struct kafka_sink *k, const char *const *names, size_t n,
			    rd_kafka_topic_partition_list_t **ret,
			    struct pgs_err *reterr) PGS_MUST_CHECK;
/* The positions topic is one compacted partition. Missing: made with may_create, else no error. */
int kafka_positions_ensure(struct kafka_sink *k, bool may_create,
			   struct pgs_err *reterr) PGS_MUST_CHECK;

/* kafka_forget.c. False with *rc -1: could not ask. */
bool kafka_positions_exist(struct kafka_sink *k, int *rc, struct pgs_err *reterr);

/* kafka_offsets.c: offsets of time `when` (RD_KAFKA_OFFSET_END …) as rk sees them, into the list. */
int kafka_offsets(struct kafka_sink *k, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list,
		  int64_t when, struct pgs_err *reterr) PGS_MUST_CHECK;
/* Each record in [from, ends) of several partitions; i is the index in both lists. Spoils `ends`. */
typedef void kafka_scan_fn(void *ctx, int i, const rd_kafka_message_t *message);
int kafka_scan(struct kafka_sink *k, rd_kafka_t *consumer,
	       const rd_kafka_topic_partition_list_t *from, rd_kafka_topic_partition_list_t *ends,
	       kafka_scan_fn *each, void *ctx, struct pgs_err *reterr) PGS_MUST_CHECK;

/* kafka_hanging.c: after init_transactions(). May replace the handle. */
int kafka_hanging_end(struct kafka_sink *k, const char *const *names, size_t n, const char *key,
		      size_t key_len, struct pgs_err *reterr) PGS_MUST_CHECK;

/* kafka_position.c: every record of the positions topic from some place on; the newest of a key wins. */
typedef int kafka_record_fn(void *ctx, const char *key, size_t key_len, const char *value,
			    size_t value_len, struct pgs_err *reterr);
int kafka_position_read(struct kafka_sink *k, const char *key, size_t key_len,
			struct pgs_buf *ret_value, struct pgs_err *reterr) PGS_MUST_CHECK;
int kafka_reader_new(struct kafka_sink *k, rd_kafka_t **ret, struct pgs_err *reterr) PGS_MUST_CHECK;
void kafka_reader_end(rd_kafka_t *consumer);
int kafka_position_scan(struct kafka_sink *k, kafka_record_fn *record, void *ctx,
			struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

/*
 * worker/sink.h
 *    Where records go: one interface for Kafka and for files.
 *
 * The relay opens, begins, writes, marks the position and commits; it never knows which sink it has.
 * Implementations: sink_kafka.c, sink_file.c. A sink belongs to one thread.
 */
#ifndef PGSHOVEL_WORKER_SINK_H
#define PGSHOVEL_WORKER_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "worker/encode.h"

struct sink;

struct sink_ops {
	/* Reach the other side (metadata, coordinator) without taking anything over. */
	int (*probe)(struct sink *sink, struct pgs_err *reterr);
	/* Take over: after it returned 0 no earlier owner can commit any more. */
	int (*acquire)(struct sink *sink, struct pgs_err *reterr);
	/*
	 * After acquire(): what an earlier transaction of ours left between its end and what readers see, in
	 * these topics and among positions, is rolled back. Class CONFIG: a part of it was committed.
	 */
	int (*mend)(struct sink *sink, const char *const *topics, size_t n, const char *key,
		    size_t key_len, struct pgs_err *reterr);
	/* The position of `key` that is committed; buffer stays empty when there is none. */
	int (*read_position)(struct sink *sink, const char *key, size_t key_len,
			     struct pgs_buf *ret_value, struct pgs_err *reterr);
	/*
	 * Topics exist with the right shape. A missing one is made with may_create; else it is an error of
	 * class CONFIG: it was there before and somebody deleted it.
	 */
	int (*ensure_topics)(struct sink *sink, const char *const *topics, size_t n,
			     bool may_create, struct pgs_err *reterr);
	/* Until begin() does not have to wait: what the source commits meanwhile can still go along. */
	void (*ready)(struct sink *sink);
	int (*begin)(struct sink *sink, struct pgs_err *reterr);
	int (*write)(struct sink *sink, const struct encode_record *record, struct pgs_err *reterr);
	/* What was written so far has been accepted or refused; not visible yet. */
	int (*settle)(struct sink *sink, struct pgs_err *reterr);
	/* The position record, last of its transaction. */
	int (*position)(struct sink *sink, const char *key, size_t key_len, const char *value,
			size_t value_len, struct pgs_err *reterr);
	/*
	 * Begin to commit, while the caller does something that has nothing to do with the sink; ensure_topics() is
	 * allowed and waits. commit() or drop() follows.
	 */
	void (*commit_begin)(struct sink *sink);
	/*
	 * Everything written since begin() is visible to readers when 0 is returned. -1: unknown or refused;
	 * the only calls allowed then are drop() and, after it, probe() from the start.
	 */
	int (*commit)(struct sink *sink, struct pgs_err *reterr);
	/* Let go of everything that is not committed; the sink can be probed and acquired anew. */
	void (*drop)(struct sink *sink);
	void (*free)(struct sink *sink);
};

/* Events whose records the other side refused for good, since acquire(); a batch is refused as a whole. */
struct sink_refusal {
	int64_t first; /* smallest event id */
	int64_t last;
	uint64_t n; /* records; 0: none */
};

struct sink {
	const struct sink_ops *ops;
	size_t record_max_bytes; /* of a record; 0: no limit. Set before acquire() returns */
	uint64_t
		transaction_max_us; /* commit sooner than this after begin(); 0: no limit. Likewise */
	int64_t event_id; /* of the records that write() gets next; 0: of none. The caller's */
	struct sink_refusal refusal;
};

#endif

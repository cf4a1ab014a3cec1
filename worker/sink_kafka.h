/*
 * worker/sink_kafka.h
 *    The sink that is Kafka: one producer of one source.
 *
 * Exactly once: a transactional producer "pgshovel.CLUSTER.SET.NODE" and the position in the same
 * transaction. At least once: an idempotent producer, a flush, then the position.
 */
#ifndef PGSHOVEL_WORKER_SINK_KAFKA_H
#define PGSHOVEL_WORKER_SINK_KAFKA_H

#include <stddef.h>

#include "common/assignment.h"
#include "common/base.h"
#include "common/err.h"
#include "common/setdoc.h"
#include "worker/confine.h"
#include "worker/sink.h"

struct sink_kafka_config {
	const struct assignment *assignment; /* lent, as is doc */
	const struct setdoc *doc;
	const char *log_prefix;
	const struct confine *confine; /* NULL: nothing is out of reach */
	int stop_fd;
};

int sink_kafka_new(const struct sink_kafka_config *config, struct sink **ret,
		   struct pgs_err *reterr) PGS_MUST_CHECK;

/* The transactional id needs the node, which is known only after PostgreSQL was asked: before probe(). */
void sink_kafka_set_node(struct sink *sink, const char *node);

/*
 * For `set drop`: fence every transactional id that wrote a position of the set, then write a tombstone for
 * each key. *ret_n: how many.
 */
int sink_kafka_forget(struct sink *sink, size_t *ret_n, struct pgs_err *reterr) PGS_MUST_CHECK;

/* The properties of the set are accepted by the library: no network. */
int sink_kafka_check_properties(struct sink *sink, struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

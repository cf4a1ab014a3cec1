/*
 * admin/kafka_task.h
 *    Work in Kafka, done by a child: pgshovel-kafka-relay --task NAME.
 *
 * pgshovel itself links no Kafka client. The child gets the document and the credentials on fd 4 and says
 * what is wrong in one line on stderr.
 */
#ifndef PGSHOVEL_ADMIN_KAFKA_TASK_H
#define PGSHOVEL_ADMIN_KAFKA_TASK_H

#include "admin/admin.h"
#include "common/buf.h"
#include "common/setdoc.h"

struct kafka_task {
	const char *task;
	const char *argument; /* NULL: none */
	const char *set;
	const char *rollout;
	int partitions;
	const struct setdoc *doc;
	const char *token; /* what the child acts under; NULL: one below every relay's */
	struct pgs_buf *output; /* what it prints, NULL: nothing is wanted */
};

/* The same with everything said; also "position", "position-accept", "position-reset", "position-skip". */
int kafka_task_run(struct admin *a, const struct kafka_task *t,
		   struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Tasks: "check" (properties, brokers, topics that exist; changes nothing), "topics" (make what is missing),
 * "forget" (fence the set's relays, delete its positions). `rollout` may be "". Blocks at most a minute.
 */
int kafka_task(struct admin *a, const char *task, const char *set, const char *rollout,
	       int partitions, const struct setdoc *doc, struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

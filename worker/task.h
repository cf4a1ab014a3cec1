/*
 * worker/task.h
 *    What task.c runs besides its own short tasks.
 */
#ifndef PGSHOVEL_WORKER_TASK_H
#define PGSHOVEL_WORKER_TASK_H

#include "common/assignment.h"
#include "common/base.h"
#include "common/setdoc.h"
#include "worker/sink.h"

enum task_position_act {
	TASK_POSITION_SHOW,
	TASK_POSITION_ACCEPT, /* go on from Kafka's position although the rule refuses it */
	TASK_POSITION_RESET, /* forget it, begin with everything that the queue still holds */
	TASK_POSITION_SKIP, /* forget it, begin with what commits from now on */
};

/* database NULL: all. One JSON object a line on stdout. Blocks up to two minutes a database. */
int task_position(struct sink *sink, const struct assignment *assignment, const struct setdoc *doc,
		  enum task_position_act act, const char *database,
		  struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

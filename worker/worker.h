/*
 * worker/worker.h
 *    One worker process: its assignment, a thread for each source, the talk with the supervisor.
 */
#ifndef PGSHOVEL_WORKER_WORKER_H
#define PGSHOVEL_WORKER_WORKER_H

#include "common/assignment.h"
#include "common/base.h"
#include "common/err.h"
#include "common/setdoc.h"

enum { WORKER_MAX_SOURCES = 64 };

/* The assignment from fd 4 (which is closed) and its document. */
int worker_assignment(struct assignment **ret, struct setdoc **ret_doc,
		      struct pgs_err *reterr) PGS_MUST_CHECK;

/* Everything of `--supervised`: returns the exit code. */
int worker_run(void);

/* task.c: everything of `--task NAME [ARGUMENT]` (argument NULL: none): returns the exit code. */
int task_run(const char *name, const char *argument);

#endif

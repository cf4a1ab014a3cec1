/*
 * worker/sink_file.h
 *    The sink that is a file or stdout: the same records as JSON lines.
 *
 * {"topic":…,"key":…,"headers":[[name,value],…],"value":…}: key and value as strings, null for
 * a tombstone. Takes no lock and fences nobody. With a commit path the position is kept in that file.
 * A regular file is cut back to its last whole line first; CONFIG: what it ends with is not a line of ours.
 */
#ifndef PGSHOVEL_WORKER_SINK_FILE_H
#define PGSHOVEL_WORKER_SINK_FILE_H

#include "common/base.h"
#include "common/err.h"
#include "worker/sink.h"

struct sink_file_config {
	const char *path; /* NULL: stdout; lent */
	const char *commit_path; /* NULL: the position is not kept; lent */
};

int sink_file_new(const struct sink_file_config *config, struct sink **ret,
		  struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

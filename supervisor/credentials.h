/*
 * supervisor/credentials.h
 *    All secrets of the credentials folder, in memory until they go into a worker's assignment.
 *
 * Read at start and at SIGHUP only, so that all workers get the same. Does not read single files: common/credentials.h does.
 */
#ifndef PGSHOVEL_SUPERVISOR_CREDENTIALS_H
#define PGSHOVEL_SUPERVISOR_CREDENTIALS_H

#include <stddef.h>

#include "common/assignment.h"
#include "common/err.h"

enum { CREDENTIALS_MAX_FILES = 1024 };

struct credentials {
	char *zookeeper; /* "user:password" or NULL */
	struct assignment_credential *files; /* what workers get */
	size_t n;
};

/*
 * Read the files "zookeeper", "pgpass", "kafka" and "kafka.SET" of a folder; others are not looked at.
 * folder NULL: empty. On -1 *ret is untouched, class CONFIG.
 */
int credentials_load(const char *folder, struct credentials *ret,
		     struct pgs_err *reterr) PGS_MUST_CHECK;

/* Lend those that the worker of a set needs: *ret_n entries into list, which has room for 3. */
void credentials_for_set(const struct credentials *credentials, const char *set,
			 struct assignment_credential list[3], size_t *ret_n);

/* Wipes, then frees. */
void credentials_done(struct credentials *credentials);

#endif

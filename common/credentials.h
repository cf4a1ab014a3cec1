/*
 * common/credentials.h
 *    Files of the credentials folder: pgpass, kafka, kafka.SET, zookeeper.
 *
 * Contents are never logged, never in argv, environment or ZooKeeper. Does not know what pgpass and kafka
 * files mean.
 */
#ifndef PGSHOVEL_COMMON_CREDENTIALS_H
#define PGSHOVEL_COMMON_CREDENTIALS_H

#include <stddef.h>

#include "common/base.h"
#include "common/err.h"

enum { CREDENTIALS_MAX_BYTES = 64 * 1024 };

/* Where --credentials-dir points by default: *folder NULL becomes a copy of $CREDENTIALS_DIRECTORY, if that is set. */
int credentials_folder(char **folder, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Read FOLDER/NAME: a regular file without zero bytes, whole or not at all. *ret is malloc'ed and NUL-terminated,
 * to be freed with credentials_freep(); NULL with 0 returned when there is no folder (folder NULL) or no such file.
 * Class CONFIG. Does not wait for what is no file.
 */
int credentials_read(const char *folder, const char *name, char **ret, size_t *ret_len,
		     struct pgs_err *reterr) PGS_MUST_CHECK;

/* "user:password" of the file "zookeeper", without its line end; NULL as above. Class CONFIG also when it is no such line. */
int credentials_read_zookeeper(const char *folder, char **ret,
			       struct pgs_err *reterr) PGS_MUST_CHECK;

/* Clean-up: wipes, then frees. */
void credentials_freep(char **text);

#endif

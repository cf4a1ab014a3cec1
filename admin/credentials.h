/*
 * admin/credentials.h
 *    Files of the credentials folder: pgpass, kafka, kafka.SET, zookeeper.
 *
 * Contents are never logged. Does not know what they mean.
 */
#ifndef PGSHOVEL_ADMIN_CREDENTIALS_H
#define PGSHOVEL_ADMIN_CREDENTIALS_H

#include <stddef.h>

#include "common/base.h"
#include "common/err.h"

enum { CREDENTIALS_MAX_BYTES = 64 * 1024 };

/*
 * Read DIR/NAME. *ret is malloc'ed and NUL-terminated, to be freed with credentials_freep(); NULL with 0
 * returned when there is no folder (dir NULL) or no such file.
 */
int credentials_read(const char *dir, const char *name, char **ret, size_t *ret_len,
		     struct pgs_err *reterr) PGS_MUST_CHECK;

/* Clean-up: wipes, then frees. */
void credentials_freep(char **text);

#endif

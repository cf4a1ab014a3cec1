/*
 * common/assignment.h
 *    What a supervisor hands to one worker over fd 4: the set, its document, its token, credentials.
 *
 * Written by supervisor/spawn.c, read by worker/main.c; text format in docs/protocol.md 4. Nothing here
 * touches files or the environment.
 */
#ifndef PGSHOVEL_COMMON_ASSIGNMENT_H
#define PGSHOVEL_COMMON_ASSIGNMENT_H

#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"

enum { ASSIGNMENT_MAX_BYTES = 1024 * 1024 };

enum assignment_output { ASSIGNMENT_KAFKA, ASSIGNMENT_STDOUT, ASSIGNMENT_FILE };

struct assignment_credential {
	char *name; /* file name in the credentials folder, such as "pgpass" */
	char *data; /* NUL-terminated */
	size_t len;
};

struct assignment {
	char *cluster;
	char *set;
	char *rollout; /* ID that wrote the set node */
	char *version; /* 64 hex digits */
	char *host;
	char *token; /* GENERATION.CZXID.SPAWN */
	int partitions;
	enum assignment_output output;
	char *output_path; /* NULL unless ASSIGNMENT_FILE */
	char *from; /* a snapshot to start at, NULL: the set's; only without Kafka */
	char *commit_path; /* file that keeps the position, NULL: none; only without Kafka */
	char *confine; /* pieces, see common/confine.h; NULL: none */
	char *ports; /* TCP ports beside the set's own, NULL: none */
	char *paths; /* what may be read beside the usual, NULL: nothing */
	uint64_t memory; /* bytes that the worker limits itself to, 0: a cgroup does, or nobody */
	char *document; /* canonical text, NUL-terminated */
	size_t document_len;
	struct assignment_credential *credentials;
	size_t n_credentials;
};

/* Append the text form. The buffer's failure is the only error. */
void assignment_write(const struct assignment *a, struct pgs_buf *out);

/* Strict: unknown lines, missing lines, sizes that do not fit are errors of class BUG. */
int assignment_read(const char *text, size_t len, struct assignment **ret,
		    struct pgs_err *reterr) PGS_MUST_CHECK;

/* The content of one credential, or NULL. */
const struct assignment_credential *assignment_credential(const struct assignment *a,
							  const char *name);

/* Frees everything and wipes the credentials first. */
void assignment_free(struct assignment *a);
void assignment_freep(struct assignment **a);

#endif

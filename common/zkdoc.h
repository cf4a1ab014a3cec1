/*
 * common/zkdoc.h
 *    The documents stored in ZooKeeper: text to struct and back, strictly (docs/protocol.md 1).
 *
 * Does no I/O. An unknown format number is an error of class CONFIG that names both numbers.
 */
#ifndef PGSHOVEL_COMMON_ZKDOC_H
#define PGSHOVEL_COMMON_ZKDOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/setdoc.h"

enum { ZKDOC_ID_HEX = 32 };

struct zkdoc_cluster {
	char software[32];
	int64_t generation;
};

struct zkdoc_set {
	char version[SETDOC_DIGEST_HEX + 1];
	char rollout[ZKDOC_ID_HEX + 1];
	int partitions;
	const char *document; /* into the caller's text; not NUL-terminated */
	size_t document_len;
};

struct zkdoc_intent_database {
	char *name;
	char *conninfo;
	char *node; /* uuid, "" before it is known */
	char *gid;
};

/* A database that the operator gave up (--force): it takes no part and is written down at the end. */
struct zkdoc_intent_left {
	char *name;
	char *conninfo;
};

struct zkdoc_intent {
	char id[ZKDOC_ID_HEX + 1];
	char *kind; /* create, upgrade, drop, cluster-upgrade */
	char *set; /* NULL: none */
	char *from; /* digest, NULL: none */
	char *to;
	char *at;
	char *by;
	struct zkdoc_intent_database *databases;
	size_t n_databases;
	struct zkdoc_intent_left *left;
	size_t n_left;
};

void zkdoc_cluster_write(const struct zkdoc_cluster *doc, struct pgs_buf *out);
int zkdoc_cluster_read(const char *text, size_t len, struct zkdoc_cluster *ret,
		       struct pgs_err *reterr) PGS_MUST_CHECK;

void zkdoc_set_write(const struct zkdoc_set *doc, struct pgs_buf *out);
int zkdoc_set_read(const char *text, size_t len, struct zkdoc_set *ret,
		   struct pgs_err *reterr) PGS_MUST_CHECK; /* checks the digest too */

void zkdoc_intent_write(const struct zkdoc_intent *doc, struct pgs_buf *out);
int zkdoc_intent_read(const char *text, size_t len, struct zkdoc_intent **ret,
		      struct pgs_err *reterr) PGS_MUST_CHECK;
void zkdoc_intent_free(struct zkdoc_intent *doc);

/* 128 random bits as 32 hex digits. */
int zkdoc_new_id(char ret[ZKDOC_ID_HEX + 1], struct pgs_err *reterr) PGS_MUST_CHECK;

/* A JSON string literal, quotes included, appended. */
void zkdoc_put_json_string(struct pgs_buf *out, const char *text);

#endif

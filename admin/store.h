/*
 * admin/store.h
 *    The sets of a cluster as ZooKeeper holds them.
 *
 * Changes nothing in them; txn.c does.
 */
#ifndef PGSHOVEL_ADMIN_STORE_H
#define PGSHOVEL_ADMIN_STORE_H

#include "admin/admin.h"
#include "common/setdoc.h"

struct stored_set {
	char *name;
	char version[SETDOC_DIGEST_HEX + 1];
	char rollout[ZKDOC_ID_HEX + 1]; /* the one that wrote the node */
	int partitions;
	char *text; /* canonical, NUL-terminated */
	struct setdoc *doc;
	int32_t node_version;
};

/* Class CONFIG, code "ZNONODE" when there is no such set. */
int store_read(struct admin *a, const char *name, struct stored_set **ret,
	       struct pgs_err *reterr) PGS_MUST_CHECK;

/* All of them, by name. */
int store_list(struct admin *a, struct stored_set ***ret, size_t *ret_n,
	       struct pgs_err *reterr) PGS_MUST_CHECK;

/* The node is written as it is: whoever holds the set parked tries at once. */
int store_touch(struct admin *a, const char *name, struct pgs_err *reterr) PGS_MUST_CHECK;

void stored_set_free(struct stored_set *set);
void stored_set_freep(struct stored_set **set);
void store_list_free(struct stored_set **sets, size_t n);

#endif

/*
 * admin/leftover.h
 *    Databases that a rollout left out with --force: what may still be there is written down in ZooKeeper.
 *
 * One node /CLUSTER/left/ID for each set and database. `pgshovel node` lists and forgets them.
 */
#ifndef PGSHOVEL_ADMIN_LEFTOVER_H
#define PGSHOVEL_ADMIN_LEFTOVER_H

#include "admin/admin.h"

enum { LEFTOVER_ID_HEX = 12 };

struct leftover {
	char id[LEFTOVER_ID_HEX +
		1]; /* of set, name and conninfo: the same place has the same ID */
	char *set; /* "": a cluster upgrade passed the database by */
	char *database;
	char *conninfo;
	char *kind; /* of the rollout: upgrade, drop, cluster-upgrade */
	char *rollout;
	char *at;
	char *by;
};

/* Write down that a committed rollout left this database out. Again is no error. */
int leftover_note(struct admin *a, const struct zkdoc_intent *intent, const char *database,
		  const char *conninfo, struct pgs_err *reterr) PGS_MUST_CHECK;

/* All of the cluster, by ID. */
int leftover_list(struct admin *a, struct leftover **ret, size_t *ret_n,
		  struct pgs_err *reterr) PGS_MUST_CHECK;
void leftover_list_free(struct leftover *list, size_t n);

int leftover_forget(struct admin *a, const char *id, struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

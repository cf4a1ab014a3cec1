/*
 * admin/cleanup.h
 *    What follows a decision in one database: triggers that are not needed go, a dropped set is forgotten.
 *
 * Works from what the database says, not from a plan, so that it can be called any number of times and by
 * anybody. Does not touch ZooKeeper or Kafka.
 */
#ifndef PGSHOVEL_ADMIN_CLEANUP_H
#define PGSHOVEL_ADMIN_CLEANUP_H

#include "admin/session.h"

/* Until `deadline_us`; at least one attempt at everything. Class RETRY says what is left. */
int cleanup_database(struct session *s, const char *set, uint64_t deadline_us,
		     struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * The triggers of one table, as a row of `tables` says: oid, columns as text[] or null for all, mode, name for
 * people. verb is what to call it when the table is in use.
 */
int cleanup_fit_table(struct session *s, const char *set, const PGresult *tables, int row,
		      const char *verb, uint64_t deadline_us,
		      struct pgs_err *reterr) PGS_MUST_CHECK;

/* The canonical text of a set that is dropped and not forgotten here yet; NULL: none. malloc'ed. */
int cleanup_dropped_document(struct session *s, const char *set, char **ret_text,
			     int *ret_partitions, struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

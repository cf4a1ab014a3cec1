/*
 * admin/install.h
 *    The cluster's schema in a database: the files of sql/, applied in one transaction.
 *
 * Does not decide whether a database is fit for it: plan_check.c does.
 */
#ifndef PGSHOVEL_ADMIN_INSTALL_H
#define PGSHOVEL_ADMIN_INSTALL_H

#include "admin/session.h"

/*
 * Install or refresh the schema, any number of times: a transaction of its own under an advisory lock, so
 * that two admins, or two names of one database, do not collide.
 */
int install_schema(struct session *s, struct pgs_err *reterr) PGS_MUST_CHECK;

/* The same inside the caller's transaction (cluster upgrade prepares it). */
int install_apply(struct session *s, struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

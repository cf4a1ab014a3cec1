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

/* A function that the files make, and its source as pg_proc.prosrc holds it. */
struct install_function {
	char *name;
	char *source;
};

/* All of them, for this cluster. Free with install_functions_free(). */
int install_functions(const struct admin *a, struct install_function **ret, size_t *ret_n,
		      struct pgs_err *reterr) PGS_MUST_CHECK;
void install_functions_free(struct install_function *list, size_t n);

#endif

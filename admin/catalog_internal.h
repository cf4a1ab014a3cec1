/*
 * admin/catalog_internal.h
 *    What catalog.c and catalog_tables.c share.
 *
 * No other file includes this.
 */
#ifndef PGSHOVEL_ADMIN_CATALOG_INTERNAL_H
#define PGSHOVEL_ADMIN_CATALOG_INTERNAL_H

#include "admin/catalog.h"

/* A value of a result in the catalog's arena; NULL with *reterr when memory ends. */
const char *catalog_copy(struct catalog *c, const PGresult *res, int row, int column,
			 struct pgs_err *reterr);

/* Fill c->tables from the document's names. */
int catalog_read_tables(struct session *s, struct catalog *c, const struct setdoc *doc,
			struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

/*
 * admin/sql.h
 *    The files of sql/ as text, in the order in which they are run.
 *
 * Made from sql/NNN-name.sql by sql/embed.awk at build time. Does not run anything: the caller replaces
 * @SCHEMA@ (quoted identifier) and @CLUSTER@ (plain name) and sends all of them in one transaction.
 */
#ifndef PGSHOVEL_ADMIN_SQL_H
#define PGSHOVEL_ADMIN_SQL_H

#include <stddef.h>

/* The format that the files install: node.format. */
#define SQL_FORMAT 1

struct sql_file {
	int number; /* ascending; the order of installation */
	const char *name; /* "010-node.sql", for messages */
	const char *text; /* several statements */
};

extern const struct sql_file sql_files[];
extern const size_t sql_n_files;

#endif

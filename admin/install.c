/*
 * admin/install.c
 *    The cluster's schema in a database.
 *
 * Does not check what the database offers.
 */
#include "admin/install.h"

#include <stdio.h>
#include <string.h>

#include "admin/sql.h"

/* Append the text with @SCHEMA@ and @CLUSTER@ replaced. */
static void expand(struct pgs_buf *out, const char *text, const char *schema, const char *cluster)
{
	const char *at;

	while ((at = strchr(text, '@')) != NULL) {
		pgs_buf_put(out, text, (size_t)(at - text));
		if (strncmp(at, "@SCHEMA@", 8) == 0) {
			pgs_buf_puts(out, schema);
			text = at + 8;
		} else if (strncmp(at, "@CLUSTER@", 9) == 0) {
			pgs_buf_puts(out, cluster);
			text = at + 9;
		} else {
			pgs_buf_putc(out, '@');
			text = at + 1;
		}
	}
	pgs_buf_puts(out, text);
}

int install_apply(struct session *s, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf sql = PGS_BUF_INIT(SESSION_MAX_SQL);

	for (size_t i = 0; i < sql_n_files; i++) {
		pgs_buf_reset(&sql);
		expand(&sql, sql_files[i].text, s->a->schema, s->a->options.cluster);
		if (pgs_buf_failed(&sql))
			return pgs_err_nomem(reterr);
		if (session_exec(s, pgs_buf_str(&sql), 0, NULL, reterr) < 0)
			return -1;
	}
	pgs_buf_reset(&sql);
	pgs_buf_printf(&sql, "update %s.node set software = $1, format = %d where software <> $1",
		       s->a->schema, SQL_FORMAT);
	return session_exec(s, pgs_buf_str(&sql), 1, (const char *const[]){ PGSHOVEL_VERSION },
			    reterr);
}

int install_schema(struct session *s, struct pgs_err *reterr)
{
	struct pgs_err err = { 0 };

	if (session_exec(s, "begin read write", 0, NULL, reterr) < 0)
		return -1;
	if (session_exec(s, "select pg_advisory_xact_lock(1885827960, hashtext($1))", 1,
			 (const char *const[]){ s->a->schema }, &err) == 0 &&
	    install_apply(s, &err) == 0 && session_exec(s, "commit", 0, NULL, &err) == 0)
		return 0;
	if (session_exec(s, "rollback", 0, NULL, NULL) < 0)
		session_close(s);
	*reterr = err;
	return -1;
}

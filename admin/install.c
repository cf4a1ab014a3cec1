/*
 * admin/install.c
 *    The cluster's schema in a database, and what it consists of.
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

/* ---- what the files make, read out of their text ---- */

enum { MAX_FUNCTIONS = 1000, MAX_FUNCTION_NAME = 64 };

/* The function whose definition begins at `at`: its name is between HEAD and "(", its source between two $f$. */
static int read_function(const char *at, const struct admin *a, struct install_function *ret,
			 struct pgs_err *reterr)
{
	static const char quote[] = "$f$";
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf source = PGS_BUF_INIT(SESSION_MAX_SQL);
	size_t name_len = strcspn(at, "(");
	const char *begin = strstr(at, quote);
	const char *end = begin ? strstr(begin + strlen(quote), quote) : NULL;

	if (!end || name_len >= MAX_FUNCTION_NAME)
		return pgs_err_set(reterr, PGS_ERR_BUG, "",
				   "a function of sql/ is not written as $f$...$f$: %.40s", at);
	begin += strlen(quote);
	char *raw = strndup(begin, (size_t)(end - begin));
	if (!raw)
		return pgs_err_nomem(reterr);
	expand(&source, raw, a->schema, a->options.cluster);
	free(raw);
	ret->name = strndup(at, name_len);
	ret->source = pgs_buf_steal(&source);
	return ret->name && ret->source ? 0 : pgs_err_nomem(reterr);
}

int install_functions(const struct admin *a, struct install_function **ret, size_t *ret_n,
		      struct pgs_err *reterr)
{
	static const char head[] = "create or replace function @SCHEMA@.";
	struct install_function *list = calloc(MAX_FUNCTIONS, sizeof(*list));
	size_t n = 0;
	int r = list ? 0 : pgs_err_nomem(reterr);

	for (size_t i = 0; r == 0 && i < sql_n_files; i++) {
		const char *at = sql_files[i].text;
		while (r == 0 && n < MAX_FUNCTIONS && (at = strstr(at, head)) != NULL) {
			at += strlen(head);
			r = read_function(at, a, &list[n++], reterr);
		}
	}
	if (r < 0) {
		install_functions_free(list, n);
		return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

void install_functions_free(struct install_function *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++) {
		free(list[i].name);
		free(list[i].source);
	}
	free(list);
}

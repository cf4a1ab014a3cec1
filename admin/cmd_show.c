/*
 * admin/cmd_show.c
 *    set list, inspect.
 *
 * Takes no lock. The list is ZooKeeper's alone; inspect also asks the databases what DDL has changed.
 */
#include <stdio.h>
#include <string.h>

#include "admin/changes.h"
#include "admin/commands.h"
#include "admin/render.h"
#include "admin/store.h"
#include "common/parse.h"

static void put_tables(struct pgs_buf *out, const struct setdoc *doc, const char *separator)
{
	for (size_t i = 0; i < doc->n_tables; i++) {
		if (i > 0)
			pgs_buf_puts(out, separator);
		setdoc_table_name(out, &doc->tables[i]);
	}
}

static void put_databases(struct pgs_buf *out, const struct setdoc *doc)
{
	for (size_t i = 0; i < doc->n_databases; i++) {
		if (i > 0)
			pgs_buf_lit(out, ", ");
		pgs_buf_puts(out, doc->databases[i].name);
	}
}

static void list_as_table(struct stored_set **sets, size_t n)
{
	static const char *const titles[] = { "NAME", "DATABASES", "TABLES", "VERSION" };
	PGS_CLEANUP(render_done)
	struct render_table table = { .titles = titles, .n_columns = PGS_ARRAY_LEN(titles) };

	for (size_t i = 0; i < n; i++) {
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf databases = PGS_BUF_INIT(RENDER_MAX_BYTES);
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf tables = PGS_BUF_INIT(RENDER_MAX_BYTES);
		char version[SETDOC_SHOWN_HEX + 1];
		put_databases(&databases, sets[i]->doc);
		put_tables(&tables, sets[i]->doc, ", ");
		snprintf(version, sizeof(version), "%.*s", SETDOC_SHOWN_HEX, sets[i]->version);
		render_add(&table, sets[i]->name);
		render_add(&table, pgs_buf_str(&databases));
		render_add(&table, pgs_buf_str(&tables));
		render_add(&table, version);
	}
	render_print(&table, stdout);
}

static void put_json_set(struct pgs_buf *out, const struct stored_set *set)
{
	const struct setdoc *doc = set->doc;

	pgs_buf_lit(out, "{\"name\":");
	zkdoc_put_json_string(out, set->name);
	pgs_buf_lit(out, ",\"databases\":[");
	for (size_t i = 0; i < doc->n_databases; i++) {
		if (i > 0)
			pgs_buf_putc(out, ',');
		zkdoc_put_json_string(out, doc->databases[i].name);
	}
	pgs_buf_lit(out, "],\"tables\":[");
	for (size_t i = 0; i < doc->n_tables; i++) {
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf name = PGS_BUF_INIT(1024);
		setdoc_table_name(&name, &doc->tables[i]);
		if (i > 0)
			pgs_buf_putc(out, ',');
		zkdoc_put_json_string(out, pgs_buf_str(&name));
	}
	pgs_buf_printf(out, "],\"version\":\"%s\",\"rollout\":\"%s\",\"partitions\":%d}",
		       set->version, set->rollout, set->partitions);
}

int cmd_set_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	struct stored_set **sets;
	size_t n_sets;

	(void)arguments;
	(void)n;
	if (admin_open_cluster(a, reterr) < 0 || store_list(a, &sets, &n_sets, reterr) < 0)
		return -1;
	if (a->options.json) {
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf out = PGS_BUF_INIT(RENDER_MAX_BYTES);
		pgs_buf_putc(&out, '[');
		for (size_t i = 0; i < n_sets; i++) {
			if (i > 0)
				pgs_buf_putc(&out, ',');
			put_json_set(&out, sets[i]);
		}
		pgs_buf_lit(&out, "]\n");
		fputs(pgs_buf_str(&out), stdout);
	} else {
		list_as_table(sets, n_sets);
	}
	store_list_free(sets, n_sets);
	return 0;
}

int cmd_set_inspect(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	PGS_CLEANUP(stored_set_freep) struct stored_set *set = NULL;

	(void)n;
	if (!pgs_set_name_ok(arguments[0]))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "\"%s\" cannot be the name of a set",
				   arguments[0]);
	if (admin_open_cluster(a, reterr) < 0 || store_read(a, arguments[0], &set, reterr) < 0)
		return -1;
	fputs(set->text, stdout);
	fflush(stdout); /* the document is there even while a database keeps us waiting */
	fprintf(stderr, "version: %.*s\n", SETDOC_SHOWN_HEX, set->version);
	changes_report(a, set, true);
	return 0;
}

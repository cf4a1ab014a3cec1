/*
 * admin/cmd_node.c
 *    node list, forget: databases that were left out of a rollout with --force.
 *
 * Who writes them down is recover.c, when a rollout ends.
 */
#include <stdio.h>
#include <string.h>

#include "admin/catalog.h"
#include "admin/cleanup.h"
#include "admin/cli.h"
#include "admin/commands.h"
#include "admin/leftover.h"
#include "admin/recover.h"
#include "admin/render.h"
#include "admin/session.h"
#include "admin/store.h"
#include "common/clock.h"
#include "common/log.h"

static void put_json(struct pgs_buf *out, const struct leftover *l)
{
	const struct {
		const char *name;
		const char *value;
	} fields[] = { { "id", l->id },
		       { "set", l->set },
		       { "database", l->database },
		       { "conninfo", l->conninfo },
		       { "kind", l->kind },
		       { "rollout", l->rollout },
		       { "at", l->at },
		       { "by", l->by } };

	pgs_buf_puts(out, out->len > 1 ? ",{" : "{");
	for (size_t i = 0; i < PGS_ARRAY_LEN(fields); i++) {
		pgs_buf_printf(out, "%s\"%s\":", i ? "," : "", fields[i].name);
		zkdoc_put_json_string(out, fields[i].value);
	}
	pgs_buf_putc(out, '}');
}

int cmd_node_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	static const char *const titles[] = { "ID",   "SET", "DATABASE", "CONNINFO",
					      "KIND", "AT",  "BY" };
	PGS_CLEANUP(render_done)
	struct render_table table = { .titles = titles, .n_columns = PGS_ARRAY_LEN(titles) };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf json = PGS_BUF_INIT(RENDER_MAX_BYTES);
	struct leftover *list;
	size_t n_list;

	(void)arguments;
	(void)n;
	if (admin_open_cluster(a, reterr) < 0 || leftover_list(a, &list, &n_list, reterr) < 0)
		return -1;
	pgs_buf_putc(&json, '[');
	for (size_t i = 0; i < n_list; i++) {
		const char *cells[] = { list[i].id,       list[i].set,  list[i].database,
					list[i].conninfo, list[i].kind, list[i].at,
					list[i].by };
		for (size_t c = 0; c < PGS_ARRAY_LEN(cells); c++)
			render_add(&table, cells[c]);
		put_json(&json, &list[i]);
	}
	pgs_buf_lit(&json, "]\n");
	if (a->options.json)
		fputs(pgs_buf_str(&json), stdout);
	else if (n_list > 0)
		render_print(&table, stdout);
	leftover_list_free(list, n_list);
	return pgs_buf_failed(&json) ? pgs_err_nomem(reterr) : 0;
}

/* Is the database, under whatever conninfo, one of the set's again? Then nothing of it is left over. */
static int belongs(struct admin *a, const char *set, const char *node, bool *ret,
		   struct pgs_err *reterr)
{
	PGS_CLEANUP(stored_set_freep) struct stored_set *stored = NULL;
	struct pgs_err err = { 0 };

	*ret = false;
	if (store_read(a, set, &stored, &err) < 0) {
		if (strcmp(err.code, "ZNONODE") == 0)
			return 0;
		*reterr = err;
		return -1;
	}
	for (size_t i = 0; i < stored->doc->n_databases && !*ret; i++) {
		PGS_CLEANUP(catalog_freep) struct catalog *c = NULL;
		struct session s = { .a = a,
				     .name = stored->doc->databases[i].name,
				     .conninfo = stored->doc->databases[i].conninfo };
		int r = session_open(&s, reterr) < 0 ? -1
						     : catalog_read(&s, NULL, NULL, &c, reterr);
		session_close(&s);
		if (r < 0)
			return -1;
		*ret = c->node && strcmp(c->node, node) == 0;
	}
	return 0;
}

/* The set ends in this database alone: its functions stop, then triggers, queue and rows go. */
static int end_set(struct session *s, const char *set, struct pgs_err *reterr)
{
	char sql[512], id[ZKDOC_ID_HEX + 1];
	const char *const params[] = { set, id };

	if (zkdoc_new_id(id, reterr) < 0)
		return -1;
	snprintf(
		sql, sizeof(sql),
		"select %s.rollout_open($2, 'drop', $1), %s.set_retire(name, $2) from %s.set where "
		"name = $1 and state = 'active'",
		s->a->schema, s->a->schema, s->a->schema);
	if (session_exec(s, sql, 2, params, reterr) < 0)
		return -1;
	return cleanup_database(s, set, pgs_now_us() + s->a->options.wait_us, reterr);
}

/* The database answers: what is left there is taken away. */
static int clean_place(struct admin *a, const struct leftover *l, struct session *s,
		       struct pgs_err *reterr)
{
	PGS_CLEANUP(catalog_freep) struct catalog *c = NULL;
	bool in_use = false;

	if (!l->set[0])
		return 0;
	if (catalog_read(s, l->set, NULL, &c, reterr) < 0)
		return -1;
	if (!c->has_schema || !c->set_version)
		return 0;
	if (belongs(a, l->set, c->node, &in_use, reterr) < 0)
		return -1;
	if (in_use) {
		printf("database \"%s\" belongs to set \"%s\" again; nothing is left over there\n",
		       l->database, l->set);
		return 0;
	}
	printf("set \"%s\" %s from database \"%s\"\n", l->set,
	       a->options.dry_run ? "would be taken away" : "is taken away", l->database);
	return a->options.dry_run ? 0 : end_set(s, l->set, reterr);
}

static int forget(struct admin *a, const struct leftover *l, struct pgs_err *reterr)
{
	struct session s = { .a = a, .name = l->database, .conninfo = l->conninfo };
	struct pgs_err err = { 0 };
	int r = 0;

	if (session_open(&s, &err) == 0) {
		r = clean_place(a, l, &s, reterr);
	} else if (a->options.force) {
		pgs_log(PGS_LOG_WARNING, NULL, "%s; forgotten all the same (--force)", err.msg);
	} else {
		r = pgs_err_set(reterr, err.cls, err.code,
				"%s; when it is gone for good, --force forgets it", err.msg);
	}
	session_close(&s);
	if (r < 0)
		return -1;
	printf("%s (database \"%s\", \"%s\") %s\n", l->id, l->database, l->conninfo,
	       a->options.dry_run ? "would be forgotten" : "is forgotten");
	return a->options.dry_run ? 0 : leftover_forget(a, l->id, reterr);
}

int cmd_node_forget(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	struct leftover *list;
	size_t n_list;
	int r = 1;

	(void)n;
	if (admin_open_cluster(a, reterr) < 0 || admin_check_software(a, reterr) < 0 ||
	    (!a->options.dry_run &&
	     (admin_lock(a, "node forget", reterr) < 0 || recover_first(a, NULL, reterr) < 0)) ||
	    leftover_list(a, &list, &n_list, reterr) < 0)
		return -1;
	for (size_t i = 0; i < n_list && r > 0; i++)
		if (strcmp(list[i].id, arguments[0]) == 0)
			r = forget(a, &list[i], reterr);
	leftover_list_free(list, n_list);
	if (r > 0)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"nothing is written down as \"%s\"; \"pgshovel node list\" shows "
			"what is",
			arguments[0]);
	return r;
}

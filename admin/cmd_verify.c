/*
 * admin/cmd_verify.c
 *    cluster verify: does everything agree with what ZooKeeper says?
 *
 * Looks only. Rows themselves are not compared.
 */
#include <stdio.h>
#include <string.h>

#include "admin/catalog.h"
#include "admin/commands.h"
#include "admin/plan.h"
#include "admin/store.h"
#include "common/zpath.h"

/* Findings so far; the first error of a database that could not be asked is kept. */
struct findings {
	bool json;
	size_t n;
	struct pgs_err away;
};

static void found(struct findings *f, const char *set, const char *database, const char *text)
{
	if (!f->json) {
		printf("%s%s%s%s%s\n", set, set[0] ? ": " : "", database, database[0] ? ": " : "",
		       text);
	} else {
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf out = PGS_BUF_INIT(64 * 1024);
		pgs_buf_puts(&out, f->n ? ",{\"set\":" : "{\"set\":");
		zkdoc_put_json_string(&out, set);
		pgs_buf_lit(&out, ",\"database\":");
		zkdoc_put_json_string(&out, database);
		pgs_buf_lit(&out, ",\"problem\":");
		zkdoc_put_json_string(&out, text);
		pgs_buf_putc(&out, '}');
		fputs(pgs_buf_str(&out), stdout);
	}
	f->n++;
}

static int verify_captures(struct session *s, const char *set, struct findings *f,
			   struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[192];

	snprintf(sql, sizeof(sql),
		 "select schema_name, table_name, problem from %s.capture_check($1)", s->a->schema);
	if (session_query(s, sql, 1, &set, &res, reterr) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++) {
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(64 * 1024);
		if (!PQgetisnull(res, i, 1))
			pgs_buf_printf(&text, "table \"%s.%s\": ", PQgetvalue(res, i, 0),
				       PQgetvalue(res, i, 1));
		pgs_buf_puts(&text, PQgetvalue(res, i, 2));
		found(f, set, s->name, pgs_buf_str(&text));
	}
	return 0;
}

static int verify_database(struct session *s, const struct stored_set *set, struct findings *f,
			   struct pgs_err *reterr)
{
	PGS_CLEANUP(catalog_freep) struct catalog *c = NULL;
	struct pgs_err err = { 0 };
	char text[256];

	if (session_open(s, reterr) < 0 || catalog_read(s, set->name, NULL, &c, reterr) < 0)
		return -1;
	const struct plan_database db = { .name = s->name, .catalog = c };
	if (plan_check_server(&db, s->a->options.cluster, &err) < 0)
		found(f, set->name, s->name, err.msg);
	if (!c->has_schema || !c->set_version || strcmp(c->set_state, "active") != 0) {
		found(f, set->name, s->name, "the set is missing; run pgshovel set upgrade");
		return 0;
	}
	if (strcmp(c->set_version, set->version) != 0) {
		snprintf(text, sizeof(text),
			 "the set is at version %.12s here and %.12s in ZooKeeper; run pgshovel "
			 "set upgrade",
			 c->set_version, set->version);
		found(f, set->name, s->name, text);
	}
	if (strcmp(c->software, PGSHOVEL_VERSION) != 0) {
		snprintf(text, sizeof(text),
			 "the schema is at version %s, this program at %s; run pgshovel cluster "
			 "upgrade",
			 c->software, PGSHOVEL_VERSION);
		found(f, set->name, s->name, text);
		return 0;
	}
	return verify_captures(s, set->name, f, reterr);
}

static void verify_set(struct admin *a, const struct stored_set *set, struct findings *f)
{
	for (size_t i = 0; i < set->doc->n_databases; i++) {
		struct session s = { .a = a,
				     .name = set->doc->databases[i].name,
				     .conninfo = set->doc->databases[i].conninfo };
		struct pgs_err err = { 0 };
		if (verify_database(&s, set, f, &err) < 0) {
			found(f, set->name, s.name, err.msg);
			f->away = err;
		}
		session_close(&s);
	}
}

int cmd_cluster_verify(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	struct findings f = { .json = a->options.json };
	struct stored_set **sets;
	size_t n_sets, n_ids;
	char **ids;
	struct zpath path = zpath_rollouts(a->options.cluster);

	(void)arguments;
	(void)n;
	if (admin_open_cluster(a, reterr) < 0 || store_list(a, &sets, &n_sets, reterr) < 0)
		return -1;
	if (f.json)
		printf("[");
	for (size_t i = 0; i < n_sets; i++)
		verify_set(a, sets[i], &f);
	store_list_free(sets, n_sets);
	if (zk_wait_list(a->zk, path.text, admin_deadline(a), &ids, &n_ids, reterr) < 0)
		return -1;
	for (size_t i = 0; i < n_ids; i++) {
		char text[96];
		snprintf(text, sizeof(text), "rollout %s is open; run pgshovel txn recover",
			 ids[i]);
		found(&f, "", "", text);
	}
	zk_names_free(ids, n_ids);
	if (f.json)
		printf("]\n");
	if (f.n == 0)
		return 0;
	return pgs_err_set(reterr, f.away.cls == PGS_ERR_RETRY ? PGS_ERR_RETRY : PGS_ERR_CONFIG, "",
			   "cluster \"%s\": %zu %s not as the sets say", a->options.cluster, f.n,
			   f.n == 1 ? "thing is" : "things are");
}

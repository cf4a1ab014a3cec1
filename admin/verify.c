/*
 * admin/verify.c
 *    Everything of a cluster that is to be compared: rollouts, databases that were left out, sets.
 *
 * What is compared inside of a database is in verify_database.c. Rows are not compared.
 */
#include "admin/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "admin/leftover.h"
#include "common/zpath.h"

enum { FINDINGS_MAX = 100 * 1000, FINDINGS_MAX_BYTES = 64 * 1024 * 1024, PROBLEM_MAX = 1024 };

static const char *keep(struct findings *f, const char *text)
{
	const char *copy = pgs_arena_strdup(&f->arena, text);

	f->failed = f->failed || !copy;
	return copy;
}

static bool grow(struct findings *f)
{
	size_t cap = f->cap ? f->cap * 2 : 64;
	struct finding *grown = cap > FINDINGS_MAX ? NULL : realloc(f->list, cap * sizeof(*grown));

	if (!grown)
		return false;
	f->list = grown;
	f->cap = cap;
	return true;
}

void finding_add(struct findings *f, const struct verify_place *place, const char *kind,
		 enum cure cure, const char *fmt, ...)
{
	char problem[PROBLEM_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(problem, sizeof(problem), fmt, args);
	va_end(args);
	if (f->n == f->cap && !grow(f)) {
		f->failed = true;
		return;
	}
	f->list[f->n++] = (struct finding){
		.set = place ? keep(f, place->set->name) : "",
		.database = place ? keep(f, place->s->name) : "",
		.conninfo = place ? keep(f, place->s->conninfo) : NULL,
		.kind = kind,
		.problem = keep(f, problem),
		.cure = cure,
	};
}

void findings_done(struct findings *f)
{
	pgs_arena_done(&f->arena);
	free(f->list);
	free(f->nodes);
	*f = (struct findings){ 0 };
}

static int verify_rollouts(struct admin *a, struct findings *f, bool *ret_open,
			   struct pgs_err *reterr)
{
	struct zpath path = zpath_rollouts(a->options.cluster);
	char **ids;
	size_t n;

	if (zk_wait_list(a->zk, path.text, admin_deadline(a), &ids, &n, reterr) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		finding_add(f, NULL, "rollout", CURE_RECOVER,
			    "rollout %s is open; run pgshovel txn recover", ids[i]);
	*ret_open = n > 0;
	zk_names_free(ids, n);
	return 0;
}

static int verify_leftovers(struct admin *a, struct findings *f, struct pgs_err *reterr)
{
	struct leftover *list;
	size_t n;

	if (leftover_list(a, &list, &n, reterr) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		finding_add(f, NULL, "left", CURE_NONE,
			    "database \"%s\" was left out when set \"%s\" was %s (--force); when "
			    "it is back or gone for good: pgshovel node forget %s",
			    list[i].database, list[i].set,
			    strcmp(list[i].kind, "drop") == 0 ? "dropped" : "upgraded", list[i].id);
	leftover_list_free(list, n);
	return 0;
}

static void verify_set(struct admin *a, struct verify_place *place)
{
	const struct setdoc *doc = place->set->doc;

	for (size_t i = 0; i < doc->n_databases; i++) {
		struct session s = { .a = a,
				     .name = doc->databases[i].name,
				     .conninfo = doc->databases[i].conninfo };
		struct pgs_err err = { 0 };
		place->s = &s;
		if (verify_database(place, &err) < 0) {
			bool away = err.cls == PGS_ERR_RETRY;
			finding_add(place->f, place, away ? "away" : "database", CURE_NONE, "%s",
				    err.msg);
			place->f->away = place->f->away || away;
		}
		session_close(&s);
	}
}

int verify_cluster(struct admin *a, struct stored_set *const *sets, size_t n_sets,
		   struct findings *ret, struct pgs_err *reterr)
{
	*ret = (struct findings){ .arena = PGS_ARENA_INIT(FINDINGS_MAX_BYTES) };
	struct verify_place place = { .f = ret, .sets = sets, .n_sets = n_sets };

	if (verify_rollouts(a, ret, &place.rollouts_open, reterr) < 0 ||
	    verify_leftovers(a, ret, reterr) < 0)
		return -1;
	for (size_t i = 0; i < n_sets; i++) {
		place.set = sets[i];
		verify_set(a, &place);
	}
	return ret->failed ? pgs_err_nomem(reterr) : 0;
}

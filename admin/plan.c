/*
 * admin/plan.c
 *    Steps of a rollout from catalogs and documents. Pure.
 *
 * Checks nothing (plan_check.c) and prints nothing (plan_print.c).
 */
#include "admin/plan.h"

#include <string.h>

enum { PLAN_MAX_BYTES = 64 * 1024 * 1024, PLAN_MAX_STEPS = 1000 * 1000 };

enum plan_phase plan_phase_of(enum plan_action action)
{
	switch (action) {
	case PLAN_INSTALL:
	case PLAN_STUB:
		return PLAN_BEFORE;
	case PLAN_ROLLOUT_OPEN:
	case PLAN_REINSTALL:
	case PLAN_SET_CREATE:
	case PLAN_SET_CHANGE:
	case PLAN_SET_RETIRE:
	case PLAN_RELATION_ADD:
	case PLAN_RELATION_RETIRE:
		return PLAN_PREPARED;
	case PLAN_NARROW:
	case PLAN_CAPTURE_DROP:
	case PLAN_SET_FORGET:
		return PLAN_AFTER;
	}
	return PLAN_BEFORE;
}

/* Steps are collected without order by phase and sorted at the end, stably. */
struct maker {
	const struct plan_request *request;
	struct plan *plan;
	size_t cap;
	bool failed;
};

static void add(struct maker *m, struct plan_step step)
{
	struct plan *plan = m->plan;

	if (m->failed || plan->n_steps >= PLAN_MAX_STEPS) {
		m->failed = true;
		return;
	}
	if (plan->n_steps == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 64;
		struct plan_step *grown = realloc(plan->steps, cap * sizeof(*grown));
		if (!grown) {
			m->failed = true;
			return;
		}
		plan->steps = grown;
		m->cap = cap;
	}
	plan->steps[plan->n_steps++] = step;
}

static const char *array_of(struct maker *m, const char *const *names, size_t n)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(SESSION_MAX_SQL);

	session_put_array(&text, names, n);
	const char *copy = pgs_arena_strdup(&m->plan->arena, pgs_buf_str(&text));
	if (!copy || pgs_buf_failed(&text))
		m->failed = true;
	return copy;
}

static bool has_name(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const struct catalog_relation *captured(const struct catalog *c, const char *oid)
{
	for (size_t i = 0; i < c->n_relations; i++)
		if (strcmp(c->relations[i].oid, oid) == 0)
			return &c->relations[i];
	return NULL;
}

/*
 * The columns that triggers hold fast before the rollout: those of the running version and the new ones.
 * NULL: all.
 */
static const char *columns_before(struct maker *m, const struct setdoc_table *table,
				  const struct catalog_relation *running)
{
	if (table->n_columns == 0 || (running && running->all_columns))
		return NULL;
	size_t n = table->n_columns, max = n + (running ? running->n_columns : 0);
	const char **names = pgs_arena_array(&m->plan->arena, max, sizeof(*names));
	if (!names) {
		m->failed = true;
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		names[i] = table->columns[i];
	for (size_t i = 0; running && i < running->n_columns; i++)
		if (!has_name(names, n, running->columns[i]))
			names[n++] = running->columns[i];
	return array_of(m, names, n);
}

/* Does the new version let go of a column that the running one holds? */
static bool narrows(const struct setdoc_table *table, const struct catalog_relation *running)
{
	if (!running || table->n_columns == 0)
		return false;
	if (running->all_columns)
		return true;
	for (size_t i = 0; i < running->n_columns; i++)
		if (!has_name((const char *const *)table->columns, table->n_columns,
			      running->columns[i]))
			return true;
	return false;
}

/* Does it hold one more, so that the trigger that guards columns is made anew? */
static bool widens(const struct setdoc_table *table, const struct catalog_relation *running)
{
	if (running->all_columns)
		return false;
	if (table->n_columns == 0)
		return true;
	for (size_t i = 0; i < table->n_columns; i++)
		if (!has_name(running->columns, running->n_columns, table->columns[i]))
			return true;
	return false;
}

/* relation.mode */
static const char *mode_of(const struct setdoc_table *table)
{
	if (table->partitions == SETDOC_PARTITIONS_LEAF)
		return "leaf";
	switch (table->capture) {
	case SETDOC_CAPTURE_ROW:
		return "row";
	case SETDOC_CAPTURE_STATEMENT:
		return "statement";
	}
	return NULL;
}

/* relation.on_error */
static const char *on_error_of(const struct setdoc_table *table)
{
	switch (table->on_capture_error) {
	case SETDOC_ON_ERROR_FAIL:
		return "fail";
	case SETDOC_ON_ERROR_COUNT:
		return "count";
	}
	return NULL;
}

static void add_table(struct maker *m, size_t database, const struct setdoc_table *table,
		      const struct catalog_table *found, const struct catalog *c)
{
	const struct catalog_relation *running = captured(c, found->oid);
	const char *mode = mode_of(table);
	const char *columns = table->n_columns ? array_of(m, (const char *const *)table->columns,
							  table->n_columns)
					       : NULL;
	struct plan_step step = { .action = PLAN_STUB,
				  .database = database,
				  .label = found->label,
				  .oid = found->oid,
				  .columns = columns_before(m, table, running),
				  .mode = mode,
				  .writes_locked = !running ||
						   (!c->ddl_followed && widens(table, running)) };

	add(m, step);
	for (size_t i = 0; i < found->n_leaves; i++) {
		if (strcmp(found->leaves[i].oid, found->oid) == 0)
			continue;
		step.label = found->leaves[i].label;
		step.oid = found->leaves[i].oid;
		step.columns = NULL;
		step.writes_locked = !running;
		add(m, step);
	}
	add(m, (struct plan_step){ .action = PLAN_RELATION_ADD,
				   .database = database,
				   .label = found->label,
				   .oid = found->oid,
				   .columns = columns,
				   .key = table->key ? array_of(m, (const char *const *)table->key,
								table->n_key)
						     : NULL,
				   .mode = mode,
				   .on_error = on_error_of(table) });
	if (!c->ddl_followed && narrows(table, running))
		add(m, (struct plan_step){ .action = PLAN_NARROW,
					   .database = database,
					   .label = found->label,
					   .oid = found->oid,
					   .columns = columns,
					   .mode = mode,
					   .writes_locked = true });
}

static void add_retired(struct maker *m, size_t database, const struct catalog_relation *r,
			bool with_set)
{
	if (!with_set)
		add(m, (struct plan_step){ .action = PLAN_RELATION_RETIRE,
					   .database = database,
					   .label = r->label,
					   .oid = r->oid });
	add(m, (struct plan_step){ .action = PLAN_CAPTURE_DROP,
				   .database = database,
				   .label = r->label,
				   .oid = r->oid,
				   .writes_locked = true });
}

static bool in_document(const struct catalog *c, const char *oid)
{
	for (size_t i = 0; i < c->n_tables; i++)
		if (c->tables[i].oid && strcmp(c->tables[i].oid, oid) == 0)
			return true;
	return false;
}

static void add_database(struct maker *m, size_t database)
{
	const struct plan_database *db = &m->request->databases[database];
	const struct catalog *c = db->catalog;
	const struct setdoc *doc = m->request->doc;
	bool ends = m->request->kind == PLAN_DROP || db->removed;
	bool known = c->set_version && strcmp(c->set_state, "active") == 0;

	if (!c->has_schema)
		add(m, (struct plan_step){ .action = PLAN_INSTALL, .database = database });
	if (m->request->kind == PLAN_CLUSTER_UPGRADE) {
		add(m, (struct plan_step){ .action = PLAN_ROLLOUT_OPEN, .database = database });
		add(m, (struct plan_step){ .action = PLAN_REINSTALL, .database = database });
		return;
	}
	add(m, (struct plan_step){ .action = PLAN_ROLLOUT_OPEN, .database = database });
	if (ends) {
		if (known)
			add(m,
			    (struct plan_step){ .action = PLAN_SET_RETIRE, .database = database });
		for (size_t i = 0; i < c->n_relations; i++)
			add_retired(m, database, &c->relations[i], true);
		add(m, (struct plan_step){ .action = PLAN_SET_FORGET, .database = database });
		return;
	}
	add(m, (struct plan_step){ .action = known ? PLAN_SET_CHANGE : PLAN_SET_CREATE,
				   .database = database });
	for (size_t i = 0; i < c->n_relations; i++)
		if (!in_document(c, c->relations[i].oid))
			add_retired(m, database, &c->relations[i], false);
	for (size_t i = 0; i < doc->n_tables; i++)
		add_table(m, database, &doc->tables[i], &c->tables[i], c);
}

/* Stable: by phase; within a phase as collected, which is by database. */
static int sort_by_phase(struct plan *plan)
{
	struct plan_step *sorted = calloc(plan->n_steps + 1, sizeof(*sorted));
	size_t n = 0;

	if (!sorted)
		return -1;
	for (int phase = PLAN_BEFORE; phase <= PLAN_AFTER; phase++)
		for (size_t i = 0; i < plan->n_steps; i++)
			if ((int)plan_phase_of(plan->steps[i].action) == phase)
				sorted[n++] = plan->steps[i];
	free(plan->steps);
	plan->steps = sorted;
	return 0;
}

int plan_make(const struct plan_request *request, struct plan *ret, struct pgs_err *reterr)
{
	struct plan plan = { .arena = PGS_ARENA_INIT(PLAN_MAX_BYTES) };
	struct maker m = { .request = request, .plan = &plan };

	for (size_t i = 0; i < request->n_databases; i++)
		add_database(&m, i);
	if (m.failed || sort_by_phase(&plan) < 0) {
		plan_done(&plan);
		return pgs_err_nomem(reterr);
	}
	*ret = plan;
	return 0;
}

void plan_done(struct plan *plan)
{
	pgs_arena_done(&plan->arena);
	free(plan->steps);
	plan->steps = NULL;
	plan->n_steps = 0;
}

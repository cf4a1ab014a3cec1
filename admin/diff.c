/*
 * admin/diff.c
 *    Differences between two documents of one set. Pure.
 *
 * The order of the lists is no difference: columns are written in the table's order, whatever the file's is.
 */
#include "admin/diff.h"

#include <string.h>

#include "common/zkdoc.h"

enum { MAX_CHANGES = 100 * 1000 };

struct maker {
	struct diff *diff;
	size_t cap;
	bool failed;
};

static const char *keep(struct maker *m, const char *text)
{
	const char *copy = pgs_arena_strdup(&m->diff->arena, text);

	m->failed = m->failed || !copy;
	return copy;
}

static void add(struct maker *m, const char *what, const char *name, const char *from,
		const char *to)
{
	struct diff *diff = m->diff;

	if (diff->n_changes == m->cap && !m->failed) {
		size_t cap = m->cap ? m->cap * 2 : 64;
		struct diff_change *grown =
			cap > MAX_CHANGES ? NULL : realloc(diff->changes, cap * sizeof(*grown));
		m->failed = !grown;
		if (grown) {
			diff->changes = grown;
			m->cap = cap;
		}
	}
	if (m->failed)
		return;
	diff->changes[diff->n_changes++] =
		(struct diff_change){ .what = what,
				      .name = keep(m, name),
				      .from = from ? keep(m, from) : NULL,
				      .to = to ? keep(m, to) : NULL };
}

/* The text in the buffer, kept; the buffer is freed. */
static const char *keep_buf(struct maker *m, struct pgs_buf *buf)
{
	const char *copy = keep(m, pgs_buf_str(buf));

	m->failed = m->failed || pgs_buf_failed(buf);
	pgs_buf_done(buf);
	return copy;
}

static const char *names_text(struct maker *m, char *const *names, size_t n, const char *none)
{
	struct pgs_buf text = PGS_BUF_INIT(SETDOC_MAX_BYTES * 2);

	for (size_t i = 0; i < n; i++) {
		pgs_buf_puts(&text, i ? ", \"" : "\"");
		pgs_buf_puts(&text, names[i]);
		pgs_buf_putc(&text, '"');
	}
	return n ? keep_buf(m, &text) : none;
}

static bool has(char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Those of `names` that `others` lacks; "" when there are none. */
static const char *only_in(struct maker *m, char *const *names, size_t n, char *const *others,
			   size_t n_others)
{
	char **only = pgs_arena_array(&m->diff->arena, n + 1, sizeof(*only));
	size_t n_only = 0;

	if (!only) {
		m->failed = true;
		return "";
	}
	for (size_t i = 0; i < n; i++)
		if (!has(others, n_others, names[i]))
			only[n_only++] = names[i];
	return names_text(m, only, n_only, "");
}

/* ---- databases ---- */

static const struct setdoc_database *find_database(const struct setdoc *doc, const char *name)
{
	for (size_t i = 0; i < doc->n_databases; i++)
		if (strcmp(doc->databases[i].name, name) == 0)
			return &doc->databases[i];
	return NULL;
}

static void compare_databases(struct maker *m, const struct setdoc *from, const struct setdoc *to)
{
	for (size_t i = 0; i < from->n_databases; i++) {
		const struct setdoc_database *old = &from->databases[i];
		const struct setdoc_database *now = find_database(to, old->name);
		if (!now || strcmp(now->conninfo, old->conninfo) != 0)
			add(m, "database", old->name, old->conninfo, now ? now->conninfo : NULL);
	}
	for (size_t i = 0; i < to->n_databases; i++)
		if (!find_database(from, to->databases[i].name))
			add(m, "database", to->databases[i].name, NULL, to->databases[i].conninfo);
}

/* ---- tables ---- */

static const struct setdoc_table *find_table(const struct setdoc *doc,
					     const struct setdoc_table *like)
{
	for (size_t i = 0; i < doc->n_tables; i++)
		if (strcmp(doc->tables[i].schema, like->schema) == 0 &&
		    strcmp(doc->tables[i].table, like->table) == 0)
			return &doc->tables[i];
	return NULL;
}

static const char *table_name(struct maker *m, const struct setdoc_table *table)
{
	struct pgs_buf name = PGS_BUF_INIT(SETDOC_MAX_BYTES);

	setdoc_table_name(&name, table);
	return keep_buf(m, &name);
}

static const char *columns_text(struct maker *m, const struct setdoc_table *table)
{
	return names_text(m, table->columns, table->n_columns, "all columns");
}

static const char *key_text(struct maker *m, const struct setdoc_table *table)
{
	return names_text(m, table->key, table->n_key, table->key ? "none" : "the primary key");
}

static const char *capture_text(const struct setdoc_table *table)
{
	return table->capture == SETDOC_CAPTURE_STATEMENT ? "statement" : "row";
}

static const char *partitions_text(const struct setdoc_table *table)
{
	return table->partitions == SETDOC_PARTITIONS_LEAF ? "leaf" : "root";
}

static const char *on_error_text(const struct setdoc_table *table)
{
	return table->on_capture_error == SETDOC_ON_ERROR_COUNT ? "count" : "fail";
}

static const char *whole_table(struct maker *m, const struct setdoc_table *table)
{
	struct pgs_buf text = PGS_BUF_INIT(SETDOC_MAX_BYTES * 2);

	pgs_buf_printf(&text, "%s; key: %s; capture: %s", columns_text(m, table),
		       key_text(m, table), capture_text(table));
	return keep_buf(m, &text);
}

static void compare_columns(struct maker *m, const char *name, const struct setdoc_table *from,
			    const struct setdoc_table *to)
{
	if (!from->n_columns != !to->n_columns) {
		add(m, "columns", name, columns_text(m, from), columns_text(m, to));
		return;
	}
	const char *gone = only_in(m, from->columns, from->n_columns, to->columns, to->n_columns);
	const char *come = only_in(m, to->columns, to->n_columns, from->columns, from->n_columns);
	if (gone && gone[0])
		add(m, "columns", name, gone, NULL);
	if (come && come[0])
		add(m, "columns", name, NULL, come);
}

static void compare_table(struct maker *m, const struct setdoc_table *from,
			  const struct setdoc_table *to)
{
	const char *name = table_name(m, from);
	const char *old_key = key_text(m, from), *new_key = key_text(m, to);

	if (m->failed)
		return;
	compare_columns(m, name, from, to);
	if (strcmp(old_key, new_key) != 0)
		add(m, "key", name, old_key, new_key);
	if (from->capture != to->capture)
		add(m, "capture", name, capture_text(from), capture_text(to));
	if (from->partitions != to->partitions)
		add(m, "partitions", name, partitions_text(from), partitions_text(to));
	if (from->on_capture_error != to->on_capture_error)
		add(m, "on_capture_error", name, on_error_text(from), on_error_text(to));
}

static void compare_tables(struct maker *m, const struct setdoc *from, const struct setdoc *to)
{
	for (size_t i = 0; i < from->n_tables && !m->failed; i++) {
		const struct setdoc_table *old = &from->tables[i], *now = find_table(to, old);
		if (now)
			compare_table(m, old, now);
		else
			add(m, "table", table_name(m, old), whole_table(m, old), NULL);
	}
	for (size_t i = 0; i < to->n_tables && !m->failed; i++) {
		const struct setdoc_table *now = &to->tables[i];
		if (!find_table(from, now))
			add(m, "table", table_name(m, now), NULL, whole_table(m, now));
	}
}

/* ---- the rest ---- */

static bool is_option(const struct setdoc_key *key)
{
	return strcmp(key->group, "topics") == 0 || strcmp(key->group, "format") == 0 ||
	       strcmp(key->group, "relay") == 0;
}

static void compare_options(struct maker *m, const struct setdoc *from, const struct setdoc *to)
{
	size_t n;
	const struct setdoc_key *keys = setdoc_keys(&n);

	for (size_t i = 0; i < n; i++) {
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf old = PGS_BUF_INIT(SETDOC_MAX_BYTES);
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf now = PGS_BUF_INIT(SETDOC_MAX_BYTES);
		char name[64];
		if (!is_option(&keys[i]))
			continue;
		setdoc_put_option(&old, from, &keys[i]);
		setdoc_put_option(&now, to, &keys[i]);
		if (strcmp(pgs_buf_str(&old), pgs_buf_str(&now)) == 0)
			continue;
		snprintf(name, sizeof(name), "%s.%s", keys[i].group, keys[i].name);
		add(m, "option", name, pgs_buf_str(&old), pgs_buf_str(&now));
	}
}

static const char *property(const struct setdoc *doc, const char *name)
{
	for (size_t i = 0; i < doc->n_kafka; i++)
		if (strcmp(doc->kafka[i].name, name) == 0)
			return doc->kafka[i].value;
	return NULL;
}

static void compare_kafka(struct maker *m, const struct setdoc *from, const struct setdoc *to)
{
	for (size_t i = 0; i < from->n_kafka; i++) {
		const char *old = from->kafka[i].value, *now = property(to, from->kafka[i].name);
		if (!now || strcmp(old, now) != 0)
			add(m, "kafka", from->kafka[i].name, old, now);
	}
	for (size_t i = 0; i < to->n_kafka; i++)
		if (!property(from, to->kafka[i].name))
			add(m, "kafka", to->kafka[i].name, NULL, to->kafka[i].value);
}

int diff_make(const struct setdoc *from, const struct setdoc *to, struct diff *ret,
	      struct pgs_err *reterr)
{
	*ret = (struct diff){ .arena = PGS_ARENA_INIT(DIFF_MAX_BYTES) };
	struct maker m = { .diff = ret };

	compare_databases(&m, from, to);
	compare_tables(&m, from, to);
	compare_options(&m, from, to);
	compare_kafka(&m, from, to);
	if (m.failed) {
		diff_done(ret);
		return pgs_err_nomem(reterr);
	}
	ret->respelled = ret->n_changes == 0 && strcmp(from->version, to->version) != 0;
	return 0;
}

void diff_done(struct diff *diff)
{
	pgs_arena_done(&diff->arena);
	free(diff->changes);
	diff->changes = NULL;
	diff->n_changes = 0;
}

void diff_print(const struct diff *diff, FILE *out)
{
	for (size_t i = 0; i < diff->n_changes; i++) {
		const struct diff_change *c = &diff->changes[i];
		if (c->from && c->to)
			fprintf(out, "~ %s %s: %s -> %s\n", c->what, c->name, c->from, c->to);
		else
			fprintf(out, "%c %s %s: %s\n", c->from ? '-' : '+', c->what, c->name,
				c->from ? c->from : c->to);
	}
	if (diff->respelled)
		fprintf(out, "~ text: another version that means the same\n");
}

static void put_nullable(struct pgs_buf *out, const char *text)
{
	if (text)
		zkdoc_put_json_string(out, text);
	else
		pgs_buf_lit(out, "null");
}

void diff_print_json(const struct diff *diff, const char *set, const struct setdoc *from,
		     const struct setdoc *to, FILE *out)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf json = PGS_BUF_INIT(2 * DIFF_MAX_BYTES);

	pgs_buf_printf(&json, "{\"set\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"changes\":[", set,
		       from->version, to->version);
	for (size_t i = 0; i < diff->n_changes; i++) {
		const struct diff_change *c = &diff->changes[i];
		pgs_buf_printf(&json, "%s{\"what\":\"%s\",\"name\":", i ? "," : "", c->what);
		zkdoc_put_json_string(&json, c->name);
		pgs_buf_lit(&json, ",\"from\":");
		put_nullable(&json, c->from);
		pgs_buf_lit(&json, ",\"to\":");
		put_nullable(&json, c->to);
		pgs_buf_putc(&json, '}');
	}
	pgs_buf_lit(&json, "]}\n");
	fputs(pgs_buf_str(&json), out);
}

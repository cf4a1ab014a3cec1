/*
 * common/setdoc_canonical.c
 *    The canonical text of a set document: what its version is the digest of.
 *
 * Fixed order of keys, only those that were written, one spelling for each value; so a key that a later
 * version adds changes no digest. Parses again to the same document. Comments are lost.
 */
#include "common/setdoc_internal.h"

#include <string.h>

static void put_string(struct pgs_buf *out, const char *text)
{
	pgs_buf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			pgs_buf_putc(out, '\\');
		pgs_buf_putc(out, *text);
	}
	pgs_buf_putc(out, '"');
}

static void put_strings(struct pgs_buf *out, char *const *texts, size_t n)
{
	pgs_buf_lit(out, "[ ");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			pgs_buf_lit(out, ", ");
		put_string(out, texts[i]);
	}
	pgs_buf_puts(out, n ? " ]" : "]");
}

/* The largest unit that divides the amount. */
static void put_amount(struct pgs_buf *out, enum setdoc_kind kind, uint64_t amount)
{
	static const struct {
		enum setdoc_kind kind;
		uint64_t factor;
		const char *unit;
	} units[] = {
		{ SETDOC_KIND_DURATION, 60ULL * 60 * 1000 * 1000, "h" },
		{ SETDOC_KIND_DURATION, 60ULL * 1000 * 1000, "min" },
		{ SETDOC_KIND_DURATION, 1000ULL * 1000, "s" },
		{ SETDOC_KIND_DURATION, 1000, "ms" },
		{ SETDOC_KIND_DURATION, 1, "us" },
		{ SETDOC_KIND_SIZE, 1024ULL * 1024 * 1024, "GB" },
		{ SETDOC_KIND_SIZE, 1024ULL * 1024, "MB" },
		{ SETDOC_KIND_SIZE, 1024, "kB" },
		{ SETDOC_KIND_SIZE, 1, "B" },
	};

	for (size_t i = 0; i < PGS_ARRAY_LEN(units); i++) {
		if (units[i].kind != kind || amount % units[i].factor != 0)
			continue;
		pgs_buf_putc(out, '"');
		pgs_buf_u64(out, amount / units[i].factor);
		pgs_buf_puts(out, units[i].unit);
		pgs_buf_putc(out, '"');
		return;
	}
}

static void put_table_name(struct pgs_buf *out, const struct setdoc_table *table)
{
	struct pgs_buf name = PGS_BUF_INIT(SETDOC_MAX_BYTES);

	setdoc_table_name(&name, table);
	out->failed = out->failed || pgs_buf_failed(&name);
	put_string(out, pgs_buf_str(&name));
	pgs_buf_done(&name);
}

/* A field whose type its rule vouches for. */
#define FIELD(type, base, offset) (*(type const *)(const void *)((const char *)(base) + (offset)))

static void put_group(struct pgs_buf *out, const struct setdoc *doc, const void *base,
		      const char *group, const config_setting_t *setting, const char *between);

static void put_elements(struct pgs_buf *out, const struct setdoc *doc, const void *items, size_t n,
			 size_t item_bytes, const char *group, const config_setting_t *setting)
{
	pgs_buf_lit(out, "(\n");
	for (size_t i = 0; i < n; i++) {
		pgs_buf_lit(out, "  { ");
		put_group(out, doc, (const char *)items + i * item_bytes, group,
			  config_setting_get_elem(setting, (unsigned)i), " ");
		pgs_buf_puts(out, i + 1 < n ? "},\n" : "}\n");
	}
	pgs_buf_lit(out, ")");
}

static void put_properties(struct pgs_buf *out, const struct setdoc *doc)
{
	pgs_buf_lit(out, "[\n");
	for (size_t i = 0; i < doc->n_kafka; i++) {
		pgs_buf_lit(out, "  \"");
		pgs_buf_puts(out, doc->kafka[i].name); /* never needs an escape */
		pgs_buf_putc(out, '=');
		for (const char *p = doc->kafka[i].value; *p; p++) {
			if (*p == '"' || *p == '\\')
				pgs_buf_putc(out, '\\');
			pgs_buf_putc(out, *p);
		}
		pgs_buf_puts(out, i + 1 < doc->n_kafka ? "\",\n" : "\"\n");
	}
	pgs_buf_lit(out, "]");
}

static void put_value(struct pgs_buf *out, const struct setdoc *doc, const void *base,
		      const struct setdoc_key *key, const config_setting_t *setting)
{
	const struct setdoc_rule *rule = key->rule;

	switch (rule->kind) {
	case SETDOC_KIND_SET_NAME:
	case SETDOC_KIND_DATABASE_NAME:
	case SETDOC_KIND_CONNINFO:
	case SETDOC_KIND_PREFIX:
		put_string(out, FIELD(char *, base, rule->offset));
		break;
	case SETDOC_KIND_TABLE_NAME:
		put_table_name(out, base);
		break;
	case SETDOC_KIND_COLUMNS:
		put_strings(out, FIELD(char **, base, rule->offset),
			    FIELD(size_t, base, rule->offset_n));
		break;
	case SETDOC_KIND_PROPERTIES:
		put_properties(out, doc);
		break;
	case SETDOC_KIND_DATABASES:
		put_elements(out, doc, doc->databases, doc->n_databases, sizeof(*doc->databases),
			     key->name, setting);
		break;
	case SETDOC_KIND_TABLES:
		put_elements(out, doc, doc->tables, doc->n_tables, sizeof(*doc->tables), key->name,
			     setting);
		break;
	case SETDOC_KIND_GROUP:
		pgs_buf_lit(out, "{ ");
		put_group(out, doc, base, key->name, setting, " ");
		pgs_buf_lit(out, "}");
		break;
	case SETDOC_KIND_CHOICE:
		put_string(out, rule->values[FIELD(int, base, rule->offset)]);
		break;
	case SETDOC_KIND_BOOL:
		pgs_buf_puts(out, FIELD(bool, base, rule->offset) ? "true" : "false");
		break;
	case SETDOC_KIND_INT:
		pgs_buf_i64(out, FIELD(int, base, rule->offset));
		break;
	case SETDOC_KIND_INT64:
		pgs_buf_i64(out, FIELD(int64_t, base, rule->offset));
		break;
	case SETDOC_KIND_DURATION:
	case SETDOC_KIND_SIZE:
		put_amount(out, rule->kind, FIELD(uint64_t, base, rule->offset));
		break;
	}
}

static void put_group(struct pgs_buf *out, const struct setdoc *doc, const void *base,
		      const char *group, const config_setting_t *setting, const char *between)
{
	size_t n;
	const struct setdoc_key *keys = setdoc_keys(&n);

	for (size_t i = 0; i < n; i++) {
		const config_setting_t *child;

		if (strcmp(keys[i].group, group) != 0)
			continue;
		child = config_setting_get_member(setting, keys[i].name);
		if (!child ||
		    (keys[i].rule->kind == SETDOC_KIND_GROUP && config_setting_length(child) == 0))
			continue; /* an empty group says nothing */
		pgs_buf_puts(out, keys[i].name);
		pgs_buf_lit(out, " = ");
		put_value(out, doc, base, &keys[i], child);
		pgs_buf_putc(out, ';');
		pgs_buf_puts(out, between);
	}
}

void setdoc_write_canonical(const struct setdoc *doc, const config_setting_t *root,
			    struct pgs_buf *out)
{
	put_group(out, doc, doc, "", root, "\n");
}

void setdoc_put_option(struct pgs_buf *out, const struct setdoc *doc, const struct setdoc_key *key)
{
	const struct setdoc_rule *rule = key->rule;
	bool unset = (rule->kind == SETDOC_KIND_PREFIX && !FIELD(char *, doc, rule->offset)) ||
		     (rule->kind == SETDOC_KIND_INT && !rule->has_default &&
		      FIELD(int, doc, rule->offset) < rule->min);

	if (unset)
		pgs_buf_puts(out, key->fallback);
	else
		put_value(out, doc, doc, key, NULL);
}

/*
 * common/setdoc_read.c
 *    From libconfig's tree to struct setdoc, key by key, as the table of keys says.
 *
 * Checks each value alone, and a table's columns against its key; setdoc_check.c looks at the whole.
 */
#include "common/setdoc_internal.h"

#include <stdio.h>
#include <string.h>

#include "common/parse.h"

/* The value of a string setting that must not be empty; NULL: *reterr says why. */
static const char *string_value(const struct setdoc *doc, const char *name,
				const config_setting_t *setting, struct pgs_err *reterr)
{
	const char *text;

	if (config_setting_type(setting) != CONFIG_TYPE_STRING) {
		(void)setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				  "\"%s\" must be a string; write it in double quotes", name);
		return NULL;
	}
	text = config_setting_get_string(setting);
	if (text[0] == '\0') {
		(void)setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				  "\"%s\" is an empty string; write something or leave the key out",
				  name);
		return NULL;
	}
	return text;
}

static bool database_name_ok(const char *name)
{
	return strlen(name) <= 63 &&
	       name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				 "0123456789_-")] == '\0';
}

/* Kafka's alphabet around any number of "{database}". */
static bool prefix_ok(const char *prefix)
{
	static const char database[] = "{database}";

	if (strlen(prefix) > 120 || strncmp(prefix, "__", 2) == 0)
		return false;
	for (const char *p = prefix; *p; p++) {
		if (strncmp(p, database, sizeof(database) - 1) == 0)
			p += sizeof(database) - 2;
		else if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
				 "-",
				 *p))
			return false;
	}
	return true;
}

static int read_string(struct setdoc *doc, void *base, const struct setdoc_key *key,
		       const config_setting_t *setting, struct pgs_err *reterr)
{
	const struct setdoc_rule *rule = key->rule;
	const char *text = string_value(doc, key->name, setting, reterr);
	char *copy;
	bool ok = true;

	if (!text)
		return -1;
	if (rule->kind == SETDOC_KIND_CONNINFO) {
		if (setdoc_check_conninfo(doc, text, setdoc_line(setting), reterr))
			return -1;
	} else if (rule->kind == SETDOC_KIND_SET_NAME) {
		ok = pgs_set_name_ok(text);
	} else if (rule->kind == SETDOC_KIND_DATABASE_NAME) {
		ok = database_name_ok(text);
	} else {
		ok = prefix_ok(text);
	}
	if (!ok)
		return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				   "\"%s\" cannot be \"%s\"; use %s", key->name,
				   setdoc_show(text).text, key->range);
	copy = strdup(text);
	if (!copy)
		return pgs_err_nomem(reterr);
	memcpy((char *)base + rule->offset, &copy, sizeof(copy));
	return 0;
}

static int array_length(const struct setdoc *doc, const struct setdoc_key *key,
			const config_setting_t *setting, size_t max, size_t *ret,
			struct pgs_err *reterr)
{
	int n;

	if (config_setting_type(setting) != CONFIG_TYPE_ARRAY)
		return setdoc_fail(
			reterr, doc->filename, setdoc_line(setting),
			"\"%s\" must be an array of strings; write %s = [ \"...\", \"...\" ]",
			key->name, key->name);
	n = config_setting_length(setting);
	if (n == 0 && !key->rule->may_be_empty)
		return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				   "\"%s\" is empty; name at least one or leave the key out",
				   key->name);
	if ((size_t)n > max)
		return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				   "\"%s\" has %d elements; write at most %zu", key->name, n, max);
	*ret = (size_t)n;
	return 0;
}

static int read_columns(struct setdoc *doc, void *base, const struct setdoc_key *key,
			const config_setting_t *setting, struct pgs_err *reterr)
{
	char **names;
	size_t n;

	if (array_length(doc, key, setting, key->rule->max_n, &n, reterr))
		return -1;
	names = calloc(n + 1, sizeof(*names)); /* never NULL, also when empty */
	if (!names)
		return pgs_err_nomem(reterr);
	memcpy((char *)base + key->rule->offset, &names, sizeof(names));
	memcpy((char *)base + key->rule->offset_n, &n, sizeof(n));
	for (size_t i = 0; i < n; i++) {
		const config_setting_t *elem = config_setting_get_elem(setting, (unsigned)i);
		const char *text = string_value(doc, key->name, elem, reterr);

		if (!text)
			return -1;
		if (strlen(text) > SETDOC_MAX_IDENTIFIER)
			return setdoc_fail(reterr, doc->filename, setdoc_line(elem),
					   "column name \"%s\" is longer than 63 bytes, which "
					   "PostgreSQL cuts; "
					   "write the name as it is in the table",
					   setdoc_show(text).text);
		for (size_t j = 0; j < i; j++) {
			if (strcmp(names[j], text) == 0)
				return setdoc_fail(
					reterr, doc->filename, setdoc_line(elem),
					"column \"%s\" stands twice in \"%s\"; remove one",
					setdoc_show(text).text, key->name);
		}
		names[i] = strdup(text);
		if (!names[i])
			return pgs_err_nomem(reterr);
	}
	return 0;
}

static int read_properties(struct setdoc *doc, const struct setdoc_key *key,
			   const config_setting_t *setting, struct pgs_err *reterr)
{
	bool servers = false;
	size_t n;

	if (array_length(doc, key, setting, SETDOC_MAX_PROPERTIES, &n, reterr))
		return -1;
	doc->kafka = calloc(n, sizeof(*doc->kafka));
	if (!doc->kafka)
		return pgs_err_nomem(reterr);
	doc->n_kafka = n;
	for (size_t i = 0; i < n; i++) {
		const config_setting_t *elem = config_setting_get_elem(setting, (unsigned)i);
		const char *text = string_value(doc, key->name, elem, reterr);
		struct setdoc_property *property = &doc->kafka[i];

		if (!text || setdoc_read_property(doc, text, setdoc_line(elem), property, reterr))
			return -1;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(doc->kafka[j].name, property->name) == 0)
				return setdoc_fail(reterr, doc->filename, property->line,
						   "\"%s\" stands twice in \"kafka\"; remove one",
						   property->name);
		}
		servers = servers || strcmp(property->name, "bootstrap.servers") == 0;
	}
	if (!servers)
		return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				   "\"bootstrap.servers\" is missing in \"kafka\"; add "
				   "\"bootstrap.servers=HOST:PORT\"");
	return 0;
}

static int list_length(const struct setdoc *doc, const struct setdoc_key *key,
		       const config_setting_t *setting, size_t max, size_t *ret,
		       struct pgs_err *reterr)
{
	int n;

	if (config_setting_type(setting) != CONFIG_TYPE_LIST)
		return setdoc_fail(
			reterr, doc->filename, setdoc_line(setting),
			"\"%s\" must be a list of groups; write %s = ( { ... }, { ... } )",
			key->name, key->name);
	n = config_setting_length(setting);
	if (n == 0)
		return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				   "\"%s\" is empty; write at least one group", key->name);
	if ((size_t)n > max)
		return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				   "\"%s\" has %d groups; write at most %zu", key->name, n, max);
	for (int i = 0; i < n; i++) {
		const config_setting_t *elem = config_setting_get_elem(setting, (unsigned)i);

		if (config_setting_type(elem) != CONFIG_TYPE_GROUP)
			return setdoc_fail(reterr, doc->filename, setdoc_line(elem),
					   "an element of \"%s\" is not a group; write { name = "
					   "\"...\"; ... }",
					   key->name);
	}
	*ret = (size_t)n;
	return 0;
}

static int read_databases(struct setdoc *doc, const struct setdoc_key *key,
			  const config_setting_t *setting, struct pgs_err *reterr)
{
	size_t n;

	if (list_length(doc, key, setting, SETDOC_MAX_DATABASES, &n, reterr))
		return -1;
	doc->databases = calloc(n, sizeof(*doc->databases));
	if (!doc->databases)
		return pgs_err_nomem(reterr);
	doc->n_databases = n;
	for (size_t i = 0; i < n; i++) {
		const config_setting_t *elem = config_setting_get_elem(setting, (unsigned)i);

		doc->databases[i].line = setdoc_line(elem);
		setdoc_defaults(&doc->databases[i], key->name);
		if (setdoc_read_group(doc, &doc->databases[i], key->name, elem, reterr))
			return -1;
	}
	return 0;
}

static int check_key(const struct setdoc *doc, const struct setdoc_table *table,
		     struct pgs_err *reterr)
{
	for (size_t i = 0; table->columns && i < table->n_key; i++) {
		bool found = false;

		for (size_t j = 0; j < table->n_columns && !found; j++)
			found = strcmp(table->key[i], table->columns[j]) == 0;
		if (!found)
			return setdoc_fail(
				reterr, doc->filename, table->line,
				"key column \"%s\" of table \"%s\" is not among its \"columns\"; "
				"add it there",
				setdoc_show(table->key[i]).text, setdoc_show(table->table).text);
	}
	return 0;
}

static int check_partitions(const struct setdoc *doc, const struct setdoc_table *table,
			    struct pgs_err *reterr)
{
	if (table->capture != SETDOC_CAPTURE_STATEMENT ||
	    table->partitions != SETDOC_PARTITIONS_LEAF)
		return 0;
	return setdoc_fail(reterr, doc->filename, table->line,
			   "table \"%s\": a partitioned table cannot be captured by statement; "
			   "leave capture or partitions out",
			   setdoc_show(table->table).text);
}

static int read_tables(struct setdoc *doc, const struct setdoc_key *key,
		       const config_setting_t *setting, struct pgs_err *reterr)
{
	size_t n;

	if (list_length(doc, key, setting, SETDOC_MAX_BYTES, &n, reterr))
		return -1;
	doc->tables = calloc(n, sizeof(*doc->tables));
	if (!doc->tables)
		return pgs_err_nomem(reterr);
	doc->n_tables = n;
	for (size_t i = 0; i < n; i++) {
		const config_setting_t *elem = config_setting_get_elem(setting, (unsigned)i);

		doc->tables[i].line = setdoc_line(elem);
		setdoc_defaults(&doc->tables[i], key->name);
		if (setdoc_read_group(doc, &doc->tables[i], key->name, elem, reterr) ||
		    check_key(doc, &doc->tables[i], reterr) ||
		    check_partitions(doc, &doc->tables[i], reterr))
			return -1;
	}
	return 0;
}

static int read_value(struct setdoc *doc, void *base, const struct setdoc_key *key,
		      const config_setting_t *setting, struct pgs_err *reterr)
{
	const char *text;

	switch (key->rule->kind) {
	case SETDOC_KIND_SET_NAME:
	case SETDOC_KIND_DATABASE_NAME:
	case SETDOC_KIND_CONNINFO:
	case SETDOC_KIND_PREFIX:
		return read_string(doc, base, key, setting, reterr);
	case SETDOC_KIND_TABLE_NAME:
		text = string_value(doc, key->name, setting, reterr);
		return text ? setdoc_read_table_name(doc, base, text, setdoc_line(setting), reterr)
			    : -1;
	case SETDOC_KIND_COLUMNS:
		return read_columns(doc, base, key, setting, reterr);
	case SETDOC_KIND_PROPERTIES:
		return read_properties(doc, key, setting, reterr);
	case SETDOC_KIND_DATABASES:
		return read_databases(doc, key, setting, reterr);
	case SETDOC_KIND_TABLES:
		return read_tables(doc, key, setting, reterr);
	case SETDOC_KIND_GROUP:
		if (config_setting_type(setting) != CONFIG_TYPE_GROUP)
			return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
					   "\"%s\" must be a group; write %s = { ... }", key->name,
					   key->name);
		return setdoc_read_group(doc, doc, key->name, setting, reterr);
	case SETDOC_KIND_CHOICE:
	case SETDOC_KIND_BOOL:
	case SETDOC_KIND_INT:
	case SETDOC_KIND_INT64:
	case SETDOC_KIND_DURATION:
	case SETDOC_KIND_SIZE:
		return setdoc_read_scalar(doc, base, key, setting, reterr);
	}
	return pgs_err_set(reterr, PGS_ERR_BUG, "", "key \"%s\" has no known kind", key->name);
}

static int fail_unknown(const struct setdoc *doc, const char *group,
			const config_setting_t *setting, struct pgs_err *reterr)
{
	char known[256];
	size_t used = 0;
	size_t n;
	const struct setdoc_key *keys = setdoc_keys(&n);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(keys[i].group, group) != 0 || used >= sizeof(known))
			continue;
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
					 used ? ", " : "", keys[i].name);
	}
	return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
			   "unknown key \"%s\"%s%s%s; known here: %s",
			   setdoc_show(config_setting_name(setting)).text, group[0] ? " in \"" : "",
			   group, group[0] ? "\"" : "", known);
}

int setdoc_read_group(struct setdoc *doc, void *base, const char *group,
		      const config_setting_t *setting, struct pgs_err *reterr)
{
	int n_children = config_setting_length(setting);
	size_t n;
	const struct setdoc_key *keys = setdoc_keys(&n);

	for (int i = 0; i < n_children; i++) {
		const config_setting_t *child = config_setting_get_elem(setting, (unsigned)i);
		const struct setdoc_key *key = setdoc_key_find(group, config_setting_name(child));

		if (!key)
			return fail_unknown(doc, group, child, reterr);
		if (read_value(doc, base, key, child, reterr))
			return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (!keys[i].rule->required || strcmp(keys[i].group, group) != 0 ||
		    config_setting_get_member(setting, keys[i].name))
			continue;
		return setdoc_fail(reterr, doc->filename, group[0] ? setdoc_line(setting) : 0,
				   "\"%s\" is missing%s%s%s; add it", keys[i].name,
				   group[0] ? " in a group of \"" : "", group,
				   group[0] ? "\"" : "");
	}
	return 0;
}

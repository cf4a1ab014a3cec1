/*
 * common/setdoc_check.c
 *    Rules over more than one value of a set document, and the table names in it.
 *
 * Knows the file alone; catalogs, other sets and brokers are the plan's and the relay's.
 */
#include "common/setdoc_internal.h"

#include <string.h>

/*
 * One part of a table name at p, up to a dot or the end: bare, or in double quotes with "" for a quote.
 * Returns what follows, NULL when it is no name.
 */
static const char *name_part(const char *p, char ret[SETDOC_MAX_IDENTIFIER + 2])
{
	bool quoted = *p == '"';
	bool open = quoted;
	size_t n = 0;

	if (quoted)
		p++;
	for (; *p; p++) {
		if (quoted && *p == '"' && *++p != '"') {
			open = false;
			break;
		}
		if (!quoted && (*p == '.' || *p == '"'))
			break;
		if (n <= SETDOC_MAX_IDENTIFIER)
			ret[n++] = *p;
	}
	ret[n] = '\0';
	if (n == 0 || open || (*p != '\0' && *p != '.'))
		return NULL;
	return p;
}

int setdoc_read_table_name(struct setdoc *doc, struct setdoc_table *table, const char *text,
			   int line, struct pgs_err *reterr)
{
	char schema[SETDOC_MAX_IDENTIFIER + 2] = "public";
	char name[SETDOC_MAX_IDENTIFIER + 2];
	const char *p = name_part(text, name);

	if (p && *p == '.') {
		memcpy(schema, name, sizeof(schema));
		p = name_part(p + 1, name);
	}
	if (!p || *p != '\0')
		return setdoc_fail(reterr, doc->filename, line,
				   "\"%s\" is not a table name; write \"schema.table\", and a part "
				   "that holds a "
				   "dot or a quote as \\\"part\\\"",
				   setdoc_show(text).text);
	if (strlen(schema) > SETDOC_MAX_IDENTIFIER || strlen(name) > SETDOC_MAX_IDENTIFIER)
		return setdoc_fail(reterr, doc->filename, line,
				   "a part of \"%s\" is longer than 63 bytes, which PostgreSQL "
				   "cuts; write the "
				   "name as it is in the database",
				   setdoc_show(text).text);
	table->schema = strdup(schema);
	table->table = strdup(name);
	return table->schema && table->table ? 0 : pgs_err_nomem(reterr);
}

static void put_name_part(struct pgs_buf *out, const char *name)
{
	if (!strpbrk(name, ".\"")) {
		pgs_buf_puts(out, name);
		return;
	}
	pgs_buf_putc(out, '"');
	for (; *name; name++) {
		if (*name == '"')
			pgs_buf_putc(out, '"');
		pgs_buf_putc(out, *name);
	}
	pgs_buf_putc(out, '"');
}

void setdoc_table_name(struct pgs_buf *out, const struct setdoc_table *table)
{
	put_name_part(out, table->schema);
	pgs_buf_putc(out, '.');
	put_name_part(out, table->table);
}

static int check_databases(const struct setdoc *doc, struct pgs_err *reterr)
{
	for (size_t i = 0; i < doc->n_databases; i++) {
		const struct setdoc_database *db = &doc->databases[i];

		for (size_t j = 0; j < i; j++) {
			if (strcmp(doc->databases[j].name, db->name) == 0)
				return setdoc_fail(reterr, doc->filename, db->line,
						   "database \"%s\" stands twice (also in line "
						   "%d); give each its "
						   "own name",
						   db->name, doc->databases[j].line);
			if (strcmp(doc->databases[j].conninfo, db->conninfo) == 0)
				return setdoc_fail(reterr, doc->filename, db->line,
						   "database \"%s\" has the conninfo of \"%s\" "
						   "(line %d); list "
						   "each database once",
						   db->name, doc->databases[j].name,
						   doc->databases[j].line);
		}
	}
	if (doc->n_databases > 1 &&
	    (!doc->topics.prefix || !strstr(doc->topics.prefix, "{database}")))
		return setdoc_fail(
			reterr, doc->filename, doc->databases[1].line,
			"several databases would write the same topics; put \"{database}\" into "
			"topics.prefix");
	return 0;
}

int setdoc_check_whole(const struct setdoc *doc, struct pgs_err *reterr)
{
	struct setdoc_topic *topics;
	size_t n_topics;

	if (check_databases(doc, reterr))
		return -1;
	if (doc->topics.layout == SETDOC_LAYOUT_SINGLE && doc->topics.partitions != 1)
		return setdoc_fail(
			reterr, doc->filename, 0,
			"layout \"single\" keeps the whole set in order and cannot have %d "
			"partitions; write partitions = 1",
			doc->topics.partitions);
	/* without a name the prefix is unknown, but the same for all: any one shows the collisions */
	if (setdoc_topics(doc, doc->name ? doc->name : "x", &topics, &n_topics, reterr))
		return -1;
	setdoc_topics_free(topics, n_topics);
	return 0;
}

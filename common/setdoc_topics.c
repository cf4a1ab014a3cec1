/*
 * common/setdoc_topics.c
 *    The topics that a set writes: their names, and whether they exclude each other.
 *
 * Kafka refuses a topic whose name differs from another's only in "." and "_". Does not know other sets: the
 * plan compares the collision names of all sets of the cluster.
 */
#include "common/setdoc_internal.h"

#include <string.h>

void setdoc_topic_clean(struct pgs_buf *out, const char *text)
{
	for (; *text; text++) {
		char c = *text;
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';

		pgs_buf_putc(out, ok ? c : '_');
	}
}

int setdoc_topic_prefix(const struct setdoc *doc, const char *set, const struct setdoc_database *db,
			char **ret, struct pgs_err *reterr)
{
	static const char database[] = "{database}";
	struct pgs_buf out = PGS_BUF_INIT(SETDOC_MAX_BYTES);
	const char *p = doc->topics.prefix ? doc->topics.prefix : set;
	const char *hit;

	for (; (hit = strstr(p, database)) != NULL; p = hit + sizeof(database) - 1) {
		pgs_buf_put(&out, p, (size_t)(hit - p));
		pgs_buf_puts(&out, db->name);
	}
	pgs_buf_puts(&out, p);
	if (pgs_buf_failed(&out)) {
		pgs_buf_done(&out);
		return pgs_err_nomem(reterr);
	}
	*ret = pgs_buf_steal(&out);
	return 0;
}

static int add_topic(struct setdoc_topic *topic, const char *prefix, const char *side)
{
	struct pgs_buf name = PGS_BUF_INIT(SETDOC_MAX_BYTES);

	pgs_buf_puts(&name, prefix);
	if (topic->table) {
		pgs_buf_putc(&name, '.');
		setdoc_topic_clean(&name, topic->table->schema);
		pgs_buf_putc(&name, '.');
		setdoc_topic_clean(&name, topic->table->table);
	}
	pgs_buf_puts(&name, side);
	if (pgs_buf_failed(&name)) {
		pgs_buf_done(&name);
		return -1;
	}
	topic->name = pgs_buf_steal(&name);
	topic->collision = strdup(topic->name);
	if (!topic->collision)
		return -1;
	for (char *p = topic->collision; *p; p++) {
		if (*p == '.')
			*p = '_';
	}
	return 0;
}

static int add_database(const struct setdoc *doc, const struct setdoc_database *db,
			const char *prefix, struct setdoc_topic *topics, size_t *n)
{
	static const struct {
		enum setdoc_topic_kind kind;
		const char *suffix;
	} sides[] = {
		{ SETDOC_TOPIC_TRUNCATE, ".truncate" },
		{ SETDOC_TOPIC_TRANSACTION, ".transaction" },
		{ SETDOC_TOPIC_QUARANTINE, ".quarantine" },
	};
	bool single = doc->topics.layout == SETDOC_LAYOUT_SINGLE;

	for (size_t i = 0; i < (single ? 1 : doc->n_tables); i++) {
		struct setdoc_topic *topic = &topics[(*n)++];

		topic->kind = single ? SETDOC_TOPIC_SINGLE : SETDOC_TOPIC_TABLE;
		topic->database = db;
		topic->table = single ? NULL : &doc->tables[i];
		if (add_topic(topic, prefix, ""))
			return -1;
	}
	for (size_t i = 0; i < PGS_ARRAY_LEN(sides); i++) {
		struct setdoc_topic *topic = &topics[(*n)++];

		topic->kind = sides[i].kind;
		topic->database = db;
		if (add_topic(topic, prefix, sides[i].suffix))
			return -1;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct setdoc_topic *const *x = a;
	const struct setdoc_topic *const *y = b;
	int order = strcmp((*x)->collision, (*y)->collision);

	/* equal ones in the order of the document: the array's own */
	return order ? order : (*x > *y) - (*x < *y);
}

static int topic_line(const struct setdoc_topic *topic)
{
	return topic->table ? topic->table->line : topic->database->line;
}

static int fail_collision(const struct setdoc *doc, const struct setdoc_topic *first,
			  const struct setdoc_topic *second, struct pgs_err *reterr)
{
	const struct setdoc_table *a = first->table;
	const struct setdoc_table *b = second->table;

	if (a && b && strcmp(a->schema, b->schema) == 0 && strcmp(a->table, b->table) == 0 &&
	    first->database == second->database)
		return setdoc_fail(reterr, doc->filename, b->line,
				   "table \"%s.%s\" stands twice (also in line %d); remove one",
				   setdoc_show(b->schema).text, setdoc_show(b->table).text,
				   a->line);
	return setdoc_fail(
		reterr, doc->filename, topic_line(b ? second : first),
		"topic \"%s\" collides with topic \"%s\" (line %d), for Kafka \".\" and \"_\" are "
		"equal; leave one table out or give it a set of its own",
		b ? second->name : first->name, b ? first->name : second->name,
		topic_line(b ? first : second));
}

static int check_topics(const struct setdoc *doc, const struct setdoc_topic *topics, size_t n,
			struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) const struct setdoc_topic **sorted = calloc(n, sizeof(*sorted));

	if (!sorted)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < n; i++) {
		sorted[i] = &topics[i];
		if (strlen(topics[i].name) > SETDOC_MAX_TOPIC)
			return setdoc_fail(reterr, doc->filename, topic_line(&topics[i]),
					   "topic \"%s\" would be longer than 249 bytes; shorten "
					   "topics.prefix",
					   setdoc_show(topics[i].name).text);
	}
	qsort(sorted, n, sizeof(*sorted), compare);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(sorted[i - 1]->collision, sorted[i]->collision) == 0)
			return fail_collision(doc, sorted[i - 1], sorted[i], reterr);
	}
	return 0;
}

int setdoc_topics(const struct setdoc *doc, const char *set, struct setdoc_topic **ret,
		  size_t *ret_n, struct pgs_err *reterr)
{
	struct setdoc_topic *topics =
		calloc(doc->n_databases * (doc->n_tables + 4), sizeof(*topics));
	size_t n = 0;
	int rc = topics ? 0 : pgs_err_nomem(reterr);

	for (size_t i = 0; rc == 0 && i < doc->n_databases; i++) {
		PGS_CLEANUP(pgs_freep) char *prefix = NULL;

		rc = setdoc_topic_prefix(doc, set, &doc->databases[i], &prefix, reterr);
		if (rc == 0 && add_database(doc, &doc->databases[i], prefix, topics, &n))
			rc = pgs_err_nomem(reterr);
	}
	if (rc == 0)
		rc = check_topics(doc, topics, n, reterr);
	if (rc) {
		setdoc_topics_free(topics, n);
		return -1;
	}
	*ret = topics;
	*ret_n = n;
	return 0;
}

void setdoc_topics_free(struct setdoc_topic *topics, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(topics[i].name);
		free(topics[i].collision);
	}
	free(topics);
}

/*
 * worker/relation.c
 *    Builds a relation from its row in the database: the JSON column list becomes an array of columns.
 *
 * Strict about the documented fields (docs/protocol.md 2) and deaf to others, so that a newer database
 * can say more. Does not choose encoders (encode_prepare() does) and does not keep relations.
 */
#include "worker/relation.h"

#include <jansson.h>
#include <string.h>

enum { MAX_COLUMNS = 1664 }; /* PostgreSQL's limit of a target list; a table holds 1600 */

/* NULL for JSON null and for a missing field; *bad for any other type or without memory. */
static char *text_field(const json_t *obj, const char *name, bool *bad)
{
	const json_t *v = json_object_get(obj, name);
	if (!v || json_is_null(v))
		return NULL;
	const char *text = json_string_value(v);
	char *copy = text ? strdup(text) : NULL;
	if (!copy)
		*bad = true;
	return copy;
}

static int64_t number_field(const json_t *obj, const char *name, int64_t fallback, int64_t min,
			    int64_t max, bool *bad)
{
	const json_t *v = json_object_get(obj, name);
	if (!v || json_is_null(v))
		return fallback;
	const int64_t n = json_integer_value(v);
	if (!json_is_integer(v) || n < min || n > max) {
		*bad = true;
		return fallback;
	}
	return n;
}

static bool flag_field(const json_t *obj, const char *name, bool *bad)
{
	const json_t *v = json_object_get(obj, name);
	if (!v || json_is_null(v))
		return false;
	if (!json_is_boolean(v))
		*bad = true;
	return json_is_true(v);
}

/* An array of texts as one comma-separated text, as Connect's Enum schema wants it. */
static char *joined_field(const json_t *obj, const char *name, bool *bad)
{
	const json_t *v = json_object_get(obj, name);
	if (!v || json_is_null(v))
		return NULL;
	size_t len = 1;
	size_t i;
	const json_t *item;
	json_array_foreach(v, i, item)
	{
		if (!json_is_string(item)) {
			*bad = true;
			return NULL;
		}
		len += json_string_length(item) + 1;
	}
	char *text = json_is_array(v) ? malloc(len) : NULL;
	if (!text) {
		*bad = true;
		return NULL;
	}
	char *end = text;
	json_array_foreach(v, i, item)
	{
		if (i > 0)
			*end++ = ',';
		memcpy(end, json_string_value(item), json_string_length(item));
		end += json_string_length(item);
	}
	*end = '\0';
	return text;
}

static bool read_column(const json_t *obj, struct relation_column *ret)
{
	if (!json_is_object(obj))
		return false;
	bool bad = false;
	ret->name = text_field(obj, "name", &bad);
	ret->type = text_field(obj, "type", &bad);
	ret->typid = (uint32_t)number_field(obj, "typid", 0, 0, UINT32_MAX, &bad);
	ret->typmod = (int32_t)number_field(obj, "typmod", -1, INT32_MIN, INT32_MAX, &bad);
	PGS_CLEANUP(pgs_freep) char *typtype = text_field(obj, "typtype", &bad);
	ret->typtype = typtype && typtype[0] ? typtype[0] : 'b';
	ret->base = text_field(obj, "base", &bad);
	if (!ret->base && ret->type)
		ret->base = strdup(ret->type);
	ret->baseid = (uint32_t)number_field(obj, "baseid", ret->typid, 0, UINT32_MAX, &bad);
	ret->basemod =
		(int32_t)number_field(obj, "basemod", ret->typmod, INT32_MIN, INT32_MAX, &bad);
	ret->elemid = (uint32_t)number_field(obj, "elemid", 0, 0, UINT32_MAX, &bad);
	ret->attnum = (int16_t)number_field(obj, "attnum", 0, 0, INT16_MAX, &bad);
	ret->notnull = flag_field(obj, "notnull", &bad);
	ret->generated = flag_field(obj, "generated", &bad);
	ret->key = (int)number_field(obj, "key", 0, 1, MAX_COLUMNS, &bad);
	ret->fallback = text_field(obj, "default", &bad);
	ret->labels = joined_field(obj, "labels", &bad);
	return !bad && ret->name && ret->type && ret->base;
}

/* Key positions must be 1..n, each once. */
static bool index_key(struct relation *rel)
{
	for (size_t i = 0; i < rel->n_columns; i++)
		if (rel->columns[i].key > 0)
			rel->n_key++;
	if (rel->n_key == 0)
		return true;
	rel->key = malloc(rel->n_key * sizeof(rel->key[0]));
	if (!rel->key)
		return false;
	memset(rel->key, 0xff, rel->n_key * sizeof(rel->key[0]));
	for (size_t i = 0; i < rel->n_columns; i++) {
		const size_t pos = (size_t)rel->columns[i].key;
		if (pos == 0)
			continue;
		if (pos > rel->n_key || rel->key[pos - 1] != UINT16_MAX)
			return false;
		rel->key[pos - 1] = (uint16_t)i;
	}
	return true;
}

int relation_from_row(int32_t id, uint32_t reloid, const char *schema, const char *table,
		      const char *version, bool chained, const char *columns_json,
		      struct relation **ret, struct pgs_err *reterr)
{
	PGS_CLEANUP(relation_freep) struct relation *rel = calloc(1, sizeof(*rel));
	if (!rel)
		return pgs_err_nomem(reterr);
	rel->id = id;
	rel->reloid = reloid;
	rel->chained = chained;
	rel->schema = strdup(schema);
	rel->table = strdup(table);
	if (!rel->schema || !rel->table)
		return pgs_err_nomem(reterr);
	const size_t version_len = strnlen(version, sizeof(rel->version));
	if (version_len == sizeof(rel->version))
		return pgs_err_set(
			reterr, PGS_ERR_BUG, "",
			"relation %d of \"%s.%s\" names a version of more than 64 characters", id,
			schema, table);
	memcpy(rel->version, version, version_len);

	json_error_t why;
	json_t *list = json_loads(columns_json, JSON_REJECT_DUPLICATES, &why);
	const size_t n = json_array_size(list);
	if (n == 0 || n > MAX_COLUMNS) {
		json_decref(list);
		return pgs_err_set(reterr, PGS_ERR_BUG, "",
				   "relation %d of \"%s.%s\" has no valid column list: %s", id,
				   schema, table,
				   why.text[0] ? why.text : "not an array of 1 to 1664 columns");
	}
	rel->columns = calloc(n, sizeof(rel->columns[0]));
	if (!rel->columns) {
		json_decref(list);
		return pgs_err_nomem(reterr);
	}
	for (size_t i = 0; i < n; i++) {
		rel->n_columns = i + 1; /* so that a half-read column is freed too */
		if (!read_column(json_array_get(list, i), &rel->columns[i])) {
			json_decref(list);
			return pgs_err_set(reterr, PGS_ERR_BUG, "",
					   "column %zu of relation %d of \"%s.%s\" does not have "
					   "the documented form",
					   i + 1, id, schema, table);
		}
	}
	json_decref(list);
	if (!index_key(rel))
		return pgs_err_set(
			reterr, PGS_ERR_BUG, "",
			"relation %d of \"%s.%s\" does not number its key columns from 1", id,
			schema, table);
	*ret = PGS_STEAL(rel);
	return 0;
}

/* One identifier at *at, quoted or not; *at stands behind it then. NULL: none, or no memory. */
static char *take_identifier(const char **at, const char *end)
{
	const bool quoted = *at < end && **at == '"';
	const char *p = *at + (quoted ? 1 : 0);
	char *name = malloc((size_t)(end - *at) + 1);
	size_t n = 0;
	bool open = quoted;
	if (!name)
		return NULL;
	for (; p < end && (quoted || *p != '.'); p++) {
		if (quoted && *p == '"' && (++p == end || *p != '"')) {
			open = false;
			break;
		}
		name[n++] = *p;
	}
	name[n] = '\0';
	*at = p;
	if (n > 0 && !open)
		return name;
	free(name);
	return NULL;
}

int relation_set_leaf(struct relation *rel, const char *leaf, size_t len, struct pgs_err *reterr)
{
	const char *at = leaf;
	const char *const end = leaf + len;
	PGS_CLEANUP(pgs_freep) char *schema = take_identifier(&at, end);
	const bool dot = at < end && *at++ == '.';
	PGS_CLEANUP(pgs_freep) char *table = schema && dot ? take_identifier(&at, end) : NULL;
	PGS_CLEANUP(pgs_freep) char *copy = strndup(leaf, len);
	if (!table || !copy || at != end)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "relation",
				   "relation %d: \"%.*s\" is not the name of a partition", rel->id,
				   len < 140 ? (int)len : 140, leaf);
	free(rel->schema);
	free(rel->table);
	free(rel->leaf);
	rel->schema = PGS_STEAL(schema);
	rel->table = PGS_STEAL(table);
	rel->leaf = PGS_STEAL(copy);
	return 0;
}

void relation_free(struct relation *rel)
{
	if (!rel)
		return;
	for (size_t i = 0; i < rel->n_columns; i++) {
		struct relation_column *col = &rel->columns[i];
		free(col->name);
		free(col->type);
		free(col->base);
		free(col->fallback);
		free(col->labels);
		free(col->encoder);
	}
	free(rel->columns);
	free(rel->schema);
	free(rel->table);
	free(rel->leaf);
	free(rel->key);
	free(rel->topic);
	free(rel->parts);
	free(rel);
}

void relation_freep(struct relation **rel)
{
	relation_free(*rel);
	*rel = NULL;
}

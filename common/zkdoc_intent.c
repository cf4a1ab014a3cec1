/*
 * common/zkdoc_intent.c
 *    The intent of a rollout as JSON in /CLUSTER/rollouts/ID (docs/protocol.md 1).
 *
 * Strict: recovery rolls back what an intent names, so a text with unknown or missing fields is refused.
 * Does no I/O.
 */
#include "common/zkdoc.h"

#include <jansson.h>
#include <string.h>

#include "common/parse.h"

enum { INTENT_MAX_BYTES = 512 * 1024, INTENT_MAX_DATABASES = 256 };

static void put_field(struct pgs_buf *out, const char *name, const char *value)
{
	pgs_buf_putc(out, ',');
	zkdoc_put_json_string(out, name);
	pgs_buf_putc(out, ':');
	if (value)
		zkdoc_put_json_string(out, value);
	else
		pgs_buf_lit(out, "null");
}

/* Written only where there is something to say: most rollouts leave nobody out. */
static void write_left(const struct zkdoc_intent *doc, struct pgs_buf *out)
{
	if (doc->n_left == 0)
		return;
	pgs_buf_lit(out, ",\"left\":[");
	for (size_t i = 0; i < doc->n_left; i++) {
		pgs_buf_puts(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		zkdoc_put_json_string(out, doc->left[i].name);
		put_field(out, "conninfo", doc->left[i].conninfo);
		pgs_buf_putc(out, '}');
	}
	pgs_buf_putc(out, ']');
}

void zkdoc_intent_write(const struct zkdoc_intent *doc, struct pgs_buf *out)
{
	pgs_buf_lit(out, "{\"v\":1");
	put_field(out, "id", doc->id);
	put_field(out, "kind", doc->kind);
	put_field(out, "set", doc->set);
	put_field(out, "from", doc->from);
	put_field(out, "to", doc->to);
	pgs_buf_lit(out, ",\"databases\":[");
	for (size_t i = 0; i < doc->n_databases; i++) {
		const struct zkdoc_intent_database *db = &doc->databases[i];

		pgs_buf_puts(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		zkdoc_put_json_string(out, db->name);
		put_field(out, "conninfo", db->conninfo);
		put_field(out, "node", db->node);
		put_field(out, "gid", db->gid);
		pgs_buf_putc(out, '}');
	}
	pgs_buf_putc(out, ']');
	write_left(doc, out);
	put_field(out, "at", doc->at);
	put_field(out, "by", doc->by);
	pgs_buf_putc(out, '}');
}

static int fail(const char *what, struct pgs_err *reterr)
{
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
			   "the intent of a rollout in ZooKeeper is damaged (%s); compare it with "
			   "pg_prepared_xacts of its databases before removing it",
			   what);
}

static bool is_hex(const char *text, size_t n)
{
	return strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}

static bool kind_ok(const char *kind)
{
	static const char *const kinds[] = { "create", "upgrade", "drop", "cluster-upgrade" };

	for (size_t i = 0; i < PGS_ARRAY_LEN(kinds); i++) {
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	}
	return false;
}

/* Empty or 8-4-4-4-12 hex digits. */
static bool node_ok(const char *node)
{
	if (node[0] == '\0')
		return true;
	if (strlen(node) != 36)
		return false;
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? node[i] != '-' : !strchr("0123456789abcdef", node[i]))
			return false;
	}
	return true;
}

/* "pgshovel:CLUSTER:ID:n" with this intent's ID. */
static bool gid_ok(const char *gid, const char *id)
{
	static const char prefix[] = "pgshovel:";
	char cluster[32];
	const char *colon;
	int64_t n;

	if (strncmp(gid, prefix, sizeof(prefix) - 1) != 0)
		return false;
	gid += sizeof(prefix) - 1;
	colon = strchr(gid, ':');
	if (!colon || (size_t)(colon - gid) >= sizeof(cluster))
		return false;
	memcpy(cluster, gid, (size_t)(colon - gid));
	cluster[colon - gid] = '\0';
	return pgs_cluster_name_ok(cluster) && strncmp(colon + 1, id, ZKDOC_ID_HEX) == 0 &&
	       colon[1 + ZKDOC_ID_HEX] == ':' &&
	       pgs_parse_i64(colon + 2 + ZKDOC_ID_HEX, 0, INTENT_MAX_DATABASES, &n, NULL) == 0;
}

/* A string or null. */
static bool nullable(json_t *json, const char **ret)
{
	*ret = json_string_value(json);
	return json_is_string(json) || json_is_null(json);
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static int read_database(json_t *json, const char *id, struct zkdoc_intent_database *db,
			 struct pgs_err *reterr)
{
	const char *name;
	const char *conninfo;
	const char *node;
	const char *gid;

	if (json_unpack_ex(json, NULL, JSON_STRICT, "{s:s,s:s,s:s,s:s}", "name", &name, "conninfo",
			   &conninfo, "node", &node, "gid", &gid))
		return fail("databases", reterr);
	if (!name[0] || !node_ok(node) || !gid_ok(gid, id))
		return fail("name, node or gid of a database", reterr);
	db->name = strdup(name);
	db->conninfo = strdup(conninfo);
	db->node = strdup(node);
	db->gid = strdup(gid);
	return db->name && db->conninfo && db->node && db->gid ? 0 : pgs_err_nomem(reterr);
}

static int read_left(json_t *json, struct zkdoc_intent *doc, struct pgs_err *reterr)
{
	size_t n = json_array_size(json);

	if (!json)
		return 0;
	if (!json_is_array(json) || n == 0 || n > INTENT_MAX_DATABASES)
		return fail("left", reterr);
	doc->left = calloc(n, sizeof(*doc->left));
	if (!doc->left)
		return pgs_err_nomem(reterr);
	doc->n_left = n;
	for (size_t i = 0; i < n; i++) {
		const char *name;
		const char *conninfo;

		if (json_unpack_ex(json_array_get(json, i), NULL, JSON_STRICT, "{s:s,s:s}", "name",
				   &name, "conninfo", &conninfo))
			return fail("left", reterr);
		doc->left[i].name = strdup(name);
		doc->left[i].conninfo = strdup(conninfo);
		if (!doc->left[i].name || !doc->left[i].conninfo)
			return pgs_err_nomem(reterr);
	}
	return 0;
}

static int read_fields(json_t *json, struct zkdoc_intent *doc, struct pgs_err *reterr)
{
	json_int_t v;
	const char *id;
	const char *kind;
	const char *set;
	const char *from;
	const char *to;
	const char *at;
	const char *by;
	json_t *nulls[3];
	json_t *databases;
	json_t *left = NULL;
	size_t n;

	if (json_unpack_ex(json, NULL, 0, "{s:I}", "v", &v))
		return fail("no format", reterr);
	if (v != 1)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"the intent of a rollout in ZooKeeper has format %" JSON_INTEGER_FORMAT
			", this pgshovel knows format 1; use the version that wrote it or a later "
			"one",
			v);
	if (json_unpack_ex(json, NULL, JSON_STRICT, "{s:I,s:s,s:s,s:o,s:o,s:o,s:o,s:s,s:s,s?o}",
			   "v", &v, "id", &id, "kind", &kind, "set", &nulls[0], "from", &nulls[1],
			   "to", &nulls[2], "databases", &databases, "at", &at, "by", &by, "left",
			   &left))
		return fail("its fields", reterr);
	if (!nullable(nulls[0], &set) || !nullable(nulls[1], &from) || !nullable(nulls[2], &to))
		return fail("its fields", reterr);
	n = json_array_size(databases);
	if (!json_is_array(databases) || n > INTENT_MAX_DATABASES)
		return fail("databases", reterr);
	if (!is_hex(id, ZKDOC_ID_HEX) || !kind_ok(kind) || (set && !pgs_set_name_ok(set)) ||
	    (from && !is_hex(from, SETDOC_DIGEST_HEX)) || (to && !is_hex(to, SETDOC_DIGEST_HEX)))
		return fail("a value", reterr);
	memcpy(doc->id, id, sizeof(doc->id));
	doc->kind = copy(kind);
	doc->set = copy(set);
	doc->from = copy(from);
	doc->to = copy(to);
	doc->at = copy(at);
	doc->by = copy(by);
	doc->databases = calloc(n ? n : 1, sizeof(*doc->databases));
	if (!doc->kind || (set && !doc->set) || (from && !doc->from) || (to && !doc->to) ||
	    !doc->at || !doc->by || !doc->databases)
		return pgs_err_nomem(reterr);
	doc->n_databases = n;
	for (size_t i = 0; i < n; i++) {
		if (read_database(json_array_get(databases, i), doc->id, &doc->databases[i],
				  reterr))
			return -1;
	}
	return read_left(left, doc, reterr);
}

int zkdoc_intent_read(const char *text, size_t len, struct zkdoc_intent **ret,
		      struct pgs_err *reterr)
{
	struct zkdoc_intent *doc;
	json_t *json;
	int rc;

	if (len > INTENT_MAX_BYTES)
		return fail("it is too large", reterr);
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json)
		return fail("no JSON", reterr);
	doc = calloc(1, sizeof(*doc));
	rc = doc ? read_fields(json, doc, reterr) : pgs_err_nomem(reterr);
	json_decref(json);
	if (rc) {
		zkdoc_intent_free(doc);
		return -1;
	}
	*ret = doc;
	return 0;
}

void zkdoc_intent_free(struct zkdoc_intent *doc)
{
	if (!doc)
		return;
	for (size_t i = 0; doc->databases && i < doc->n_databases; i++) {
		free(doc->databases[i].name);
		free(doc->databases[i].conninfo);
		free(doc->databases[i].node);
		free(doc->databases[i].gid);
	}
	free(doc->databases);
	for (size_t i = 0; doc->left && i < doc->n_left; i++) {
		free(doc->left[i].name);
		free(doc->left[i].conninfo);
	}
	free(doc->left);
	free(doc->kind);
	free(doc->set);
	free(doc->from);
	free(doc->to);
	free(doc->at);
	free(doc->by);
	free(doc);
}

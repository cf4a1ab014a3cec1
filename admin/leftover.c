/*
 * admin/leftover.c
 *    /CLUSTER/left/ID: databases that were left out of a rollout (docs/protocol.md 1).
 *
 * Does not look into databases.
 */
#include "admin/leftover.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/zpath.h"

enum { LEFTOVER_MAX_BYTES = 16 * 1024 };

static void make_id(const char *set, const char *database, const char *conninfo,
		    char ret[LEFTOVER_ID_HEX + 1])
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(LEFTOVER_MAX_BYTES);
	char digest[SETDOC_DIGEST_HEX + 1];

	pgs_buf_put(&text, set, strlen(set) + 1);
	pgs_buf_put(&text, database, strlen(database) + 1);
	pgs_buf_puts(&text, conninfo);
	setdoc_sha256_hex(pgs_buf_str(&text), text.len, digest);
	snprintf(ret, LEFTOVER_ID_HEX + 1, "%s", digest);
}

static void put_field(struct pgs_buf *out, const char *name, const char *value)
{
	pgs_buf_printf(out, ",\"%s\":", name);
	zkdoc_put_json_string(out, value);
}

/* The folder comes with the first of them. */
static int make_folder(struct admin *a, struct pgs_err *reterr)
{
	struct zpath path = zpath_lefts(a->options.cluster);
	struct pgs_err err = { 0 };

	if (zk_wait_create(a->zk, path.text, "", 0, false, admin_deadline(a), NULL, &err) == 0 ||
	    strcmp(err.code, "ZNODEEXISTS") == 0)
		return 0;
	*reterr = err;
	return -1;
}

int leftover_note(struct admin *a, const struct zkdoc_intent *intent, const char *database,
		  const char *conninfo, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(LEFTOVER_MAX_BYTES);
	const char *set = intent->set ? intent->set : "";
	char id[LEFTOVER_ID_HEX + 1];
	struct pgs_err err = { 0 };

	make_id(set, database, conninfo, id);
	pgs_buf_lit(&text, "{\"v\":1");
	put_field(&text, "set", set);
	put_field(&text, "database", database);
	put_field(&text, "conninfo", conninfo);
	put_field(&text, "kind", intent->kind);
	put_field(&text, "rollout", intent->id);
	put_field(&text, "at", intent->at ? intent->at : "");
	put_field(&text, "by", intent->by ? intent->by : "");
	pgs_buf_putc(&text, '}');
	if (pgs_buf_failed(&text))
		return pgs_err_nomem(reterr);
	struct zpath path = zpath_left(a->options.cluster, id);
	if (make_folder(a, reterr) < 0)
		return -1;
	if (zk_wait_create(a->zk, path.text, text.data, text.len, false, admin_deadline(a), NULL,
			   &err) == 0 ||
	    strcmp(err.code, "ZNODEEXISTS") == 0)
		return 0;
	*reterr = err;
	return -1;
}

static int read_one(struct admin *a, const char *id, struct leftover *ret, struct pgs_err *reterr)
{
	struct zpath path = zpath_left(a->options.cluster, id);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(LEFTOVER_MAX_BYTES);
	const char *set, *database, *conninfo, *kind, *rollout, *at, *by;
	json_int_t v = 0;

	if (zk_wait_get(a->zk, path.text, admin_deadline(a), &data, NULL, reterr) < 0)
		return -1;
	json_t *json = json_loadb(pgs_buf_str(&data), data.len, JSON_REJECT_DUPLICATES, NULL);
	if (!json ||
	    json_unpack_ex(json, NULL, 0, "{s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "v", &v, "set", &set,
			   "database", &database, "conninfo", &conninfo, "kind", &kind, "rollout",
			   &rollout, "at", &at, "by", &by) ||
	    v != 1) {
		json_decref(json);
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "\"%s\" in ZooKeeper is damaged or of a newer version; use the "
				   "newer program, or remove it by hand",
				   path.text);
	}
	snprintf(ret->id, sizeof(ret->id), "%s", id);
	ret->set = strdup(set);
	ret->database = strdup(database);
	ret->conninfo = strdup(conninfo);
	ret->kind = strdup(kind);
	ret->rollout = strdup(rollout);
	ret->at = strdup(at);
	ret->by = strdup(by);
	json_decref(json);
	return ret->set && ret->database && ret->conninfo && ret->kind && ret->rollout && ret->at &&
			       ret->by
		       ? 0
		       : pgs_err_nomem(reterr);
}

int leftover_list(struct admin *a, struct leftover **ret, size_t *ret_n, struct pgs_err *reterr)
{
	struct zpath path = zpath_lefts(a->options.cluster);
	struct pgs_err err = { 0 };
	char **ids = NULL;
	size_t n_ids = 0, n = 0;
	int r = 0;

	if (zk_wait_list(a->zk, path.text, admin_deadline(a), &ids, &n_ids, &err) < 0 &&
	    strcmp(err.code, "ZNONODE") != 0) {
		*reterr = err;
		return -1;
	}
	struct leftover *list = calloc(n_ids + 1, sizeof(*list));
	if (!list)
		r = pgs_err_nomem(reterr);
	for (size_t i = 0; r == 0 && i < n_ids; i++) {
		err = (struct pgs_err){ 0 };
		r = read_one(a, ids[i], &list[n], &err);
		if (r == 0) {
			n++;
		} else if (strcmp(err.code, "ZNONODE") == 0) {
			r = 0; /* forgotten since the listing */
		} else {
			*reterr = err;
			n++; /* what it holds already is freed with the others */
		}
	}
	zk_names_free(ids, n_ids);
	if (r < 0) {
		leftover_list_free(list, n);
		return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

void leftover_list_free(struct leftover *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++) {
		free(list[i].set);
		free(list[i].database);
		free(list[i].conninfo);
		free(list[i].kind);
		free(list[i].rollout);
		free(list[i].at);
		free(list[i].by);
	}
	free(list);
}

int leftover_forget(struct admin *a, const char *id, struct pgs_err *reterr)
{
	struct zpath path = zpath_left(a->options.cluster, id);

	return zk_wait_delete(a->zk, path.text, -1, admin_deadline(a), reterr);
}

/*
 * common/zk_request.c
 *    Requests of the ZooKeeper client: each is sent with a callback and answered exactly once.
 *
 * Nothing here waits. The library answers what is pending when its handle is closed; such an answer becomes
 * ZSESSIONEXPIRED when only the session ends and ZCLOSING when the client does.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/zk_internal.h"

enum request_kind { REQUEST_DATA, REQUEST_NAMES, REQUEST_STAT, REQUEST_VOID, REQUEST_MULTI };

struct request {
	struct zk *zk;
	enum request_kind kind;
	union {
		zk_data_fn *data;
		zk_names_fn *names;
		zk_done_fn *stat;
		zk_multi_fn *multi;
	} done;
	void *ctx;
	zoo_op_result_t
		*results; /* REQUEST_MULTI: owned; the library writes into it before it answers */
	size_t n_results;
	char path[128]; /* for messages; cut */
};

static const struct {
	int rc;
	const char *name;
	enum pgs_err_class cls;
	const char *text;
} rc_table[] = {
	{ ZNONODE, "ZNONODE", PGS_ERR_CONFIG, "does not exist" },
	{ ZNODEEXISTS, "ZNODEEXISTS", PGS_ERR_CONFIG, "exists already" },
	{ ZBADVERSION, "ZBADVERSION", PGS_ERR_CONFIG, "was changed by somebody else" },
	{ ZNOTEMPTY, "ZNOTEMPTY", PGS_ERR_CONFIG, "has children" },
	{ ZNOAUTH, "ZNOAUTH", PGS_ERR_CONFIG, "may not be touched with these credentials" },
	{ ZAUTHFAILED, "ZAUTHFAILED", PGS_ERR_CONFIG,
	  "could not be reached: authentication was refused" },
	{ ZINVALIDACL, "ZINVALIDACL", PGS_ERR_CONFIG,
	  "could not be protected: the credentials are not valid" },
	{ ZCONNECTIONLOSS, "ZCONNECTIONLOSS", PGS_ERR_RETRY,
	  "could not be reached: the connection was lost" },
	{ ZOPERATIONTIMEOUT, "ZOPERATIONTIMEOUT", PGS_ERR_RETRY,
	  "could not be reached: no answer in time" },
	{ ZSESSIONEXPIRED, "ZSESSIONEXPIRED", PGS_ERR_RETRY,
	  "could not be reached: the session expired" },
	{ ZINVALIDSTATE, "ZINVALIDSTATE", PGS_ERR_RETRY,
	  "could not be reached: the session is gone" },
	{ ZCLOSING, "ZCLOSING", PGS_ERR_RETRY, "could not be reached: the client is closing" },
	{ ZSESSIONMOVED, "ZSESSIONMOVED", PGS_ERR_RETRY,
	  "could not be reached: the session moved" },
	{ ZTHROTTLEDOP, "ZTHROTTLEDOP", PGS_ERR_RETRY,
	  "could not be reached: the server is throttled" },
	{ ZSYSTEMERROR, "ZSYSTEMERROR", PGS_ERR_RETRY, "could not be reached: system error" },
	{ ZRUNTIMEINCONSISTENCY, "ZRUNTIMEINCONSISTENCY", PGS_ERR_RETRY, "was not tried" },
	{ ZMARSHALLINGERROR, "ZMARSHALLINGERROR", PGS_ERR_BUG,
	  "could not be read: malformed answer" },
	{ ZBADARGUMENTS, "ZBADARGUMENTS", PGS_ERR_BUG, "is not a valid path or argument" },
	{ ZNOCHILDRENFOREPHEMERALS, "ZNOCHILDRENFOREPHEMERALS", PGS_ERR_BUG,
	  "has an ephemeral parent" },
};

int zk_err_from_rc(int rc, const char *path, struct pgs_err *reterr)
{
	const char *shown = path ? path : "/";

	for (size_t i = 0; i < PGS_ARRAY_LEN(rc_table); i++)
		if (rc_table[i].rc == rc)
			return pgs_err_set(reterr, rc_table[i].cls, rc_table[i].name,
					   "ZooKeeper node \"%s\" %s", shown, rc_table[i].text);
	char code[24];
	(void)snprintf(code, sizeof(code), "Z%d", rc);
	return pgs_err_set(reterr, PGS_ERR_RETRY, code,
			   "ZooKeeper node \"%s\" could not be reached: %s", shown, zerror(rc));
}

bool zk_err_unknown(const struct pgs_err *err)
{
	return strcmp(err->code, "ZCONNECTIONLOSS") == 0 ||
	       strcmp(err->code, "ZOPERATIONTIMEOUT") == 0 ||
	       strcmp(err->code, "ZSESSIONEXPIRED") == 0 || strcmp(err->code, "ZCLOSING") == 0;
}

static struct request *request_new(struct zk *zk, enum request_kind kind, const char *path,
				   void *ctx, struct pgs_err *reterr)
{
	if (zk->closing || !zk->handle) {
		(void)zk_err_from_rc(zk->closing ? ZCLOSING : ZINVALIDSTATE, path, reterr);
		return NULL;
	}
	if (zk->n_pending >= ZK_MAX_PENDING) {
		(void)pgs_err_set(reterr, PGS_ERR_RETRY, "EBUSY",
				  "more than %d requests to ZooKeeper are open", ZK_MAX_PENDING);
		return NULL;
	}
	struct request *req = calloc(1, sizeof(*req));
	if (!req) {
		(void)pgs_err_nomem(reterr);
		return NULL;
	}
	req->zk = zk;
	req->kind = kind;
	req->ctx = ctx;
	(void)snprintf(req->path, sizeof(req->path), "%s", path);
	zk->n_pending++;
	return req;
}

static void request_free(struct request *req)
{
	req->zk->n_pending--;
	free(req->results);
	free(req);
}

/* After the library refused to queue: it will not call back. */
static int request_sent(struct request *req, int rc, struct pgs_err *reterr)
{
	if (rc == ZOK)
		return 0;
	int result = zk_err_from_rc(rc, req->path, reterr);
	request_free(req);
	return result;
}

static const struct pgs_err *request_error(const struct request *req, int rc, struct pgs_err *err)
{
	if (rc == ZOK)
		return NULL;
	if (rc == ZCLOSING && !req->zk->closing)
		rc = ZSESSIONEXPIRED;
	(void)zk_err_from_rc(rc, req->path, err);
	return err;
}

static struct zk_stat stat_from(const struct Stat *st)
{
	if (!st)
		return (struct zk_stat){ 0 };
	return (struct zk_stat){
		.czxid = st->czxid,
		.mzxid = st->mzxid,
		.ephemeral_owner = st->ephemeralOwner,
		.ctime_ms = st->ctime,
		.mtime_ms = st->mtime,
		.version = st->version,
		.n_children = st->numChildren,
	};
}

static void on_data(int rc, const char *value, int len, const struct Stat *st, const void *data)
{
	struct request *req = (struct request *)(uintptr_t)data;
	struct zk_stat stat = stat_from(st);
	struct pgs_err err;

	/* An empty node comes as NULL with length -1. */
	if (req->done.data)
		req->done.data(req->zk, request_error(req, rc, &err), value ? value : "",
			       len > 0 ? (size_t)len : 0, &stat, req->ctx);
	request_free(req);
}

static void on_names(int rc, const struct String_vector *names, const struct Stat *st,
		     const void *data)
{
	struct request *req = (struct request *)(uintptr_t)data;
	struct zk_stat stat = stat_from(st);
	struct pgs_err err;

	if (req->done.names)
		req->done.names(req->zk, request_error(req, rc, &err), names ? names->data : NULL,
				names ? (size_t)names->count : 0, &stat, req->ctx);
	request_free(req);
}

static void on_stat(int rc, const struct Stat *st, const void *data)
{
	struct request *req = (struct request *)(uintptr_t)data;
	struct zk_stat stat = stat_from(st);
	struct pgs_err err;

	if (req->done.stat)
		req->done.stat(req->zk, request_error(req, rc, &err), &stat, req->ctx);
	request_free(req);
}

static void on_string_stat(int rc, const char *string, const struct Stat *st, const void *data)
{
	(void)string;
	on_stat(rc, st, data);
}

static void on_void(int rc, const void *data)
{
	struct request *req = (struct request *)(uintptr_t)data;

	if (req->kind != REQUEST_MULTI) {
		on_stat(rc, NULL, data);
		return;
	}
	/* Ops before the culprit report 0 and those after it -2: it is the first that says something else. */
	int failed = -1;
	for (size_t i = 0; rc != ZOK && failed < 0 && i < req->n_results; i++)
		if (req->results[i].err != ZOK && req->results[i].err != ZRUNTIMEINCONSISTENCY)
			failed = (int)i;
	struct pgs_err err;
	req->done.multi(req->zk, request_error(req, rc, &err), failed, req->ctx);
	request_free(req);
}

static watcher_fn watcher(bool watch)
{
	return watch ? zk_on_event : NULL;
}

int zk_get(struct zk *zk, const char *path, bool watch, zk_data_fn *done, void *ctx,
	   struct pgs_err *reterr)
{
	struct request *req = request_new(zk, REQUEST_DATA, path, ctx, reterr);

	if (!req)
		return -1;
	req->done.data = done;
	return request_sent(req, zoo_awget(zk->handle, path, watcher(watch), zk, on_data, req),
			    reterr);
}

int zk_list(struct zk *zk, const char *path, bool watch, zk_names_fn *done, void *ctx,
	    struct pgs_err *reterr)
{
	struct request *req = request_new(zk, REQUEST_NAMES, path, ctx, reterr);

	if (!req)
		return -1;
	req->done.names = done;
	return request_sent(
		req, zoo_awget_children2(zk->handle, path, watcher(watch), zk, on_names, req),
		reterr);
}

int zk_exists(struct zk *zk, const char *path, bool watch, zk_done_fn *done, void *ctx,
	      struct pgs_err *reterr)
{
	struct request *req = request_new(zk, REQUEST_STAT, path, ctx, reterr);

	if (!req)
		return -1;
	req->done.stat = done;
	return request_sent(req, zoo_awexists(zk->handle, path, watcher(watch), zk, on_stat, req),
			    reterr);
}

static void on_string(int rc, const char *string, const void *data)
{
	(void)string;
	on_stat(rc, NULL, data);
}

int zk_sync(struct zk *zk, const char *path, zk_done_fn *done, void *ctx, struct pgs_err *reterr)
{
	struct request *req = request_new(zk, REQUEST_STAT, path, ctx, reterr);

	if (!req)
		return -1;
	req->done.stat = done;
	return request_sent(req, zoo_async(zk->handle, path, on_string, req), reterr);
}

void zk_unwatch(struct zk *zk, const char *path)
{
	struct pgs_err err;
	struct request *req = request_new(zk, REQUEST_VOID, path, NULL, &err);

	/* The library takes the function as a pointer to its type and calls it as it is. */
	if (req)
		(void)request_sent(req,
				   zoo_aremove_all_watches(zk->handle, path, ZWATCHTYPE_DATA, 0,
							   (void_completion_t *)on_void, req),
				   &err);
}

static int size_check(const char *path, size_t len, struct pgs_err *reterr)
{
	if (len <= ZK_NODE_MAX_BYTES)
		return 0;
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "E2BIG",
			   "ZooKeeper node \"%s\" cannot hold %zu bytes, at most %d", path, len,
			   ZK_NODE_MAX_BYTES);
}

static const struct ACL_vector *acl_of(const struct zk *zk)
{
	return zk->digest ? &ZOO_CREATOR_ALL_ACL : &ZOO_OPEN_ACL_UNSAFE;
}

int zk_create(struct zk *zk, const char *path, const void *data, size_t len, bool ephemeral,
	      zk_done_fn *done, void *ctx, struct pgs_err *reterr)
{
	if (size_check(path, len, reterr) < 0)
		return -1;
	struct request *req = request_new(zk, REQUEST_STAT, path, ctx, reterr);
	if (!req)
		return -1;
	req->done.stat = done;
	return request_sent(req,
			    zoo_acreate2(zk->handle, path, data ? data : "", (int)len, acl_of(zk),
					 ephemeral ? ZOO_EPHEMERAL : ZOO_PERSISTENT, on_string_stat,
					 req),
			    reterr);
}

int zk_set(struct zk *zk, const char *path, const void *data, size_t len, int32_t version,
	   zk_done_fn *done, void *ctx, struct pgs_err *reterr)
{
	if (size_check(path, len, reterr) < 0)
		return -1;
	struct request *req = request_new(zk, REQUEST_STAT, path, ctx, reterr);
	if (!req)
		return -1;
	req->done.stat = done;
	return request_sent(
		req, zoo_aset(zk->handle, path, data ? data : "", (int)len, version, on_stat, req),
		reterr);
}

int zk_delete(struct zk *zk, const char *path, int32_t version, zk_done_fn *done, void *ctx,
	      struct pgs_err *reterr)
{
	struct request *req = request_new(zk, REQUEST_VOID, path, ctx, reterr);

	if (!req)
		return -1;
	req->done.stat = done;
	return request_sent(req, zoo_adelete(zk->handle, path, version, on_void, req), reterr);
}

static int multi_check(const struct zk_op *ops, size_t n, struct pgs_err *reterr)
{
	size_t total = 0;

	for (size_t i = 0; i < n; i++) {
		if (size_check(ops[i].path, ops[i].len, reterr) < 0)
			return -1;
		total += ops[i].len + strlen(ops[i].path) + 64;
	}
	if (n == 0 || n > 256 || total > ZK_MULTI_MAX_BYTES)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "E2BIG",
			"a ZooKeeper transaction of %zu operations and %zu bytes is not possible",
			n, total);
	return 0;
}

int zk_multi(struct zk *zk, const struct zk_op *ops, size_t n, zk_multi_fn *done, void *ctx,
	     struct pgs_err *reterr)
{
	if (multi_check(ops, n, reterr) < 0)
		return -1;
	struct request *req = request_new(zk, REQUEST_MULTI, ops[0].path, ctx, reterr);
	if (!req)
		return -1;
	PGS_CLEANUP(pgs_freep) zoo_op_t *list = calloc(n, sizeof(*list));
	req->results = calloc(n, sizeof(*req->results));
	if (!list || !req->results) {
		request_free(req);
		return pgs_err_nomem(reterr);
	}
	req->n_results = n;
	req->done.multi = done;
	for (size_t i = 0; i < n; i++) {
		const struct zk_op *op = &ops[i];
		const char *data = op->data ? op->data : "";
		switch (op->kind) {
		case ZK_OP_CHECK:
			zoo_check_op_init(&list[i], op->path, op->version);
			break;
		case ZK_OP_CREATE:
			zoo_create_op_init(&list[i], op->path, data, (int)op->len, acl_of(zk),
					   op->ephemeral ? ZOO_EPHEMERAL : ZOO_PERSISTENT, NULL, 0);
			break;
		case ZK_OP_SET:
			zoo_set_op_init(&list[i], op->path, data, (int)op->len, op->version, NULL);
			break;
		case ZK_OP_DELETE:
			zoo_delete_op_init(&list[i], op->path, op->version);
			break;
		}
	}
	return request_sent(req, zoo_amulti(zk->handle, (int)n, list, req->results, on_void, req),
			    reterr);
}

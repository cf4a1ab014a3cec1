/*
 * tests/lib/zktool.c
 *    Puts nodes into ZooKeeper, looks at them and takes them out, for tests.
 *
 *    zktool --hosts LIST COMMAND:
 *    dump PATH                      it and all below, a line each: path and the beginning of its data, newlines as blanks
 *    get PATH | list PATH | stat PATH | tree PATH | create PATH [DATA] | set PATH [DATA]
 *    remove PATH                    with everything below; no error when it is not there
 *    touch PATH                     the same data again (mzxid moves)
 *    init CLUSTER [GENERATION]      the nodes of an empty cluster, in one transaction
 *    put CLUSTER SET FILE ROLLOUT   a set's node from a set file
 *    fill CLUSTER PREFIX N FILE     the same for N sets, PREFIX0 and so on
 *    multi                          lines "create PATH DATA", "set PATH DATA", "delete PATH", "check PATH VERSION"
 *    hold PATH [DATA]               an ephemeral node, held until standard input ends
 *    expire 0xSESSION | PATH        ends somebody else's session, or that of an ephemeral node's owner (no node: done)
 *
 * Exit status 0, or 1 with one line "zktool: message (CODE)" on stderr. No part of the product.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/setdoc.h"
#include "common/zk.h"
#include "common/zkdoc.h"
#include "common/zpath.h"

enum { PATIENCE_US = 15 * 1000 * 1000, MAX_OPS = 64 };

static uint64_t deadline(void)
{
	return pgs_now_us() + PATIENCE_US;
}

static int cmd_get(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(1024 * 1024);

	(void)argc;
	if (zk_wait_get(zk, argv[0], deadline(), &data, NULL, err) < 0)
		return -1;
	(void)fwrite(pgs_buf_str(&data), 1, data.len, stdout);
	return 0;
}

static int cmd_stat(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(1024 * 1024);
	struct zk_stat st;

	(void)argc;
	if (zk_wait_get(zk, argv[0], deadline(), &data, &st, err) < 0)
		return -1;
	(void)printf("czxid=%" PRId64 " mzxid=%" PRId64 " owner=0x%" PRIx64
		     " version=%d children=%d length=%zu\n",
		     st.czxid, st.mzxid, (uint64_t)st.ephemeral_owner, st.version, st.n_children,
		     data.len);
	return 0;
}

static int cmd_list(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	char **names;
	size_t n;

	(void)argc;
	if (zk_wait_list(zk, argv[0], deadline(), &names, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		(void)printf("%s\n", names[i]);
	zk_names_free(names, n);
	return 0;
}

enum walk { WALK_NAMES, WALK_DATA, WALK_REMOVE };

static int print_data(struct zk *zk, const char *path, struct pgs_err *err)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(1024 * 1024);

	if (zk_wait_get(zk, path, deadline(), &data, NULL, err) < 0)
		return strcmp(err->code, "ZNONODE") == 0 ? 0 : -1;
	(void)printf("%s ", path);
	for (size_t i = 0; i < data.len && i < 300; i++)
		(void)putchar(data.data[i] == '\n' ? ' ' : data.data[i]);
	(void)putchar('\n');
	return 0;
}

/* A node and all below it: removed, children first; else printed. What vanishes meanwhile is as good as removed. */
static int walk(struct zk *zk, const char *path, enum walk how, struct pgs_err *err)
{
	char **names = NULL;
	size_t n = 0;
	int rc = 0;

	if (zk_wait_list(zk, path, deadline(), &names, &n, err) < 0)
		return how == WALK_REMOVE && strcmp(err->code, "ZNONODE") == 0 ? 0 : -1;
	if (how == WALK_NAMES)
		(void)puts(path);
	else if (how == WALK_DATA)
		rc = print_data(zk, path, err);
	for (size_t i = 0; i < n && rc == 0; i++) {
		PGS_CLEANUP(pgs_freep) char *child = NULL;

		if (asprintf(&child, "%s/%s", strcmp(path, "/") == 0 ? "" : path, names[i]) < 0)
			rc = pgs_err_nomem(err);
		else
			rc = walk(zk, child, how, err);
	}
	zk_names_free(names, n);
	if (rc == 0 && how == WALK_REMOVE)
		rc = zk_wait_delete(zk, path, -1, deadline(), err);
	return rc;
}

static int cmd_tree(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	(void)argc;
	return walk(zk, argv[0], WALK_NAMES, err);
}

static int cmd_dump(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	(void)argc;
	return walk(zk, argv[0], WALK_DATA, err);
}

static int cmd_remove(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	(void)argc;
	if (strcmp(argv[0], "/") == 0)
		return pgs_err_set(err, PGS_ERR_CONFIG, "USAGE", "not everything");
	return walk(zk, argv[0], WALK_REMOVE, err);
}

static int cmd_create(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	const char *data = argc > 1 ? argv[1] : "";

	return zk_wait_create(zk, argv[0], data, strlen(data), false, deadline(), NULL, err);
}

static int cmd_set(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	const char *data = argc > 1 ? argv[1] : "";

	return zk_wait_set(zk, argv[0], data, strlen(data), -1, deadline(), NULL, err);
}

static int cmd_touch(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(1024 * 1024);
	struct zk_stat st;

	(void)argc;
	if (zk_wait_get(zk, argv[0], deadline(), &data, &st, err) < 0)
		return -1;
	return zk_wait_set(zk, argv[0], pgs_buf_str(&data), data.len, st.version, deadline(), NULL,
			   err);
}

static int cmd_init(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	struct zkdoc_cluster doc = { .software = PGSHOVEL_VERSION,
				     .generation = argc > 1 ? strtoll(argv[1], NULL, 10) : 1 };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(4096);
	struct zpath paths[] = {
		zpath_cluster(argv[0]),   zpath_sets(argv[0]),  zpath_rollouts(argv[0]),
		zpath_decisions(argv[0]), zpath_hosts(argv[0]), zpath_statuses(argv[0]),
		zpath_locks(argv[0]),
	};
	struct zk_op ops[PGS_ARRAY_LEN(paths)];

	zkdoc_cluster_write(&doc, &text);
	for (size_t i = 0; i < PGS_ARRAY_LEN(paths); i++)
		ops[i] = (struct zk_op){ .kind = ZK_OP_CREATE, .path = paths[i].text, .data = "" };
	ops[0].data = pgs_buf_str(&text);
	ops[0].len = text.len;
	return zk_wait_multi(zk, ops, PGS_ARRAY_LEN(ops), deadline(), NULL, err);
}

static int cmd_put(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	struct setdoc *doc = NULL;
	struct zkdoc_set node = { .partitions = 1 };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(1024 * 1024);

	if (argc < 4)
		return pgs_err_set(err, PGS_ERR_CONFIG, "USAGE", "put CLUSTER SET FILE ROLLOUT");
	if (setdoc_load(argv[2], &doc, err) < 0)
		return -1;
	struct zpath path = zpath_set(argv[0], argv[1]);
	(void)snprintf(node.version, sizeof(node.version), "%s", doc->version);
	(void)snprintf(node.rollout, sizeof(node.rollout), "%s", argv[3]);
	node.document = doc->canonical;
	node.document_len = doc->canonical_len;
	zkdoc_set_write(&node, &text);
	(void)printf("%s\n", doc->version);
	setdoc_free(doc);
	if (zk_wait_create(zk, path.text, pgs_buf_str(&text), text.len, false, deadline(), NULL,
			   err) == 0)
		return 0;
	if (strcmp(err->code, "ZNODEEXISTS") != 0)
		return -1;
	return zk_wait_set(zk, path.text, pgs_buf_str(&text), text.len, -1, deadline(), NULL, err);
}

/* Sets that no rollout made, all with the same document. */
static int cmd_fill(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	char set[64];
	char *put[] = { argv[0], set, argv[3], (char *)"00000000000000000000000000000001" };
	const long n = strtol(argv[2], NULL, 10);
	int rc = 0;

	(void)argc;
	for (long i = 0; i < n && rc == 0; i++) {
		(void)snprintf(set, sizeof(set), "%s%ld", argv[1], i);
		rc = cmd_put(zk, 4, put, err);
	}
	return rc;
}

static int cmd_multi(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	struct zk_op ops[MAX_OPS];
	char lines[MAX_OPS][512];
	size_t n = 0;
	int failed = -1;

	(void)argc;
	(void)argv;
	while (n < MAX_OPS && fgets(lines[n], sizeof(lines[n]), stdin)) {
		char *rest = lines[n];
		rest[strcspn(rest, "\n")] = '\0';
		const char *verb = strsep(&rest, " ");
		const char *path = strsep(&rest, " ");
		ops[n] = (struct zk_op){ .path = path,
					 .data = rest ? rest : "",
					 .len = rest ? strlen(rest) : 0,
					 .version = -1 };
		ops[n].kind = verb[0] == 'd'   ? ZK_OP_DELETE
			      : verb[0] == 's' ? ZK_OP_SET
			      : verb[1] == 'r' ? ZK_OP_CREATE
					       : ZK_OP_CHECK;
		if (ops[n].kind == ZK_OP_CHECK)
			ops[n].version = rest ? (int32_t)strtol(rest, NULL, 10) : -1;
		n++;
	}
	if (zk_wait_multi(zk, ops, n, deadline(), &failed, err) == 0)
		return 0;
	(void)printf("failed=%d\n", failed);
	return -1;
}

static int cmd_hold(struct zk *zk, int argc, char **argv, struct pgs_err *err)
{
	const char *data = argc > 1 ? argv[1] : "{}";
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN } };

	if (zk_wait_create(zk, argv[0], data, strlen(data), true, deadline(), NULL, err) < 0)
		return -1;
	(void)printf("held\n");
	(void)fflush(stdout);
	for (;;) {
		int fd, events;
		uint64_t timeout_us;
		zk_interest(zk, &fd, &events, &timeout_us);
		p[1] = (struct pollfd){ .fd = fd,
					.events = (short)((events & ZK_READ ? POLLIN : 0) |
							  (events & ZK_WRITE ? POLLOUT : 0)) };
		(void)poll(p, 2, (int)(timeout_us / 1000) + 1);
		if (p[0].revents)
			return 0;
		if (p[1].revents)
			zk_process(zk, ZK_READ | ZK_WRITE);
	}
}

/*
 * The server derives a session's password from its id: java.util.Random seeded with id ^ 0xB3415C00, nextBytes.
 * A test may hence open anybody's session, and closing it is what an expiry looks like to its owner.
 */
static void session_password(int64_t id, char ret[16])
{
	const uint64_t mask = (1ULL << 48) - 1;
	uint64_t seed = (((uint64_t)id ^ 0xB3415C00ULL) ^ 0x5DEECE66DULL) & mask;

	for (int i = 0; i < 16; i += 4) {
		seed = (seed * 0x5DEECE66DULL + 0xBULL) & mask;
		uint32_t word = (uint32_t)(seed >> 16);
		for (int k = 0; k < 4; k++)
			ret[i + k] = (char)(word >> (8 * k));
	}
}

/* 1: the session is no more; 0: it lived until now and was closed, unless its owner took it back first. */
static int expire_once(const char *hosts, int64_t id, struct pgs_err *err)
{
	struct zk_params params = { .hosts = hosts,
				    .session_timeout_us = 10 * 1000 * 1000,
				    .resume_id = id };
	struct zk *zk = NULL;

	session_password(id, params.resume_password);
	if (zk_open(&params, &zk, err) < 0)
		return -1;
	int r = zk_wait_connected(zk, deadline(), err);
	if (r == 0)
		r = zk_session_id(zk) != id;
	zk_close(zk);
	return r;
}

/* *ret 0: there is no such node. */
static int owner_of(const char *hosts, const char *path, int64_t *ret, struct pgs_err *err)
{
	const struct zk_params params = { .hosts = hosts, .session_timeout_us = 10 * 1000 * 1000 };
	PGS_CLEANUP(zk_closep) struct zk *zk = NULL;
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(1024 * 1024);
	struct zk_stat st = { 0 };

	if (zk_open(&params, &zk, err) < 0)
		return -1;
	if (zk_wait_get(zk, path, deadline(), &data, &st, err) < 0 &&
	    strcmp(err->code, "ZNONODE") != 0)
		return -1;
	*ret = st.ephemeral_owner;
	return 0;
}

static int cmd_expire(const char *hosts, const char *session, struct pgs_err *err)
{
	int64_t id = (int64_t)strtoull(session, NULL, 0);

	if (session[0] == '/' && owner_of(hosts, session, &id, err) < 0)
		return -1;
	if (session[0] == '/' && id == 0)
		return 0;
	int r = expire_once(hosts, id, err);

	if (r == 1)
		return pgs_err_set(err, PGS_ERR_CONFIG, "ZSESSIONEXPIRED",
				   "no such session any more");
	for (int i = 0; r == 0 && i < 50; i++)
		r = expire_once(hosts, id, err);
	return r == 0   ? pgs_err_set(err, PGS_ERR_RETRY, "", "its owner keeps the session")
	       : r == 1 ? 0
			: -1;
}

static const struct {
	const char *name;
	int (*run)(struct zk *zk, int argc, char **argv, struct pgs_err *err);
	int min_args;
} commands[] = {
	{ "get", cmd_get, 1 },       { "stat", cmd_stat, 1 }, { "list", cmd_list, 1 },
	{ "tree", cmd_tree, 1 },     { "dump", cmd_dump, 1 }, { "remove", cmd_remove, 1 },
	{ "create", cmd_create, 1 }, { "set", cmd_set, 1 },   { "touch", cmd_touch, 1 },
	{ "init", cmd_init, 1 },     { "put", cmd_put, 4 },   { "multi", cmd_multi, 0 },
	{ "hold", cmd_hold, 1 },     { "fill", cmd_fill, 4 },
};

static int run(int argc, char **argv, struct pgs_err *err)
{
	struct zk_params params = { .session_timeout_us = 10 * 1000 * 1000 };
	PGS_CLEANUP(zk_closep) struct zk *zk = NULL;

	if (argc < 4 || strcmp(argv[1], "--hosts") != 0)
		return pgs_err_set(err, PGS_ERR_CONFIG, "USAGE",
				   "zktool --hosts LIST COMMAND [ARGUMENT]...");
	params.hosts = argv[2];
	if (strcmp(argv[3], "expire") == 0 && argc == 5)
		return cmd_expire(argv[2], argv[4], err);
	for (size_t i = 0; i < PGS_ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, argv[3]) != 0 || argc - 4 < commands[i].min_args)
			continue;
		if (zk_open(&params, &zk, err) < 0)
			return -1;
		return commands[i].run(zk, argc - 4, argv + 4, err);
	}
	return pgs_err_set(err, PGS_ERR_CONFIG, "USAGE", "no such command: \"%s\"", argv[3]);
}

int main(int argc, char **argv)
{
	struct pgs_err err = { 0 };

	if (run(argc, argv, &err) == 0)
		return 0;
	(void)fprintf(stderr, "zktool: %s (%s)\n", err.msg, err.code);
	return 1;
}

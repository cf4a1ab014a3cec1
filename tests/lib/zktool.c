/*
 * tests/lib/zktool.c
 *    Nodes of ZooKeeper, for tests: get, set, create, list, stat, remove with everything below, tree.
 *
 *    zktool --hosts LIST get PATH | list PATH | stat PATH | tree PATH | remove PATH
 *                        set PATH DATA | create PATH DATA
 *
 * Exit status 0, or 1 with a line on stderr (ZNONODE …). Removing what is not there is no error.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/zk.h"

enum { WAIT_US = 15 * 1000 * 1000 };

static uint64_t deadline(void)
{
	return pgs_now_us() + WAIT_US;
}

/* Children first; `print` lists instead of removing. */
static int walk(struct zk *zk, const char *path, bool print, struct pgs_err *reterr)
{
	char **names = NULL;
	size_t n = 0;
	int rc = 0;

	if (zk_wait_list(zk, path, deadline(), &names, &n, reterr) < 0)
		return strcmp(reterr->code, "ZNONODE") == 0 && !print ? 0 : -1;
	if (print)
		puts(path);
	for (size_t i = 0; i < n && rc == 0; i++) {
		PGS_CLEANUP(pgs_freep) char *child = NULL;

		if (asprintf(&child, "%s/%s", strcmp(path, "/") == 0 ? "" : path, names[i]) < 0)
			rc = pgs_err_nomem(reterr);
		else
			rc = walk(zk, child, print, reterr);
	}
	zk_names_free(names, n);
	if (rc == 0 && !print)
		rc = zk_wait_delete(zk, path, -1, deadline(), reterr);
	return rc;
}

static int get(struct zk *zk, const char *path, bool stat_only, struct pgs_err *reterr)
{
	struct pgs_buf data = PGS_BUF_INIT(1 << 20);
	struct zk_stat stat;
	int rc = zk_wait_get(zk, path, deadline(), &data, &stat, reterr);

	if (rc == 0 && stat_only)
		printf("czxid %" PRId64 " mzxid %" PRId64 " version %" PRId32 " owner %" PRId64
		       " children %" PRId32 " length %zu\n",
		       stat.czxid, stat.mzxid, stat.version, stat.ephemeral_owner, stat.n_children,
		       data.len);
	else if (rc == 0)
		(void)fwrite(pgs_buf_str(&data), 1, data.len, stdout);
	pgs_buf_done(&data);
	return rc;
}

static int list(struct zk *zk, const char *path, struct pgs_err *reterr)
{
	char **names = NULL;
	size_t n = 0;

	if (zk_wait_list(zk, path, deadline(), &names, &n, reterr) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		puts(names[i]);
	zk_names_free(names, n);
	return 0;
}

static int run(struct zk *zk, int argc, char **argv, struct pgs_err *reterr)
{
	const char *verb = argv[0];

	if (zk_wait_connected(zk, deadline(), reterr) < 0)
		return -1;
	if (argc == 2 && strcmp(verb, "get") == 0)
		return get(zk, argv[1], false, reterr);
	if (argc == 2 && strcmp(verb, "stat") == 0)
		return get(zk, argv[1], true, reterr);
	if (argc == 2 && strcmp(verb, "list") == 0)
		return list(zk, argv[1], reterr);
	if (argc == 2 && strcmp(verb, "tree") == 0)
		return walk(zk, argv[1], true, reterr);
	if (argc == 2 && strcmp(verb, "remove") == 0 && strcmp(argv[1], "/") != 0)
		return walk(zk, argv[1], false, reterr);
	if (argc == 3 && strcmp(verb, "set") == 0)
		return zk_wait_set(zk, argv[1], argv[2], strlen(argv[2]), -1, deadline(), NULL,
				   reterr);
	if (argc == 3 && strcmp(verb, "create") == 0)
		return zk_wait_create(zk, argv[1], argv[2], strlen(argv[2]), false, deadline(),
				      NULL, reterr);
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "no such command");
}

int main(int argc, char **argv)
{
	struct zk_params params = { .session_timeout_us = 10 * 1000 * 1000 };
	struct pgs_err err = { 0 };
	struct zk *zk = NULL;
	int rc;

	if (argc < 5 || strcmp(argv[1], "--hosts") != 0) {
		fputs("Usage: zktool --hosts LIST get|list|stat|tree|remove PATH, set|create PATH "
		      "DATA\n",
		      stderr);
		return 1;
	}
	params.hosts = argv[2];
	rc = zk_open(&params, &zk, &err);
	if (rc == 0)
		rc = run(zk, argc - 3, argv + 3, &err);
	if (rc < 0)
		fprintf(stderr, "zktool: %s (%s)\n", err.msg, err.code);
	zk_close(zk);
	return rc < 0 ? 1 : 0;
}

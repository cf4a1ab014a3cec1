/*
 * admin/cmd_cluster.c
 *    cluster initialize, upgrade, recover.
 *
 * cluster verify is in cmd_verify.c.
 */
#include <stdio.h>
#include <string.h>

#include "admin/commands.h"
#include "admin/recover.h"
#include "admin/rollout.h"
#include "admin/steps.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/zpath.h"

/* Create /CLUSTER and what belongs below it, all or nothing. */
static int create_cluster(struct admin *a, int64_t generation, struct pgs_err *reterr)
{
	const char *cluster = a->options.cluster;
	struct zkdoc_cluster doc = { .software = PGSHOVEL_VERSION, .generation = generation };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(1024);
	struct zpath paths[] = { zpath_cluster(cluster),  zpath_sets(cluster),
				 zpath_rollouts(cluster), zpath_decisions(cluster),
				 zpath_hosts(cluster),    zpath_statuses(cluster),
				 zpath_locks(cluster) };
	struct zk_op ops[PGS_ARRAY_LEN(paths)];

	zkdoc_cluster_write(&doc, &text);
	for (size_t i = 0; i < PGS_ARRAY_LEN(paths); i++)
		ops[i] = (struct zk_op){ .kind = ZK_OP_CREATE, .path = paths[i].text };
	ops[0].data = pgs_buf_str(&text);
	ops[0].len = text.len;
	if (zk_wait_multi(a->zk, ops, PGS_ARRAY_LEN(ops), admin_deadline(a), NULL, reterr) == 0)
		return 0;
	if (strcmp(reterr->code, "ZNODEEXISTS") == 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "ZNODEEXISTS",
				   "cluster \"%s\" already exists at \"%s\"", cluster,
				   a->options.zookeeper_hosts);
	return -1;
}

/* What initialize would say: a cluster that is there, or that there will be one. */
static int plan_cluster(struct admin *a, struct pgs_err *reterr)
{
	struct pgs_err err = { 0 };

	if (admin_open_cluster(a, &err) == 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "ZNODEEXISTS",
				   "cluster \"%s\" already exists at \"%s\"", a->options.cluster,
				   a->options.zookeeper_hosts);
	if (strcmp(err.code, "ZNONODE") != 0) {
		*reterr = err;
		return -1;
	}
	printf("cluster \"%s\" would be created at \"%s\"\n", a->options.cluster,
	       a->options.zookeeper_hosts);
	return 0;
}

int cmd_cluster_initialize(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	(void)arguments;
	(void)n;
	if (a->options.dry_run)
		return plan_cluster(a, reterr);
	if (admin_connect(a, reterr) < 0 ||
	    zk_wait_chroot(a->zk, true, admin_deadline(a), reterr) < 0 ||
	    create_cluster(a, 1, reterr) < 0)
		return -1;
	printf("cluster \"%s\" created at \"%s\"\n", a->options.cluster,
	       a->options.zookeeper_hosts);
	return 0;
}

/* The databases of all sets, each once, as a rollout wants them. Names and conninfos stay the sets'. */
static int collect_databases(struct rollout *r, struct stored_set **sets, size_t n,
			     struct pgs_err *reterr)
{
	size_t max = 0;

	for (size_t i = 0; i < n; i++)
		max += sets[i]->doc->n_databases;
	r->databases = calloc(max + 1, sizeof(*r->databases));
	if (!r->databases)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < sets[i]->doc->n_databases; j++) {
			const struct setdoc_database *entry = &sets[i]->doc->databases[j];
			bool known = false;
			for (size_t k = 0; k < r->n_databases && !known; k++)
				known = strcmp(r->databases[k].session.conninfo, entry->conninfo) ==
					0;
			if (!known)
				r->databases[r->n_databases++].session = (struct session){
					.a = r->a, .name = entry->name, .conninfo = entry->conninfo
				};
		}
	return 0;
}

/* Two conninfos may lead to one database: it takes part once. */
static int leave_out_doubles(struct rollout *r, bool *ret_current, struct pgs_err *reterr)
{
	*ret_current = true;
	for (size_t i = 0; i < r->n_databases; i++) {
		struct rollout_database *db = &r->databases[i];
		if (session_open(&db->session, reterr) < 0) {
			if (!r->a->options.force)
				return -1;
			pgs_log(PGS_LOG_WARNING, NULL, "%s; left out (--force)", reterr->msg);
			*reterr = (struct pgs_err){ 0 };
			db->left_out = db->given_up = true;
			continue;
		}
		if (catalog_read(&db->session, NULL, NULL, &db->catalog, reterr) < 0)
			return -1;
		*ret_current = *ret_current && db->catalog->has_schema &&
			       strcmp(db->catalog->software, PGSHOVEL_VERSION) == 0;
		for (size_t k = 0; k < i; k++)
			if (r->databases[k].catalog && db->catalog->node &&
			    r->databases[k].catalog->node &&
			    strcmp(r->databases[k].catalog->node, db->catalog->node) == 0)
				db->left_out = true;
	}
	return 0;
}

static int upgrade(struct admin *a, struct stored_set **sets, size_t n, struct pgs_err *reterr)
{
	PGS_CLEANUP(rollout_done)
	struct rollout r = { .a = a, .kind = PLAN_CLUSTER_UPGRADE };
	bool current = false;

	if (collect_databases(&r, sets, n, reterr) < 0 ||
	    leave_out_doubles(&r, &current, reterr) < 0)
		return -1;
	if (current && strcmp(a->cluster.software, PGSHOVEL_VERSION) == 0) {
		printf("unchanged\n");
		return 0;
	}
	if (rollout_run(&r, reterr) < 0)
		return -1;
	if (!a->options.dry_run)
		printf("%s\n", PGSHOVEL_VERSION);
	return 0;
}

int cmd_cluster_upgrade(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	struct stored_set **sets;
	size_t n_sets;

	(void)arguments;
	(void)n;
	if (admin_open_cluster(a, reterr) < 0)
		return -1;
	if (admin_compare_software(a->cluster.software, PGSHOVEL_VERSION) > 0)
		return admin_check_software(a, reterr);
	if (!a->options.dry_run) {
		if (admin_lock(a, "cluster upgrade", reterr) < 0)
			return -1;
		ADMIN_STEP(LOCKED);
		if (recover_first(a, NULL, reterr) < 0)
			return -1;
	}
	if (store_list(a, &sets, &n_sets, reterr) < 0)
		return -1;
	int r = upgrade(a, sets, n_sets, reterr);
	store_list_free(sets, n_sets);
	return r;
}

/*
 * Tokens begin with the generation. Seconds since 1970 are above every generation that was ever given, by
 * initialize (1) or by an earlier recover (seconds then), without asking anybody.
 */
int cmd_cluster_recover(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	struct pgs_err err = { 0 };
	int64_t generation = pgs_wall_us() / 1000000;

	(void)arguments;
	(void)n;
	if (admin_connect(a, reterr) < 0 ||
	    (!a->options.dry_run && zk_wait_chroot(a->zk, true, admin_deadline(a), reterr) < 0))
		return -1;
	if (admin_open_cluster(a, &err) < 0) {
		if (strcmp(err.code, "ZNONODE") != 0) {
			*reterr = err;
			return -1;
		}
		if (!a->options.dry_run && create_cluster(a, generation, reterr) < 0)
			return -1;
		printf("cluster \"%s\" %s with generation %lld\n", a->options.cluster,
		       a->options.dry_run ? "would be created" : "created", (long long)generation);
		return 0;
	}
	if (!a->options.dry_run && admin_lock(a, "cluster recover", reterr) < 0)
		return -1;
	if (generation <= a->cluster.generation)
		generation = a->cluster.generation + 1;
	if (a->options.dry_run) {
		printf("generation of cluster \"%s\" is %lld and would become %lld\n",
		       a->options.cluster, (long long)a->cluster.generation, (long long)generation);
		return 0;
	}
	struct zkdoc_cluster doc = a->cluster;
	doc.generation = generation;
	struct zpath path = zpath_cluster(a->options.cluster);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(1024);
	zkdoc_cluster_write(&doc, &text);
	if (zk_wait_set(a->zk, path.text, text.data, text.len, a->cluster_node_version,
			admin_deadline(a), NULL, reterr) < 0)
		return -1;
	printf("generation of cluster \"%s\" is %lld now\n", a->options.cluster,
	       (long long)generation);
	return 0;
}

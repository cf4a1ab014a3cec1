/*
 * admin/store.c
 *    The sets of a cluster as ZooKeeper holds them.
 *
 * Changes nothing in them.
 */
#include "admin/store.h"

#include <stdio.h>
#include <string.h>

#include "common/zpath.h"

int store_read(struct admin *a, const char *name, struct stored_set **ret, struct pgs_err *reterr)
{
	struct zpath path = zpath_set(a->options.cluster, name);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);
	struct zk_stat stat;
	struct pgs_err err = { 0 };

	if (zk_wait_get(a->zk, path.text, admin_deadline(a), &data, &stat, &err) < 0) {
		if (strcmp(err.code, "ZNONODE") == 0)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "ZNONODE",
					   "set \"%s\" does not exist in cluster \"%s\"; "
					   "\"pgshovel set list\" shows all",
					   name, a->options.cluster);
		*reterr = err;
		return -1;
	}
	PGS_CLEANUP(stored_set_freep) struct stored_set *set = calloc(1, sizeof(*set));
	struct zkdoc_set header;
	if (!set)
		return pgs_err_nomem(reterr);
	if (zkdoc_set_read(pgs_buf_str(&data), data.len, &header, reterr) < 0)
		return pgs_err_prefix(reterr, "set \"%s\"", name);
	set->name = strdup(name);
	set->text = strndup(header.document, header.document_len);
	if (!set->name || !set->text)
		return pgs_err_nomem(reterr);
	snprintf(set->version, sizeof(set->version), "%s", header.version);
	snprintf(set->rollout, sizeof(set->rollout), "%s", header.rollout);
	set->partitions = header.partitions;
	set->node_version = stat.version;
	if (setdoc_parse(header.document, header.document_len, name, &set->doc, reterr) < 0)
		return pgs_err_prefix(reterr, "stored document of set \"%s\"", name);
	*ret = PGS_STEAL(set);
	return 0;
}

int store_list(struct admin *a, struct stored_set ***ret, size_t *ret_n, struct pgs_err *reterr)
{
	struct zpath path = zpath_sets(a->options.cluster);
	char **names;
	size_t n_names, n = 0;

	if (zk_wait_list(a->zk, path.text, admin_deadline(a), &names, &n_names, reterr) < 0)
		return -1;
	struct stored_set **sets = calloc(n_names + 1, sizeof(struct stored_set *));
	int r = sets ? 0 : pgs_err_nomem(reterr);
	for (size_t i = 0; r == 0 && i < n_names; i++) {
		struct pgs_err err = { 0 };
		if (store_read(a, names[i], &sets[n], &err) == 0) {
			n++;
		} else if (strcmp(err.code, "ZNONODE") != 0) {
			/* dropped since the listing is no error */
			*reterr = err;
			r = -1;
		}
	}
	zk_names_free(names, n_names);
	if (r < 0) {
		store_list_free(sets, n);
		return -1;
	}
	*ret = sets;
	*ret_n = n;
	return 0;
}

int store_touch(struct admin *a, const char *name, struct pgs_err *reterr)
{
	struct zpath path = zpath_set(a->options.cluster, name);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);
	struct zk_stat stat;

	if (zk_wait_get(a->zk, path.text, admin_deadline(a), &data, &stat, reterr) < 0)
		return -1;
	return zk_wait_set(a->zk, path.text, data.data, data.len, stat.version, admin_deadline(a),
			   NULL, reterr);
}

void stored_set_free(struct stored_set *set)
{
	if (!set)
		return;
	free(set->name);
	free(set->text);
	setdoc_free(set->doc);
	free(set);
}

void stored_set_freep(struct stored_set **set)
{
	stored_set_free(*set);
	*set = NULL;
}

void store_list_free(struct stored_set **sets, size_t n)
{
	for (size_t i = 0; sets && i < n; i++)
		stored_set_free(sets[i]);
	free(sets);
}

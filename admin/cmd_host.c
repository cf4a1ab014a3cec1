/*
 * admin/cmd_host.c
 *    host list, drain, resume: the supervisors of the cluster and who of them takes sets.
 *
 * Writes nothing but the mark HOST~drained, which every supervisor sees by its watch on /hosts. Says nothing of
 * single sets: "set status" does.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "admin/commands.h"
#include "admin/render.h"
#include "common/clock.h"
#include "common/zkdoc.h"
#include "common/zpath.h"

struct host_row {
	bool present; /* its node below /hosts is there: a session is open */
	bool drained;
	bool seen; /* it has a status */
	int64_t age_s, owned, running;
	char software[32];
};

/* Is host, with this behind it, one of the names? */
static bool among(char *const *names, size_t n, const char *host, const char *suffix)
{
	size_t length = strlen(host);

	for (size_t i = 0; i < n; i++)
		if (strncmp(names[i], host, length) == 0 && strcmp(names[i] + length, suffix) == 0)
			return true;
	return false;
}

static const char *state_of(const struct host_row *row)
{
	if (!row->present)
		return row->drained ? "away, drained" : "away";
	return row->drained ? "drained" : "active";
}

static void read_status(struct admin *a, const char *host, struct host_row *row)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);
	struct zpath node = zpath_status(a->options.cluster, host);
	size_t i;
	const json_t *set;

	if (zk_wait_get(a->zk, node.text, admin_deadline(a), &data, NULL, NULL) < 0)
		return; /* it has not written one yet */
	json_t *doc = json_loadb(pgs_buf_str(&data), data.len, 0, NULL);
	const char *software = json_string_value(json_object_get(doc, "software"));
	row->seen = json_is_integer(json_object_get(doc, "at_us"));
	row->age_s = (pgs_wall_us() - json_integer_value(json_object_get(doc, "at_us"))) / 1000000;
	snprintf(row->software, sizeof(row->software), "%s", software ? software : "");
	json_array_foreach(json_object_get(doc, "sets"), i, set)
	{
		row->owned += json_is_true(json_object_get(set, "owned"));
		row->running += json_is_integer(json_object_get(set, "pid"));
	}
	json_decref(doc);
}

static void add_row(struct render_table *table, struct pgs_buf *json, const char *host,
		    const struct host_row *row)
{
	char owned[32] = "", running[32] = "", age[32] = "";

	if (row->seen) {
		snprintf(owned, sizeof(owned), "%lld", (long long)row->owned);
		snprintf(running, sizeof(running), "%lld", (long long)row->running);
		snprintf(age, sizeof(age), "%lld s ago",
			 (long long)(row->age_s > 0 ? row->age_s : 0));
	}
	const char *cells[] = { host, state_of(row), owned, running, age, row->software };
	for (size_t i = 0; i < PGS_ARRAY_LEN(cells); i++)
		render_add(table, cells[i]);
	pgs_buf_puts(json, json->len > 1 ? ",{\"host\":" : "{\"host\":");
	zkdoc_put_json_string(json, host);
	pgs_buf_printf(json, ",\"present\":%s,\"drained\":%s", row->present ? "true" : "false",
		       row->drained ? "true" : "false");
	if (row->seen) {
		pgs_buf_printf(
			json, ",\"owned\":%lld,\"running\":%lld,\"age_s\":%lld,\"software\":",
			(long long)row->owned, (long long)row->running, (long long)row->age_s);
		zkdoc_put_json_string(json, row->software);
	}
	pgs_buf_putc(json, '}');
}

/* Known hosts: those with a node, a mark or a status, each once. Views into the two lists, cut at the "~". */
static size_t known_hosts(char *const *nodes, size_t n_nodes, char *const *statuses,
			  size_t n_statuses, char **ret)
{
	size_t n = 0, n_unique = 0;

	for (size_t i = 0; i < n_nodes; i++)
		if (!strchr(nodes[i], '~'))
			ret[n++] = nodes[i];
	for (size_t i = 0; i < n_statuses; i++)
		ret[n++] = statuses[i];
	qsort(ret, n, sizeof(*ret), zk_names_compare);
	for (size_t i = 0; i < n; i++)
		if (n_unique == 0 || strcmp(ret[n_unique - 1], ret[i]) != 0)
			ret[n_unique++] = ret[i];
	return n_unique;
}

static int list(struct admin *a, char *const *nodes, size_t n_nodes, char *const *statuses,
		size_t n_statuses, struct pgs_err *reterr)
{
	static const char *const titles[] = { "HOST",    "STATE", "OWNED",
					      "RUNNING", "SEEN",  "SOFTWARE" };
	PGS_CLEANUP(render_done)
	struct render_table table = { .titles = titles, .n_columns = PGS_ARRAY_LEN(titles) };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf json = PGS_BUF_INIT(RENDER_MAX_BYTES);
	PGS_CLEANUP(pgs_freep) char **hosts = calloc(n_nodes + n_statuses + 1, sizeof(*hosts));

	if (!hosts)
		return pgs_err_nomem(reterr);
	size_t n_hosts = known_hosts(nodes, n_nodes, statuses, n_statuses, hosts);
	pgs_buf_putc(&json, '[');
	for (size_t i = 0; i < n_hosts; i++) {
		struct host_row row = { .present = among(nodes, n_nodes, hosts[i], ""),
					.drained = among(nodes, n_nodes, hosts[i], ZPATH_DRAINED) };
		read_status(a, hosts[i], &row);
		add_row(&table, &json, hosts[i], &row);
	}
	pgs_buf_lit(&json, "]\n");
	if (pgs_buf_failed(&json))
		return pgs_err_nomem(reterr);
	if (a->options.json)
		fputs(pgs_buf_str(&json), stdout);
	else if (n_hosts > 0)
		render_print(&table, stdout);
	return 0;
}

int cmd_host_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	char **nodes, **statuses;
	size_t n_nodes, n_statuses;

	(void)arguments;
	(void)n;
	if (admin_open_cluster(a, reterr) < 0 ||
	    zk_wait_list(a->zk, zpath_hosts(a->options.cluster).text, admin_deadline(a), &nodes,
			 &n_nodes, reterr) < 0)
		return -1;
	int r = zk_wait_list(a->zk, zpath_statuses(a->options.cluster).text, admin_deadline(a),
			     &statuses, &n_statuses, reterr);
	if (r == 0) {
		r = list(a, nodes, n_nodes, statuses, n_statuses, reterr);
		zk_names_free(statuses, n_statuses);
	}
	zk_names_free(nodes, n_nodes);
	return r;
}

/* A name that nobody ever ran under is most likely a slip. */
static int check_known(struct admin *a, const char *host, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);
	struct pgs_err err;
	char clean[64];

	zpath_host_clean(host, clean);
	if (!host[0] || strcmp(clean, host) != 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "\"%s\" is no host name: letters, digits, \".\", \"_\", \"-\", "
				   "at most 63; see \"pgshovel host list\"",
				   host);
	if (zk_wait_get(a->zk, zpath_host(a->options.cluster, host).text, admin_deadline(a), &data,
			NULL, &err) == 0 ||
	    (strcmp(err.code, "ZNONODE") == 0 &&
	     zk_wait_get(a->zk, zpath_status(a->options.cluster, host).text, admin_deadline(a),
			 &data, NULL, &err) == 0))
		return 0;
	if (strcmp(err.code, "ZNONODE") != 0) {
		*reterr = err;
		return -1;
	}
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
			   "no supervisor named \"%s\" was ever seen in cluster \"%s\"; see "
			   "\"pgshovel host list\"",
			   host, a->options.cluster);
}

int cmd_host_drain(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	struct zpath mark = zpath_host_drained(a->options.cluster, arguments[0]);
	struct pgs_err err;

	(void)n;
	if (admin_open_cluster(a, reterr) < 0 || check_known(a, arguments[0], reterr) < 0)
		return -1;
	if (zk_wait_create(a->zk, mark.text, "", 0, false, admin_deadline(a), NULL, &err) == 0) {
		printf("host \"%s\" is drained: its sets go to other hosts now\n", arguments[0]);
		return 0;
	}
	if (strcmp(err.code, "ZNODEEXISTS") == 0) {
		printf("unchanged: host \"%s\" is drained already\n", arguments[0]);
		return 0;
	}
	*reterr = err;
	return -1;
}

int cmd_host_resume(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	struct zpath mark = zpath_host_drained(a->options.cluster, arguments[0]);
	struct pgs_err err;

	(void)n;
	if (admin_open_cluster(a, reterr) < 0)
		return -1;
	if (zk_wait_delete(a->zk, mark.text, -1, admin_deadline(a), &err) == 0) {
		printf("host \"%s\" takes sets again\n", arguments[0]);
		return 0;
	}
	if (strcmp(err.code, "ZNONODE") == 0) {
		printf("unchanged: host \"%s\" is not drained\n", arguments[0]);
		return 0;
	}
	*reterr = err;
	return -1;
}

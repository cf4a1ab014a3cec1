/*
 * admin/cmd_host.c
 *    host list, drain, resume: the supervisors of the cluster and who of them takes sets.
 *
 * Writes nothing but the mark HOST~drained, which every supervisor sees by its watch on /hosts. Says nothing of
 * single sets: "set status" does.
 */
#include <stdio.h>
#include <string.h>

#include "admin/commands.h"
#include "admin/status.h"
#include "common/zkdoc.h"
#include "common/zpath.h"

/* What a host's sets come to. */
struct totals {
	int64_t owned, running, waiting;
};

static struct totals totals_of(const struct seen_host *host)
{
	struct totals t = { 0 };
	const json_t *set;
	size_t i;

	json_array_foreach(json_object_get(host->doc, "sets"), i, set)
	{
		t.owned += json_is_true(json_object_get(set, "owned"));
		t.running += seen_number(set, "pid") > 0;
		t.waiting += seen_figures(set).queue_events;
	}
	return t;
}

static const char *state_of(const struct seen_host *host)
{
	if (!host->present)
		return host->drained ? "away, drained" : "away";
	return host->drained ? "drained" : "active";
}

static const char *const titles[] = { "HOST",    "STATE", "OWNED",    "RUNNING",
				      "WAITING", "SEEN",  "SOFTWARE", "ERROR" };

struct render_table status_hosts_table(void)
{
	return (struct render_table){ .titles = titles, .n_columns = PGS_ARRAY_LEN(titles) };
}

void status_add_host(struct render_table *table, const struct seen_host *host)
{
	const struct totals t = totals_of(host);
	char owned[32] = "", running[32] = "", waiting[32] = "", age[32] = "";

	if (host->only[0])
		return;
	if (host->doc) {
		snprintf(owned, sizeof(owned), "%lld", (long long)t.owned);
		snprintf(running, sizeof(running), "%lld", (long long)t.running);
		snprintf(waiting, sizeof(waiting), "%lld", (long long)t.waiting);
		snprintf(age, sizeof(age), "%lld s ago", (long long)(host->age_us / 1000000));
	}
	const char *cells[] = { host->name,
				state_of(host),
				owned,
				running,
				waiting,
				age,
				seen_text(host->doc, "software"),
				seen_text(host->doc, "error") };
	for (size_t i = 0; i < PGS_ARRAY_LEN(cells); i++)
		render_add(table, cells[i]);
}

void status_put_host(struct pgs_buf *out, const struct seen_host *host)
{
	const struct totals t = totals_of(host);

	pgs_buf_lit(out, "{\"host\":");
	zkdoc_put_json_string(out, host->name);
	pgs_buf_printf(out, ",\"present\":%s,\"drained\":%s", host->present ? "true" : "false",
		       host->drained ? "true" : "false");
	if (host->doc) {
		pgs_buf_printf(out,
			       ",\"owned\":%lld,\"running\":%lld,\"age_s\":%lld,\"waiting\":%lld"
			       ",\"software\":",
			       (long long)t.owned, (long long)t.running,
			       (long long)(host->age_us / 1000000), (long long)t.waiting);
		zkdoc_put_json_string(out, seen_text(host->doc, "software"));
		pgs_buf_lit(out, ",\"error\":");
		zkdoc_put_json_string(out, seen_text(host->doc, "error"));
	}
	pgs_buf_putc(out, '}');
}

int cmd_host_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	PGS_CLEANUP(seen_done) struct seen seen = { 0 };
	PGS_CLEANUP(render_done) struct render_table table = status_hosts_table();
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf json = PGS_BUF_INIT(RENDER_MAX_BYTES);

	(void)arguments;
	(void)n;
	if (admin_open_cluster(a, reterr) < 0 || seen_read(a, &seen, reterr) < 0)
		return -1;
	for (size_t i = 0; i < seen.n_hosts; i++) {
		if (seen.hosts[i].only[0])
			continue;
		status_add_host(&table, &seen.hosts[i]);
		pgs_buf_putc(&json, json.len ? ',' : '[');
		status_put_host(&json, &seen.hosts[i]);
	}
	pgs_buf_puts(&json, json.len ? "]\n" : "[]\n");
	if (pgs_buf_failed(&json))
		return pgs_err_nomem(reterr);
	if (a->options.json)
		fputs(pgs_buf_str(&json), stdout);
	else if (table.n_cells > 0)
		render_print(&table, stdout);
	return 0;
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

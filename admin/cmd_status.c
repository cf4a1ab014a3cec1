/*
 * admin/cmd_status.c
 *    set status: what the supervisors wrote about their sets.
 *
 * Reads ZooKeeper only; says nothing that no supervisor said.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "admin/commands.h"
#include "admin/render.h"
#include "common/clock.h"
#include "common/zpath.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* "main working, other retrying" */
static void put_sources(struct pgs_buf *out, const json_t *set)
{
	size_t i;
	const json_t *source;

	json_array_foreach(json_object_get(set, "sources"), i, source)
	{
		if (i > 0)
			pgs_buf_lit(out, ", ");
		pgs_buf_printf(out, "%s %s", text_of(source, "database"), text_of(source, "state"));
		if (json_is_true(json_object_get(source, "ticker_silent")))
			pgs_buf_lit(out, " (ticker silent)");
		const json_int_t failed =
			json_integer_value(json_object_get(source, "captures_failed"));
		if (failed > 0)
			pgs_buf_printf(out, " (%lld captures failed)", (long long)failed);
	}
}

static void add_rows(struct render_table *table, const json_t *host, const char *only)
{
	int64_t age_s =
		(pgs_wall_us() - json_integer_value(json_object_get(host, "at_us"))) / 1000000;
	size_t i;
	const json_t *set;

	json_array_foreach(json_object_get(host, "sets"), i, set)
	{
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf sources = PGS_BUF_INIT(RENDER_MAX_BYTES);
		char age[32], version[16];
		if (!json_is_true(json_object_get(set, "owned")) ||
		    (only && strcmp(only, text_of(set, "set")) != 0))
			continue;
		put_sources(&sources, set);
		snprintf(age, sizeof(age), "%lld s ago", (long long)(age_s > 0 ? age_s : 0));
		snprintf(version, sizeof(version), "%.12s", text_of(set, "running_version"));
		render_add(table, text_of(set, "set"));
		render_add(table, text_of(host, "host"));
		render_add(table, text_of(set, "state"));
		render_add(table, version);
		render_add(table, age);
		render_add(table, pgs_buf_str(&sources));
		render_add(table, text_of(set, "error"));
	}
}

int cmd_set_status(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	static const char *const titles[] = { "SET",  "HOST",    "STATE", "VERSION",
					      "SEEN", "SOURCES", "ERROR" };
	PGS_CLEANUP(render_done)
	struct render_table table = { .titles = titles, .n_columns = PGS_ARRAY_LEN(titles) };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf json = PGS_BUF_INIT(RENDER_MAX_BYTES);
	char **hosts;
	size_t n_hosts;
	struct zpath path = zpath_statuses(a->options.cluster);

	if (admin_open_cluster(a, reterr) < 0 ||
	    zk_wait_list(a->zk, path.text, admin_deadline(a), &hosts, &n_hosts, reterr) < 0)
		return -1;
	pgs_buf_putc(&json, '[');
	for (size_t i = 0; i < n_hosts; i++) {
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);
		struct zpath node = zpath_status(a->options.cluster, hosts[i]);
		if (zk_wait_get(a->zk, node.text, admin_deadline(a), &data, NULL, NULL) < 0)
			continue; /* gone since the listing */
		json_t *host = json_loadb(pgs_buf_str(&data), data.len, 0, NULL);
		if (host) {
			if (json.len > 1)
				pgs_buf_putc(&json, ',');
			pgs_buf_put(&json, data.data, data.len);
			add_rows(&table, host, n > 0 ? arguments[0] : NULL);
		}
		json_decref(host);
	}
	zk_names_free(hosts, n_hosts);
	pgs_buf_lit(&json, "]\n");
	if (a->options.json)
		fputs(pgs_buf_str(&json), stdout);
	else
		render_print(&table, stdout);
	return 0;
}

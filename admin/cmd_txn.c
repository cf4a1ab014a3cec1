/*
 * admin/cmd_txn.c
 *    txn list, recover.
 *
 * The work is done by recover_all.c.
 */
#include <stdio.h>
#include <string.h>

#include "admin/cli.h"
#include "admin/commands.h"
#include "admin/recover.h"
#include "admin/render.h"
#include "admin/steps.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/zpath.h"

static const char *decision_name(enum recover_decision decision)
{
	switch (decision) {
	case RECOVER_UNDECIDED:
		return "none";
	case RECOVER_DECIDED_COMMIT:
		return "commit";
	case RECOVER_DECIDED_ABORT:
		return "abort";
	}
	return "";
}

static const char *would_do(const struct recover_facts *facts)
{
	switch (recover_decide(facts)) {
	case RECOVER_COMMIT:
		return "commit";
	case RECOVER_ABORT:
	case RECOVER_ASK:
		return "roll back";
	case RECOVER_WAIT:
		break;
	}
	return "wait for a database";
}

static const char *part_name(enum recover_part part)
{
	switch (part) {
	case RECOVER_PART_AWAY:
		return "away";
	case RECOVER_PART_NOTHING:
		return "nothing";
	case RECOVER_PART_PREPARED:
		return "prepared";
	case RECOVER_PART_COMMITTED:
		return "committed";
	case RECOVER_PART_ABORTED:
		return "aborted";
	}
	return "";
}

/* "42 s", "7 min", "3 h", "2 d". */
static void put_age(int64_t s, char ret[32])
{
	static const struct {
		int64_t s;
		const char *unit;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" } };

	for (size_t i = 0; i < PGS_ARRAY_LEN(units); i++)
		if (s >= 2 * units[i].s) {
			snprintf(ret, 32, "%lld %s", (long long)(s / units[i].s), units[i].unit);
			return;
		}
	snprintf(ret, 32, "%lld s", (long long)s);
}

/* One open rollout, asked of everybody. */
struct open_rollout {
	const struct zkdoc_intent *intent;
	struct recover_facts facts;
	enum recover_part *parts;
	int64_t age_s;
};

struct listing {
	struct render_table table;
	struct pgs_buf json;
};

static void add_row(struct listing *list, const struct open_rollout *open)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf databases = PGS_BUF_INIT(RENDER_MAX_BYTES);
	const struct zkdoc_intent *intent = open->intent;
	char age[32];

	for (size_t i = 0; i < intent->n_databases; i++)
		pgs_buf_printf(&databases, "%s%s (%s)", i ? ", " : "", intent->databases[i].name,
			       part_name(open->parts[i]));
	put_age(open->age_s, age);
	render_add(&list->table, intent->id);
	render_add(&list->table, intent->kind);
	render_add(&list->table, intent->set ? intent->set : "");
	render_add(&list->table, pgs_buf_str(&databases));
	render_add(&list->table, age);
	render_add(&list->table, intent->by);
	render_add(&list->table, decision_name(open->facts.decision));
	render_add(&list->table, would_do(&open->facts));
}

static void put_json(struct pgs_buf *out, const struct open_rollout *open)
{
	const struct zkdoc_intent *intent = open->intent;

	if (out->len > 1)
		pgs_buf_putc(out, ',');
	pgs_buf_printf(out, "{\"id\":\"%s\",\"kind\":", intent->id);
	zkdoc_put_json_string(out, intent->kind);
	pgs_buf_lit(out, ",\"set\":");
	if (intent->set)
		zkdoc_put_json_string(out, intent->set);
	else
		pgs_buf_lit(out, "null");
	pgs_buf_lit(out, ",\"databases\":[");
	for (size_t i = 0; i < intent->n_databases; i++) {
		pgs_buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
		zkdoc_put_json_string(out, intent->databases[i].name);
		pgs_buf_printf(out, ",\"state\":\"%s\"}", part_name(open->parts[i]));
	}
	pgs_buf_lit(out, "],\"at\":");
	zkdoc_put_json_string(out, intent->at);
	pgs_buf_printf(out, ",\"age_s\":%lld,\"by\":", (long long)open->age_s);
	zkdoc_put_json_string(out, intent->by);
	pgs_buf_printf(out, ",\"decision\":\"%s\",\"recover\":\"%s\"}",
		       decision_name(open->facts.decision), would_do(&open->facts));
}

static int list_one(struct admin *a, struct listing *list, const struct zkdoc_intent *intent,
		    bool committed, int64_t age_s, struct pgs_err *reterr)
{
	struct open_rollout open = { .intent = intent, .age_s = age_s < 0 ? 0 : age_s };
	struct session *sessions = calloc(intent->n_databases + 1, sizeof(*sessions));
	int r = -1;

	open.parts = calloc(intent->n_databases + 1, sizeof(*open.parts));
	if (!sessions || !open.parts) {
		(void)pgs_err_nomem(reterr);
	} else {
		for (size_t i = 0; i < intent->n_databases; i++)
			sessions[i] = (struct session){ .a = a,
							.name = intent->databases[i].name,
							.conninfo = intent->databases[i].conninfo };
		r = recover_look(a, intent, sessions, &open.facts, open.parts, reterr);
		open.facts.n_committed += committed;
	}
	if (r == 0) {
		add_row(list, &open);
		put_json(&list->json, &open);
	}
	for (size_t i = 0; sessions && i < intent->n_databases; i++)
		session_close(&sessions[i]);
	free(sessions);
	free(open.parts);
	return r;
}

static int list_orphan(struct admin *a, const struct session *at, const char *gid, const char *id,
		       bool committed, void *ctx, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	struct session s = { .a = a, .name = at->name, .conninfo = at->conninfo };
	char kind[] = "unknown", nobody[] = "", since[64] = "";
	struct zkdoc_intent_database database = { .name = (char *)at->name,
						  .conninfo = (char *)at->conninfo,
						  .node = nobody,
						  .gid = (char *)gid };
	struct zkdoc_intent intent = {
		.kind = kind, .by = nobody, .at = since, .databases = &database, .n_databases = 1
	};
	int64_t age_s = 0;

	snprintf(intent.id, sizeof(intent.id), "%s", id);
	if (session_open(&s, reterr) < 0)
		return -1;
	int r = session_query(
		&s,
		"select extract(epoch from now() - prepared)::bigint, "
		"to_char(prepared at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') "
		"from pg_prepared_xacts where database = current_database() and gid = $1",
		1, &gid, &res, reterr);
	if (r == 0 && PQntuples(res) == 1) {
		age_s = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
		snprintf(since, sizeof(since), "%s", PQgetvalue(res, 0, 1));
		r = list_one(a, ctx, &intent, committed, age_s, reterr);
	}
	session_close(&s);
	return r;
}

static int list_intents(struct admin *a, struct listing *list, struct pgs_err *reterr)
{
	struct zpath path = zpath_rollouts(a->options.cluster);
	char **ids;
	size_t n_ids;
	int r = 0;

	if (zk_wait_list(a->zk, path.text, admin_deadline(a), &ids, &n_ids, reterr) < 0)
		return -1;
	for (size_t i = 0; i < n_ids && r == 0; i++) {
		PGS_CLEANUP(recover_intent_freep) struct zkdoc_intent *intent = NULL;
		int64_t made_ms = 0;
		r = recover_read_intent(a, ids[i], &intent, &made_ms, reterr);
		if (r == 0 && intent)
			r = list_one(a, list, intent, false,
				     (pgs_wall_us() / 1000 - made_ms) / 1000, reterr);
	}
	zk_names_free(ids, n_ids);
	return r;
}

int cmd_txn_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	static const char *const titles[] = { "ID",  "KIND", "SET",      "DATABASES",
					      "AGE", "BY",   "DECISION", "RECOVER WOULD" };
	struct listing list = { .table = { .titles = titles, .n_columns = PGS_ARRAY_LEN(titles) },
				.json = PGS_BUF_INIT(RENDER_MAX_BYTES) };
	struct pgs_err away = { 0 };

	(void)arguments;
	(void)n;
	if (admin_open_cluster(a, reterr) < 0)
		return -1;
	pgs_buf_putc(&list.json, '[');
	int r = list_intents(a, &list, reterr);
	if (r == 0)
		r = recover_orphans(a, NULL, list_orphan, &list, &away, reterr);
	pgs_buf_lit(&list.json, "]\n");
	if (r == 0 && a->options.json)
		fputs(pgs_buf_str(&list.json), stdout);
	else if (r == 0 && list.table.n_cells > 0)
		render_print(&list.table, stdout);
	if (r == 0 && away.cls != PGS_ERR_NONE)
		pgs_log(PGS_LOG_WARNING, NULL, "%s; what is prepared there is not shown", away.msg);
	render_done(&list.table);
	pgs_buf_done(&list.json);
	return r;
}

int cmd_txn_recover(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	const char *id = n > 0 ? arguments[0] : NULL;

	if (id && (strlen(id) != ZKDOC_ID_HEX || strspn(id, "0123456789abcdef") != ZKDOC_ID_HEX))
		return cli_usage(
			reterr,
			"\"%s\" is no rollout ID: %d hex digits, as \"txn list\" shows them", id,
			ZKDOC_ID_HEX);
	if (a->options.dry_run)
		return cmd_txn_list(a, arguments, n, reterr);
	if (admin_open_cluster(a, reterr) < 0 || admin_lock(a, "txn recover", reterr) < 0)
		return -1;
	ADMIN_STEP(LOCKED);
	return recover_all(a, id, reterr);
}

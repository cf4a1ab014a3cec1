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

/* What recover would do, as far as ZooKeeper knows; a database that committed overrules it. */
static const char *would_do(enum recover_decision decision)
{
	const struct recover_facts facts = { .decision = decision };

	switch (recover_decide(&facts)) {
	case RECOVER_COMMIT:
		return "commit";
	case RECOVER_ABORT:
		return "roll back";
	case RECOVER_ASK:
		return "roll back unless a database has committed";
	case RECOVER_WAIT:
		break;
	}
	return "wait";
}

static void put_databases(struct pgs_buf *out, const struct zkdoc_intent *intent)
{
	for (size_t i = 0; i < intent->n_databases; i++) {
		if (i > 0)
			pgs_buf_lit(out, ", ");
		pgs_buf_puts(out, intent->databases[i].name);
	}
}

static void add_row(struct render_table *table, const struct zkdoc_intent *intent,
		    enum recover_decision decision)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf databases = PGS_BUF_INIT(RENDER_MAX_BYTES);

	put_databases(&databases, intent);
	render_add(table, intent->id);
	render_add(table, intent->kind);
	render_add(table, intent->set ? intent->set : "");
	render_add(table, pgs_buf_str(&databases));
	render_add(table, intent->at);
	render_add(table, intent->by);
	render_add(table, decision_name(decision));
	render_add(table, would_do(decision));
}

static void put_json(struct pgs_buf *out, const struct zkdoc_intent *intent,
		     enum recover_decision decision)
{
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
		if (i > 0)
			pgs_buf_putc(out, ',');
		zkdoc_put_json_string(out, intent->databases[i].name);
	}
	pgs_buf_lit(out, "],\"at\":");
	zkdoc_put_json_string(out, intent->at);
	pgs_buf_lit(out, ",\"by\":");
	zkdoc_put_json_string(out, intent->by);
	pgs_buf_printf(out, ",\"decision\":\"%s\",\"recover\":\"%s\"}", decision_name(decision),
		       would_do(decision));
}

int cmd_txn_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	static const char *const titles[] = { "ID", "KIND", "SET",      "DATABASES",
					      "AT", "BY",   "DECISION", "RECOVER WOULD" };
	PGS_CLEANUP(render_done)
	struct render_table table = { .titles = titles, .n_columns = PGS_ARRAY_LEN(titles) };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf json = PGS_BUF_INIT(RENDER_MAX_BYTES);
	struct zpath path = zpath_rollouts(a->options.cluster);
	char **ids;
	size_t n_ids;
	int r = 0;

	(void)arguments;
	(void)n;
	if (admin_open_cluster(a, reterr) < 0 ||
	    zk_wait_list(a->zk, path.text, admin_deadline(a), &ids, &n_ids, reterr) < 0)
		return -1;
	pgs_buf_putc(&json, '[');
	for (size_t i = 0; i < n_ids && r == 0; i++) {
		PGS_CLEANUP(recover_intent_freep) struct zkdoc_intent *intent = NULL;
		enum recover_decision decision = RECOVER_UNDECIDED;
		r = recover_read_intent(a, ids[i], &intent, reterr);
		if (r == 0 && intent)
			r = recover_read_decision(a, ids[i], &decision, reterr);
		if (r < 0 || !intent)
			continue;
		add_row(&table, intent, decision);
		put_json(&json, intent, decision);
	}
	zk_names_free(ids, n_ids);
	if (r < 0)
		return -1;
	pgs_buf_lit(&json, "]\n");
	if (a->options.json)
		fputs(pgs_buf_str(&json), stdout);
	else if (n_ids > 0)
		render_print(&table, stdout);
	return 0;
}

int cmd_txn_recover(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	const char *id = n > 0 ? arguments[0] : NULL;

	if (id && (strlen(id) != ZKDOC_ID_HEX || strspn(id, "0123456789abcdef") != ZKDOC_ID_HEX))
		return cli_usage(
			reterr,
			"\"%s\" is no rollout ID: %d hex digits, as \"txn list\" shows them", id,
			ZKDOC_ID_HEX);
	if (admin_open_cluster(a, reterr) < 0 || admin_lock(a, "txn recover", reterr) < 0)
		return -1;
	ADMIN_STEP(LOCKED);
	return recover_all(a, id, reterr);
}

/*
 * admin/cmd_position.c
 *    set position: both sides of where reading goes on, and an operator's decision when they do not fit.
 *
 * The work and the verdict are the relay's (worker/task_position.c); here they are asked for and told.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/cli.h"
#include "admin/commands.h"
#include "admin/kafka_task.h"
#include "admin/render.h"
#include "admin/store.h"
#include "common/parse.h"
#include "common/zpath.h"

enum { POSITION_OUTPUT_MAX = 64 * 1024 * 1024, CELL_MAX = 96 };

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int64_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* ---- For people. ---- */

/* A value of any kind as a cell; long ones are cut. */
static void add_cell(struct render_table *table, const json_t *value)
{
	char cell[CELL_MAX];

	if (json_is_integer(value))
		snprintf(cell, sizeof(cell), "%" PRId64, (int64_t)json_integer_value(value));
	else
		snprintf(cell, sizeof(cell), "%s",
			 json_is_string(value) ? json_string_value(value) : "-");
	if (strlen(cell) == sizeof(cell) - 1)
		memcpy(cell + sizeof(cell) - 4, "...", 4);
	render_add(table, cell);
}

static void add_time(struct render_table *table, int64_t at_us)
{
	char cell[CELL_MAX] = "-";
	time_t at = (time_t)(at_us / 1000000);
	struct tm tm;

	if (at_us && gmtime_r(&at, &tm))
		(void)strftime(cell, sizeof(cell), "%Y-%m-%dT%H:%M:%SZ", &tm);
	render_add(table, cell);
}

static void print_sides(const json_t *line)
{
	static const char *const titles[] = { "", "KAFKA", "DATABASE" };
	static const struct {
		const char *title;
		const char *kafka;
		const char *source;
	} rows[] = {
		{ "system", "system", "system" },
		{ "database oid", "database", "database" },
		{ "timeline", "timeline", "timeline" },
		{ "WAL position", "lsn", "lsn" },
		{ "delivered up to WAL", NULL, "hint_lsn" },
		{ "mark", "nonce", "nonce" },
		{ "mark before", NULL, "prev_nonce" },
		{ "transactions", "snapshot", "next_txid" },
		{ "cut at event", "ev_id", NULL },
		{ "tick", "tick", "consumer_tick" },
		{ "token", "token", "token" },
		{ "host", "host", NULL },
	};
	PGS_CLEANUP(render_done)
	struct render_table table = { .titles = titles, .n_columns = PGS_ARRAY_LEN(titles) };
	const json_t *kafka = json_object_get(line, "kafka");
	const json_t *source = json_object_get(line, "source");

	for (size_t i = 0; i < PGS_ARRAY_LEN(rows); i++) {
		render_add(&table, rows[i].title);
		add_cell(&table, rows[i].kafka ? json_object_get(kafka, rows[i].kafka) : NULL);
		add_cell(&table, rows[i].source ? json_object_get(source, rows[i].source) : NULL);
	}
	render_add(&table, "written");
	add_time(&table, number_of(kafka, "at"));
	render_add(&table, "-");
	render_print(&table, stdout);
}

/* "12", "1000000 or more" */
static void put_count(char *ret, size_t size, const json_t *line, const char *key)
{
	snprintf(ret, size, "%" PRId64 "%s", number_of(line, key),
		 json_is_true(json_object_get(line, "queued_more")) ? " or more" : "");
}

/* What --accept or --reset does to this database, in the tense of a plan and of a report alike. */
static void print_consequence(const json_t *line, bool accept, bool now)
{
	char queued[48], shown[48];
	const bool has_position = json_is_object(json_object_get(line, "kafka"));

	put_count(queued, sizeof(queued), line, "queued");
	put_count(shown, sizeof(shown), line, "queued_shown");
	if (accept)
		printf("accept: reading goes on from Kafka's position. Of the %s events in the "
		       "queue behind the consumer's tick, %s count as delivered and are not sent: "
		       "changes made under the same transaction numbers since the database went "
		       "back, if it did, are lost to consumers. Nothing comes twice.\n",
		       queued, shown);
	else if (now)
		printf("reset from now: what is in the queue is skipped: of %s events behind the "
		       "consumer's tick those that no relay has sent yet are lost to "
		       "consumers%s%s%s. "
		       "Nothing comes twice.\n",
		       queued, has_position ? " (Kafka's position counts " : "",
		       has_position ? shown : "", has_position ? " as delivered)" : "");
	else
		printf("reset from queue: all %s events behind the consumer's tick are sent. Those "
		       "that were sent before come twice%s%s%s. Nothing that the queue still holds "
		       "is lost; what a restore took from the database stays in Kafka.\n",
		       queued, has_position ? " (Kafka's position counts " : "",
		       has_position ? shown : "", has_position ? " as delivered)" : "");
}

static void print_line(const json_t *line)
{
	const char *verdict = text_of(line, "verdict");
	char queued[48], shown[48];

	printf("database \"%s\": %s%s%s\n", text_of(line, "database"),
	       strcmp(verdict, "first") == 0     ? "nothing was delivered yet"
	       : strcmp(verdict, "goes-on") == 0 ? "the position is good"
						 : verdict,
	       text_of(line, "why")[0] ? ": " : "", text_of(line, "why"));
	if (!json_is_object(json_object_get(line, "source")))
		return;
	print_sides(line);
	put_count(queued, sizeof(queued), line, "queued");
	put_count(shown, sizeof(shown), line, "queued_shown");
	printf("%s events in the queue behind the consumer's tick; the position counts %s of them "
	       "as delivered\n",
	       queued, shown);
}

/* ---- Asking. ---- */

/* The token under which the child acts: above the relay of the lock's holder, below the next holder's. */
static int make_token(struct admin *a, const char *set, char *ret, size_t size,
		      struct pgs_err *reterr)
{
	struct zpath path = zpath_lock(a->options.cluster, set);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);
	struct zk_stat stat = { .czxid = INT64_MAX };
	struct pgs_err err = { 0 };

	if (zk_wait_get(a->zk, path.text, admin_deadline(a), &data, &stat, &err) < 0) {
		if (strcmp(err.code, "ZNONODE") != 0) {
			*reterr = err;
			return -1;
		}
		stat.czxid = INT64_MAX;
	}
	snprintf(ret, size, "%" PRId64 ".%" PRId64 ".%" PRId64, (int64_t)a->cluster.generation,
		 stat.czxid, INT64_MAX);
	return 0;
}

static int ask(struct admin *a, const char *task, const struct stored_set *set, const char *token,
	       struct pgs_buf *output, struct pgs_err *reterr)
{
	const struct kafka_task t = { .task = task,
				      .argument = a->options.database,
				      .set = set->name,
				      .rollout = set->rollout,
				      .partitions = set->partitions,
				      .doc = set->doc,
				      .token = token,
				      .output = output };

	return kafka_task_run(a, &t, reterr);
}

/* Each line of the child as JSON to `told`. *ret_refused: databases whose position is refused or unknown. */
static int tell(struct admin *a, const struct pgs_buf *output, void (*told)(const json_t *line),
		size_t *ret_refused, struct pgs_err *reterr)
{
	const char *at = pgs_buf_str(output);

	*ret_refused = 0;
	for (bool first = true; *at; first = false) {
		const size_t len = strcspn(at, "\n");
		json_t *line = json_loadb(at, len, 0, NULL);
		if (!line)
			return pgs_err_set(reterr, PGS_ERR_BUG, "",
					   "the relay's answer is not JSON: \"%.*s\"",
					   (int)(len < 80 ? len : 80), at);
		const char *verdict = text_of(line, "verdict");
		*ret_refused += strcmp(verdict, "refused") == 0 || strcmp(verdict, "unknown") == 0;
		if (a->options.json) {
			fputs(first ? "[" : ",", stdout);
			fwrite(at, 1, len, stdout);
		} else {
			if (!first)
				putchar('\n');
			told(line);
		}
		json_decref(line);
		at += len + (at[len] == '\n');
	}
	if (a->options.json)
		fputs(pgs_buf_str(output)[0] ? "]\n" : "[]\n", stdout);
	return 0;
}

static void tell_accept(const json_t *line)
{
	print_consequence(line, true, false);
}

static void tell_reset(const json_t *line)
{
	print_consequence(line, false, false);
}

static void tell_skip(const json_t *line)
{
	print_consequence(line, false, true);
}

static void tell_plan_accept(const json_t *line)
{
	print_line(line);
	tell_accept(line);
}

static void tell_plan_reset(const json_t *line)
{
	print_line(line);
	tell_reset(line);
}

static void tell_plan_skip(const json_t *line)
{
	print_line(line);
	tell_skip(line);
}

static void tell_accepted(const json_t *line)
{
	if (strcmp(text_of(line, "done"), "accepted") == 0)
		tell_accept(line);
	else
		printf("database \"%s\": its position is not refused; nothing was changed\n",
		       text_of(line, "database"));
}

static int show(struct admin *a, const struct stored_set *set, const char *token,
		void (*told)(const json_t *line), size_t *ret_refused, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf output = PGS_BUF_INIT(POSITION_OUTPUT_MAX);

	return ask(a, "position", set, token, &output, reterr) < 0
		       ? -1
		       : tell(a, &output, told, ret_refused, reterr);
}

static int change(struct admin *a, const struct stored_set *set, const char *token, bool now,
		  struct pgs_err *reterr)
{
	const bool accept = a->options.accept;
	size_t n_refused = 0;
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf output = PGS_BUF_INIT(POSITION_OUTPUT_MAX);

	if (!a->options.database && set->doc->n_databases > 1)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "set \"%s\" has %zu databases: say which with --database",
				   set->name, set->doc->n_databases);
	if (!a->options.yes || a->options.dry_run) {
		if (show(a, set, token,
			 accept ? tell_plan_accept : (now ? tell_plan_skip : tell_plan_reset),
			 &n_refused, reterr) < 0)
			return -1;
		return a->options.dry_run ? 0
					  : pgs_err_set(reterr, PGS_ERR_CONFIG, "",
							"nothing was changed: say --yes to do it");
	}
	if (admin_lock(a, "set position", reterr) < 0 ||
	    ask(a, accept ? "position-accept" : (now ? "position-skip" : "position-reset"), set,
		token, &output, reterr) < 0 ||
	    store_touch(a, set->name, reterr) < 0)
		return -1;
	return tell(a, &output, accept ? tell_accepted : (now ? tell_skip : tell_reset), &n_refused,
		    reterr);
}

int cmd_set_position(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	PGS_CLEANUP(stored_set_freep) struct stored_set *set = NULL;
	const bool now = strcmp(a->options.from, "now") == 0;
	char token[80];
	size_t n_refused = 0;

	(void)n;
	if (a->options.accept && a->options.reset)
		return cli_usage(reterr, "--accept and --reset exclude one another");
	if (!now && strcmp(a->options.from, "queue") != 0)
		return cli_usage(reterr, "--from is queue or now");
	if (now && !a->options.reset)
		return cli_usage(reterr, "--from belongs to --reset");
	if (!pgs_set_name_ok(arguments[0]))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "\"%s\" cannot be the name of a set",
				   arguments[0]);
	if (admin_open_cluster(a, reterr) < 0 || store_read(a, arguments[0], &set, reterr) < 0 ||
	    make_token(a, set->name, token, sizeof(token), reterr) < 0)
		return -1;
	if (a->options.accept || a->options.reset)
		return change(a, set, token, now, reterr);
	if (show(a, set, token, print_line, &n_refused, reterr) < 0)
		return -1;
	return n_refused ? pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				       "the position of %zu of the set's databases is refused or "
				       "not known; --accept and --reset are the ways out",
				       n_refused)
			 : 0;
}

/*
 * admin/cmd_status.c
 *    set status: what the supervisors wrote about their sets; a table, or all that is known of one.
 *
 * Reads ZooKeeper only; says nothing that no supervisor said.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/commands.h"
#include "admin/status.h"
#include "common/clock.h"

/* "main working, other retrying" */
static void put_sources(struct pgs_buf *out, const json_t *set)
{
	size_t i;
	const json_t *source;

	json_array_foreach(json_object_get(set, "sources"), i, source)
	{
		if (i > 0)
			pgs_buf_lit(out, ", ");
		pgs_buf_printf(out, "%s %s", seen_text(source, "database"),
			       seen_text(source, "state"));
		if (json_is_true(json_object_get(source, "ticker_silent")))
			pgs_buf_lit(out, " (ticker silent)");
		const int64_t failed = seen_number(source, "captures_failed");
		if (failed > 0)
			pgs_buf_printf(out, " (%lld captures failed)", (long long)failed);
	}
}

static const char *const titles[] = { "SET", "HOST", "STATE", "VERSION", "LAG",  "WAITING",
				      "AGE", "RATE", "SEEN",  "SOURCES", "ERROR" };

struct render_table status_sets_table(void)
{
	return (struct render_table){ .titles = titles, .n_columns = PGS_ARRAY_LEN(titles) };
}

void status_add_set(struct render_table *table, const struct seen_set *set)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf sources = PGS_BUF_INIT(RENDER_MAX_BYTES);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf error = PGS_BUF_INIT(RENDER_MAX_BYTES);
	const struct seen_figures f = seen_figures(set->doc);
	char version[16], host[80], lag[32] = "", waiting[32] = "", age[32] = "", rate[32] = "",
				    seen[32] = "";

	put_sources(&sources, set->doc);
	seen_error(set, &error);
	snprintf(version, sizeof(version), "%.12s", seen_text(set->doc, "running_version"));
	snprintf(host, sizeof(host), "%s%s", set->host ? set->host->name : "-",
		 set->host && set->host->only[0] ? " (--set)" : "");
	if (f.known) {
		render_duration(lag, f.lag_us);
		render_duration(age, f.queue_age_us);
		snprintf(waiting, sizeof(waiting), "%lld", (long long)f.queue_events);
		snprintf(rate, sizeof(rate), "%.1f/s", f.rate);
	}
	if (set->host)
		snprintf(seen, sizeof(seen), "%lld s ago",
			 (long long)(set->host->age_us / 1000000));
	const char *cells[] = { set->name,
				host,
				seen_state(set),
				version,
				lag,
				waiting,
				age,
				rate,
				seen,
				pgs_buf_str(&sources),
				pgs_buf_str(&error) };
	for (size_t i = 0; i < PGS_ARRAY_LEN(cells); i++)
		render_add(table, cells[i]);
}

/* ---- One set. ---- */

static void put_when(FILE *out, const char *what, int64_t at_us, int64_t now_us)
{
	char text[32];
	const int64_t away_us = at_us - now_us;

	render_duration(text, away_us > 0 ? away_us : -away_us);
	fprintf(out, away_us > 0 ? "%s in %s" : "%s %s ago", what, text);
}

static void print_exit(const json_t *set, int64_t now_us, FILE *out)
{
	const json_t *last = json_object_get(set, "last_exit");

	fprintf(out, "  starts: %lld, failures in a row: %lld\n",
		(long long)seen_number(set, "starts"), (long long)seen_number(set, "failures"));
	if (last) {
		const bool by_signal = json_object_get(last, "signal") != NULL;
		fprintf(out, "  last exit: %s %lld,", by_signal ? "signal" : "code",
			(long long)seen_number(last, by_signal ? "signal" : "code"));
		put_when(out, "", seen_number(last, "at_us"), now_us);
		fprintf(out, "%s%s\n", seen_text(last, "text")[0] ? ": " : "",
			seen_text(last, "text"));
	}
	if (json_object_get(set, "next_try_us")) {
		put_when(out, "  next try:", seen_number(set, "next_try_us"), now_us);
		fputc('\n', out);
	}
}

static void print_lags(const json_t *source, FILE *out)
{
	static const char *const clocks[] = { "asked", "read", "acknowledged", "end to end" };
	const json_t *lags = json_object_get(source, "lag_us");

	fputs("    lag:", out);
	for (size_t i = 0; i < PGS_ARRAY_LEN(clocks); i++) {
		char text[32];
		render_duration(text, json_integer_value(json_array_get(lags, i)));
		fprintf(out, "%s %s %s", i ? "," : "", clocks[i], text);
	}
	fputc('\n', out);
}

static void print_source(const json_t *source, int64_t now_us, FILE *out)
{
	const json_t *position = json_object_get(source, "position");
	const json_t *error = json_object_get(source, "last_error");
	char age[32], phase[32];

	render_duration(age, seen_number(source, "queue_age_us"));
	render_duration(phase, seen_number(source, "phase_age_us"));
	fprintf(out, "  database \"%s\": %s (%s for %s)%s\n", seen_text(source, "database"),
		seen_text(source, "state"), seen_text(source, "phase"), phase,
		json_is_true(json_object_get(source, "ticker_silent")) ? ", ticker silent" : "");
	fprintf(out,
		"    delivered: %lld events in %lld transactions, %.1f/s; waiting: %lld, for %s\n",
		(long long)seen_number(source, "events"),
		(long long)seen_number(source, "transactions"),
		json_number_value(json_object_get(source, "rate")),
		(long long)seen_number(source, "queue_events"), age);
	if (seen_number(source, "captures_failed"))
		fprintf(out, "    captures failed: %lld\n",
			(long long)seen_number(source, "captures_failed"));
	print_lags(source, out);
	if (position) {
		fprintf(out, "    position: %s, LSN %s, tick %lld", seen_text(position, "snapshot"),
			seen_text(position, "lsn"), (long long)seen_number(position, "tick"));
		if (seen_number(source, "delivered_ev_time_us"))
			put_when(out, "; newest change",
				 seen_number(source, "delivered_ev_time_us"), now_us);
		fputc('\n', out);
	}
	if (seen_text(source, "text")[0])
		fprintf(out, "    error: %s\n", seen_text(source, "text"));
	if (error && strcmp(seen_text(error, "text"), seen_text(source, "text")) != 0) {
		put_when(out, "    last error:", seen_number(error, "at_us"), now_us);
		fprintf(out, ": %s\n", seen_text(error, "text"));
	}
}

static void print_set(const struct seen_set *set, int64_t now_us, FILE *out)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf error = PGS_BUF_INIT(RENDER_MAX_BYTES);
	const json_t *sources = json_object_get(set->doc, "sources"), *source;
	const char *wanted = seen_text(set->doc, "version");
	const char *running = seen_text(set->doc, "running_version");
	size_t i;

	seen_error(set, &error);
	fprintf(out, "set \"%s\": %s", set->name, seen_state(set));
	if (set->host)
		fprintf(out, " on host \"%s\"%s, seen %lld s ago", set->host->name,
			set->host->only[0] ? " (pgshoveld --set)" : "",
			(long long)(set->host->age_us / 1000000));
	fputc('\n', out);
	if (running[0]) {
		fprintf(out, "  version: %.12s", running);
		if (wanted[0] && strcmp(wanted, running) != 0)
			fprintf(out, ", %.12s is wanted", wanted);
		fprintf(out, "; pid %lld, token %s,", (long long)seen_number(set->doc, "pid"),
			seen_text(set->doc, "token"));
		put_when(out, " started", seen_number(set->doc, "started_us"), now_us);
		fputc('\n', out);
	}
	if (set->doc)
		print_exit(set->doc, now_us, out);
	if (error.len)
		fprintf(out, "  error: %s\n", pgs_buf_str(&error));
	json_array_foreach(sources, i, source) print_source(source, now_us, out);
}

/* ---- The command. ---- */

/* The documents as they are; of one set, those that speak of it, without the others in them. */
static int print_json(const struct seen *seen, const char *only, struct pgs_err *reterr)
{
	bool first = true;

	fputc('[', stdout);
	for (size_t h = 0; h < seen->n_hosts; h++) {
		json_t *doc = seen->hosts[h].doc;
		json_t *sets = json_object_get(doc, "sets");
		for (size_t i = json_array_size(sets); only && i > 0; i--)
			if (strcmp(seen_text(json_array_get(sets, i - 1), "set"), only) != 0)
				(void)json_array_remove(sets, i - 1); /* it is there */
		if (!doc || (only && json_array_size(sets) == 0))
			continue;
		char *text = json_dumps(doc, JSON_COMPACT);
		if (!text)
			return pgs_err_nomem(reterr);
		printf("%s%s", first ? "" : ",", text);
		free(text);
		first = false;
	}
	fputs("]\n", stdout);
	return 0;
}

static int show(struct seen *seen, const char *only, struct pgs_err *reterr)
{
	PGS_CLEANUP(render_done) struct render_table table = status_sets_table();
	bool found = false;

	for (size_t i = 0; i < seen->n_sets; i++) {
		if (!only)
			status_add_set(&table, &seen->sets[i]);
		else if (strcmp(only, seen->sets[i].name) == 0) {
			print_set(&seen->sets[i], seen->at_us, stdout);
			found = true;
		}
	}
	if (only && !found)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "set \"%s\" does not exist; see \"pgshovel set list\"", only);
	if (!only)
		render_print(&table, stdout);
	return 0;
}

int cmd_set_status(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	PGS_CLEANUP(seen_done) struct seen seen = { 0 };
	const char *only = n > 0 ? arguments[0] : NULL;

	if (admin_open_cluster(a, reterr) < 0 || seen_read(a, &seen, reterr) < 0)
		return -1;
	return a->options.json ? print_json(&seen, only, reterr) : show(&seen, only, reterr);
}

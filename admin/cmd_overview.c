/*
 * admin/cmd_overview.c
 *    status: the whole cluster on one screen, once or again every two seconds.
 *
 * Reads ZooKeeper only. On a terminal the screen is drawn in place by one write, without clearing it first; elsewhere
 * one block follows another.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/status.h"
#include "common/clock.h"
#include "common/log.h"

enum {
	REDRAW_US = 2 * 1000 * 1000,
	ANSWER_US = 2 * 1000 * 1000, /* while watching: a signal is seen within this time */
	SMALLEST_SCREEN = 10,
};

/* ---- What is on it. ---- */

/* Those that do not work first, then those that are furthest behind. */
static int compare_trouble(const void *left, const void *right)
{
	const struct seen_set *a = left, *b = right;
	const struct seen_figures fa = seen_figures(a->doc), fb = seen_figures(b->doc);
	int order = seen_works(a) - seen_works(b);

	if (order)
		return order;
	if (fa.queue_age_us != fb.queue_age_us)
		return fa.queue_age_us > fb.queue_age_us ? -1 : 1;
	return strcmp(a->name, b->name);
}

static void put_time(int64_t wall_us, char ret[32])
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(ret, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		ret[0] = '\0';
}

static void put_summary(const struct admin *a, const struct seen *seen, FILE *out)
{
	size_t works = 0;
	int64_t waiting = 0, lag_us = 0, age_us = 0;
	double rate = 0;
	char now[32], lag[32], age[32];

	for (size_t i = 0; i < seen->n_sets; i++) {
		const struct seen_figures f = seen_figures(seen->sets[i].doc);
		works += seen_works(&seen->sets[i]);
		waiting += f.queue_events;
		rate += f.rate;
		lag_us = f.lag_us > lag_us ? f.lag_us : lag_us;
		age_us = f.queue_age_us > age_us ? f.queue_age_us : age_us;
	}
	put_time(seen->at_us, now);
	render_duration(lag, lag_us);
	render_duration(age, age_us);
	fprintf(out, "cluster \"%s\" at %s, generation %lld, version %s, %s\n", a->options.cluster,
		a->options.zookeeper_hosts, (long long)a->cluster.generation, a->cluster.software,
		now);
	fprintf(out,
		"%zu of %zu sets work; %.1f events/s, %lld wait, the oldest for %s; worst lag %s\n",
		works, seen->n_sets, rate, (long long)waiting, age, lag);
	if (seen->n_rollouts)
		fprintf(out, "rollouts open: %zu; see \"pgshovel txn list\"\n", seen->n_rollouts);
	if (seen->n_left)
		fprintf(out, "databases left out: %zu; see \"pgshovel node list\"\n", seen->n_left);
	if (seen->admin[0])
		fprintf(out, "an admin is at work: %s\n", seen->admin);
}

static void put_screen(const struct admin *a, struct seen *seen, FILE *out)
{
	PGS_CLEANUP(render_done) struct render_table hosts = status_hosts_table();
	PGS_CLEANUP(render_done) struct render_table sets = status_sets_table();

	put_summary(a, seen, out);
	fputc('\n', out);
	for (size_t i = 0; i < seen->n_hosts; i++)
		status_add_host(&hosts, &seen->hosts[i]);
	render_print(&hosts, out);
	fputc('\n', out);
	qsort(seen->sets, seen->n_sets, sizeof(*seen->sets), compare_trouble);
	for (size_t i = 0; i < seen->n_sets; i++)
		status_add_set(&sets, &seen->sets[i]);
	render_print(&sets, out);
}

/* What a host says of the set, with its host and what is made of it. */
static json_t *set_json(const struct seen_set *set)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf error = PGS_BUF_INIT(RENDER_MAX_BYTES);
	json_t *object = set->doc ? json_copy((json_t *)(uintptr_t)set->doc) : json_object();

	seen_error(set, &error);
	if (!object || json_object_set_new(object, "set", json_string(set->name)) < 0 ||
	    json_object_set_new(object, "host",
				set->host ? json_string(set->host->name) : json_null()) < 0 ||
	    json_object_set_new(object, "age_s",
				set->host ? json_integer(set->host->age_us / 1000000)
					  : json_null()) < 0 ||
	    json_object_set_new(object, "verdict", json_string(seen_state(set))) < 0 ||
	    json_object_set_new(object, "works", json_boolean(seen_works(set))) < 0 ||
	    json_object_set_new(object, "why", json_string(pgs_buf_str(&error))) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static int put_json(const struct admin *a, const struct seen *seen, FILE *out,
		    struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(RENDER_MAX_BYTES);
	bool first = true;

	pgs_buf_printf(
		&text, "{\"cluster\":\"%s\",\"at_us\":%lld,\"generation\":%lld,\"software\":",
		a->options.cluster, (long long)seen->at_us, (long long)a->cluster.generation);
	zkdoc_put_json_string(&text, a->cluster.software);
	pgs_buf_lit(&text, ",\"admin\":");
	zkdoc_put_json_string(&text, seen->admin);
	pgs_buf_printf(&text, ",\"rollouts\":%zu,\"left\":%zu,\"hosts\":[", seen->n_rollouts,
		       seen->n_left);
	for (size_t i = 0; i < seen->n_hosts; i++) {
		if (seen->hosts[i].only[0])
			continue;
		pgs_buf_puts(&text, first ? "" : ",");
		status_put_host(&text, &seen->hosts[i]);
		first = false;
	}
	pgs_buf_lit(&text, "],\"sets\":[");
	for (size_t i = 0; i < seen->n_sets; i++) {
		json_t *set = set_json(&seen->sets[i]);
		char *set_text = set ? json_dumps(set, JSON_COMPACT) : NULL;
		json_decref(set);
		if (!set_text)
			return pgs_err_nomem(reterr);
		pgs_buf_puts(&text, i ? "," : "");
		pgs_buf_puts(&text, set_text);
		free(set_text);
	}
	pgs_buf_lit(&text, "]}\n");
	if (pgs_buf_failed(&text))
		return pgs_err_nomem(reterr);
	fputs(pgs_buf_str(&text), out);
	return 0;
}

/* ---- Once, or again and again. ---- */

/* The text of now; malloc'ed. */
static int frame(struct admin *a, char **ret, struct pgs_err *reterr)
{
	PGS_CLEANUP(seen_done) struct seen seen = { 0 };
	size_t len = 0;
	int r = 0;

	if (admin_open_cluster(a, reterr) < 0 || seen_read(a, &seen, reterr) < 0)
		return -1;
	FILE *out = open_memstream(ret, &len);
	if (!out)
		return pgs_err_nomem(reterr);
	if (a->options.json)
		r = put_json(a, &seen, out, reterr);
	else
		put_screen(a, &seen, out);
	if (fclose(out) != 0 && r == 0)
		r = pgs_err_nomem(reterr);
	if (r < 0) {
		free(*ret);
		*ret = NULL;
	}
	return r;
}

/* A line as wide as the screen at most, counted in code points. */
static void put_line(struct pgs_buf *out, const char *line, size_t len, size_t columns)
{
	size_t end = 0, width = 0;

	while (end < len && width <= columns) {
		width += ((unsigned char)line[end] & 0xc0) != 0x80;
		end += width <= columns;
	}
	pgs_buf_put(out, line, end);
	pgs_buf_lit(out, "\033[K\r\n");
}

static void screen_size(size_t *ret_rows, size_t *ret_columns)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row < SMALLEST_SCREEN ||
	    size.ws_col < SMALLEST_SCREEN)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
}

/* Over what is there, line by line, and only then erase what is left: nothing flickers. */
static void draw(const char *text, const char *trouble, struct pgs_buf *out)
{
	size_t rows, columns, n = 0, hidden = 0;
	char more[64];

	screen_size(&rows, &columns);
	pgs_buf_reset(out);
	pgs_buf_lit(out, "\033[H");
	if (trouble[0]) {
		put_line(out, trouble, strlen(trouble), columns);
		n++;
	}
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		if (n + 2 < rows)
			put_line(out, line, len, columns);
		else
			hidden++;
		n++;
		line += len + (line[len] == '\n');
	}
	snprintf(more, sizeof(more), hidden ? "... and %zu more lines" : "", hidden);
	pgs_buf_puts(out, more);
	pgs_buf_lit(out, "\033[K\033[J");
}

static int put(const char *text, struct pgs_err *reterr)
{
	fputs(text, stdout);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return pgs_err_set(reterr, PGS_ERR_RETRY, "EIO", "could not write to standard output: %m");
}

static int show_frame(const struct admin *a, const char *text, const struct pgs_err *err,
		      bool terminal, struct pgs_buf *out, struct pgs_err *reterr)
{
	char trouble[sizeof(err->msg) + 64] = "";

	if (err->msg[0])
		snprintf(trouble, sizeof(trouble), "%s; this is what was last seen", err->msg);
	if (terminal) {
		draw(text, trouble, out);
		return put(pgs_buf_str(out), reterr);
	}
	if (err->msg[0])
		return 0; /* the log says it */
	return put(text, reterr) < 0 || (!a->options.json && put("\n", reterr) < 0) ? -1 : 0;
}

/* Until a signal comes, which is the way to end it. */
static int watch_loop(struct admin *a, bool terminal, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf out = PGS_BUF_INIT(RENDER_MAX_BYTES);
	PGS_CLEANUP(pgs_freep) char *last = NULL;

	for (;;) {
		struct pgs_err err = { 0 };
		char *text = NULL;
		if (frame(a, &text, &err) == 0) {
			free(last);
			last = text;
			a->options.connect_timeout_us = a->options.connect_timeout_us < ANSWER_US
								? a->options.connect_timeout_us
								: ANSWER_US;
		} else if (!last || err.cls != PGS_ERR_RETRY) {
			*reterr = err;
			return -1; /* the first look must succeed, as without --watch */
		} else if (!terminal) {
			pgs_log(PGS_LOG_WARNING, NULL, "%s; trying again", err.msg);
		}
		if (show_frame(a, last, &err, terminal, &out, reterr) < 0)
			return -1;
		if (admin_pause(a, REDRAW_US, &err) < 0)
			return 0;
	}
}

static int watch(struct admin *a, struct pgs_err *reterr)
{
	const char *term = getenv("TERM");
	const bool terminal = isatty(STDOUT_FILENO) && !a->options.json && term && term[0] &&
			      strcmp(term, "dumb") != 0;

	/* Another screen, without a cursor: the one before comes back as it was. */
	if (terminal && put("\033[?1049h\033[?25l", reterr) < 0)
		return -1;
	int r = watch_loop(a, terminal, reterr);
	if (terminal && put("\033[?25h\033[?1049l", r < 0 ? NULL : reterr) < 0)
		r = -1;
	return r;
}

int cmd_status(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) char *text = NULL;

	(void)arguments;
	(void)n;
	if (a->options.watch)
		return watch(a, reterr);
	return frame(a, &text, reterr) < 0 ? -1 : put(text, reterr);
}

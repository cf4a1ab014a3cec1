/*
 * tests/lib/interleave.c
 *    Random interleavings of transactions, ticks and rotations on a real server, and a model of windows.
 *
 * interleave --conninfo C --cluster C --set S --document FILE --token G.C.S --partitions N --seed N --steps N
 *            [--changes FILE]    writes what was committed: "ROW OLD NEW TRANSACTION", -1: absent
 *
 * The set captures the table of tests/lib/writers.h, which knows what was committed in which order. The worker's
 * own reader (worker/window.h) reads windows in between, in parts, is thrown away and goes on; the consumer's
 * mark is moved by the worker's own rule. Every window must hold just the changes that its snapshots show, in
 * its order. Prints what it did; exit 0: all was right.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/assignment.h"
#include "common/log.h"
#include "common/setdoc.h"
#include "tests/lib/writers.h"
#include "worker/retention.h"
#include "worker/snapshot.h"
#include "worker/wait.h"
#include "worker/window.h"

enum { LAST_LOOKS = 3 };

static struct {
	const char *conninfo;
	const char *document;
	const char *changes_path;
	uint64_t seed;
	uint64_t steps;
	struct assignment assignment;
	struct setdoc *doc;
	struct source_config config;
	struct token_box tokens;
	struct source *source;
	struct reader *reader;
	struct retention retention;
	struct status status;
	struct position_state state; /* delivered */
	char *lower; /* of the window at hand */
	struct change *got;
	size_t n_got;
	bool by_transaction; /* the window at hand */
	size_t total;
	struct {
		unsigned windows, parts, kills, sessions;
	} count;
} t;

static void check(int rc, const struct pgs_err *err)
{
	if (rc)
		writers_die("%s", err->msg);
}

static int no_key(void *ctx, const struct event *ev, bool old, struct pgs_buf *out,
		  struct pgs_err *reterr)
{
	(void)ctx;
	(void)ev;
	(void)old;
	(void)out;
	return pgs_err_set(reterr, PGS_ERR_BUG, "", "table prop is not chained");
}

/* A START that knows nothing but the state; with limits and, between windows, an order of its own. */
static void reopen(void)
{
	struct pgs_err err;
	reader_free(t.reader);
	t.doc->relay.batch_events = (int64_t)writers_roll(12) + 1;
	t.doc->relay.batch_bytes = writers_roll(2) ? 1 << 20 : 100;
	t.doc->relay.window_memory_bytes = writers_roll(3) ? 1 << 20 : writers_roll(4000);
	t.doc->format.transactions = writers_roll(2) != 0;
	source_free(t.source);
	t.source = NULL;
	check(source_new(&t.config, &t.source, &err), &err);
	check(source_open(t.source, &err), &err);
	retention_start(&t.retention, t.source);
	t.count.sessions++;
	check(reader_new(t.source, no_key, NULL, &t.reader, &err), &err);
}

static int by_seq(const void *a, const void *b)
{
	const struct change *x = a;
	const struct change *y = b;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static const struct change *sorted; /* for by_end(): by seq */
static size_t n_sorted;

static uint64_t end_of(uint64_t txid)
{
	size_t i = n_sorted;
	while (sorted[i - 1].txid != txid)
		i--;
	return sorted[i - 1].seq;
}

static int by_end(const void *a, const void *b)
{
	const struct change *x = a;
	const struct change *y = b;
	const uint64_t ends[] = { end_of(x->txid), end_of(y->txid) };
	return ends[0] != ends[1] ? (ends[0] > ends[1] ? 1 : -1) : by_seq(a, b);
}

static size_t model_window(const char *lower_text, const char *upper_text, struct change *ret)
{
	struct snapshot lower = { .xmin = 0 };
	struct snapshot upper = { .xmin = 0 };
	size_t n = 0;
	size_t n_changes = 0;
	if (snapshot_parse(lower_text, &lower, NULL) || snapshot_parse(upper_text, &upper, NULL))
		writers_die("not a window: %s to %s", lower_text, upper_text);
	if (!snapshot_contains(&upper, &lower))
		writers_die("a window goes backwards: %s to %s", lower_text, upper_text);
	const struct change *changes = writers_changes(&n_changes);
	for (size_t i = 0; i < n_changes; i++)
		if (snapshot_visible(&upper, changes[i].txid) &&
		    !snapshot_visible(&lower, changes[i].txid))
			ret[n++] = changes[i];
	/* What a snapshot shows must have ended. */
	for (size_t i = 0; writers_open_txid(i) != UINT64_MAX; i++)
		if (writers_open_txid(i) && snapshot_visible(&upper, writers_open_txid(i)))
			writers_die("window %s to %s shows transaction %" PRIu64 ", which is open",
				    lower_text, upper_text, writers_open_txid(i));
	qsort(ret, n, sizeof(*ret), by_seq);
	snapshot_done(&lower);
	snapshot_done(&upper);
	return n;
}

static void compare(const char *upper)
{
	size_t n_changes = 0;
	(void)writers_changes(&n_changes);
	struct change *wanted = calloc(n_changes + 1, sizeof(*wanted));
	struct change *ends = calloc(n_changes + 1, sizeof(*ends));
	if (!wanted || !ends)
		writers_die("no memory");
	const size_t n = model_window(t.lower, upper, wanted);
	memcpy(ends, wanted, n * sizeof(*ends));
	sorted = ends;
	n_sorted = n;
	if (t.by_transaction)
		qsort(wanted, n, sizeof(*wanted), by_end);
	if (n != t.n_got)
		writers_die("window %s to %s holds %zu changes instead of %zu", t.lower, upper,
			    t.n_got, n);
	for (size_t i = 0; i < n; i++) {
		const struct change *g = &t.got[i];
		const struct change *w = &wanted[i];
		if (g->txid != w->txid || g->id != w->id || g->old_v != w->old_v ||
		    g->new_v != w->new_v)
			writers_die(
				"window %s to %s (%s), change %zu of %zu: row %d from %d to %d of "
				"transaction "
				"%" PRIu64 ", wanted row %d from %d to %d of %" PRIu64,
				t.lower, upper, t.by_transaction ? "whole transactions" : "by id",
				i, n, g->id, g->old_v, g->new_v, g->txid, w->id, w->old_v, w->new_v,
				w->txid);
	}
	free(wanted);
	free(ends);
}

static int value_of(struct event_text row, int *ret_id)
{
	char text[64];
	int v = 0;
	if (!row.text)
		return ABSENT;
	(void)snprintf(text, sizeof(text), "%.*s", (int)row.len, row.text);
	if (sscanf(text, "(%d,%d)", ret_id, &v) != 2)
		writers_die("a row is \"%s\"", text);
	return v;
}

static void take(const struct window *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct event *ev = &w->events[w->order[i]];
		struct change c = { .txid = (uint64_t)ev->txid };
		if (t.n_got == WRITERS_CHANGES)
			writers_die("more than %d changes in a window", WRITERS_CHANGES);
		c.old_v = value_of(ev->old_row, &c.id);
		c.new_v = value_of(ev->new_row, &c.id);
		t.got[t.n_got++] = c;
	}
}

/* A part is delivered: the state moves, and a window that is whole is compared. */
static void accept(const struct window *w)
{
	struct pgs_err err;
	if (w->n) {
		take(w);
		t.by_transaction = w->last != NULL;
		retention_delivered(&t.retention, w->newest_ev_id, w->newest_time_us, w->lsn);
	}
	t.count.parts += w->n > 0;
	check(position_state_set(&t.state, w->after.snapshot, w->after.upto, w->after.cut_tx,
				 w->after.ev_id, &err),
	      &err);
	if (t.state.upto)
		return;
	compare(t.state.snapshot);
	t.count.windows += t.n_got > 0;
	t.total += t.n_got;
	t.n_got = 0;
	free(t.lower);
	t.lower = strdup(t.state.snapshot);
}

/* One part; true: there may be more. */
static bool read_part(void)
{
	struct pgs_err err;
	const struct window *w = NULL;
	if (writers_roll(12) == 0)
		reopen();
	check(window_next(t.reader, &t.state, &w, &err), &err);
	if (w->n && writers_roll(5) == 0)
		check(window_shorten(t.reader, writers_roll(w->n) + 1, &err), &err);
	if (writers_roll(8) == 0) {
		t.count.kills++; /* nothing was committed */
		reopen();
		return true;
	}
	accept(w);
	const bool more = w->n || w->more;
	if (writers_roll(4) == 0) {
		t.retention.next_us = 0;
		t.retention.next_check_us = UINT64_MAX;
		check(retention_run(&t.retention, t.source, &t.status, t.state.snapshot, !more,
				    &err),
		      &err);
	}
	return more;
}

static void setup(void)
{
	struct pgs_err err;
	char queue[64];
	(void)snprintf(queue, sizeof(queue), "pgshovel:%s:%s", t.assignment.cluster,
		       t.assignment.set);
	writers_open(t.conninfo, queue, t.seed);
	t.got = calloc(WRITERS_CHANGES, sizeof(*t.got));
	if (!t.got)
		writers_die("no memory");
	t.config = (struct source_config){ .assignment = &t.assignment,
					   .doc = t.doc,
					   .db = &t.doc->databases[0],
					   .tokens = &t.tokens,
					   .stop_fd = -1,
					   .owned = true };
	status_init(&t.status, -1);
	check(wait_event_new(&t.config.stop_fd, &err), &err);
	reopen();
	check(position_state_set(&t.state, t.source->start_snapshot, NULL, 0, 0, &err), &err);
	t.lower = strdup(t.source->start_snapshot);
}

/* A kill or a tick may hide the end: only several looks see everything. */
static void read_all(void)
{
	size_t n = 0;
	for (int i = 0; i < LAST_LOOKS; i++)
		while (read_part())
			;
	(void)writers_changes(&n);
	if (t.total != n)
		writers_die("%zu changes were committed, %zu were read", n, t.total);
}

static void write_changes(const char *path)
{
	size_t n = 0;
	const struct change *changes = writers_changes(&n);
	FILE *file = fopen(path, "w");
	for (size_t i = 0; file && i < n; i++)
		fprintf(file, "%d %d %d %" PRIu64 "\n", changes[i].id, changes[i].old_v,
			changes[i].new_v, changes[i].txid);
	if (!file || fclose(file))
		writers_die("could not write \"%s\": %s", path, strerror(errno));
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "conninfo", 1, NULL, 'c' }, { "cluster", 1, NULL, 'C' },
		{ "set", 1, NULL, 's' },      { "document", 1, NULL, 'd' },
		{ "token", 1, NULL, 't' },    { "partitions", 1, NULL, 'p' },
		{ "seed", 1, NULL, 'S' },     { "steps", 1, NULL, 'n' },
		{ "changes", 1, NULL, 'f' },  { NULL, 0, NULL, 0 }
	};
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (o) {
		case 'c':
			t.conninfo = optarg;
			break;
		case 'C':
			t.assignment.cluster = optarg;
			break;
		case 's':
			t.assignment.set = optarg;
			break;
		case 'd':
			t.document = optarg;
			break;
		case 't':
			t.assignment.token = optarg;
			break;
		case 'p':
			t.assignment.partitions = (int)strtol(optarg, NULL, 10);
			break;
		case 'S':
			t.seed = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			t.steps = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			t.changes_path = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (!t.conninfo || !t.assignment.cluster || !t.assignment.set || !t.document ||
	    !t.assignment.token)
		writers_die("usage: see the head of the source");
}

int main(int argc, char **argv)
{
	struct pgs_err err;
	struct token token;
	pgs_log_open("interleave", PGS_LOG_WARNING);
	setvbuf(stdout, NULL, _IOLBF, 0);
	t.seed = 1;
	t.steps = 1000;
	parse(argc, argv);
	check(setdoc_load(t.document, &t.doc, &err), &err);
	if (!token_parse(t.assignment.token, &token))
		writers_die("not a token: %s", t.assignment.token);
	token_box_init(&t.tokens, &token, t.assignment.token);
	setup();
	for (uint64_t i = 0; i < t.steps; i++) {
		if (writers_roll(9))
			writers_step();
		else
			(void)read_part();
	}
	writers_finish();
	read_all();
	if (t.changes_path)
		write_changes(t.changes_path);
	const bool all = writers_print();
	printf("%u windows in %u parts, %u kills, %u sessions\n", t.count.windows, t.count.parts,
	       t.count.kills, t.count.sessions);
	reader_free(t.reader);
	source_free(t.source);
	position_state_done(&t.state);
	setdoc_free(t.doc);
	writers_close();
	free(t.lower);
	free(t.got);
	return all && t.count.windows && t.count.kills ? 0 : 1;
}

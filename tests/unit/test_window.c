/*
 * tests/unit/test_window.c
 *    Windows cut into parts, shortened, streamed and gone on with after restarts, against a model.
 *
 * The statements of worker/window_read.h are played by an array of events here; the real ones are tried in
 * tests/integration/77-property.sh.
 */
#include <check.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "tests/unit/runner.h"
#include "worker/snapshot.h"
#include "worker/window.h"
#include "worker/window_read.h"

enum {
	FIRST_TXID = 100,
	MAX_TXIDS = 60,
	MAX_EVENTS = 600,
	MAX_TICKS = 5,
	ROW = 40, /* bytes of a row */
};

/* One event of the world: transaction, row (a key), and its row versions where triggers write again. */
struct row_event {
	int64_t txid;
	int key;
	int old_version; /* 0: an insert */
	int new_version; /* 0: a delete */
};

/* What the server holds. Events have the ids 1, 2, … in the order of the array. */
static struct {
	struct row_event events[MAX_EVENTS];
	size_t n;
	bool chained;
	char ticks[MAX_TICKS][1024]; /* ascending; the last one is "now" too */
	size_t n_ticks;
	size_t ticks_known; /* to a ticker; the live statement sees the rest */
	uint32_t copy[MAX_EVENTS]; /* the running COPY */
	size_t copy_n;
	size_t copy_at;
	unsigned n_streams;
	unsigned n_ends; /* questions for a transaction's end */
} world;

static int64_t end_of(int64_t txid)
{
	size_t i = world.n;
	while (world.events[i - 1].txid != txid)
		i--;
	return (int64_t)i;
}

static struct snapshot parsed(const char *text)
{
	struct snapshot s = { .xmin = 0 };
	ck_assert_int_eq(snapshot_parse(text, &s, NULL), 0);
	return s;
}

static bool in_window(size_t i, const struct snapshot *lower, const struct snapshot *upper)
{
	const uint64_t txid = (uint64_t)world.events[i].txid;
	return snapshot_visible(upper, txid) && !snapshot_visible(lower, txid);
}

/* ---- worker/window_read.h ---- */

int read_live_prepare(struct source *s, struct pgs_err *reterr)
{
	(void)s;
	(void)reterr;
	return 0;
}

static void add(struct store *st, size_t i)
{
	const struct row_event *e = &world.events[i];
	const uint64_t numbers[] = { htobe64(i + 1), htobe64((uint64_t)e->txid), htobe64(i) };
	const char type = !e->old_version ? 'I' : !e->new_version ? 'D' : 'U';
	char rows[2][ROW + 1];
	char ctids[2][24];
	const char *fields[EVENT_N_COLUMNS] = { (const char *)&numbers[0],
						(const char *)&numbers[1],
						(const char *)&numbers[2],
						&type,
						"1",
						NULL,
						NULL,
						NULL,
						NULL };
	int lens[EVENT_N_COLUMNS] = { 8, 8, 8, 1, 1, -1, -1, -1, -1 };
	const int versions[2] = { e->new_version, e->old_version };
	for (int side = 0; side < 2; side++) {
		if (!versions[side])
			continue;
		snprintf(rows[side], sizeof(rows[side]), "(%04d,%0*d)", e->key, ROW - 7,
			 versions[side]);
		fields[5 + side] = rows[side];
		lens[5 + side] = ROW;
		if (!world.chained)
			continue;
		/* ev_extra3 is the old row's. */
		fields[8 - side] = ctids[side];
		lens[8 - side] = snprintf(ctids[side], sizeof(ctids[side]), "(%d,%d)", e->key,
					  versions[side]);
	}
	ck_assert_int_eq(store_add_fields(st, fields, lens, NULL), 1);
}

int read_live(struct source *s, const struct snapshot *from, size_t max_events, size_t max_bytes,
	      struct store *st, struct pgs_buf *ret_snapshot, uint64_t *ret_lsn, bool *ret_over,
	      struct pgs_err *reterr)
{
	(void)s;
	(void)reterr;
	struct snapshot now = parsed(world.ticks[world.n_ticks - 1]);
	*ret_over = false;
	for (size_t i = 0; i < world.n; i++) {
		if (!in_window(i, from, &now))
			continue;
		*ret_over = *ret_over || st->n >= max_events || st->bytes >= max_bytes;
		if (!*ret_over)
			add(st, i);
	}
	pgs_buf_reset(ret_snapshot);
	snapshot_put(&now, ret_snapshot);
	*ret_lsn = 1;
	snapshot_done(&now);
	return 0;
}

int read_now(struct source *s, struct snapshot *ret, uint64_t *ret_lsn, struct pgs_err *reterr)
{
	(void)s;
	*ret_lsn = 1;
	return snapshot_parse(world.ticks[world.n_ticks - 1], ret, reterr);
}

int read_choose_tick(struct source *s, const struct snapshot *from, int64_t batch_events,
		     struct tick_base *base, struct snapshot *ret_upper, uint64_t *ret_lsn,
		     bool *ret_found, struct pgs_err *reterr)
{
	(void)s;
	(void)batch_events;
	(void)base;
	*ret_found = false;
	for (size_t i = 0; i < world.ticks_known && !*ret_found; i++) {
		struct snapshot tick = parsed(world.ticks[i]);
		*ret_found = !snapshot_contains(from, &tick);
		snapshot_done(&tick);
		if (*ret_found && snapshot_parse(world.ticks[i], ret_upper, reterr))
			return -1;
	}
	*ret_lsn = 1;
	return 0;
}

int read_transaction_end(struct source *s, int64_t txid, int64_t *ret, struct pgs_err *reterr)
{
	(void)s;
	(void)reterr;
	world.n_ends++;
	*ret = end_of(txid);
	return 0;
}

int read_may_chain(struct source *s, bool *ret, struct pgs_err *reterr)
{
	(void)s;
	(void)reterr;
	*ret = world.chained;
	return 0;
}

/* An event of the transaction whose old version is made by a later one. */
int read_chain_inverted(struct source *s, int64_t txid, bool *ret, int64_t *ret_bytes,
			struct pgs_err *reterr)
{
	(void)s;
	(void)reterr;
	*ret_bytes = 1;
	*ret = false;
	for (size_t b = 0; b < world.n; b++)
		for (size_t a = b + 1; a < world.n; a++)
			*ret = *ret ||
			       (world.events[a].txid == txid && world.events[b].txid == txid &&
				world.events[a].key == world.events[b].key &&
				world.events[a].new_version == world.events[b].old_version);
	return 0;
}

static int compare_by_transaction(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a;
	const uint32_t y = *(const uint32_t *)b;
	const int64_t ends[] = { end_of(world.events[x].txid), end_of(world.events[y].txid) };
	return ends[0] != ends[1] ? (ends[0] > ends[1] ? 1 : -1) : (x > y) - (x < y);
}

static size_t window_events(const struct snapshot *lower, const struct snapshot *upper,
			    bool by_transaction, uint32_t *ret)
{
	size_t n = 0;
	for (size_t i = 0; i < world.n; i++)
		if (in_window(i, lower, upper))
			ret[n++] = (uint32_t)i;
	if (by_transaction)
		qsort(ret, n, sizeof(*ret), compare_by_transaction);
	return n;
}

int read_copy_open(struct source *s, const struct read_copy *what, struct pgs_err *reterr)
{
	(void)s;
	(void)reterr;
	uint32_t all[MAX_EVENTS];
	const size_t n = window_events(what->lower, what->upper, what->by_transaction, all);
	world.copy_n = world.copy_at = 0;
	world.n_streams += what->ordered;
	for (size_t i = 0; i < n; i++) {
		const int64_t id = all[i] + 1;
		const int64_t end = end_of(world.events[all[i]].txid);
		const struct position_state *after = what->after;
		if (!after ||
		    (what->by_transaction
			     ? end > after->cut_tx || (end == after->cut_tx && id > after->ev_id)
			     : id > after->ev_id))
			world.copy[world.copy_n++] = all[i];
	}
	for (size_t i = world.copy_n; !what->ordered && i > 1; i--) {
		const size_t k = (size_t)rand() % i;
		const uint32_t swap = world.copy[i - 1];
		world.copy[i - 1] = world.copy[k];
		world.copy[k] = swap;
	}
	return 0;
}

int read_copy_row(struct source *s, struct store *st, bool *first, struct pgs_err *reterr)
{
	(void)s;
	(void)reterr;
	*first = false;
	if (world.copy_at == world.copy_n)
		return 0;
	add(st, world.copy[world.copy_at++]);
	return 1;
}

void source_bulk_close(struct source *s)
{
	(void)s;
}

/* ---- The model. ---- */

/* Rows are "(kkkk,…": the key is at a fixed place. */
static int key_of(void *ctx, const struct event *ev, bool old, struct pgs_buf *out,
		  struct pgs_err *reterr)
{
	(void)ctx;
	(void)reterr;
	pgs_buf_put(out, (old ? ev->old_row.text : ev->new_row.text) + 1, 4);
	return 0;
}

/* The ids of a window in the order in which they must be sent. */
static size_t model_window(const char *lower_text, const char *upper_text, bool by_transaction,
			   int64_t *ret)
{
	struct snapshot lower = parsed(lower_text);
	struct snapshot upper = parsed(upper_text);
	uint32_t all[MAX_EVENTS];
	uint32_t order[MAX_EVENTS];
	struct store st = { .n = 0 };
	const size_t n = window_events(&lower, &upper, by_transaction, all);
	for (size_t i = 0; i < n; i++) {
		add(&st, all[i]);
		order[i] = (uint32_t)i;
	}
	ck_assert_int_eq(order_chain(st.events, n, order, key_of, NULL, NULL), 0);
	for (size_t i = 0; i < n; i++)
		ret[i] = st.events[order[i]].id;
	store_done(&st);
	snapshot_done(&lower);
	snapshot_done(&upper);
	return n;
}

static void put_snapshot(char *to, size_t size, const bool *ended, uint64_t xmax)
{
	uint64_t xmin = xmax;
	for (uint64_t x = xmax; x > FIRST_TXID; x--)
		xmin = ended[x - 1 - FIRST_TXID] ? xmin : x - 1;
	size_t at = (size_t)snprintf(to, size, "%llu:%llu:", (unsigned long long)xmin,
				     (unsigned long long)xmax);
	bool any = false;
	for (uint64_t x = xmin; x < xmax; x++) {
		if (ended[x - FIRST_TXID])
			continue;
		at += (size_t)snprintf(to + at, size - at, "%s%llu", any ? "," : "",
				       (unsigned long long)x);
		any = true;
	}
}

/*
 * Transactions write in turns and end one by one; now and then a tick. With `chained` each transaction works
 * on rows of its own, whose events come inner-first now and then.
 */
static void make_world(bool chained)
{
	bool ended[MAX_TXIDS] = { false };
	int version[MAX_TXIDS * 4];
	uint64_t next = FIRST_TXID;
	const size_t n_events = (size_t)rand() % MAX_EVENTS + 1;
	memset(&world, 0, sizeof(world));
	world.chained = chained;
	for (int k = 0; k < MAX_TXIDS * 4; k++)
		version[k] = 1;
	world.n_ticks = (size_t)rand() % MAX_TICKS + 1;
	world.ticks_known = (size_t)rand() % (world.n_ticks + 1);
	for (size_t i = 0, tick = 0; i < n_events; i++) {
		if (next < FIRST_TXID + MAX_TXIDS && (next == FIRST_TXID || rand() % 8 == 0))
			next++;
		uint64_t txid = FIRST_TXID + (uint64_t)rand() % (next - FIRST_TXID);
		if (ended[txid - FIRST_TXID] && next < FIRST_TXID + MAX_TXIDS)
			txid = next++;
		if (ended[txid - FIRST_TXID])
			break;
		const int key = (int)(txid - FIRST_TXID) * 4 + rand() % 4;
		const int old = version[key]++;
		world.events[world.n++] = (struct row_event){ .txid = (int64_t)txid,
							      .key = key,
							      .old_version = old,
							      .new_version = version[key] };
		if (rand() % 6 == 0)
			ended[txid - FIRST_TXID] = true;
		if (tick + 1 < world.n_ticks && rand() % (MAX_EVENTS / MAX_TICKS) == 0)
			put_snapshot(world.ticks[tick++], sizeof(world.ticks[0]), ended, next);
		if (i + 1 == n_events)
			world.n_ticks = tick + 1;
	}
	for (size_t i = 0; i < MAX_TXIDS; i++)
		ended[i] = true;
	for (size_t tick = 0; tick < MAX_TICKS; tick++)
		if (!world.ticks[tick][0]) {
			world.n_ticks = tick + 1;
			put_snapshot(world.ticks[tick], sizeof(world.ticks[0]), ended, next);
			break;
		}
	if (world.ticks_known > world.n_ticks)
		world.ticks_known = world.n_ticks;
	/* Inner-first: neighbours of one row, one transaction, change places. */
	for (size_t i = 1; chained && i < world.n; i++)
		for (size_t k = i; k > 0; k--)
			if (world.events[k - 1].key == world.events[i].key) {
				if (rand() % 3)
					break;
				const struct row_event swap = world.events[i];
				world.events[i] = world.events[k - 1];
				world.events[k - 1] = swap;
				break;
			}
}

/* ---- Reading. ---- */

struct run {
	struct setdoc doc;
	struct source source;
	struct reader *reader;
	struct position_state state; /* what is delivered */
	int64_t sent[MAX_EVENTS]; /* of the window at hand */
	size_t n_sent;
	char *lower;
	size_t total;
};

static void restart(struct run *run, bool flip)
{
	reader_free(run->reader);
	run->doc.format.transactions ^= flip;
	run->doc.relay.batch_events = rand() % 30 + 1;
	run->doc.relay.batch_bytes = (uint64_t)(rand() % 4000 + ROW);
	run->doc.relay.window_memory_bytes = (uint64_t)(rand() % 3 ? 1 << 20 : rand() % 20000);
	/* Less than a window that was begun by ev_id had is a limit of chains. */
	if (world.chained && run->state.upto && !run->state.cut_tx)
		run->doc.relay.window_memory_bytes = 1 << 20;
	ck_assert_int_eq(reader_new(&run->source, key_of, NULL, &run->reader, NULL), 0);
}

static bool is_model(const struct run *run, const char *upper, bool by_transaction)
{
	int64_t wanted[MAX_EVENTS];
	const size_t n = model_window(run->lower, upper, by_transaction, wanted);
	return n == run->n_sent && memcmp(wanted, run->sent, n * sizeof(*wanted)) == 0;
}

/* The parts of a window are together what the model says, in one of the two orders. */
static void window_ended(struct run *run, int mode)
{
	const char *upper = run->state.snapshot;
	if (mode < 0)
		ck_assert_msg(run->n_sent == 0 || is_model(run, upper, false) ||
				      is_model(run, upper, true),
			      "window %s to %s", run->lower, upper);
	else
		ck_assert_msg(is_model(run, upper, mode == 1), "window %s to %s, order %d",
			      run->lower, upper, mode);
	run->total += run->n_sent;
	run->n_sent = 0;
	free(run->lower);
	run->lower = strdup(upper);
}

static void take(struct run *run, const struct window *w, size_t limit)
{
	ck_assert_uint_le(run->n_sent + w->n, MAX_EVENTS);
	if (!world.chained)
		ck_assert_uint_le(w->n, limit);
	for (size_t i = 0; i < w->n; i++) {
		const struct event *ev = &w->events[w->order[i]];
		run->sent[run->n_sent++] = ev->id;
		if (w->last)
			ck_assert_int_eq(w->last[w->order[i]], end_of(ev->txid));
	}
	ck_assert_int_eq(position_state_set(&run->state, w->after.snapshot, w->after.upto,
					    w->after.cut_tx, w->after.ev_id, NULL),
			 0);
}

static unsigned n_refused;

static void read_world(bool transactions, bool flips)
{
	struct run run = { .total = 0 };
	run.source.config.doc = &run.doc;
	run.doc.format.transactions = transactions;
	run.lower = strdup("100:100:");
	ck_assert_int_eq(position_state_set(&run.state, run.lower, NULL, 0, 0, NULL), 0);
	restart(&run, false);
	int mode = -1; /* of the window at hand: not known yet, by id, by transaction */
	for (bool more = true; more;) {
		const struct window *w = NULL;
		if (rand() % 5 == 0)
			restart(&run, flips && rand() % 2);
		struct pgs_err err;
		if (window_next(run.reader, &run.state, &w, &err)) {
			/* The operator does what it says. */
			ck_assert_str_eq(err.code, "window_memory");
			restart(&run, false);
			run.doc.relay.window_memory_bytes = 1 << 20;
			n_refused++;
			continue;
		}
		size_t limit = (size_t)run.doc.relay.batch_events;
		if (w->n && rand() % 4 == 0) {
			const size_t n = (size_t)rand() % w->n + 1;
			ck_assert_int_eq(window_shorten(run.reader, n, NULL), 0);
			ck_assert_uint_ge(w->n, n);
			limit = world.chained ? limit : n;
		}
		if (rand() % 6 == 0) {
			restart(&run, flips && rand() % 2); /* killed before the commit */
			continue;
		}
		if (w->n && mode < 0 && w->after.upto)
			mode = w->after.cut_tx != 0;
		take(&run, w, limit);
		more = w->more || w->n;
		if (!run.state.upto) {
			window_ended(&run, mode);
			mode = -1;
		}
	}
	ck_assert_uint_eq(run.total, world.n);
	ck_assert_str_eq(run.state.snapshot, world.ticks[world.n_ticks - 1]);
	reader_free(run.reader);
	position_state_done(&run.state);
	free(run.lower);
}

START_TEST(test_windows)
{
	/* bits: whole transactions, chained, the set's version changes its mind at restarts */
	for (int round = 0; round < 200; round++) {
		srand((unsigned)round * 8 + (unsigned)_i);
		make_world(_i & 2);
		read_world(_i & 1, _i & 4);
	}
	ck_assert(!(_i & 2) || n_refused);
}
END_TEST

/* A transaction that many chunks hold is asked for its end once. */
START_TEST(test_large_transaction)
{
	struct run run = { .total = 0 };
	const struct window *w = NULL;
	memset(&world, 0, sizeof(world));
	world.n = MAX_EVENTS;
	for (size_t i = 0; i < world.n; i++)
		world.events[i] = (struct row_event){ .txid = FIRST_TXID, .new_version = 1 };
	world.n_ticks = 1;
	snprintf(world.ticks[0], sizeof(world.ticks[0]), "101:101:");
	run.source.config.doc = &run.doc;
	run.doc.format.transactions = true;
	ck_assert_int_eq(position_state_set(&run.state, "100:100:", NULL, 0, 0, NULL), 0);
	restart(&run, false);
	run.doc.relay.batch_events = 7;
	run.doc.relay.batch_bytes = 1 << 20;
	run.doc.relay.window_memory_bytes = 2000;
	do {
		ck_assert_int_eq(window_next(run.reader, &run.state, &w, NULL), 0);
		ck_assert_uint_le(w->n, 7);
		take(&run, w, 7);
	} while (w->more);
	ck_assert_uint_eq(run.n_sent, MAX_EVENTS);
	ck_assert_uint_eq(world.n_streams, 1);
	ck_assert_uint_eq(world.n_ends, 1);
	reader_free(run.reader);
	position_state_done(&run.state);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("all");

	pgs_log_set_level(PGS_LOG_WARNING);
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, test_windows, 0, 8);
	tcase_add_test(tcase, test_large_transaction);
	return runner_run("window", tcase);
}

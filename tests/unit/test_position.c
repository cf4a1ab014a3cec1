/*
 * tests/unit/test_position.c
 *    The record, and the rewind rule modelled over the lives of a source and its topic.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/runner.h"
#include "worker/position.h"
#include "worker/timeline.h"

START_TEST(test_record)
{
	const struct position pos = { .state = { .snapshot = (char *)"10:20:12",
						 .upto = (char *)"20:30:",
						 .cut_tx = 7,
						 .ev_id = 5 },
				      .version = (char *)"abc",
				      .system = (char *)"7123",
				      .database = 5,
				      .timeline = 1,
				      .lsn = 0x16B374D848,
				      .nonce = (char *)"n1",
				      .tick = 0,
				      .host = (char *)"a \"host\"\\",
				      .token = (char *)"1.2.3",
				      .at_us = 99,
				      .last = { 8, 9, 10 } };
	struct pgs_buf text = PGS_BUF_INIT(1000);
	struct position read;
	struct pgs_err err;
	position_write(&pos, &text);
	ck_assert_str_eq(
		pgs_buf_str(&text),
		"{\"v\":1,\"snapshot\":\"10:20:12\",\"upto\":\"20:30:\",\"cut_tx\":7,\"ev_id\":5,"
		"\"transaction\":null,"
		"\"version\":\"abc\",\"system\":\"7123\",\"database\":5,\"timeline\":1,"
		"\"lsn\":\"16/B374D848\",\"nonce\":\"n1\",\"tick\":null,"
		"\"host\":\"a \\\"host\\\"\\\\\",\"token\":\"1.2.3\",\"at\":99,\"last\":[8,9,10]}");
	ck_assert_int_eq(position_read(text.data, text.len, &read, &err), 0);
	struct pgs_buf again = PGS_BUF_INIT(1000);
	position_write(&read, &again);
	ck_assert_str_eq(pgs_buf_str(&again), pgs_buf_str(&text));
	position_done(&read);
	pgs_buf_done(&again);
	pgs_buf_done(&text);

	static const char *const bad[] = { "",
					   "x",
					   "[]",
					   "{}",
					   "{\"v\":2,\"snapshot\":\"1:2:\"}",
					   "{\"v\":1}",
					   "{\"v\":1,\"snapshot\":\"2:1:\"}",
					   "{\"v\":1,\"snapshot\":\"1:2:\",\"lsn\":7}",
					   "{\"v\":1,\"snapshot\":\"1:2:\",\"lsn\":\"7\"}",
					   "{\"v\":1,\"snapshot\":\"1:2:\",\"last\":[1,2]}" };
	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++) {
		ck_assert_int_eq(position_read(bad[i], strlen(bad[i]), &read, &err), -1);
		ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	}
}
END_TEST

/* ---- The model: what is in the database, what is in Kafka. ---- */

enum { MAX_EVENTS = 400, MAX_FORKS = 64 };

/* Copied, it is a backup, a snapshot of the disk, or a standby: ids, transactions and timelines repeat in it. */
struct database {
	struct position_hint hint;
	uint64_t lsn;
	uint64_t next_txid;
	int64_t timeline;
	uint64_t forks[MAX_FORKS]; /* where timeline i + 1 was left, on the way to this one */
	char system[8];
	int64_t oid;
	struct position_event events[MAX_EVENTS]; /* still in the queue: all that the model makes */
	int64_t n_events;
};

struct world {
	struct database db;
	bool has_position;
	char nonce[POSITION_NONCE_MAX]; /* of the position in Kafka */
	char snapshot[48];
	char system[8];
	int64_t oid;
	int64_t timeline;
	uint64_t lsn;
	struct position_event last;
	char token[32];
	struct token owner;
	bool no_right; /* to read the history of timelines */
	bool carried; /* in the running relay's memory */
	int nonces;
	int64_t clock; /* never goes back: what ev_time stands for */
	int64_t delivered_at; /* by that clock: the position in Kafka */
	char why[600];
};

static void new_world(struct world *w)
{
	*w = (struct world){
		.db = { .lsn = 1000, .next_txid = 700, .timeline = 1, .system = "sys", .oid = 5 },
		.owner = { 1, 10, 1 }
	};
}

static const char *fresh(struct world *w)
{
	static char text[16];
	snprintf(text, sizeof(text), "n%d", ++w->nonces);
	return text;
}

/* What source_judge.c finds. */
static void look(const struct world *w, const struct position *pos, struct position_source *source)
{
	const struct database *db = &w->db;
	switch (position_wants(pos, &db->hint, db->timeline)) {
	case POSITION_WANTS_NOTHING:
		break;
	case POSITION_WANTS_HISTORY:
		source->history = POSITION_NO_ANCESTOR;
		if (w->no_right)
			source->history = POSITION_HISTORY_UNKNOWN;
		else if (pos->timeline < db->timeline)
			source->history = POSITION_FORKED;
		if (source->history == POSITION_FORKED)
			source->fork_lsn = db->forks[pos->timeline - 1];
		source->history_why = "no right";
		break;
	case POSITION_WANTS_EVENT:
		source->last_missing = true;
		for (int64_t i = 0; i < db->n_events; i++)
			if (memcmp(&db->events[i], &pos->last, sizeof(pos->last)) == 0)
				source->last_missing = false;
		break;
	}
}

static enum position_verdict start(struct world *w)
{
	struct position pos = { .state = { .snapshot = w->snapshot },
				.nonce = w->nonce,
				.system = w->system,
				.database = w->oid,
				.timeline = w->timeline,
				.lsn = w->lsn,
				.token = w->token,
				.last = w->last };
	struct position_source source = { .name = "main",
					  .system = w->db.system,
					  .database = w->db.oid,
					  .timeline = w->db.timeline,
					  .lsn = w->db.lsn,
					  .next_txid = w->db.next_txid,
					  .token = w->owner };
	struct pgs_buf why = PGS_BUF_INIT(1000);
	const struct position *p = w->has_position ? &pos : NULL;
	if (p)
		look(w, p, &source);
	const enum position_verdict v = position_judge(p, &w->db.hint, &source, &why);
	snprintf(w->why, sizeof(w->why), "%s", pgs_buf_str(&why));
	pgs_buf_done(&why);
	if (v == POSITION_FIRST || v == POSITION_GOES_ON) {
		position_hint_start(&w->db.hint, p, fresh(w));
		w->db.lsn += 10;
		w->db.next_txid++;
	}
	w->carried = false;
	return v;
}

static void write_event(struct world *w)
{
	struct database *db = &w->db;
	ck_assert_int_lt(db->n_events, MAX_EVENTS);
	db->events[db->n_events] = (struct position_event){ .id = db->n_events + 1,
							    .txid = (int64_t)db->next_txid++,
							    .time_us = ++w->clock };
	db->n_events++;
	db->lsn += 100;
}

/* Events came and were committed to Kafka; `told`: the relay lived long enough to know. */
static void deliver(struct world *w, bool told)
{
	write_event(w);
	w->has_position = true;
	snprintf(w->nonce, sizeof(w->nonce), "%s", w->db.hint.nonce);
	snprintf(w->system, sizeof(w->system), "%s", w->db.system);
	snprintf(w->snapshot, sizeof(w->snapshot),
		 "%llu:%llu:", (unsigned long long)w->db.next_txid,
		 (unsigned long long)w->db.next_txid);
	w->oid = w->db.oid;
	w->timeline = w->db.timeline;
	w->lsn = w->db.lsn;
	w->last = w->db.events[w->db.n_events - 1];
	w->delivered_at = ++w->clock;
	snprintf(w->token, sizeof(w->token), "%lld.%lld.%lld", (long long)w->owner.generation,
		 (long long)w->owner.czxid, (long long)w->owner.spawn);
	w->carried = w->carried || told;
}

static void write_hint(struct world *w)
{
	if (!w->carried)
		return;
	position_hint_next(&w->db.hint, true, fresh(w));
	w->db.hint.lsn = w->lsn;
	w->db.lsn += 10;
	w->db.next_txid++;
	w->carried = false;
}

/* A standby of this state is promoted, or it is restored up to here. */
static void promote(struct database *db)
{
	ck_assert_int_lt(db->timeline, MAX_FORKS);
	db->forks[db->timeline - 1] = db->lsn;
	db->timeline++;
	db->lsn += 10;
}

/* Others write: days of it, or a moment. */
static void grow(struct world *w, int transactions)
{
	w->db.lsn += 60 * (uint64_t)transactions;
	w->db.next_txid += (uint64_t)transactions;
	for (int i = 0; i < transactions && w->db.n_events < MAX_EVENTS - 100; i += 50)
		write_event(w);
}

/* One step of a life in which nothing is ever lost. */
static void live(struct world *w, int what)
{
	switch (what) {
	case 0: /* orderly restart or crash of relay or server while idle */
	case 1: /* crash right after the commit, unknown to the relay */
	case 2: /* a planned switch-over: everything travels, the timeline changes */
		if (what == 1)
			deliver(w, false);
		if (what == 2 && w->db.timeline < MAX_FORKS - 10)
			promote(&w->db);
		w->owner.spawn++;
		ck_assert_msg(start(w) == (w->has_position ? POSITION_GOES_ON : POSITION_FIRST),
			      "%s", w->why);
		break;
	case 3:
		write_hint(w);
		break;
	case 4: /* the lock was taken again, a new generation */
		w->owner.czxid++;
		break;
	case 5: /* days without an event, or with those of others */
		grow(w, 40);
		break;
	default:
		deliver(w, true);
		break;
	}
}

START_TEST(test_lives_without_alarm)
{
	for (unsigned seed = 0; seed < 300; seed++) {
		struct world w;
		new_world(&w);
		srand(seed);
		ck_assert_int_eq(start(&w), POSITION_FIRST);
		for (int step = 0; step < 60; step++)
			live(&w, rand() % 8);
	}
}
END_TEST

/*
 * A state of the past is put back, as a backup, a snapshot of the disk or a promoted standby, and has had time to
 * write more than it lost. The alarm is raised exactly when something was delivered since; without the right to
 * see the history of timelines it may be raised too often, never too seldom.
 */
START_TEST(test_lives_with_rewinds)
{
	int alarms = 0;
	int false_alarms = 0;
	for (unsigned seed = 0; seed < 6000; seed++) {
		struct world w;
		new_world(&w);
		srand(seed);
		w.no_right = seed % 3 == 0;
		ck_assert_int_eq(start(&w), POSITION_FIRST);
		/* Before its end a life without the right may see no change of timeline: see the next test. */
		const int kinds = w.no_right ? 7 : 8;
		for (int i = rand() % 12; i > 0; i--)
			live(&w, (rand() % kinds + 3) % 8);
		const struct database past = w.db;
		const int64_t then = w.clock;
		for (int i = rand() % 6; i > 0; i--)
			live(&w, (rand() % kinds + 3) % 8);
		w.db = past;
		if (rand() % 2)
			promote(&w.db);
		if (rand() % 2)
			grow(&w, 40 + rand() % 2000);
		w.owner.spawn++;
		const bool lost = w.has_position && w.delivered_at > then;
		const enum position_verdict v = start(&w);
		ck_assert_msg(!lost || v == POSITION_REWIND, "seed %u: a delivered change is gone",
			      seed);
		ck_assert_msg(lost || w.no_right || v != POSITION_REWIND, "seed %u: %s", seed,
			      w.why);
		alarms += lost;
		false_alarms += !lost && v == POSITION_REWIND;
	}
	/* The model does what it is for. */
	ck_assert_int_gt(alarms, 1000);
	ck_assert_int_gt(false_alarms, 0);
}
END_TEST

START_TEST(test_without_the_right)
{
	struct world w;
	new_world(&w);
	w.no_right = true;
	ck_assert_int_eq(start(&w), POSITION_FIRST);
	deliver(&w, true);
	/* Switched over at once: the source may have lost it. */
	struct world at_once = w;
	promote(&at_once.db);
	ck_assert_int_eq(start(&at_once), POSITION_REWIND);
	ck_assert(strstr(at_once.why, "no right"));
	ck_assert(strstr(at_once.why, "set position"));
	/* A moment later the source itself remembers. */
	write_hint(&w);
	promote(&w.db);
	ck_assert_int_eq(start(&w), POSITION_GOES_ON);
}
END_TEST

START_TEST(test_dropped_and_created)
{
	struct world w;
	new_world(&w);
	ck_assert_int_eq(start(&w), POSITION_FIRST);
	deliver(&w, true);
	write_hint(&w);
	/* The new set has another rollout in its key, so Kafka holds none, and a new row in hint. */
	w.has_position = false;
	w.db.hint = (struct position_hint){ .tick = 0 };
	ck_assert_int_eq(start(&w), POSITION_FIRST);
}
END_TEST

START_TEST(test_never_delivered)
{
	struct world w;
	new_world(&w);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(start(&w), POSITION_FIRST);
}
END_TEST

START_TEST(test_restored_backup)
{
	for (int later = 1; later < 5; later++) {
		struct world w;
		new_world(&w);
		ck_assert_int_eq(start(&w), POSITION_FIRST);
		deliver(&w, true);
		write_hint(&w);
		const struct database backup = w.db;
		for (int i = 0; i < later; i++) {
			deliver(&w, true);
			write_hint(&w);
		}
		w.db = backup;
		ck_assert_int_eq(start(&w), POSITION_REWIND);
		ck_assert(strstr(w.why, "back in time"));
		/* And when its log has grown past the position meanwhile. */
		w.db.lsn += 100000;
		ck_assert_int_eq(start(&w), POSITION_REWIND);
		w.db.next_txid += 1000;
		ck_assert_int_eq(start(&w), POSITION_REWIND);
		ck_assert(strstr(w.why, later > 1 ? "mark" : "does not hold"));
	}
}
END_TEST

/* Restored to a moment between the last event's commit and the look of the relay that delivered it. */
START_TEST(test_restored_in_between)
{
	struct world w;
	new_world(&w);
	ck_assert_int_eq(start(&w), POSITION_FIRST);
	write_event(&w);
	const struct database between = w.db;
	grow(&w, 10);
	w.db.n_events = 0;
	deliver(&w, true);
	w.last = between.events[0];
	w.db = between;
	ck_assert_int_eq(start(&w), POSITION_REWIND);
	ck_assert(strstr(w.why, "only at"));
	w.db.lsn += 100000;
	ck_assert_int_eq(start(&w), POSITION_REWIND);
	ck_assert(strstr(w.why, "covers transactions"));
}
END_TEST

START_TEST(test_failover)
{
	struct world w;
	new_world(&w);
	ck_assert_int_eq(start(&w), POSITION_FIRST);
	deliver(&w, true);
	write_hint(&w);
	const struct database async = w.db; /* has not received the last window */
	deliver(&w, true);
	const struct database sync = w.db;
	struct world lost = w;
	lost.db = async;
	promote(&lost.db);
	grow(&lost, 1000);
	ck_assert_int_eq(start(&lost), POSITION_REWIND);
	ck_assert(strstr(lost.why, "of timeline 1") && strstr(lost.why, "of timeline 2"));
	w.db = sync;
	promote(&w.db);
	ck_assert_int_eq(start(&w), POSITION_GOES_ON);

	/* A second standby comes after the first, to a timeline of the same number. */
	deliver(&w, true);
	struct world second = w;
	second.db = sync;
	promote(&second.db);
	grow(&second, 1000);
	ck_assert_int_eq(second.db.timeline, w.db.timeline);
	ck_assert_int_eq(start(&second), POSITION_REWIND);
	ck_assert(strstr(second.why, "unknown"));
	/* Nothing was delivered from the first one: the second may go on. */
	second = lost;
	second.db = sync;
	promote(&second.db);
	ck_assert_int_eq(start(&second), POSITION_GOES_ON);
}
END_TEST

START_TEST(test_no_ancestor)
{
	struct world w;
	new_world(&w);
	ck_assert_int_eq(start(&w), POSITION_FIRST);
	deliver(&w, true);
	struct database first = w.db;
	promote(&w.db);
	ck_assert_int_eq(start(&w), POSITION_GOES_ON);
	const struct position_hint hint = w.db.hint;
	deliver(&w, true);
	/* Back on timeline 1, whoever wrote our nonce into it. */
	first.hint = hint;
	w.db = first;
	grow(&w, 1000);
	ck_assert_int_eq(start(&w), POSITION_REWIND);
	ck_assert(strstr(w.why, "not in the history"));
}
END_TEST

START_TEST(test_topic_gone)
{
	struct world w;
	new_world(&w);
	ck_assert_int_eq(start(&w), POSITION_FIRST);
	deliver(&w, true);
	write_hint(&w);
	w.has_position = false;
	ck_assert_int_eq(start(&w), POSITION_REWIND);
	ck_assert(strstr(w.why, "positions topic"));
	/* Even without a hint written since: START remembered the position that it accepted. */
	new_world(&w);
	ck_assert_int_eq(start(&w), POSITION_FIRST);
	deliver(&w, false);
	ck_assert_int_eq(start(&w), POSITION_GOES_ON);
	w.has_position = false;
	ck_assert_int_eq(start(&w), POSITION_REWIND);
}
END_TEST

START_TEST(test_other_source)
{
	struct world w;
	new_world(&w);
	ck_assert_int_eq(start(&w), POSITION_FIRST);
	deliver(&w, true);
	struct world copy = w;
	snprintf(copy.db.system, sizeof(copy.db.system), "other");
	ck_assert_int_eq(start(&copy), POSITION_REWIND);
	copy = w;
	copy.db.oid = 6;
	ck_assert_int_eq(start(&copy), POSITION_REWIND);
	copy = w;
	copy.owner = (struct token){ 1, 9, 99 };
	ck_assert_int_eq(start(&copy), POSITION_NEWER_OWNER);
	ck_assert(strstr(copy.why, "newer owner"));
	ck_assert(strstr(copy.why, "cluster recover"));
	copy.owner = (struct token){ 2, 1, 1 };
	ck_assert_int_eq(start(&copy), POSITION_GOES_ON);
	/* Who has no say in this set cannot say either that its source went back. */
	copy.owner = (struct token){ 1, 9, 99 };
	copy.db.next_txid = 1;
	ck_assert_int_eq(start(&copy), POSITION_NEWER_OWNER);
}
END_TEST

START_TEST(test_timeline_fork)
{
	static const char history[] = "# comment\n1\t0/5000060\tno recovery target specified\n\n"
				      "2\t1/6000070\tbefore 2026-01-01 00:00:00+00\n";
	struct pgs_err err;
	bool found = false;
	uint64_t lsn = 0;
	ck_assert_int_eq(timeline_fork(history, strlen(history), 1, &found, &lsn, &err), 0);
	ck_assert(found && lsn == 0x5000060);
	ck_assert_int_eq(timeline_fork(history, strlen(history), 2, &found, &lsn, &err), 0);
	ck_assert(found && lsn == 0x106000070);
	ck_assert_int_eq(timeline_fork(history, strlen(history), 3, &found, &lsn, &err), 0);
	ck_assert(!found);
	ck_assert_int_eq(timeline_fork("", 0, 1, &found, &lsn, &err), 0);
	ck_assert(!found);
	static const char *const bad[] = { "1", "x\t0/1\ty", "1\t0-1\ty", "0\t0/1\ty", "1\t\t" };
	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++)
		ck_assert_int_eq(timeline_fork(bad[i], strlen(bad[i]), 1, &found, &lsn, &err), -1);
}
END_TEST

START_TEST(test_cut_transaction)
{
	static struct position_collection collections[] = { { (char *)"public.a\"b", 2 },
							    { (char *)"s.t", 3 } };
	const struct position pos = { .state = { .snapshot = (char *)"10:20:",
						 .upto = (char *)"20:30:",
						 .cut_tx = 9,
						 .ev_id = 5 },
				      .transaction = { .txid = 21,
						       .total = 5,
						       .collections = collections,
						       .n_collections = 2 } };
	struct pgs_buf text = PGS_BUF_INIT(1000);
	struct pgs_buf again = PGS_BUF_INIT(1000);
	struct position read;
	position_write(&pos, &text);
	ck_assert_ptr_nonnull(strstr(pgs_buf_str(&text),
				     ",\"transaction\":{\"id\":21,\"total\":5,\"collections\":"
				     "[[\"public.a\\\"b\",2],[\"s.t\",3]]},\"version\":"));
	ck_assert_int_eq(position_read(text.data, text.len, &read, NULL), 0);
	ck_assert_int_eq(read.transaction.txid, 21);
	ck_assert_uint_eq(read.transaction.n_collections, 2);
	ck_assert_str_eq(read.transaction.collections[0].name, "public.a\"b");
	position_write(&read, &again);
	ck_assert_str_eq(pgs_buf_str(&again), pgs_buf_str(&text));
	position_done(&read);
	pgs_buf_done(&text);
	pgs_buf_done(&again);

	static const char *const bad[] = { "7", "{\"id\":1}", "{\"id\":\"1\",\"collections\":[]}",
					   "{\"id\":1,\"collections\":[[1,2]]}",
					   "{\"id\":1,\"collections\":[[\"a\",1],[\"b\"]]}" };
	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++) {
		char record[200];
		snprintf(record, sizeof(record),
			 "{\"v\":1,\"snapshot\":\"1:2:\",\"transaction\":%s}", bad[i]);
		ck_assert_msg(position_read(record, strlen(record), &read, NULL) == -1, "%s",
			      bad[i]);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, test_record);
	tcase_add_test(tcase, test_cut_transaction);
	tcase_add_test(tcase, test_lives_without_alarm);
	tcase_add_test(tcase, test_dropped_and_created);
	tcase_add_test(tcase, test_never_delivered);
	tcase_add_test(tcase, test_restored_backup);
	tcase_add_test(tcase, test_lives_with_rewinds);
	tcase_add_test(tcase, test_without_the_right);
	tcase_add_test(tcase, test_restored_in_between);
	tcase_add_test(tcase, test_failover);
	tcase_add_test(tcase, test_no_ancestor);
	tcase_add_test(tcase, test_timeline_fork);
	tcase_add_test(tcase, test_topic_gone);
	tcase_add_test(tcase, test_other_source);
	return runner_run("position", tcase);
}

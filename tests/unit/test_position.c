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
				      .at_us = 99 };
	struct pgs_buf text = PGS_BUF_INIT(1000);
	struct position read;
	struct pgs_err err;
	position_write(&pos, &text);
	ck_assert_str_eq(
		pgs_buf_str(&text),
		"{\"v\":1,\"snapshot\":\"10:20:12\",\"upto\":\"20:30:\",\"cut_tx\":7,\"ev_id\":5,"
		"\"version\":\"abc\",\"system\":\"7123\",\"database\":5,\"timeline\":1,"
		"\"lsn\":\"16/B374D848\",\"nonce\":\"n1\",\"tick\":null,"
		"\"host\":\"a \\\"host\\\"\\\\\",\"token\":\"1.2.3\",\"at\":99}");
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
					   "{\"v\":1,\"snapshot\":\"1:2:\",\"lsn\":\"7\"}" };
	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++) {
		ck_assert_int_eq(position_read(bad[i], strlen(bad[i]), &read, &err), -1);
		ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	}
}
END_TEST

/* ---- The model: what is in the database, what is in Kafka. ---- */

struct database {
	struct position_hint hint;
	uint64_t lsn;
	int64_t timeline;
	char system[8];
	int64_t oid;
};

struct world {
	struct database db;
	bool has_position;
	char nonce[POSITION_NONCE_MAX]; /* of the position in Kafka */
	char system[8];
	int64_t oid;
	int64_t timeline;
	uint64_t lsn;
	char token[32];
	struct token owner;
	uint64_t fork_lsn;
	bool carried; /* in the running relay's memory */
	int nonces;
	char why[600];
};

static void new_world(struct world *w)
{
	*w = (struct world){ .db = { .lsn = 1000, .timeline = 1, .system = "sys", .oid = 5 },
			     .owner = { 1, 10, 1 } };
}

static const char *fresh(struct world *w)
{
	static char text[16];
	snprintf(text, sizeof(text), "n%d", ++w->nonces);
	return text;
}

static enum position_verdict start(struct world *w)
{
	struct position pos = { .nonce = w->nonce,
				.system = w->system,
				.database = w->oid,
				.timeline = w->timeline,
				.lsn = w->lsn,
				.token = w->token };
	const struct position_source source = { .name = "main",
						.system = w->db.system,
						.database = w->db.oid,
						.timeline = w->db.timeline,
						.lsn = w->db.lsn,
						.fork_lsn = w->fork_lsn,
						.token = w->owner };
	struct pgs_buf why = PGS_BUF_INIT(1000);
	const struct position *p = w->has_position ? &pos : NULL;
	const enum position_verdict v = position_judge(p, &w->db.hint, &source, &why);
	snprintf(w->why, sizeof(w->why), "%s", pgs_buf_str(&why));
	pgs_buf_done(&why);
	if (v != POSITION_REWIND)
		position_hint_start(&w->db.hint, p, fresh(w));
	w->carried = false;
	return v;
}

/* Events came and were committed to Kafka; `told`: the relay lived long enough to know. */
static void deliver(struct world *w, bool told)
{
	w->db.lsn += 100;
	w->has_position = true;
	snprintf(w->nonce, sizeof(w->nonce), "%s", w->db.hint.nonce);
	snprintf(w->system, sizeof(w->system), "%s", w->db.system);
	w->oid = w->db.oid;
	w->timeline = w->db.timeline;
	w->lsn = w->db.lsn;
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
	w->carried = false;
}

START_TEST(test_lives_without_alarm)
{
	/* Random lives of idling, delivering, crashing before and after the commit, restarting. */
	for (unsigned seed = 0; seed < 300; seed++) {
		struct world w;
		new_world(&w);
		srand(seed);
		ck_assert_int_eq(start(&w), POSITION_FIRST);
		for (int step = 0; step < 60; step++) {
			switch (rand() % 6) {
			case 0: /* orderly restart or crash while idle */
				w.owner.spawn++;
				ck_assert_msg(start(&w) == (w.has_position ? POSITION_GOES_ON
									   : POSITION_FIRST),
					      "seed %u step %d: %s", seed, step, w.why);
				break;
			case 1: /* crash right after the commit, unknown to the relay */
				deliver(&w, false);
				w.owner.spawn++;
				ck_assert_msg(start(&w) == POSITION_GOES_ON, "seed %u step %d: %s",
					      seed, step, w.why);
				break;
			case 2:
				write_hint(&w);
				break;
			case 3: /* a planned switch-over: everything travels, the timeline changes */
				w.db.timeline++;
				w.fork_lsn = w.db.lsn;
				w.owner.spawn++;
				ck_assert_msg(start(&w) == (w.has_position ? POSITION_GOES_ON
									   : POSITION_FIRST),
					      "seed %u step %d: %s", seed, step, w.why);
				break;
			case 4: /* the lock was taken again, a new generation */
				w.owner.czxid++;
				break;
			default:
				deliver(&w, true);
				break;
			}
		}
	}
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
		/* And when its log has grown past the position meanwhile. */
		w.db.lsn += 100000;
		ck_assert_int_eq(start(&w), later > 1 ? POSITION_REWIND : POSITION_GOES_ON);
	}
}
END_TEST

START_TEST(test_failover_that_lost)
{
	struct world w;
	new_world(&w);
	ck_assert_int_eq(start(&w), POSITION_FIRST);
	deliver(&w, true);
	write_hint(&w);
	deliver(&w, true);
	struct database standby = w.db;
	standby.lsn += 5000;
	standby.timeline = 2;
	w.fork_lsn = w.lsn - 50; /* the standby had not received the last window */
	w.db = standby;
	ck_assert_int_eq(start(&w), POSITION_REWIND);
	ck_assert(strstr(w.why, "timeline"));
	w.fork_lsn = w.lsn;
	ck_assert_int_eq(start(&w), POSITION_GOES_ON);
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
	ck_assert_int_eq(start(&copy), POSITION_REWIND);
	ck_assert(strstr(copy.why, "newer owner"));
	copy.owner = (struct token){ 2, 1, 1 };
	ck_assert_int_eq(start(&copy), POSITION_GOES_ON);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, test_record);
	tcase_add_test(tcase, test_lives_without_alarm);
	tcase_add_test(tcase, test_dropped_and_created);
	tcase_add_test(tcase, test_never_delivered);
	tcase_add_test(tcase, test_restored_backup);
	tcase_add_test(tcase, test_failover_that_lost);
	tcase_add_test(tcase, test_topic_gone);
	tcase_add_test(tcase, test_other_source);
	return runner_run("position", tcase);
}

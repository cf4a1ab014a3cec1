/*
 * tests/unit/test_checker_doctored.c
 *    A stream as pgshovel writes it, then the same with one fault: an event missing, doubled, exchanged with its
 *    neighbour, with a wrong `before`. Whichever event it is that suffers: the checker and the rows that are
 *    left must tell. Two databases, so that equal event ids of different databases are seen to be fine.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/chaos/random.h"
#include "tests/lib/checker.h"
#include "tests/unit/runner.h"

enum { EVENTS = 120, KEYS = 8, DATABASES = 2, MAX_RECORDS = 3 * EVENTS, TEXT = 512 };

struct made {
	int key;
	int event; /* 0 to EVENTS - 1: the records of one event lie together */
	bool newkey;
	bool oldkey;
	bool tombstone;
	char topic[32];
	char key_text[32];
	char value[TEXT];
};

struct state {
	int value[DATABASES][KEYS]; /* 0: no row */
	long ev_id[DATABASES];
	int next_value; /* never twice: lost events cannot cancel one another out */
};

static struct made made[MAX_RECORDS];
static size_t n_made;
static uint64_t problems;

static void on_problem(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
	problems++;
}

static void row_text(char *to, size_t size, int key, int value)
{
	if (value)
		(void)snprintf(to, size, "{\"id\":%d,\"v\":%d}", key, value);
	else
		(void)snprintf(to, size, "null");
}

static struct made *add(int event, int database, int key)
{
	struct made *record = &made[n_made++];

	*record = (struct made){ .event = event, .key = key };
	(void)snprintf(record->topic, sizeof(record->topic), "p.d%d.public.t", database);
	(void)snprintf(record->key_text, sizeof(record->key_text), "{\"id\":%d}", key);
	return record;
}

static struct made *add_change(int event, int database, long ev_id, int key, char op, int before,
			       int after)
{
	struct made *record = add(event, database, key);
	char old[64];
	char new[64];

	row_text(old, sizeof(old), key, before);
	row_text(new, sizeof(new), key, after);
	/* a transaction an event: inside one, ids may fall */
	(void)snprintf(
		record->value, sizeof(record->value),
		"{\"before\":%s,\"after\":%s,\"source\":{\"db\":\"d%d\",\"sequence\":"
		"\"[\\\"%ld\\\",\\\"%ld\\\"]\",\"schema\":\"public\",\"table\":\"t\",\"txId\":%ld},"
		"\"op\":\"%c\"}",
		old, new, database, ev_id + 1000, ev_id, ev_id + 1000, op);
	return record;
}

static void add_tombstone(int event, int database, int key, bool newkey)
{
	struct made *record = add(event, database, key);

	record->tombstone = true;
	record->newkey = newkey;
}

static void make_event(struct chaos_random *random, struct state *state, int event)
{
	int database = chaos_between(random, 0, DATABASES - 1);
	int key = chaos_between(random, 0, KEYS - 1);
	int other = (key + chaos_between(random, 1, KEYS - 1)) % KEYS;
	int *rows = state->value[database];
	long ev_id = state->ev_id[database] += chaos_between(random, 1, 3);

	if (!rows[key]) {
		(void)add_change(event, database, ev_id, key, 'c', 0, ++state->next_value);
		rows[key] = state->next_value;
	} else if (chaos_between(random, 0, 4) == 0) {
		(void)add_change(event, database, ev_id, key, 'd', rows[key], 0);
		add_tombstone(event, database, key, false);
		rows[key] = 0;
	} else if (!rows[other] && chaos_between(random, 0, 4) == 0) {
		add_change(event, database, ev_id, key, 'd', rows[key], 0)->newkey = true;
		add_tombstone(event, database, key, true);
		add_change(event, database, ev_id, other, 'c', 0, rows[key])->oldkey = true;
		rows[other] = rows[key];
		rows[key] = 0;
	} else {
		(void)add_change(event, database, ev_id, key, 'u', rows[key], ++state->next_value);
		rows[key] = state->next_value;
	}
}

static void make_stream(void)
{
	struct chaos_random random = { 4711 };
	struct state state = { .next_value = 0 };

	n_made = 0;
	for (int i = 0; i < EVENTS; i++)
		make_event(&random, &state, i);
}

static void feed(struct checker *checker, const struct made *made_record, const char *value)
{
	static int64_t offset;
	const struct record record = {
		.topic = made_record->topic,
		.offset = offset++,
		.key = { made_record->key_text, strlen(made_record->key_text) },
		.value = { made_record->tombstone ? NULL : value,
			   made_record->tombstone ? 0 : strlen(value) },
		.newkey = made_record->newkey,
		.oldkey = made_record->oldkey,
	};

	checker_record(checker, &record);
}

static struct checker *start(void)
{
	const struct checker_options options = { .complete = true, .problem = on_problem };
	struct checker *checker = checker_new(&options);

	ck_assert_ptr_nonnull(checker);
	problems = 0;
	return checker;
}

/* What is left of both topics; freed by the caller. */
static char *finish(struct checker *checker)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	checker_end(checker);
	(void)checker_rows(checker, "p.d0.public.t", NULL, out);
	(void)fputs("--\n", out);
	(void)checker_rows(checker, "p.d1.public.t", NULL, out);
	ck_assert_int_eq(fclose(out), 0);
	checker_free(checker);
	return text;
}

static char *right_rows(void)
{
	struct checker *checker = start();
	char *rows;

	make_stream();
	for (size_t i = 0; i < n_made; i++)
		feed(checker, &made[i], made[i].value);
	rows = finish(checker);
	ck_assert_uint_eq(problems, 0);
	return rows;
}

static void must_be_told(const char *rows, const char *right, const char *fault, int event)
{
	ck_assert_msg(problems || strcmp(rows, right) != 0, "event %d %s: not seen", event, fault);
}

START_TEST(the_stream_is_right)
{
	char *rows = right_rows();
	int many = 0;

	for (const char *line = rows; *line; line++)
		many += *line == '\n';
	ck_assert_int_gt(many, KEYS);
	free(rows);
}
END_TEST

START_TEST(any_event_missing)
{
	char *right = right_rows();

	for (int gone = 0; gone < EVENTS; gone++) {
		struct checker *checker = start();
		char *rows;

		for (size_t i = 0; i < n_made; i++) {
			if (made[i].event != gone)
				feed(checker, &made[i], made[i].value);
		}
		rows = finish(checker);
		must_be_told(rows, right, "missing", gone);
		free(rows);
	}
	free(right);
}
END_TEST

START_TEST(any_record_missing)
{
	char *right = right_rows();

	for (size_t gone = 0; gone < n_made; gone++) {
		struct checker *checker = start();
		char *rows;

		for (size_t i = 0; i < n_made; i++) {
			if (i != gone)
				feed(checker, &made[i], made[i].value);
		}
		rows = finish(checker);
		must_be_told(rows, right, "lacks a record", made[gone].event);
		free(rows);
	}
	free(right);
}
END_TEST

/* Behind itself, and at the end: as a window that is sent again would do it. */
START_TEST(any_event_doubled)
{
	free(right_rows());
	for (int twice = 0; twice < 2 * EVENTS; twice++) {
		struct checker *checker = start();
		int event = twice / 2;

		for (size_t i = 0; i < n_made; i++) {
			feed(checker, &made[i], made[i].value);
			if (twice % 2 || made[i].event != event ||
			    (i + 1 < n_made && made[i + 1].event == event))
				continue;
			for (size_t k = 0; k < n_made; k++) {
				if (made[k].event == event)
					feed(checker, &made[k], made[k].value);
			}
		}
		for (size_t k = 0; twice % 2 && k < n_made; k++) {
			if (made[k].event == event)
				feed(checker, &made[k], made[k].value);
		}
		free(finish(checker));
		ck_assert_msg(problems > 0, "event %d doubled: not seen", event);
	}
}
END_TEST

/* The first record of one event and the next one of the same key change places. */
START_TEST(any_order_swapped)
{
	int swapped = 0;

	free(right_rows());
	for (size_t a = 0; a < n_made; a++) {
		struct checker *checker;
		size_t b = a + 1;

		while (b < n_made && (made[b].key != made[a].key || made[b].tombstone ||
				      strcmp(made[b].topic, made[a].topic) != 0))
			b++;
		if (made[a].tombstone || b == n_made)
			continue;
		checker = start();
		for (size_t i = 0; i < n_made; i++) {
			size_t which = i == a ? b : i == b ? a : i;

			feed(checker, &made[which], made[which].value);
		}
		free(finish(checker));
		ck_assert_msg(problems > 0, "events %d and %d exchanged: not seen", made[a].event,
			      made[b].event);
		swapped++;
	}
	ck_assert_int_gt(swapped, EVENTS / 4);
}
END_TEST

START_TEST(any_before_wrong)
{
	int wrong = 0;

	free(right_rows());
	for (size_t a = 0; a < n_made; a++) {
		struct checker *checker;
		char value[TEXT];
		char *digits = strstr(made[a].value, "\"v\":");
		char *after = strstr(made[a].value, "\"after\"");

		if (made[a].tombstone || !digits || digits > after)
			continue; /* an insert has none */
		(void)snprintf(value, sizeof(value), "%.*s9%s", (int)(digits + 4 - made[a].value),
			       made[a].value, digits + 4);
		checker = start();
		for (size_t i = 0; i < n_made; i++)
			feed(checker, &made[i], i == a ? value : made[i].value);
		free(finish(checker));
		ck_assert_msg(problems > 0, "event %d with a wrong before: not seen",
			      made[a].event);
		wrong++;
	}
	ck_assert_int_gt(wrong, EVENTS / 4);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("doctored streams");

	tcase_add_test(tcase, the_stream_is_right);
	tcase_add_test(tcase, any_event_missing);
	tcase_add_test(tcase, any_record_missing);
	tcase_add_test(tcase, any_event_doubled);
	tcase_add_test(tcase, any_order_swapped);
	tcase_add_test(tcase, any_before_wrong);
	return runner_run("checker, doctored streams", tcase);
}

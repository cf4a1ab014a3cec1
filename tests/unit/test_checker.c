/*
 * tests/unit/test_checker.c
 *    The checker of the streams must see each fault that it is there for, and none where there is none.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/checker.h"
#include "tests/unit/runner.h"

static char found[8192];
static struct checker *checker;

static void on_problem(void *ctx, const char *text)
{
	size_t len = strlen(found);

	(void)ctx;
	(void)snprintf(found + len, sizeof(found) - len, "%s\n", text);
}

static void start(const struct checker_options *options)
{
	struct checker_options used = options ? *options : (struct checker_options){ 0 };

	used.problem = on_problem;
	found[0] = '\0';
	checker = checker_new(&used);
	ck_assert_ptr_nonnull(checker);
}

static void teardown(void)
{
	checker_free(checker);
	checker = NULL;
}

/* What a test says of a record; the rest is filled in. key, before and after are ids and values. */
struct say {
	char op;
	int key;
	const char *before;
	const char *after;
	long txid;
	long ev_id;
	int partition;
	bool newkey;
	bool oldkey;
	const char *topic;
};

static void feed(struct say say)
{
	static int64_t offset;
	char key[64];
	char value[1024];
	char before[128] = "null";
	char after[128] = "null";
	struct record record = {
		.topic = say.topic ? say.topic : "p.public.t",
		.partition = say.partition,
		.offset = offset++,
		.newkey = say.newkey,
		.oldkey = say.oldkey,
	};

	(void)snprintf(key, sizeof(key), "{\"id\":%d}", say.key);
	if (say.before)
		(void)snprintf(before, sizeof(before), "{\"id\":%d%s}", say.key, say.before);
	if (say.after)
		(void)snprintf(after, sizeof(after), "{\"id\":%d%s}", say.key, say.after);
	(void)snprintf(value, sizeof(value),
		       "{\"before\":%s,\"after\":%s,\"source\":{\"version\":\"1\",\"db\":\"d\","
		       "\"sequence\":"
		       "\"[\\\"%ld\\\",\\\"%ld\\\"]\",\"ts_us\":5,\"schema\":\"public\",\"table\":"
		       "\"t\",\"txId\":%ld},"
		       "\"transaction\":null,\"op\":\"%c\",\"ts_ms\":1}",
		       before, after, say.txid, say.ev_id, say.txid, say.op);
	if (say.op != 't')
		record.key = (struct piece){ key, strlen(key) };
	if (say.op != 'T')
		record.value = (struct piece){ value, strlen(value) };
	checker_record(checker, &record);
}

/* feed() with named fields; op 'T' is a tombstone. */
#define FEED(...) feed((struct say){ __VA_ARGS__ })

static void good_stream(void)
{
	FEED(.op = 'c', .key = 1, .after = ",\"v\":1", .txid = 10, .ev_id = 1);
	FEED(.op = 'c', .key = 2, .after = ",\"v\":1", .txid = 10, .ev_id = 2, .partition = 1);
	FEED(.op = 'u', .key = 1, .before = ",\"v\":1", .after = ",\"v\":2", .txid = 11,
	     .ev_id = 3);
	FEED(.op = 'd', .key = 2, .before = ",\"v\":1", .txid = 12, .ev_id = 4, .partition = 1);
	FEED(.op = 'T', .key = 2, .partition = 1);
	FEED(.op = 'c', .key = 2, .after = ",\"v\":\"}\\\"\"", .txid = 13, .ev_id = 5,
	     .partition = 1);
}

static char *rows(const char *columns, long *ret_n)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	*ret_n = checker_rows(checker, "p.public.t", columns, out);
	(void)fclose(out);
	return text;
}

START_TEST(good_stream_has_no_problem)
{
	struct checker_counts counts;
	long n;
	char *text;

	start(&(struct checker_options){ .complete = true });
	good_stream();
	checker_end(checker);
	checker_count(checker, &counts);
	ck_assert_str_eq(found, "");
	ck_assert_uint_eq(counts.problems, 0);
	ck_assert_uint_eq(counts.events, 5);
	ck_assert_uint_eq(counts.tombstones, 1);
	ck_assert_uint_eq(counts.keys, 2);
	text = rows(NULL, &n);
	ck_assert_int_eq(n, 2);
	ck_assert_str_eq(
		text, "{\"id\":1}\t{\"id\":1,\"v\":2}\n{\"id\":2}\t{\"id\":2,\"v\":\"}\\\"\"}\n");
	free(text);
	text = rows("v", &n);
	ck_assert_str_eq(text, "{\"id\":1}\t{\"v\":2}\n{\"id\":2}\t{\"v\":\"}\\\"\"}\n");
	free(text);
	text = rows("v,w", &n);
	ck_assert_int_eq(n, -1);
	free(text);
}
END_TEST

START_TEST(doubled_event)
{
	start(NULL);
	good_stream();
	FEED(.op = 'u', .key = 1, .before = ",\"v\":1", .after = ",\"v\":2", .txid = 11,
	     .ev_id = 3);
	ck_assert_ptr_nonnull(strstr(found, "twice: "));
}
END_TEST

START_TEST(doubled_event_under_another_key)
{
	start(NULL);
	good_stream();
	FEED(.op = 'c', .key = 7, .after = ",\"v\":2", .txid = 11, .ev_id = 3);
	ck_assert_ptr_nonnull(strstr(found, "twice: "));
}
END_TEST

START_TEST(missing_update)
{
	start(NULL);
	good_stream();
	FEED(.op = 'u', .key = 1, .before = ",\"v\":3", .after = ",\"v\":4", .txid = 14,
	     .ev_id = 7);
	ck_assert_ptr_nonnull(strstr(found, "chain: "));
}
END_TEST

START_TEST(missing_delete)
{
	start(NULL);
	good_stream();
	FEED(.op = 'c', .key = 1, .after = ",\"v\":4", .txid = 14, .ev_id = 7);
	ck_assert_ptr_nonnull(strstr(found, "chain: "));
}
END_TEST

START_TEST(missing_insert)
{
	start(&(struct checker_options){ .complete = true });
	FEED(.op = 'u', .key = 1, .before = ",\"v\":3", .after = ",\"v\":4", .txid = 14,
	     .ev_id = 7);
	ck_assert_ptr_nonnull(strstr(found, "chain: "));
}
END_TEST

START_TEST(unknown_row_of_an_incomplete_stream)
{
	start(NULL);
	FEED(.op = 'u', .key = 1, .before = ",\"v\":3", .after = ",\"v\":4", .txid = 14,
	     .ev_id = 7);
	ck_assert_str_eq(found, "");
}
END_TEST

START_TEST(initial_row)
{
	const char *key = "{\"id\":1}";
	const char *row = "{\"id\":1,\"v\":3}";

	start(&(struct checker_options){ .complete = true });
	checker_initial(checker, "p.public.t", (struct piece){ key, strlen(key) },
			(struct piece){ row, strlen(row) });
	FEED(.op = 'u', .key = 1, .before = ",\"v\":3", .after = ",\"v\":4", .txid = 14,
	     .ev_id = 7);
	ck_assert_str_eq(found, "");
}
END_TEST

START_TEST(reordered_events)
{
	start(NULL);
	FEED(.op = 'u', .key = 1, .before = ",\"v\":1", .after = ",\"v\":2", .txid = 11,
	     .ev_id = 3);
	FEED(.op = 'u', .key = 1, .before = ",\"v\":2", .after = ",\"v\":3", .txid = 10,
	     .ev_id = 2);
	ck_assert_ptr_nonnull(strstr(found, "order: "));
	ck_assert_ptr_null(strstr(found, "chain: "));
}
END_TEST

START_TEST(nested_write_of_one_transaction)
{
	start(NULL);
	FEED(.op = 'u', .key = 1, .before = ",\"v\":1", .after = ",\"v\":2", .txid = 11,
	     .ev_id = 3);
	FEED(.op = 'u', .key = 1, .before = ",\"v\":2", .after = ",\"v\":3", .txid = 11,
	     .ev_id = 2);
	ck_assert_str_eq(found, "");
}
END_TEST

START_TEST(key_change)
{
	start(&(struct checker_options){ .complete = true });
	good_stream();
	FEED(.op = 'd', .key = 1, .before = ",\"v\":2", .txid = 14, .ev_id = 8, .newkey = true);
	FEED(.op = 'T', .key = 1, .newkey = true);
	FEED(.op = 'c', .key = 5, .after = ",\"v\":2", .txid = 14, .ev_id = 8, .oldkey = true);
	checker_end(checker);
	ck_assert_str_eq(found, "");
	FEED(.op = 'c', .key = 6, .after = ",\"v\":2", .txid = 14, .ev_id = 8, .oldkey = true);
	ck_assert_ptr_nonnull(strstr(found, "twice: "));
}
END_TEST

START_TEST(tombstones)
{
	start(NULL);
	FEED(.op = 'd', .key = 1, .before = ",\"v\":2", .txid = 14, .ev_id = 8);
	checker_end(checker);
	ck_assert_ptr_nonnull(strstr(found, "tombstone: "));
	found[0] = '\0';
	FEED(.op = 'T', .key = 1);
	ck_assert_str_eq(found, "");
	FEED(.op = 'T', .key = 1);
	ck_assert_ptr_nonnull(strstr(found, "no delete before it"));
}
END_TEST

START_TEST(insert_before_the_tombstone)
{
	start(NULL);
	FEED(.op = 'd', .key = 1, .before = ",\"v\":2", .txid = 14, .ev_id = 8);
	FEED(.op = 'c', .key = 1, .after = ",\"v\":2", .txid = 14, .ev_id = 9);
	ck_assert_ptr_nonnull(strstr(found, "tombstone: "));
}
END_TEST

START_TEST(another_partition)
{
	start(NULL);
	good_stream();
	FEED(.op = 'u', .key = 1, .before = ",\"v\":2", .after = ",\"v\":3", .txid = 14, .ev_id = 9,
	     .partition = 1);
	ck_assert_ptr_nonnull(strstr(found, "key: "));
}
END_TEST

START_TEST(truncate_empties_the_table)
{
	long n;
	char *text;

	start(&(struct checker_options){ .complete = true });
	FEED(.op = 't', .txid = 20, .ev_id = 6, .topic = "p.truncate");
	good_stream();
	FEED(.op = 'c', .key = 1, .after = ",\"v\":9", .txid = 21, .ev_id = 7);
	ck_assert_str_eq(found, "");
	text = rows(NULL, &n);
	ck_assert_str_eq(text, "{\"id\":1}\t{\"id\":1,\"v\":9}\n");
	free(text);
	FEED(.op = 't', .txid = 20, .ev_id = 6, .topic = "p.truncate");
	ck_assert_ptr_nonnull(strstr(found, "twice: "));
}
END_TEST

START_TEST(changed_set)
{
	start(NULL);
	FEED(.op = 'c', .key = 1, .after = ",\"v\":1,\"w\":2", .txid = 1, .ev_id = 1);
	FEED(.op = 'u', .key = 1, .before = ",\"v\":1", .after = ",\"v\":2", .txid = 2, .ev_id = 2);
	ck_assert_str_eq(found, "");
	/* as many, one renamed */
	FEED(.op = 'u', .key = 1, .before = ",\"x\":2", .after = ",\"x\":3,\"w\":1", .txid = 3,
	     .ev_id = 3);
	ck_assert_str_eq(found, "");
	FEED(.op = 'u', .key = 1, .before = ",\"x\":2,\"w\":1", .after = ",\"v\":3", .txid = 4,
	     .ev_id = 4);
	ck_assert_ptr_nonnull(strstr(found, "chain: "));
}
END_TEST

START_TEST(repeats_are_allowed_when_said)
{
	start(&(struct checker_options){ .repeats = true, .complete = true });
	good_stream();
	good_stream();
	checker_end(checker);
	ck_assert_str_eq(found, "");
}
END_TEST

START_TEST(broken_envelopes)
{
	static const char *const texts[] = {
		"{\"op\":\"c\"}",
		"{\"op\":\"c\",\"source\":{\"txId\":1}}",
		"{\"op\":\"c\",\"source\":{\"txId\":1,\"sequence\":\"[]\"}}",
		"{\"op\":\"cc\",\"source\":{}}",
		"{\"op\":\"u\",\"before\":null,\"after\":{\"id\":1},\"source\":{\"txId\":1,"
		"\"sequence\":\"[\\\"1\\\",\\\"2\\\"]\"}}",
	};

	start(NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct record record = {
			.topic = "p.public.t",
			.key = { "{\"id\":1}", 8 },
			.value = { texts[i], strlen(texts[i]) },
		};

		found[0] = '\0';
		checker_record(checker, &record);
		ck_assert_msg(strstr(found, "shape: ") != NULL, "not seen: %s", texts[i]);
	}
	/* Cut anywhere, a text must be survived. */
	for (size_t len = 0; len < strlen(texts[4]); len++) {
		char *copy = malloc(len + 1);
		struct record record = { .topic = "p.public.t",
					 .key = { "{}", 2 },
					 .value = { copy, len } };

		memcpy(copy, texts[4], len);
		checker_record(checker, &record);
		free(copy);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("checker");

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, good_stream_has_no_problem);
	tcase_add_test(tcase, doubled_event);
	tcase_add_test(tcase, doubled_event_under_another_key);
	tcase_add_test(tcase, missing_update);
	tcase_add_test(tcase, missing_delete);
	tcase_add_test(tcase, missing_insert);
	tcase_add_test(tcase, unknown_row_of_an_incomplete_stream);
	tcase_add_test(tcase, initial_row);
	tcase_add_test(tcase, reordered_events);
	tcase_add_test(tcase, nested_write_of_one_transaction);
	tcase_add_test(tcase, key_change);
	tcase_add_test(tcase, tombstones);
	tcase_add_test(tcase, insert_before_the_tombstone);
	tcase_add_test(tcase, another_partition);
	tcase_add_test(tcase, truncate_empties_the_table);
	tcase_add_test(tcase, changed_set);
	tcase_add_test(tcase, repeats_are_allowed_when_said);
	tcase_add_test(tcase, broken_envelopes);
	return runner_run("checker", tcase);
}

/*
 * tests/unit/test_event.c
 *    Rows of binary COPY and record text, well-formed and not.
 */
#include <check.h>
#include <endian.h>
#include <string.h>

#include "tests/unit/runner.h"
#include "worker/event.h"

struct tuple {
	char bytes[512];
	size_t len;
};

static void add_i16(struct tuple *t, int n)
{
	const uint16_t wire = htobe16((uint16_t)n);
	memcpy(t->bytes + t->len, &wire, sizeof(wire));
	t->len += sizeof(wire);
}

static void add(struct tuple *t, const void *bytes, size_t n)
{
	const uint32_t wire = htobe32((uint32_t)n);
	memcpy(t->bytes + t->len, &wire, sizeof(wire));
	memcpy(t->bytes + t->len + sizeof(wire), bytes, n);
	t->len += sizeof(wire) + n;
}

static void add_i64(struct tuple *t, int64_t n)
{
	const uint64_t wire = htobe64((uint64_t)n);
	add(t, &wire, sizeof(wire));
}

static void add_text(struct tuple *t, const char *text)
{
	if (text) {
		add(t, text, strlen(text));
		return;
	}
	memset(t->bytes + t->len, 0xff, 4);
	t->len += 4;
}

static struct tuple make(unsigned n_extra, const char *type, const char *relation,
			 const char *new_row)
{
	struct tuple t = { .len = 0 };
	add_i16(&t, (int)n_extra + EVENT_N_COLUMNS);
	for (unsigned i = 0; i < n_extra; i++)
		add_text(&t, i % 2 ? NULL : "extra");
	add_i64(&t, 42);
	add_i64(&t, 7);
	add_i64(&t, 1);
	add_text(&t, type);
	add_text(&t, relation);
	add_text(&t, new_row);
	add_text(&t, "(old)");
	add_text(&t, NULL);
	add_text(&t, "(0,1)");
	return t;
}

static int parse(const struct tuple *t, unsigned n_extra, struct event *ev)
{
	/* From the heap and exactly as long, so that a read behind the end is seen. */
	char *copy = malloc(t->len + (t->len == 0));
	memcpy(copy, t->bytes, t->len);
	struct pgs_err err = { .cls = PGS_ERR_NONE };
	const int rc = event_from_copy(copy, t->len, n_extra, ev, &err);
	if (rc < 0)
		ck_assert_int_eq(err.cls, PGS_ERR_BUG);
	free(copy);
	return rc;
}

START_TEST(test_copy_good)
{
	for (unsigned n_extra = 0; n_extra < 4; n_extra++) {
		const struct tuple t = make(n_extra, "U", "12", "(1,a)");
		struct event ev;
		struct pgs_err err;
		ck_assert_int_eq(event_from_copy(t.bytes, t.len, n_extra, &ev, &err), 1);
		ck_assert_int_eq(ev.id, 42);
		ck_assert_int_eq(ev.txid, 7);
		ck_assert_int_eq(ev.time_us, INT64_C(946684800000001));
		ck_assert_int_eq(ev.type, 'U');
		ck_assert_int_eq(ev.relation, 12);
		ck_assert_uint_eq(ev.new_row.len, 5);
		ck_assert_mem_eq(ev.new_row.text, "(1,a)", 5);
		ck_assert_mem_eq(ev.old_row.text, "(old)", 5);
		ck_assert_ptr_null(ev.old_ctid.text);
		ck_assert_mem_eq(ev.new_ctid.text, "(0,1)", 5);
	}
}
END_TEST

START_TEST(test_copy_trailer)
{
	struct tuple t = { .len = 0 };
	struct event ev;
	add_i16(&t, -1);
	ck_assert_int_eq(parse(&t, 0, &ev), 0);
	t.bytes[t.len++] = 'x';
	ck_assert_int_eq(parse(&t, 0, &ev), -1);
}
END_TEST

START_TEST(test_copy_bad)
{
	struct event ev;
	struct tuple t = make(0, "U", "12", "(1,a)");
	ck_assert_int_eq(parse(&t, 1, &ev), -1); /* another number of fields */
	for (size_t cut = 0; cut < t.len; cut++) {
		struct tuple part = t;
		part.len = cut;
		ck_assert_int_eq(parse(&part, 0, &ev), -1);
	}
	t.bytes[t.len++] = 0;
	ck_assert_int_eq(parse(&t, 0, &ev), -1);
}
END_TEST

/* What somebody else put into the queue is an event that says so, not an error of ours. */
START_TEST(test_copy_foreign)
{
	static const struct {
		const char *type;
		const char *relation;
		const char *reason;
	} cases[] = {
		{ "X", "12", "ev_type is \"X\"" },
		{ "UU", "12", "ev_type is \"UU\"" },
		{ "", "12", "ev_type is \"\"" },
		{ NULL, "12", "ev_type is \"\"" },
		{ "U", NULL, "no relation id" },
		{ "U", "", "no relation id" },
		{ "U", "1x", "no relation id" },
		{ "U", "-1", "no relation id" },
		{ "U", "2147483648", "no relation id" },
		{ "U", "99999999999", "no relation id" },
		{ "U", "12:", "no relation id" },
		{ "U", ":p", "no relation id" },
		{ "my.own.event", "about: something", "ev_type is \"my.own.event\"" },
	};
	for (size_t i = 0; i < PGS_ARRAY_LEN(cases); i++) {
		const struct tuple t = make(0, cases[i].type, cases[i].relation, "(1,a)");
		struct event ev;
		struct pgs_err err;
		ck_assert_int_eq(event_from_copy(t.bytes, t.len, 0, &ev, &err), 1);
		ck_assert(ev.foreign);
		ck_assert_int_eq(ev.id, 42);
		ck_assert_mem_eq(ev.new_row.text, "(1,a)", 5);
		ck_assert_ptr_null(ev.new_ctid.text);
		ck_assert_int_eq(event_foreign(&ev, &err), -1);
		ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
		ck_assert_str_eq(err.code, "poison");
		ck_assert_msg(strstr(err.msg, cases[i].reason) != NULL, "%s", err.msg);
		if (cases[i].type)
			ck_assert_mem_eq(ev.ev_type.text, cases[i].type, ev.ev_type.len);
	}
}
END_TEST

START_TEST(test_copy_time)
{
	static const int64_t times[] = { INT64_MIN, INT64_MAX }; /* -infinity, infinity */
	for (size_t i = 0; i < PGS_ARRAY_LEN(times); i++) {
		struct tuple t = make(0, "U", "12", "(1,a)");
		const uint64_t wire = htobe64((uint64_t)times[i]);
		struct event ev;
		struct pgs_err err;
		memcpy(t.bytes + sizeof(int16_t) + 2 * 12 + 4, &wire, sizeof(wire));
		ck_assert_int_eq(event_from_copy(t.bytes, t.len, 0, &ev, &err), 1);
		ck_assert(ev.foreign);
		ck_assert_int_eq(event_foreign(&ev, &err), -1);
		ck_assert_msg(strstr(err.msg, "infinite") != NULL, "%s", err.msg);
	}
}
END_TEST

START_TEST(test_copy_leaf)
{
	const struct tuple t = make(0, "U", "12:public.\"p 1\"", "(1,a)");
	struct event ev;
	struct pgs_err err;
	ck_assert_int_eq(event_from_copy(t.bytes, t.len, 0, &ev, &err), 1);
	ck_assert(!ev.foreign);
	ck_assert_int_eq(ev.relation, 12);
	ck_assert_uint_eq(ev.leaf_len, 12);
	ck_assert_mem_eq(ev.leaf, "public.\"p 1\"", 12);
	const struct tuple plain = make(0, "U", "12", "(1,a)");
	ck_assert_int_eq(event_from_copy(plain.bytes, plain.len, 0, &ev, &err), 1);
	ck_assert_ptr_null(ev.leaf);
	ck_assert_uint_eq(ev.leaf_len, 0);
}
END_TEST

#define N(...) (sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *))

static void split(const char *row, size_t n, const char *const *want)
{
	const struct event_text text = { .text = row, .len = (uint32_t)strlen(row) };
	struct event_text f[8];
	char *scratch = malloc(text.len);
	struct pgs_err err;
	ck_assert_msg(event_split(text, n, f, scratch, &err) == 0, "%s: %s", row, err.msg);
	for (size_t i = 0; i < n; i++) {
		if (!want[i]) {
			ck_assert_msg(f[i].text == NULL, "%s: field %zu is not null", row, i);
			continue;
		}
		ck_assert_msg(f[i].text && f[i].len == strlen(want[i]) &&
				      memcmp(f[i].text, want[i], f[i].len) == 0,
			      "%s: field %zu is \"%.*s\"", row, i, (int)f[i].len, f[i].text);
	}
	free(scratch);
}

#define SPLIT(row, ...) split((row), N(__VA_ARGS__), (const char *const[]){ __VA_ARGS__ })

START_TEST(test_split_good)
{
	SPLIT("()", NULL);
	SPLIT("(,)", NULL, NULL);
	SPLIT("(1,a)", "1", "a");
	SPLIT("(\"\",)", "", NULL);
	SPLIT("(,\"\")", NULL, "");
	SPLIT("(\"a \"\"q\"\" b\",2)", "a \"q\" b", "2");
	SPLIT("(\"back\\\\slash\")", "back\\slash");
	SPLIT("(\"a,b)(\",\"(1,\"\"x\"\")\")", "a,b)(", "(1,\"x\")");
	SPLIT("(\"\"\"\")", "\"");
	SPLIT("(\"\n\t\")", "\n\t");
	SPLIT("(\xc3\xa9,x)", "\xc3\xa9", "x");
}
END_TEST

START_TEST(test_split_bad)
{
	static const struct {
		const char *row;
		size_t n;
	} bad[] = {
		{ "", 1 },         { "(", 1 },     { ")", 1 },     { "1,2", 2 },
		{ "(1,2)", 1 },    { "(1,2)", 3 }, { "(\"a)", 1 }, { "(\"a\"b)", 1 },
		{ "(\"a\\)", 1 },  { "(\")", 1 },  { "(1)x", 1 },  { "(\"a\",)", 1 },
		{ "(\"\"\")", 1 },
	};
	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++) {
		const size_t len = strlen(bad[i].row);
		char *copy = malloc(len + 1);
		char *scratch = malloc(len + 1);
		memcpy(copy, bad[i].row, len);
		struct event_text f[8];
		struct pgs_err err;
		const struct event_text row = { .text = copy, .len = (uint32_t)len };
		ck_assert_msg(event_split(row, bad[i].n, f, scratch, &err) == -1, "%s", bad[i].row);
		ck_assert_int_eq(err.cls, PGS_ERR_BUG);
		free(copy);
		free(scratch);
	}
	struct event_text f[1];
	struct pgs_err err;
	ck_assert_int_eq(event_split((struct event_text){ .text = NULL }, 1, f, NULL, &err), -1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("event");

	tcase_add_test(tc, test_copy_good);
	tcase_add_test(tc, test_copy_trailer);
	tcase_add_test(tc, test_copy_bad);
	tcase_add_test(tc, test_copy_foreign);
	tcase_add_test(tc, test_copy_time);
	tcase_add_test(tc, test_copy_leaf);
	tcase_add_test(tc, test_split_good);
	tcase_add_test(tc, test_split_bad);
	return runner_run("event", tc);
}

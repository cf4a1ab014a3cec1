/*
 * tests/unit/test_golden.c
 *    Every row of tests/golden/debezium against the encoder, byte for byte.
 *
 * A row that is meant to differ matches an entry of EXCEPTIONS, printed with its reason; an entry that no row
 * needs fails the test. What PostgreSQL writes for the inputs comes from files, so that no server is needed.
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/runner.h"
#include "worker/encode.h"

#define GOLDEN "tests/golden/debezium/"

/* The varying fields of the golden files were set to these values. */
enum { TXID = 7, EV_ID = 8, EV_TIME_US = 1000, NOW_US = 2000 };

struct exception {
	const char *variant; /* NULL: any */
	const char *name; /* of the case; "*" at its end: a prefix */
	const char *input; /* NULL: any */
	const char *reason;
};

#define LEFT_OUT       "Debezium leaves the column out (or writes base64 of its text); we write its text"
#define NEGATIVE_SCALE "Debezium takes the scale -2 for 2046"
#define JAVA17         "shortest digits (JDK 19 and later); the golden run's JDK prints one more"
#define PLACEHOLDER    "Debezium has no value for unchanged TOAST columns; we have the whole row"
#define NOT_OURS       "not a change of a captured table"
#define WRAPS          "beyond 64 bits Debezium wraps around; we write the nearest number"
#define HSTORE_MAP     "hstore.handling.mode map is not offered"

static const struct exception EXCEPTIONS[] = {
	{ NULL, "name", NULL, "Debezium writes null for streamed name values" },
	{ NULL, "numeric_3_neg2", NULL, NEGATIVE_SCALE },
	{ NULL, "interval3", NULL, "Debezium loses a microsecond (1234999 for 1.235 s)" },
	{ NULL, "float4", "123456789", JAVA17 },
	{ NULL, "float4", "1.17549435e-38", JAVA17 },
	{ "types-default", "timestamp", "294276-12-31 23:59:59.999999", WRAPS },
	{ "types-default", "timestamp6", "294276-12-31 23:59:59.999999", WRAPS },
	{ "types-isostring_b64url", "bytea", NULL, "base64-url-safe is not offered" },
	{ NULL, "a_int4", "{{1,2},{3,4}}", "two-dimensional: Debezium writes nulls, we the text" },
	{ NULL, "a_date", NULL, "Debezium loses the sign of years BC inside of arrays" },
	{ NULL, "a_time", NULL, "Debezium writes 24:00:00 as 0 inside of arrays" },
	{ NULL, "a_bit", NULL, "Debezium writes null; we write its text" },
	{ NULL, "a_interval", NULL, LEFT_OUT },
	{ NULL, "a_money", NULL, LEFT_OUT },
	{ NULL, "a_point", NULL, LEFT_OUT },
	{ NULL, "a_xml", NULL, LEFT_OUT },
	{ NULL, "a_domain", NULL, "Debezium leaves the column out; ours: array of base type" },
	{ NULL, "int4multirange", NULL, LEFT_OUT },
	{ NULL, "tsquery", NULL, LEFT_OUT },
	{ NULL, "pg_lsn", NULL, LEFT_OUT },
	{ NULL, "xid8", NULL, LEFT_OUT },
	{ NULL, "jsonpath", NULL, LEFT_OUT },
	{ NULL, "regclass", NULL, LEFT_OUT },
	{ NULL, "composite", NULL, LEFT_OUT },
	{ "types-strings", "hstore", NULL, HSTORE_MAP },
	{ "types-strings", "a_hstore", NULL, HSTORE_MAP },
	{ "types-schemas_strings", "hstore", NULL, HSTORE_MAP },
	{ "types-schemas_strings", "a_hstore", NULL, HSTORE_MAP },
};

/* Cases of the envelope files that are not compared. */
static const struct exception NOT_COMPARED[] = {
	{ NULL, "heartbeat", NULL, NOT_OURS },
	{ NULL, "message*", NULL, NOT_OURS },
	{ NULL, "incremental_snapshot", NULL, NOT_OURS },
	{ NULL, "toast_*", NULL, PLACEHOLDER },
	{ NULL, "update_noop", NULL, "an update that changes nothing writes no event" },
};

static bool needed[PGS_ARRAY_LEN(EXCEPTIONS)];
static char *version_text;
static char *envelope_fields;

/* Two words of the golden files that stand for longer text. */
static char *restore(const char *text)
{
	static const char version_mark[] = "@VERSION@";
	static const char fields_mark[] = "@ENVELOPE_FIELDS@";
	struct pgs_buf out = PGS_BUF_INIT(1 << 20);
	for (const char *at = text; *at;) {
		if (strncmp(at, version_mark, strlen(version_mark)) == 0) {
			pgs_buf_puts(&out, version_text);
			at += strlen(version_mark);
		} else if (strncmp(at, fields_mark, strlen(fields_mark)) == 0) {
			pgs_buf_puts(&out, envelope_fields);
			at += strlen(fields_mark);
		} else {
			pgs_buf_putc(&out, *at++);
		}
	}
	char *done = pgs_buf_steal(&out);
	ck_assert_ptr_nonnull(done);
	return done;
}

/* Every line of a file as one JSON array. */
static json_t *load_lines(const char *path)
{
	FILE *f = fopen(path, "re");
	ck_assert_msg(f != NULL, "could not open \"%s\": run from the root of the source", path);
	json_t *all = json_array();
	char *line = NULL;
	size_t cap = 0;
	while (getline(&line, &cap, f) > 0) {
		json_error_t why;
		json_t *row = json_loads(line, JSON_ALLOW_NUL, &why);
		ck_assert_msg(row != NULL, "%s: %s", path, why.text);
		json_array_append_new(all, row);
	}
	free(line);
	fclose(f);
	return all;
}

static const char *text_of(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

static bool case_is(const char *pattern, const char *name)
{
	const size_t n = strlen(pattern);
	if (n > 0 && pattern[n - 1] == '*')
		return strncmp(pattern, name, n - 1) == 0;
	return strcmp(pattern, name) == 0;
}

static const struct exception *find(const struct exception *list, size_t n, const char *variant,
				    const char *name, const char *input)
{
	for (size_t i = 0; i < n; i++) {
		const struct exception *x = &list[i];
		if ((!x->variant || strcmp(x->variant, variant) == 0) && case_is(x->name, name) &&
		    (!x->input || (input && strcmp(x->input, input) == 0)))
			return x;
	}
	return NULL;
}

static int index_of(const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	ck_abort_msg("unknown mode \"%s\"", word);
	return -1;
}

#define WORD(list, name) index_of((list), PGS_ARRAY_LEN(list), text_of(format, (name)))

static struct setdoc read_format(const json_t *head)
{
	static const char *const envelopes[] = { "debezium-json", "debezium-json-schema", "flat" };
	static const char *const decimals[] = { "string", "double", "precise" };
	static const char *const times[] = { "adaptive", "microseconds", "connect", "isostring" };
	static const char *const intervals[] = { "numeric", "string" };
	static const char *const binaries[] = { "bytes", "base64", "hex" };
	const json_t *format = json_object_get(head, "format");
	struct setdoc doc = { .name = NULL };
	doc.format.envelope = (enum setdoc_envelope)WORD(envelopes, "envelope");
	doc.format.decimal = (enum setdoc_decimal)WORD(decimals, "decimal");
	doc.format.time = (enum setdoc_time)WORD(times, "time");
	doc.format.interval = (enum setdoc_interval)WORD(intervals, "interval");
	doc.format.binary = (enum setdoc_binary)WORD(binaries, "binary");
	doc.format.tombstones = json_is_true(json_object_get(format, "tombstones"));
	doc.format.transactions = json_is_true(json_object_get(format, "transactions"));
	return doc;
}

static struct encoder *make_encoder(const struct setdoc *doc)
{
	const struct encode_config config = {
		.doc = doc, .prefix = "p", .database = "lab", .partitions = 1
	};
	struct encoder *enc = NULL;
	struct pgs_err err;
	ck_assert_msg(encoder_new(&config, &enc, &err) == 0, "%s", err.msg);
	return enc;
}

static struct relation *make_relation(const json_t *row, int32_t id)
{
	char *columns = json_dumps(json_object_get(row, "columns"), JSON_COMPACT);
	struct relation *rel = NULL;
	struct pgs_err err;
	ck_assert_msg(relation_from_row(id, 1, text_of(row, "schema"), text_of(row, "table"), "",
					false, columns, &rel, &err) == 0,
		      "%s", err.msg);
	free(columns);
	return rel;
}

/* Records as the encoder emits them, for comparison. */
struct record {
	char topic[128];
	char *key;
	char *value;
	char header[32];
	char *header_value;
	bool seen;
};

struct records {
	size_t n;
	struct record list[64];
};

static char *copy(const char *bytes, size_t n)
{
	return bytes ? strndup(bytes, n) : NULL;
}

static int keep(void *ctx, const struct encode_record *r, struct pgs_err *reterr)
{
	struct records *all = ctx;
	(void)reterr;
	ck_assert_uint_lt(all->n, PGS_ARRAY_LEN(all->list));
	struct record *to = &all->list[all->n++];
	snprintf(to->topic, sizeof(to->topic), "%s", r->topic);
	to->key = copy(r->key, r->key_len);
	to->value = copy(r->value, r->value_len);
	ck_assert_int_eq(r->partition, 0);
	ck_assert_uint_le(r->n_headers, 1);
	if (r->n_headers == 1) {
		snprintf(to->header, sizeof(to->header), "%s", r->headers[0].name);
		to->header_value = copy(r->headers[0].value, r->headers[0].value_len);
	}
	return 0;
}

static void forget(struct records *all)
{
	for (size_t i = 0; i < all->n; i++) {
		free(all->list[i].key);
		free(all->list[i].value);
		free(all->list[i].header_value);
	}
	memset(all, 0, sizeof(*all));
}

static bool same(const char *a, const char *b)
{
	return !a || !b ? a == b : strcmp(a, b) == 0;
}

struct tally {
	int rows;
	int matched;
	int excepted;
	int wrong;
};

static struct event_text as_text(const char *text)
{
	return (struct event_text){ .text = text, .len = text ? (uint32_t)strlen(text) : 0 };
}

/* ---- types ---- */

static const json_t *lookup(const json_t *rows, const char *name, json_int_t id)
{
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		const json_t *row_id = json_object_get(row, "id");
		if (strcmp(text_of(row, "case"), name) == 0 &&
		    (!row_id || json_integer_value(row_id) == id))
			return row;
	}
	ck_abort_msg("no row for case %s, id %d: run tests/golden/make-record-text.sh", name,
		     (int)id);
	return NULL;
}

static json_int_t id_of_key(const char *key)
{
	const char *at = strstr(key, "\"id\":1");
	ck_assert_ptr_nonnull(at);
	return strtoll(at + 5, NULL, 10);
}

static void compare_type(const char *variant, struct encoder *enc, const json_t *row,
			 const json_t *relations, const json_t *texts, struct tally *tally)
{
	const char *name = text_of(row, "case");
	const char *input = text_of(row, "input");
	struct relation *rel = make_relation(lookup(relations, name, 0), 1);
	const json_t *text = lookup(texts, name, id_of_key(text_of(row, "key")));
	const struct event ev = { .id = EV_ID,
				  .txid = TXID,
				  .time_us = EV_TIME_US,
				  .type = 'I',
				  .relation = 1,
				  .new_row = as_text(text_of(text, "row")) };
	struct records got = { 0 };
	struct pgs_err err;
	ck_assert_msg(encode_prepare(enc, rel, &err) == 0, "%s", err.msg);
	ck_assert_msg(encode_event(enc, rel, &ev, NULL, NOW_US, keep, &got, &err) == 0, "%s: %s",
		      name, err.msg);
	ck_assert_uint_eq(got.n, 1);
	char *value = restore(text_of(row, "value"));
	const bool ok = same(got.list[0].topic, text_of(row, "topic")) &&
			same(got.list[0].key, text_of(row, "key")) &&
			same(got.list[0].value, value);
	const struct exception *x =
		find(EXCEPTIONS, PGS_ARRAY_LEN(EXCEPTIONS), variant, name, input);
	tally->rows++;
	if (ok) {
		tally->matched++;
	} else if (x) {
		tally->excepted++;
		needed[x - EXCEPTIONS] = true;
		printf("# %s %s %s: %s\n", variant, name, input ? input : "null", x->reason);
	} else {
		tally->wrong++;
		printf("# DIFFERENT %s %s %s\n#   golden %s\n#   ours   %s\n", variant, name,
		       input ? input : "null", value, got.list[0].value);
	}
	free(value);
	forget(&got);
	relation_free(rel);
}

static void compare_types(const char *variant, const json_t *relations, const json_t *texts,
			  struct tally *total)
{
	char path[256];
	snprintf(path, sizeof(path), GOLDEN "%s.jsonl", variant);
	json_t *rows = load_lines(path);
	struct setdoc doc = read_format(json_array_get(rows, 0));
	struct encoder *enc = make_encoder(&doc);
	struct tally tally = { 0 };
	for (size_t i = 1; i < json_array_size(rows); i++)
		compare_type(variant, enc, json_array_get(rows, i), relations, texts, &tally);
	printf("# %s: %d rows, %d equal, %d exceptions, %d different\n", variant, tally.rows,
	       tally.matched, tally.excepted, tally.wrong);
	total->rows += tally.rows;
	total->matched += tally.matched;
	total->excepted += tally.excepted;
	total->wrong += tally.wrong;
	encoder_free(enc);
	json_decref(rows);
}

START_TEST(test_types)
{
	static const char *const variants[] = {
		"types-default",
		"types-double_connect_hex",
		"types-isostring_b64url",
		"types-microseconds",
		"types-strings",
		"types-special_double",
		"types-special_string",
		"types-special_precise_numeric_10_2_nan",
		"types-special_precise_numeric_inf",
		"types-special_precise_numeric_nan",
		"types-schemas",
		"types-schemas_strings",
		"types-schemas_double_connect",
	};
	json_t *relations = load_lines(GOLDEN "relations.jsonl");
	json_t *texts = load_lines(GOLDEN "record-text.jsonl");
	struct tally total = { 0 };
	for (size_t i = 0; i < PGS_ARRAY_LEN(variants); i++)
		compare_types(variants[i], relations, texts, &total);
	printf("# types: %d rows, %d equal, %d exceptions, %d different\n", total.rows,
	       total.matched, total.excepted, total.wrong);
	json_decref(relations);
	json_decref(texts);
	for (size_t i = 0; i < PGS_ARRAY_LEN(EXCEPTIONS); i++)
		ck_assert_msg(needed[i], "the exception for \"%s\" is no longer needed",
			      EXCEPTIONS[i].name);
	ck_assert_int_gt(total.rows, 1000);
	ck_assert_int_eq(total.wrong, 0);
}
END_TEST

/* ---- envelopes ---- */

/* All events of one case are one transaction. */
static void run_case(struct encoder *enc, bool transactions, const char *name, const json_t *lines,
		     struct relation **shapes, struct records *got)
{
	struct pgs_err err;
	int64_t total = 0;
	struct {
		char table[64];
		int64_t n;
	} tables[8] = { 0 };
	size_t n_tables = 0;
	size_t i;
	json_t *row;
	json_array_foreach(lines, i, row)
	{
		if (!text_of(row, "case") || strcmp(text_of(row, "case"), name) != 0)
			continue;
		if (total == 0 && transactions)
			ck_assert(encode_transaction_begin(enc, TXID, NOW_US, keep, got, &err) ==
				  0);
		size_t s = 0;
		while (strcmp(text_of(json_array_get(lines, s), "shape"), text_of(row, "shape")) !=
		       0)
			s++;
		const struct relation *rel = shapes[s];
		size_t t = 0;
		while (t < n_tables && strcmp(tables[t].table, rel->table) != 0)
			t++;
		if (t == n_tables)
			snprintf(tables[n_tables++].table, sizeof(tables[0].table), "%s",
				 rel->table);
		const struct event ev = { .id = EV_ID,
					  .txid = TXID,
					  .time_us = EV_TIME_US,
					  .type = text_of(row, "op")[0],
					  .relation = rel->id,
					  .new_row = as_text(text_of(row, "new")),
					  .old_row = as_text(text_of(row, "old")) };
		const struct encode_transaction tx = { .txid = TXID,
						       .total_order = &total,
						       .collection_order = &tables[t].n };
		ck_assert_msg(encode_event(enc, rel, &ev, transactions ? &tx : NULL, NOW_US, keep,
					   got, &err) == 0,
			      "%s: %s", name, err.msg);
		if (!transactions)
			total++;
	}
	if (!transactions || total == 0)
		return;
	struct encode_collection counts[8];
	char names[8][80];
	for (size_t t = 0; t < n_tables; t++) {
		snprintf(names[t], sizeof(names[t]), "ev.%s", tables[t].table);
		counts[t] = (struct encode_collection){ .name = names[t], .events = tables[t].n };
	}
	ck_assert(encode_transaction_end(enc, TXID, counts, n_tables, NOW_US, keep, got, &err) ==
		  0);
}

/* With "before":{...} replaced by "before":null: what is left to compare where Debezium has no old row. */
static void drop_before(char *value)
{
	static const char mark[] = "\"before\":{\"";
	char *at = strstr(value, "\"payload\":{\"before\":");
	at = strstr(at ? at : value, mark);
	if (!at)
		return;
	at += strlen(mark) - 2;
	char *end = strchr(at, '}');
	ck_assert_ptr_nonnull(end);
	memcpy(at, "null", 4);
	memmove(at + 4, end + 1, strlen(end + 1) + 1);
}

static int by_byte(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}

/* Both texts have the same bytes, in whatever order. */
static bool permuted(const char *a, const char *b)
{
	if (strlen(a) != strlen(b))
		return false;
	char *x = strdup(a);
	char *y = strdup(b);
	qsort(x, strlen(x), 1, by_byte);
	qsort(y, strlen(y), 1, by_byte);
	const bool ok = strcmp(x, y) == 0;
	free(x);
	free(y);
	return ok;
}

static struct record *next_of_topic(struct records *got, const char *topic)
{
	for (size_t i = 0; i < got->n; i++)
		if (!got->list[i].seen && strcmp(got->list[i].topic, topic) == 0)
			return &got->list[i];
	return NULL;
}

static void compare_record(const char *variant, const json_t *row, struct records *got,
			   struct tally *tally)
{
	const char *name = text_of(row, "case");
	const char *topic = text_of(row, "topic");
	const bool truncate =
		strncmp(name, "truncate", 8) == 0 && strcmp(topic, "p.transaction") != 0;
	struct record *r = next_of_topic(got, truncate ? "p.truncate" : topic);
	if (!r) {
		tally->wrong++;
		printf("# MISSING %s %s on %s\n", variant, name, topic);
		return;
	}
	/* Both topics of truncate_two become one: find the one of this table. */
	if (truncate)
		for (size_t i = 0; i < got->n; i++)
			if (!got->list[i].seen &&
			    strstr(got->list[i].value, strrchr(topic, '.') + 1) &&
			    strcmp(got->list[i].topic, "p.truncate") == 0 &&
			    strstr(got->list[i].value, "\"op\":\"t\"")) {
				char table[80];
				snprintf(table, sizeof(table), "\"table\":\"%s\"",
					 strrchr(topic, '.') + 1);
				if (strstr(got->list[i].value, table))
					r = &got->list[i];
			}
	r->seen = true;
	char *value = text_of(row, "value") ? restore(text_of(row, "value")) : NULL;
	const json_t *header = json_array_get(json_object_get(row, "headers"), 0);
	const char *header_name = json_string_value(json_array_get(header, 0));
	bool ok = same(r->key, text_of(row, "key")) &&
		  strcmp(r->header, header_name ? header_name : "") == 0 &&
		  same(r->header_value, json_string_value(json_array_get(header, 1)));
	const char *reason = truncate ? "truncations go to a side topic" : NULL;
	if (!same(r->value, value) && value && r->value) {
		drop_before(value);
		drop_before(r->value);
		reason = "our before is the full old row, whatever the replica identity";
	}
	if (!same(r->value, value) && value && strstr(value, "\"status\":\"END\"") &&
	    permuted(r->value, value))
		reason = "data_collections in the order of a hash table; ours: of their first "
			 "events";
	else
		ok = ok && same(r->value, value);
	if (!ok) {
		tally->wrong++;
		printf("# DIFFERENT %s %s\n#   golden %s %s\n#   ours   %s %s\n", variant, name,
		       text_of(row, "key"), value, r->key, r->value);
	} else if (reason) {
		tally->excepted++;
		printf("# %s %s: equal but for one thing: %s\n", variant, name, reason);
	} else {
		tally->matched++;
	}
	free(value);
}

static void compare_envelopes(const char *variant, struct tally *total)
{
	char path[256];
	snprintf(path, sizeof(path), GOLDEN "%s.jsonl", variant);
	json_t *rows = load_lines(path);
	json_t *lines = load_lines(GOLDEN "events.jsonl");
	struct setdoc doc = read_format(json_array_get(rows, 0));
	struct encoder *enc = make_encoder(&doc);
	struct relation *shapes[32] = { NULL };
	struct pgs_err err;
	for (size_t i = 0; i < json_array_size(lines) && text_of(json_array_get(lines, i), "table");
	     i++) {
		ck_assert_uint_lt(i, PGS_ARRAY_LEN(shapes));
		shapes[i] = make_relation(json_array_get(lines, i), (int32_t)i + 1);
		ck_assert_msg(encode_prepare(enc, shapes[i], &err) == 0, "%s", err.msg);
	}
	struct tally tally = { 0 };
	struct records got = { 0 };
	const char *last = "";
	size_t n_left = 0;
	for (size_t i = 1; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *name = text_of(row, "case");
		const struct exception *x =
			find(NOT_COMPARED, PGS_ARRAY_LEN(NOT_COMPARED), variant, name, NULL);
		tally.rows++;
		if (x) {
			tally.excepted++;
			printf("# %s %s: %s\n", variant, name, x->reason);
			continue;
		}
		if (strcmp(last, name) != 0) {
			for (size_t k = 0; k < got.n; k++)
				n_left += !got.list[k].seen;
			forget(&got);
			run_case(enc, doc.format.transactions, name, lines, shapes, &got);
			last = name;
		}
		compare_record(variant, row, &got, &tally);
	}
	for (size_t k = 0; k < got.n; k++)
		n_left += !got.list[k].seen;
	forget(&got);
	printf("# %s: %d rows, %d equal, %d exceptions, %d different, %zu of ours too many\n",
	       variant, tally.rows, tally.matched, tally.excepted, tally.wrong, n_left);
	total->rows += tally.rows;
	total->matched += tally.matched;
	total->excepted += tally.excepted;
	total->wrong += tally.wrong + (int)n_left;
	for (size_t i = 0; i < PGS_ARRAY_LEN(shapes); i++)
		relation_free(shapes[i]);
	encoder_free(enc);
	json_decref(rows);
	json_decref(lines);
}

START_TEST(test_envelopes)
{
	static const char *const variants[] = { "envelope-default", "envelope-notombstone",
						"envelope-tx", "envelope-schemas",
						"envelope-schemas_tx" };
	struct tally total = { 0 };
	for (size_t i = 0; i < PGS_ARRAY_LEN(variants); i++)
		compare_envelopes(variants[i], &total);
	printf("# envelopes: %d rows, %d equal, %d exceptions, %d different\n", total.rows,
	       total.matched, total.excepted, total.wrong);
	ck_assert_int_gt(total.rows, 200);
	ck_assert_int_eq(total.wrong, 0);
}
END_TEST

static void set_up(void)
{
	FILE *f = fopen(GOLDEN "envelope-fields.txt", "re");
	ck_assert_msg(f != NULL,
		      "could not open the golden files: run from the root of the source");
	size_t cap = 0;
	ck_assert(getdelim(&envelope_fields, &cap, EOF, f) > 0);
	fclose(f);
	version_text = strdup(PGSHOVEL_VERSION);
}

static void tear_down(void)
{
	free(envelope_fields);
	free(version_text);
	envelope_fields = NULL;
}

int main(void)
{
	TCase *tc = tcase_create("debezium");

	tcase_add_unchecked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_types);
	tcase_add_test(tc, test_envelopes);
	return runner_run("golden", tc);
}

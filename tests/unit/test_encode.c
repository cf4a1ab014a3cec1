/*
 * tests/unit/test_encode.c
 *    Single values beyond the golden files, envelopes of our own, topics, partitions, limits, poison.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/runner.h"
#include "worker/encode.h"

struct line {
	char topic[128];
	int32_t partition;
	char key[512];
	char value[4096];
	char header[512];
};

struct lines {
	size_t n;
	struct line list[8];
};

static void put(char *to, size_t size, const char *bytes, size_t n)
{
	if (bytes)
		snprintf(to, size, "%.*s", (int)n, bytes);
	else
		snprintf(to, size, "NULL");
}

static int keep(void *ctx, const struct encode_record *r, struct pgs_err *reterr)
{
	struct lines *all = ctx;
	(void)reterr;
	ck_assert_uint_lt(all->n, PGS_ARRAY_LEN(all->list));
	struct line *l = &all->list[all->n++];
	put(l->topic, sizeof(l->topic), r->topic, strlen(r->topic));
	put(l->key, sizeof(l->key), r->key, r->key_len);
	put(l->value, sizeof(l->value), r->value, r->value_len);
	l->partition = r->partition;
	l->header[0] = '\0';
	if (r->n_headers == 1)
		snprintf(l->header, sizeof(l->header), "%s=%.*s", r->headers[0].name,
			 (int)r->headers[0].value_len, r->headers[0].value);
	ck_assert_int_eq(r->timestamp_ms, 2);
	return 0;
}

static struct setdoc document(void)
{
	struct setdoc doc = { .format = { .tombstones = true } };
	return doc;
}

static struct encoder *make_encoder(const struct setdoc *doc, size_t max)
{
	const struct encode_config config = { .doc = doc,
					      .prefix = "a b",
					      .database = "d\"b",
					      .partitions = 12,
					      .record_max_bytes = max };
	struct encoder *enc = NULL;
	struct pgs_err err;
	ck_assert_msg(encoder_new(&config, &enc, &err) == 0, "%s", err.msg);
	return enc;
}

static struct relation *make_relation(const char *columns)
{
	struct relation *rel = NULL;
	struct pgs_err err;
	ck_assert_msg(relation_from_row(1, 2, "S", "t/1", "d4d625dd0192ffff", false, columns, &rel,
					&err) == 0,
		      "%s", err.msg);
	return rel;
}

#define KEYED                                                                                      \
	"[{\"name\":\"id\",\"type\":\"integer\",\"typid\":23,\"notnull\":true,\"key\":1},"         \
	"{\"name\":\"v\",\"type\":\"text\",\"typid\":25}]"

static struct event_text text(const char *s)
{
	return (struct event_text){ .text = s, .len = s ? (uint32_t)strlen(s) : 0 };
}

static struct event make_event(char type, const char *new_row, const char *old_row)
{
	return (struct event){ .id = 8,
			       .txid = 7,
			       .time_us = 1001,
			       .type = type,
			       .relation = 1,
			       .new_row = text(new_row),
			       .old_row = text(old_row) };
}

static int encode(struct encoder *enc, struct relation *rel, const struct event *ev,
		  const struct encode_transaction *tx, struct lines *got, struct pgs_err *err)
{
	ck_assert_msg(encode_prepare(enc, rel, err) == 0, "%s", err->msg);
	memset(got, 0, sizeof(*got));
	return encode_event(enc, rel, ev, tx, 2000, keep, got, err);
}

/* The JSON of one value of a type, "poison" when it is none. */
static const char *value_of(const struct setdoc *doc, const char *type, uint32_t oid, uint32_t elem,
			    int32_t mod, const char *value)
{
	static char json[4096];
	char columns[512];
	char elemid[16] = "null";
	if (elem > 0)
		snprintf(elemid, sizeof(elemid), "%u", elem);
	snprintf(columns, sizeof(columns),
		 "[{\"name\":\"v\",\"type\":\"%s\",\"typid\":%u,\"typmod\":%d,\"elemid\":%s}]",
		 type, oid, mod, elemid);
	char row[4096];
	size_t n = 0;
	row[n++] = '(';
	row[n++] = '"';
	for (const char *at = value; *at; at++) {
		if (*at == '"' || *at == '\\')
			row[n++] = *at;
		row[n++] = *at;
	}
	memcpy(row + n, "\")", 3);
	struct encoder *enc = make_encoder(doc, 0);
	struct relation *rel = make_relation(columns);
	struct lines got;
	struct pgs_err err;
	const struct event ev = make_event('I', row, NULL);
	if (encode(enc, rel, &ev, NULL, &got, &err) < 0) {
		ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
		ck_assert_str_eq(err.code, "poison");
		snprintf(json, sizeof(json), "poison");
	} else {
		const char *from = strstr(got.list[0].value, "\"after\":{\"v\":");
		const char *to = strstr(got.list[0].value, "},\"source\":");
		ck_assert(from && to);
		snprintf(json, sizeof(json), "%.*s", (int)(to - from - 13), from + 13);
	}
	relation_free(rel);
	encoder_free(enc);
	return json;
}

#define VALUE(doc, type, oid, mod, value, want)                                                    \
	ck_assert_str_eq(value_of((doc), (type), (oid), 0, (mod), (value)), (want))

START_TEST(test_murmur)
{
	/* Kafka's own vectors. */
	ck_assert_int_eq((int32_t)encode_murmur2("21", 2), -973932308);
	ck_assert_int_eq((int32_t)encode_murmur2("foobar", 6), -790332482);
	ck_assert_int_eq((int32_t)encode_murmur2("a-little-bit-long-string", 24), -985981536);
	ck_assert_int_eq((int32_t)encode_murmur2("a-little-bit-longer-string", 26), -1486304829);
	ck_assert_int_eq((int32_t)encode_murmur2("abc", 3), 479470107);
	ck_assert_int_eq(encode_partition(NULL, 0, 5), 0);
	ck_assert_int_eq(encode_partition("abc", 3, 1), 0);
	ck_assert_int_eq(encode_partition("21", 2, 10), (-973932308 & 0x7fffffff) % 10);
}
END_TEST

START_TEST(test_strings)
{
	const struct setdoc doc = document();
	VALUE(&doc, "text", 25, -1, "plain text of some length, more than eight",
	      "\"plain text of some length, more than eight\"");
	VALUE(&doc, "text", 25, -1, "0123456\x01", "\"0123456\\u0001\"");
	VALUE(&doc, "text", 25, -1, "0123456789\x1f\x7f/", "\"0123456789\\u001F\x7f/\"");
	VALUE(&doc, "text", 25, -1, "\b\t\n\f\r\"\\", "\"\\b\\t\\n\\f\\r\\\"\\\\\"");
	VALUE(&doc, "text", 25, -1, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80.",
	      "\"\xc3\xa9\xe2\x82\xac\\uD83D\\uDE00.\"");
	/* What is no UTF-8 must not make invalid JSON. */
	VALUE(&doc, "text", 25, -1, "a\xff\xc3", "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
	VALUE(&doc, "text", 25, -1, "\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	VALUE(&doc, "text", 25, -1, "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	VALUE(&doc, "text", 25, -1, "\xf4\x90\x80\x80",
	      "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	VALUE(&doc, "unknown_type", 99999, -1, "any (text)", "\"any (text)\"");
}
END_TEST

START_TEST(test_numbers)
{
	struct setdoc doc = document();
	VALUE(&doc, "float8", 701, -1, "9999999.5", "9999999.5");
	VALUE(&doc, "float8", 701, -1, "10000000", "1.0E7");
	VALUE(&doc, "float8", 701, -1, "0.00123", "0.00123");
	VALUE(&doc, "float8", 701, -1, "0.000123", "1.23E-4");
	VALUE(&doc, "float8", 701, -1, "-1.5e+300", "-1.5E300");
	/* Java's digits, checked against JDK 25: shorter on a tie, two at least. */
	VALUE(&doc, "float4", 700, -1, "7.3432944e+07", "7.343294E7");
	VALUE(&doc, "float4", 700, -1, "1e-45", "1.4E-45");
	VALUE(&doc, "float8", 701, -1, "-5e-324", "-4.9E-324");
	VALUE(&doc, "float8", 701, -1, "1e", "poison");
	VALUE(&doc, "float8", 701, -1, "nan", "poison");
	VALUE(&doc, "integer", 23, -1, "12a", "poison");
	VALUE(&doc, "integer", 23, -1, "-", "poison");
	VALUE(&doc, "boolean", 16, -1, "true", "poison");
	VALUE(&doc, "numeric", 1700, -1, "1.2.3", "poison");
	VALUE(&doc, "money", 790, -1, "$92,233,720,368,547,758.07", "\"92233720368547758.07\"");
	VALUE(&doc, "money", 790, -1, "-$0.05", "\"-0.05\"");
	VALUE(&doc, "money", 790, -1, "1.234.567,89 \xe2\x82\xac", "\"1234567.89\"");
	VALUE(&doc, "money", 790, -1,
	      "\xc2\xa5"
	      "1,234",
	      "\"1234.00\"");
	doc.format.decimal = SETDOC_DECIMAL_PRECISE;
	VALUE(&doc, "numeric", 1700, -1, "0.000", "{\"scale\":0,\"value\":\"AA==\"}");
	VALUE(&doc, "numeric", 1700, -1, "-256", "{\"scale\":0,\"value\":\"/wA=\"}");
	VALUE(&doc, "numeric(5,2)", 1700, ((5 << 16) | 2) + 4, "1.5", "\"AJY=\"");
	VALUE(&doc, "numeric(5,2)", 1700, ((5 << 16) | 2) + 4, "1.555", "poison");
	VALUE(&doc, "numeric(5,2)", 1700, ((5 << 16) | 2) + 4, "NaN", "null");
	doc.format.decimal = SETDOC_DECIMAL_DOUBLE;
	VALUE(&doc, "numeric", 1700, -1, "0.1", "0.1");
	VALUE(&doc, "numeric", 1700, -1, "123456789.123", "1.23456789123E8");
	VALUE(&doc, "numeric", 1700, -1, "-Infinity", "\"-Infinity\"");
}
END_TEST

START_TEST(test_times)
{
	struct setdoc doc = document();
	VALUE(&doc, "timestamptz", 1184, -1, "2026-01-01 00:30:00.5+01",
	      "\"2025-12-31T23:30:00.500000Z\"");
	VALUE(&doc, "timestamptz", 1184, 0, "2024-02-28 23:30:00-05:45",
	      "\"2024-02-29T05:15:00Z\"");
	VALUE(&doc, "timestamptz", 1184, -1, "1850-01-01 00:00:00+00:53:28",
	      "\"1849-12-31T23:06:32.000000Z\"");
	VALUE(&doc, "timestamptz", 1184, -1, "0001-01-01 00:00:00+01",
	      "\"0000-12-31T23:00:00.000000Z\"");
	VALUE(&doc, "timestamptz", 1184, -1, "2026-01-01 00:30:00", "poison");
	VALUE(&doc, "date", 1082, -1, "2000-03-01", "11017");
	VALUE(&doc, "date", 1082, -1, "2000-13-01", "poison");
	VALUE(&doc, "date", 1082, -1, "4714-11-24 BC", "-2440588");
	VALUE(&doc, "time", 1083, -1, "12:00", "poison");
	VALUE(&doc, "interval", 1186, -1, "-00:00:01", "-1000000");
	VALUE(&doc, "interval", 1186, -1, "1 mon -1 days", "2543400000000");
	VALUE(&doc, "interval", 1186, -1, "", "poison");
	doc.format.interval = SETDOC_INTERVAL_STRING;
	VALUE(&doc, "interval", 1186, -1, "-1 days +02:03:00.01", "\"P0Y0M-1DT2H3M0.01S\"");
	doc.format.time = SETDOC_TIME_CONNECT;
	VALUE(&doc, "timestamp", 1114, -1, "1969-12-31 23:59:59.9999", "-1");
}
END_TEST

START_TEST(test_composed)
{
	const struct setdoc doc = document();
	ck_assert_str_eq(
		value_of(&doc, "text[]", 1009, 25, -1, "{a,\"b \\\"c\\\\\",NULL,\"NULL\",\"\"}"),
		"[\"a\",\"b \\\"c\\\\\",null,\"NULL\",\"\"]");
	ck_assert_str_eq(value_of(&doc, "integer[]", 1007, 23, -1, "[0:1]={1,2}"), "[1,2]");
	ck_assert_str_eq(value_of(&doc, "integer[]", 1007, 23, -1, "{}"), "[]");
	ck_assert_str_eq(value_of(&doc, "integer[]", 1007, 23, -1, "{{1},{2}}"), "\"{{1},{2}}\"");
	ck_assert_str_eq(value_of(&doc, "integer[]", 1007, 23, -1, "{1,2"), "poison");
	ck_assert_str_eq(value_of(&doc, "integer[]", 1007, 23, -1, "{1,}"), "poison");
	ck_assert_str_eq(value_of(&doc, "integer[]", 1007, 23, -1, "{1}x"), "poison");
	ck_assert_str_eq(value_of(&doc, "box[]", 1020, 603, -1, "{(1,1),(0,0)}"),
			 "\"{(1,1),(0,0)}\"");
	ck_assert_str_eq(value_of(&doc, "s.pair[]", 20002, 20001, -1, "{\"(1,a)\"}"),
			 "[\"(1,a)\"]");
	ck_assert_str_eq(value_of(&doc, "int2vector", 22, 21, -1, "1 2"), "\"1 2\"");
	ck_assert_str_eq(value_of(&doc, "x.hstore", 20003, 0, -1, "\"a\"=>\"1\", \"b\"=>NULL"),
			 "\"{\\\"a\\\":\\\"1\\\",\\\"b\\\":null}\"");
	ck_assert_str_eq(value_of(&doc, "hstore", 20003, 0, -1, "\"a\"=>"), "poison");
	VALUE(&doc, "point", 600, -1, "(1,2", "poison");
	VALUE(&doc, "path", 602, -1, "[(0,0)]",
	      "{\"wkb\":\"AQIAAAABAAAAAAAAAAAAAAAAAAAAAAAAAA==\",\"srid\":null,"
	      "\"extensions\":{\"type\":\"path\",\"closed\":\"false\"}}");
	VALUE(&doc, "bit varying(1)", 1562, 1, "", "false");
	VALUE(&doc, "bit(4)", 1560, 4, "0120", "poison");
	VALUE(&doc, "bytea", 17, -1, "\\x0g", "poison");
}
END_TEST

START_TEST(test_operations)
{
	struct setdoc doc = document();
	struct encoder *enc = make_encoder(&doc, 0);
	struct relation *rel = make_relation(KEYED);
	struct lines got;
	struct pgs_err err;
	struct event ev = make_event('I', "(1,x)", NULL);
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), 0);
	ck_assert_uint_eq(got.n, 1);
	ck_assert_str_eq(got.list[0].topic, "a_b.S.t_1");
	ck_assert_str_eq(got.list[0].key, "{\"id\":1}");
	ck_assert_int_eq(got.list[0].partition, encode_partition("{\"id\":1}", 8, 12));
	ck_assert_str_eq(
		got.list[0].value,
		"{\"before\":null,\"after\":{\"id\":1,\"v\":\"x\"},\"source\":{\"version\":"
		"\"" PGSHOVEL_VERSION
		"+d4d625dd0192\",\"connector\":\"postgresql\",\"name\":\"a_b\",\"ts_ms\":"
		"1,\"snapshot\":\"false\","
		"\"db\":\"d\\\"b\",\"sequence\":\"[\\\"7\\\",\\\"8\\\"]\",\"ts_us\":1001,\"ts_ns\":"
		"1001000,"
		"\"schema\":\"S\",\"table\":\"t/"
		"1\",\"txId\":7,\"lsn\":null,\"xmin\":null,\"origin\":null,"
		"\"origin_lsn\":null},\"transaction\":null,\"op\":\"c\",\"ts_ms\":2,\"ts_us\":2000,"
		"\"ts_ns\":2000000}");

	ev = make_event('U', "(2,x)", "(1,x)");
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), 0);
	ck_assert_uint_eq(got.n, 3);
	ck_assert_str_eq(got.list[0].key, "{\"id\":1}");
	ck_assert_str_eq(got.list[0].header, "__debezium.newkey={\"id\":2}");
	ck_assert_ptr_nonnull(strstr(got.list[0].value, "\"op\":\"d\""));
	ck_assert_str_eq(got.list[1].key, "{\"id\":1}");
	ck_assert_str_eq(got.list[1].value, "NULL");
	ck_assert_str_eq(got.list[1].header, "__debezium.newkey={\"id\":2}");
	ck_assert_str_eq(got.list[2].key, "{\"id\":2}");
	ck_assert_str_eq(got.list[2].header, "__debezium.oldkey={\"id\":1}");
	ck_assert_ptr_nonnull(strstr(got.list[2].value, "{\"before\":null,\"after\":{\"id\":2"));

	ev = make_event('D', NULL, "(1,)");
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), 0);
	ck_assert_uint_eq(got.n, 2);
	ck_assert_ptr_nonnull(
		strstr(got.list[0].value, "{\"before\":{\"id\":1,\"v\":null},\"after\":null"));
	ck_assert_str_eq(got.list[1].value, "NULL");
	doc.format.tombstones = false;
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), 0);
	ck_assert_uint_eq(got.n, 1);

	ev = make_event('T', NULL, NULL);
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), 0);
	ck_assert_uint_eq(got.n, 1);
	ck_assert_str_eq(got.list[0].topic, "a_b.truncate");
	ck_assert_str_eq(got.list[0].key, "NULL");

	struct pgs_buf key = PGS_BUF_INIT(100);
	ck_assert_int_eq(encode_key(enc, rel, text("(9,\"a,b\")"), &key, &err), 0);
	ck_assert_str_eq(pgs_buf_str(&key), "{\"id\":9}");
	pgs_buf_done(&key);
	relation_free(rel);
	encoder_free(enc);
}
END_TEST

START_TEST(test_flat_and_single)
{
	struct setdoc doc = document();
	doc.format.envelope = SETDOC_ENVELOPE_FLAT;
	doc.topics.layout = SETDOC_LAYOUT_SINGLE;
	struct encoder *enc = make_encoder(&doc, 0);
	struct relation *rel = make_relation(KEYED);
	struct lines got;
	struct pgs_err err;
	int64_t total = 4;
	int64_t of_table = 1;
	const struct encode_transaction tx = { .txid = 7,
					       .total_order = &total,
					       .collection_order = &of_table };
	struct event ev = make_event('U', "(2,x)", "(1,x)");
	ck_assert_int_eq(encode(enc, rel, &ev, &tx, &got, &err), 0);
	ck_assert_uint_eq(got.n, 3);
	ck_assert_str_eq(got.list[2].topic, "a_b");
	ck_assert_int_eq(got.list[2].partition, 0);
	ck_assert_str_eq(got.list[2].value,
			 "{\"id\":2,\"v\":\"x\",\"__op\":\"c\",\"__source_db\":\"d\\\"b\","
			 "\"__source_version\":\"" PGSHOVEL_VERSION
			 "+d4d625dd0192\",\"__source_schema\":\"S\","
			 "\"__source_table\":\"t/1\",\"__source_txId\":7,"
			 "\"__source_sequence\":\"[\\\"7\\\",\\\"8\\\"]\",\"__source_ts_us\":1001,"
			 "\"__transaction_id\":\"7\",\"__transaction_total_order\":6,"
			 "\"__transaction_data_collection_order\":3}");
	ck_assert_int_eq(total, 6);
	ck_assert_int_eq(of_table, 3);

	ev = make_event('T', NULL, NULL);
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), 0);
	ck_assert_str_eq(got.list[0].topic, "a_b");
	ck_assert_ptr_nonnull(strstr(got.list[0].value, "{\"__op\":\"t\","));

	memset(&got, 0, sizeof(got));
	const struct encode_collection counts[] = { { .name = "S.t", .events = 2 } };
	ck_assert_int_eq(encode_transaction_begin(enc, 7, 2000, keep, &got, &err), 0);
	ck_assert_int_eq(encode_transaction_end(enc, 7, counts, 1, 2000, keep, &got, &err), 0);
	ck_assert_str_eq(got.list[0].topic, "a_b");
	ck_assert_str_eq(got.list[1].key, "{\"id\":\"7\"}");
	ck_assert_str_eq(got.list[1].value, "{\"status\":\"END\",\"id\":\"7\",\"event_count\":2,"
					    "\"data_collections\":[{\"data_collection\":"
					    "\"S.t\",\"event_count\":2}],\"ts_ms\":2}");
	relation_free(rel);
	encoder_free(enc);
}
END_TEST

START_TEST(test_limits)
{
	const struct setdoc doc = document();
	struct encoder *enc = make_encoder(&doc, 600);
	struct relation *rel = make_relation(KEYED);
	struct lines got;
	struct pgs_err err;
	char row[700] = "(1,";
	memset(row + 3, 'x', 100);
	row[103] = ')';
	struct event ev = make_event('I', row, NULL);
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), 0);
	memset(row + 3, 'x', 300);
	row[303] = ')';
	ev = make_event('I', row, NULL);
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	ck_assert_str_eq(err.code, "too-large");

	/* Far over the limit: the buffer's ceiling says the same. */
	const size_t n = 1 << 20;
	char *big = malloc(n + 8);
	memcpy(big, "(1,", 3);
	memset(big + 3, '\x01', n);
	memcpy(big + 3 + n, ")", 2);
	ev = make_event('I', big, NULL);
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), -1);
	ck_assert_str_eq(err.code, "too-large");
	free(big);

	ev = make_event('I', "(1,x)", NULL);
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), 0);
	ev = make_event('I', "(1)", NULL);
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_BUG);
	ev = make_event('I', NULL, NULL);
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), -1);
	ev = make_event('D', NULL, "(x,x)");
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), -1);
	ck_assert_str_eq(err.code, "poison");
	relation_free(rel);
	rel = make_relation(KEYED);
	ck_assert_int_eq(encode_event(enc, rel, &ev, NULL, 2000, keep, &got, &err),
			 -1); /* not prepared */
	ck_assert_int_eq(err.cls, PGS_ERR_BUG);
	relation_free(rel);
	encoder_free(enc);
}
END_TEST

START_TEST(test_without_key)
{
	const struct setdoc doc = document();
	struct encoder *enc = make_encoder(&doc, 0);
	struct relation *rel = make_relation("[{\"name\":\"v\",\"type\":\"text\",\"typid\":25}]");
	struct lines got;
	struct pgs_err err;
	struct event ev = make_event('D', NULL, "(x)");
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), 0);
	ck_assert_uint_eq(got.n, 2);
	ck_assert_str_eq(got.list[0].key, "NULL");
	ck_assert_str_eq(got.list[1].key, "NULL");
	ck_assert_str_eq(got.list[1].value, "NULL");
	ck_assert_int_eq(got.list[0].partition, 0);
	ev = make_event('U', "(y)", "(x)");
	ck_assert_int_eq(encode(enc, rel, &ev, NULL, &got, &err), 0);
	ck_assert_uint_eq(got.n, 1);
	relation_free(rel);
	encoder_free(enc);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("encode");

	tcase_add_test(tc, test_murmur);
	tcase_add_test(tc, test_strings);
	tcase_add_test(tc, test_numbers);
	tcase_add_test(tc, test_times);
	tcase_add_test(tc, test_composed);
	tcase_add_test(tc, test_operations);
	tcase_add_test(tc, test_flat_and_single);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_without_key);
	return runner_run("encode", tc);
}

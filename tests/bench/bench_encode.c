/*
 * tests/bench/bench_encode.c
 *    CPU time of parse + encode per event, for rows of about 350 bytes, without any server.
 *
 * Prints one line a case: ns per event (best of five rounds), bytes in and out. Does not check the bytes.
 */
#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "worker/encode.h"

enum { ROUNDS = 5, EVENTS = 200000 };

/* One time for a thousand events, as for those of a window. */
#define NOW_US INT64_C(1795538657412304)

static const char COLUMNS[] = "[{\"name\":\"id\",\"attnum\":1,\"type\":\"bigint\",\"typid\":20,"
			      "\"typmod\":-1,\"typtype\":\"b\",\"baseid\":20,"
			      "\"notnull\":true,\"key\":1},"
			      "{\"name\":\"owner\",\"attnum\":2,\"type\":\"text\",\"typid\":25,"
			      "\"typmod\":-1,\"typtype\":\"b\",\"baseid\":25},"
			      "{\"name\":\"balance\",\"attnum\":3,\"type\":\"numeric(12,2)\","
			      "\"typid\":1700,\"typmod\":786438,"
			      "\"typtype\":\"b\",\"baseid\":1700,\"basemod\":786438},"
			      "{\"name\":\"active\",\"attnum\":4,\"type\":\"boolean\",\"typid\":16,"
			      "\"typmod\":-1,\"typtype\":\"b\",\"baseid\":16},"
			      "{\"name\":\"changed_at\",\"attnum\":5,\"type\":\"timestamp with "
			      "time zone\",\"typid\":1184,\"typmod\":-1,"
			      "\"typtype\":\"b\",\"baseid\":1184},"
			      "{\"name\":\"score\",\"attnum\":6,\"type\":\"double "
			      "precision\",\"typid\":701,\"typmod\":-1,\"typtype\":\"b\","
			      "\"baseid\":701},"
			      "{\"name\":\"filler\",\"attnum\":7,\"type\":\"character "
			      "varying(200)\",\"typid\":1043,\"typmod\":204,"
			      "\"typtype\":\"b\",\"baseid\":1043}]";

#define FILLER                                                                                     \
	"the quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs"

static const char NEW_ROW[] =
	"(1234567,\"Anna Maria Example\",1523.75,t,\"2026-11-24 19:18:27.123456+00\","
	"3.14159265358979,\"" FILLER "\")";
static const char OLD_ROW[] =
	"(1234567,\"Anna Maria Example\",1500.25,t,\"2026-11-24 19:10:01.5+00\","
	"2.71828182845905,\"" FILLER "\")";

static int swallow(void *ctx, const struct encode_record *record, struct pgs_err *reterr)
{
	(void)reterr;
	*(size_t *)ctx += record->key_len + record->value_len;
	return 0;
}

static size_t put_field(char *at, const void *bytes, size_t n)
{
	const uint32_t len = htobe32((uint32_t)n);
	memcpy(at, &len, sizeof(len));
	memcpy(at + sizeof(len), bytes, n);
	return sizeof(len) + n;
}

static size_t put_null(char *at)
{
	memset(at, 0xff, 4);
	return 4;
}

/* A tuple of binary COPY as the queue gives it. */
static size_t make_tuple(char *row, char type)
{
	const uint16_t n = htobe16(EVENT_N_COLUMNS);
	const uint64_t id = htobe64(123456789);
	const uint64_t txid = htobe64(987654);
	const uint64_t when = htobe64(849381507123456);
	memcpy(row, &n, sizeof(n));
	size_t at = sizeof(n);
	at += put_field(row + at, &id, sizeof(id));
	at += put_field(row + at, &txid, sizeof(txid));
	at += put_field(row + at, &when, sizeof(when));
	at += put_field(row + at, &type, 1);
	at += put_field(row + at, "17", 2);
	at += type == 'D' ? put_null(row + at) : put_field(row + at, NEW_ROW, strlen(NEW_ROW));
	at += type == 'I' ? put_null(row + at) : put_field(row + at, OLD_ROW, strlen(OLD_ROW));
	at += put_null(row + at);
	at += put_null(row + at);
	return at;
}

static int64_t now_ns(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int fail(const struct pgs_err *err)
{
	fprintf(stderr, "%s\n", err->msg);
	return 1;
}

static int run(const char *name, enum setdoc_envelope envelope, char type)
{
	struct setdoc doc = { .format = { .envelope = envelope, .tombstones = true } };
	const struct encode_config config = {
		.doc = &doc, .prefix = "bench", .database = "bench", .partitions = 12
	};
	struct pgs_err err;
	PGS_CLEANUP(encoder_freep) struct encoder *enc = NULL;
	PGS_CLEANUP(relation_freep) struct relation *rel = NULL;
	if (encoder_new(&config, &enc, &err) < 0 ||
	    relation_from_row(17, 1, "public", "accounts", "", false, COLUMNS, &rel, &err) < 0 ||
	    encode_prepare(enc, rel, &err) < 0)
		return fail(&err);
	char tuple[2048];
	const size_t len = make_tuple(tuple, type);
	int64_t best = INT64_MAX;
	size_t out = 0;
	for (int round = 0; round < ROUNDS; round++) {
		out = 0;
		const int64_t start = now_ns();
		for (int i = 0; i < EVENTS; i++) {
			struct event ev;
			if (event_from_copy(tuple, len, 0, &ev, &err) < 0 ||
			    encode_event(enc, rel, &ev, NULL, NOW_US + i / 1000, swallow, &out,
					 &err) < 0)
				return fail(&err);
		}
		const int64_t took = now_ns() - start;
		if (took < best)
			best = took;
	}
	printf("encode %-28s %5lld ns/event  %4zu B in  %4zu B out\n", name,
	       (long long)(best / EVENTS), len, out / EVENTS);
	return 0;
}

int main(void)
{
	return run("insert debezium-json", SETDOC_ENVELOPE_DEBEZIUM_JSON, 'I') ||
	       run("update debezium-json", SETDOC_ENVELOPE_DEBEZIUM_JSON, 'U') ||
	       run("delete debezium-json", SETDOC_ENVELOPE_DEBEZIUM_JSON, 'D') ||
	       run("update flat", SETDOC_ENVELOPE_FLAT, 'U') ||
	       run("update debezium-json-schema", SETDOC_ENVELOPE_DEBEZIUM_JSON_SCHEMA, 'U');
}

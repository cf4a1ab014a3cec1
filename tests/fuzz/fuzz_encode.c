/*
 * tests/fuzz/fuzz_encode.c
 *    Any text as a value of any type under any modes: poison or valid JSON, never a fault.
 *
 * Input: one byte for the type, one for the modes, one for the operation, then the value. The row around it is
 * well-formed; malformed rows are fuzz_event.c's.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>

#include "worker/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *type;
	uint32_t oid;
	uint32_t elem;
	int32_t mod;
} TYPES[] = {
	{ "text", 25, 0, -1 },
	{ "boolean", 16, 0, -1 },
	{ "bigint", 20, 0, -1 },
	{ "numeric", 1700, 0, -1 },
	{ "numeric(12,3)", 1700, 0, ((12 << 16) | 3) + 4 },
	{ "numeric(3,-2)", 1700, 0, ((3 << 16) | 0x7fe) + 4 },
	{ "money", 790, 0, -1 },
	{ "real", 700, 0, -1 },
	{ "double precision", 701, 0, -1 },
	{ "bytea", 17, 0, -1 },
	{ "date", 1082, 0, -1 },
	{ "time", 1083, 0, -1 },
	{ "time(2)", 1083, 0, 2 },
	{ "time with time zone", 1266, 0, -1 },
	{ "timestamp", 1114, 0, -1 },
	{ "timestamp(1)", 1114, 0, 1 },
	{ "timestamp with time zone", 1184, 0, 3 },
	{ "interval", 1186, 0, -1 },
	{ "bit(1)", 1560, 0, 1 },
	{ "bit varying", 1562, 0, -1 },
	{ "public.hstore", 20000, 0, -1 },
	{ "point", 600, 0, -1 },
	{ "line", 628, 0, -1 },
	{ "lseg", 601, 0, -1 },
	{ "box", 603, 0, -1 },
	{ "path", 602, 0, -1 },
	{ "polygon", 604, 0, -1 },
	{ "circle", 718, 0, -1 },
	{ "text[]", 1009, 25, -1 },
	{ "numeric[]", 1231, 1700, -1 },
	{ "bytea[]", 1001, 17, -1 },
	{ "hstore[]", 20001, 20000, -1 },
	{ "timestamp with time zone[]", 1185, 1184, -1 },
	{ "s.composite[]", 20003, 20002, -1 },
};

static int check(void *ctx, const struct encode_record *r, struct pgs_err *reterr)
{
	(void)ctx;
	(void)reterr;
	const char *const texts[] = { r->key, r->value };
	const size_t lens[] = { r->key_len, r->value_len };
	for (int i = 0; i < 2; i++) {
		if (!texts[i])
			continue;
		/* jansson refuses numbers beyond its own range: integers may be 20 digits of garbage here. */
		json_t *json = json_loadb(
			texts[i], lens[i],
			JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
		if (!json)
			abort();
		json_decref(json);
	}
	return 0;
}

/* The value as a quoted field. */
static size_t quote(const uint8_t *value, size_t n, char *to)
{
	size_t at = 0;
	to[at++] = '"';
	for (size_t i = 0; i < n; i++) {
		if (value[i] == '"' || value[i] == '\\')
			to[at++] = (char)value[i];
		to[at++] = (char)value[i];
	}
	to[at++] = '"';
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3 || size > 4096)
		return 0;
	const size_t t = data[0] % PGS_ARRAY_LEN(TYPES);
	struct setdoc doc = { .format = {
				      .envelope = (enum setdoc_envelope)((data[1] & 3) % 3),
				      .decimal = (enum setdoc_decimal)((data[1] >> 2 & 3) % 3),
				      .time = (enum setdoc_time)(data[1] >> 4 & 3),
				      .interval = (enum setdoc_interval)(data[1] >> 6 & 1),
				      .binary = (enum setdoc_binary)((data[2] & 3) % 3),
				      .tombstones = data[2] >> 2 & 1,
			      } };
	const struct encode_config config = { .doc = &doc,
					      .prefix = "p",
					      .database = "d",
					      .partitions = 3,
					      .record_max_bytes = 64 * 1024 };
	char columns[640];
	snprintf(columns, sizeof(columns),
		 "[{\"name\":\"k\",\"type\":\"%s\",\"typid\":%u,\"typmod\":%d,\"elemid\":%u,"
		 "\"notnull\":true,\"key\":1},"
		 "{\"name\":\"v\",\"type\":\"%s\",\"typid\":%u,\"typmod\":%d,\"elemid\":%u,"
		 "\"default\":\"'1'::text\"}]",
		 TYPES[t].type, TYPES[t].oid, TYPES[t].mod, TYPES[t].elem, TYPES[t].type,
		 TYPES[t].oid, TYPES[t].mod, TYPES[t].elem);
	PGS_CLEANUP(encoder_freep) struct encoder *enc = NULL;
	PGS_CLEANUP(relation_freep) struct relation *rel = NULL;
	struct pgs_err err;
	if (encoder_new(&config, &enc, &err) < 0 ||
	    relation_from_row(1, 1, "s", "t", "", false, columns, &rel, &err) < 0 ||
	    encode_prepare(enc, rel, &err) < 0)
		abort();

	/* Two rows: (VALUE,VALUE) and (VALUE of the first half,). */
	char *rows = malloc(4 * size * 2 + 64);
	if (!rows)
		abort();
	size_t at = 0;
	const uint8_t *value = data + 3;
	const size_t n = size - 3;
	rows[at++] = '(';
	at += quote(value, n, rows + at);
	rows[at++] = ',';
	at += quote(value, n, rows + at);
	rows[at++] = ')';
	const size_t second = at;
	rows[at++] = '(';
	at += quote(value, data[2] & 8 ? n : n / 2, rows + at);
	rows[at++] = ',';
	rows[at++] = ')';
	static const char types[] = "IUDT";
	const struct event ev = { .id = 1,
				  .txid = 2,
				  .time_us = 3,
				  .type = types[data[2] >> 4 & 3],
				  .relation = 1,
				  .new_row = { .text = rows, .len = (uint32_t)second },
				  .old_row = { .text = rows + second,
					       .len = (uint32_t)(at - second) } };
	if (encode_event(enc, rel, &ev, NULL, 4, check, NULL, &err) < 0 &&
	    err.cls != PGS_ERR_CONFIG)
		abort();
	free(rows);
	return 0;
}

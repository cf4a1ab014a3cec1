/*
 * tests/lib/record.h
 *    Takes a record of pgshovel's apart: the parts of the envelope as they stand in its bytes.
 *
 * Finds, never rewrites: comparing bytes is the strictest comparison there is. Accepts any JSON, with or
 * without Debezium's schema around it; checks only what it needs to find its way.
 */
#ifndef PGSHOVEL_TESTS_RECORD_H
#define PGSHOVEL_TESTS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lent bytes; ptr NULL: absent. */
struct piece {
	const char *ptr;
	size_t len;
};

/* A Kafka record as it came. Lent. */
struct record {
	const char *topic;
	int32_t partition;
	int64_t offset;
	struct piece key; /* ptr NULL: null */
	struct piece value; /* ptr NULL: tombstone */
	bool newkey; /* header __debezium.newkey: first half of a key change */
	bool oldkey; /* header __debezium.oldkey: second half */
};

/* The envelope of a change event. before and after: ptr NULL when JSON null. */
struct change {
	char op; /* c u d t r; 0: not a change event (BEGIN, END, heartbeat) */
	struct piece before;
	struct piece after;
	struct piece db; /* text without quotes */
	struct piece schema;
	struct piece table;
	int64_t txid;
	int64_t ev_id;
	int64_t ts_us; /* of the transaction, in microseconds since 1970 */
};

/* Member `name` of a JSON object. False: no such member, or not an object. */
bool piece_member(struct piece object, const char *name, struct piece *ret);

/* Next member of an object; *pos starts at 0. False at the end. name is without its quotes. */
bool piece_next(struct piece object, size_t *pos, struct piece *name, struct piece *value);

/* A JSON string without its quotes (escapes stay); ptr NULL for anything else. */
struct piece piece_unquote(struct piece text);

bool piece_is(struct piece piece, const char *text);
bool piece_equal(struct piece a, struct piece b);

/* False and *why when the value is not an envelope that can be understood. Value must not be null. */
bool record_change(const struct record *record, struct change *ret, const char **why);

#endif

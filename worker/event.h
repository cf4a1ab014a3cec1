/*
 * worker/event.h
 *    One row of the queue: its fields as they came, and the split of record text into columns.
 *
 * Pure: no database, no Kafka. An event points into memory that the window owns.
 */
#ifndef PGSHOVEL_WORKER_EVENT_H
#define PGSHOVEL_WORKER_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"

/* Bytes lent by the window; text NULL means SQL null. Not NUL-terminated. */
struct event_text {
	const char *text;
	uint32_t len;
};

struct event {
	int64_t id;
	int64_t txid;
	int64_t time_us; /* ev_time: start of the writing transaction, microseconds since 1970 */
	char type; /* I U D T, '?' for any other */
	bool foreign; /* capture did not write it: event_foreign() says what is wrong */
	uint16_t leaf_len;
	int32_t relation; /* 0: ev_extra1 holds none */
	const char *leaf; /* quoted name of the partition, of relations in mode "leaf"; else NULL */
	struct event_text new_row; /* record text */
	struct event_text old_row;
	union {
		struct event_text old_ctid; /* only of chained relations */
		struct event_text ev_type; /* of a foreign event, as it came */
	};
	struct event_text new_ctid;
};

/*
 * Columns wanted from the queue, in this order, for `COPY (...) TO STDOUT (FORMAT binary)`:
 * ev_id, ev_txid, ev_time, ev_type, ev_extra1, ev_data, ev_extra2, ev_extra3, ev_extra4.
 */
#define EVENT_COLUMNS                                                                              \
	"ev_id, ev_txid, ev_time, ev_type, ev_extra1, ev_data, ev_extra2, ev_extra3, ev_extra4"
enum { EVENT_N_COLUMNS = 9 };

/*
 * One tuple of binary COPY (after the header), with `n_extra` leading fields that belong to the caller
 * skipped. The event points into `row`. 1: an event, perhaps a foreign one; 0: the trailer. Class BUG:
 * malformed.
 */
int event_from_copy(const char *row, size_t len, unsigned n_extra, struct event *ret,
		    struct pgs_err *reterr) PGS_MUST_CHECK;

/* Why a foreign event cannot be sent, as an error of code "poison". Always -1. */
int event_foreign(const struct event *ev, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Split record text "(a,"b ""q""",,)" into n fields. Fields are lent from `row`, those with escapes in
 * them from `scratch` (at least row.len bytes). Empty unquoted = null. Class BUG when the text is not a
 * record of exactly n fields.
 */
int event_split(struct event_text row, size_t n, struct event_text *ret_fields, char *scratch,
		struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

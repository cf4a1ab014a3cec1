/*
 * worker/window_store.h
 *    The rows of one window in memory: bytes in blocks, events that point into them.
 *
 * Knows its ceiling and says when it is reached; does not read from anywhere.
 */
#ifndef PGSHOVEL_WORKER_WINDOW_STORE_H
#define PGSHOVEL_WORKER_WINDOW_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"
#include "worker/event.h"

/* What an event takes besides its rows, at most: numbers, lengths, two ctids. */
#define STORE_EVENT_BYTES (sizeof(struct event) + 160)

struct store_block;

struct store {
	struct store_block *blocks; /* newest first */
	size_t block_used; /* of the newest */
	struct store_block *spare; /* empty ones, for the next window */
	size_t spare_bytes;
	size_t bytes; /* of rows and event structs since the last reset */
	struct event *events;
	size_t n;
	size_t cap;
};

/* Copy one COPY tuple and decode it. 1: an event was added; 0: it was the trailer. */
int store_add(struct store *st, const char *row, size_t len, struct pgs_err *reterr) PGS_MUST_CHECK;

/* The same for fields that come one by one (n = EVENT_N_COLUMNS; len -1: null). */
int store_add_fields(struct store *st, const char *const *fields, const int *lens,
		     struct pgs_err *reterr) PGS_MUST_CHECK;

void store_reset(struct store *st); /* keeps a few blocks for the next window */
void store_done(struct store *st); /* keeps nothing; can be used again */

#endif

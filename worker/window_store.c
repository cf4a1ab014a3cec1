/*
 * worker/window_store.c
 *    See worker/window_store.h.
 */
#include "worker/window_store.h"

#include <endian.h>
#include <string.h>

enum { BLOCK_BYTES = 1024 * 1024 - 64, SPARE_BYTES = 16 * 1024 * 1024, FIRST_EVENTS = 256 };

struct store_block {
	struct store_block *next;
	size_t size;
	char bytes[];
};

static struct store_block *block_new(struct store *st, size_t len)
{
	struct store_block *block = st->spare;
	if (block && block->size >= len) {
		st->spare = block->next;
		st->spare_bytes -= block->size;
		return block;
	}
	/* The first block is small: most windows are. */
	size_t size = st->blocks ? BLOCK_BYTES : 32 * 1024;
	if (size < len)
		size = len;
	block = malloc(sizeof(*block) + size);
	if (block)
		block->size = size;
	return block;
}

static char *store_room(struct store *st, size_t len, struct pgs_err *reterr)
{
	if (!st->blocks || st->blocks->size - st->block_used < len) {
		struct store_block *block = block_new(st, len);
		if (!block) {
			pgs_err_nomem(reterr);
			return NULL;
		}
		block->next = st->blocks;
		st->blocks = block;
		st->block_used = 0;
	}
	char *const room = st->blocks->bytes + st->block_used;
	st->block_used += len;
	return room;
}

static int store_decode(struct store *st, const char *row, size_t len, struct pgs_err *reterr)
{
	if (st->n == st->cap) {
		const size_t cap = st->cap ? st->cap * 2 : FIRST_EVENTS;
		struct event *events = realloc(st->events, cap * sizeof(*events));
		if (!events)
			return pgs_err_nomem(reterr);
		st->events = events;
		st->cap = cap;
	}
	const int rc = event_from_copy(row, len, 0, &st->events[st->n], reterr);
	if (rc == 1) {
		st->n++;
		st->bytes += len + sizeof(struct event);
	}
	return rc;
}

int store_add(struct store *st, const char *row, size_t len, struct pgs_err *reterr)
{
	char *const room = store_room(st, len, reterr);
	if (!room)
		return -1;
	memcpy(room, row, len);
	return store_decode(st, room, len, reterr);
}

int store_add_fields(struct store *st, const char *const *fields, const int *lens,
		     struct pgs_err *reterr)
{
	size_t len = sizeof(uint16_t);
	for (int i = 0; i < EVENT_N_COLUMNS; i++)
		len += sizeof(uint32_t) + (lens[i] > 0 ? (size_t)lens[i] : 0);
	char *const room = store_room(st, len, reterr);
	if (!room)
		return -1;
	char *at = room;
	const uint16_t n_fields = htobe16(EVENT_N_COLUMNS);
	memcpy(at, &n_fields, sizeof(n_fields));
	at += sizeof(n_fields);
	for (int i = 0; i < EVENT_N_COLUMNS; i++) {
		const uint32_t field_len = htobe32((uint32_t)lens[i]);
		memcpy(at, &field_len, sizeof(field_len));
		at += sizeof(field_len);
		if (lens[i] > 0) {
			memcpy(at, fields[i], (size_t)lens[i]);
			at += lens[i];
		}
	}
	return store_decode(st, room, len, reterr);
}

void store_reset(struct store *st)
{
	for (struct store_block *b = st->blocks, *next; b; b = next) {
		next = b->next;
		if (st->spare_bytes + b->size > SPARE_BYTES) {
			free(b);
			continue;
		}
		b->next = st->spare;
		st->spare = b;
		st->spare_bytes += b->size;
	}
	st->blocks = NULL;
	st->block_used = 0;
	st->n = 0;
	st->bytes = 0;
}

void store_done(struct store *st)
{
	store_reset(st);
	for (struct store_block *b = st->spare, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(st->events);
	*st = (struct store){ .n = 0 };
}

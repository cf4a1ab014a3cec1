/*
 * common/arena.h
 *    A bump allocator for one unit of work: one window, one document, one look at ZooKeeper.
 *
 * Memory is given back all at once. The ceiling is given at birth. Not thread-safe.
 */
#ifndef PGSHOVEL_COMMON_ARENA_H
#define PGSHOVEL_COMMON_ARENA_H

#include <stddef.h>

#include "common/base.h"

struct pgs_arena_block;

struct pgs_arena {
	struct pgs_arena_block *blocks; /* owned, newest first */
	size_t used_bytes; /* handed out, rounding included */
	size_t max_bytes;
};

#define PGS_ARENA_INIT(max) ((struct pgs_arena){ .max_bytes = (max) })

/* Zeroed, aligned for any type, valid until reset or done. NULL: no memory or over the ceiling. */
void *pgs_arena_alloc(struct pgs_arena *arena, size_t bytes) PGS_MUST_CHECK;
void *pgs_arena_array(struct pgs_arena *arena, size_t n, size_t item_bytes) PGS_MUST_CHECK;
char *pgs_arena_strdup(struct pgs_arena *arena, const char *text) PGS_MUST_CHECK;
char *pgs_arena_memdup(struct pgs_arena *arena, const void *bytes,
		       size_t n) PGS_MUST_CHECK; /* + NUL */

/* Forget everything handed out; keeps one block of at most 64 KiB for the next round. */
void pgs_arena_reset(struct pgs_arena *arena);
void pgs_arena_done(struct pgs_arena *arena);

#endif

/*
 * common/arena.c
 *    See common/arena.h: blocks of doubling size, newest first.
 *
 * Does not give single pieces back.
 */
#include "common/arena.h"

#include <stdint.h>
#include <string.h>

enum {
	ARENA_ALIGN = 16,
	ARENA_FIRST_BYTES = 4096,
	ARENA_LARGEST_BYTES = 1024 * 1024, /* a larger block only for one larger piece */
	ARENA_KEEP_BYTES = 64 * 1024,
};

struct pgs_arena_block {
	struct pgs_arena_block *next; /* older */
	size_t size; /* bytes in data */
	size_t used;
	_Alignas(ARENA_ALIGN) char data[];
};

static struct pgs_arena_block *block_new(struct pgs_arena *arena, size_t need)
{
	size_t size = arena->blocks ? arena->blocks->size * 2 : ARENA_FIRST_BYTES;
	struct pgs_arena_block *block;

	if (size > ARENA_LARGEST_BYTES)
		size = ARENA_LARGEST_BYTES;
	if (size < need)
		size = need;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	block->next = arena->blocks;
	block->size = size;
	block->used = 0;
	arena->blocks = block;
	return block;
}

void *pgs_arena_alloc(struct pgs_arena *arena, size_t bytes)
{
	struct pgs_arena_block *block = arena->blocks;
	size_t need;
	void *piece;

	/* First the ceiling, then the rounding: so the sums below cannot wrap. */
	if (bytes > arena->max_bytes || bytes > SIZE_MAX / 4)
		return NULL;
	/* A piece of nothing still gets an address of its own. */
	need = ((bytes ? bytes : 1) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (arena->used_bytes > arena->max_bytes || need > arena->max_bytes - arena->used_bytes)
		return NULL;
	if (!block || block->size - block->used < need) {
		block = block_new(arena, need);
		if (!block)
			return NULL;
	}
	piece = block->data + block->used;
	block->used += need;
	arena->used_bytes += need;
	return memset(piece, 0, need);
}

void *pgs_arena_array(struct pgs_arena *arena, size_t n, size_t item_bytes)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, item_bytes, &bytes))
		return NULL;
	return pgs_arena_alloc(arena, bytes);
}

char *pgs_arena_memdup(struct pgs_arena *arena, const void *bytes, size_t n)
{
	char *copy = n < SIZE_MAX ? pgs_arena_alloc(arena, n + 1) : NULL;

	if (copy && n)
		memcpy(copy, bytes, n);
	return copy;
}

char *pgs_arena_strdup(struct pgs_arena *arena, const char *text)
{
	return pgs_arena_memdup(arena, text, strlen(text));
}

void pgs_arena_reset(struct pgs_arena *arena)
{
	struct pgs_arena_block *keep = NULL;

	for (struct pgs_arena_block *block = arena->blocks, *next; block; block = next) {
		next = block->next;
		if (block->size <= ARENA_KEEP_BYTES && (!keep || keep->size < block->size)) {
			free(keep);
			keep = block;
		} else {
			free(block);
		}
	}
	if (keep) {
		keep->next = NULL;
		keep->used = 0;
	}
	arena->blocks = keep;
	arena->used_bytes = 0;
}

void pgs_arena_done(struct pgs_arena *arena)
{
	for (struct pgs_arena_block *block = arena->blocks, *next; block; block = next) {
		next = block->next;
		free(block);
	}
	*arena = PGS_ARENA_INIT(arena->max_bytes);
}

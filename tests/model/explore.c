/*
 * tests/model/explore.c
 *    See explore.h. States in one array, an open hash table of their numbers beside it.
 */
#include "tests/model/explore.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_MAX = 48, NOBODY = UINT32_MAX & 0x7fffffff };

struct origin {
	uint32_t from;
	char step[STEP_MAX];
};

struct explorer {
	size_t size, max, n_slots;
	unsigned char *states;
	struct origin *origins;
	uint32_t *slots; /* number of a state + 1; 0: free */
	uint32_t at; /* the state whose steps are looked at */
	struct explore_result *result;
};

static void *need(void *memory)
{
	if (!memory)
		abort(); /* a test */
	return memory;
}

static uint64_t hash(const unsigned char *bytes, size_t n)
{
	uint64_t h = 1469598103934665603ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * 1099511628211ULL;
	return h ^ (h >> 31);
}

static const unsigned char *state_of(const struct explorer *x, size_t n)
{
	return x->states + n * x->size;
}

void explore_put(struct explorer *x, const void *state, const char *step)
{
	size_t slot = hash(state, x->size) & (x->n_slots - 1);

	x->result->transitions++;
	for (; x->slots[slot]; slot = (slot + 1) & (x->n_slots - 1))
		if (memcmp(state_of(x, x->slots[slot] - 1), state, x->size) == 0)
			return;
	if (x->result->states == x->max) {
		x->result->full = true;
		return;
	}
	size_t n = x->result->states++;
	memcpy(x->states + n * x->size, state, x->size);
	x->origins[n].from = x->at;
	(void)snprintf(x->origins[n].step, STEP_MAX, "%s", step);
	x->slots[slot] = (uint32_t)n + 1;
}

void explore_bad(struct explorer *x, const char *invariant)
{
	size_t n = 0, len = 0;

	if (x->result->bad)
		return;
	x->result->bad = true;
	x->result->invariant = invariant;
	for (uint32_t i = x->at; i != NOBODY; i = x->origins[i].from)
		n++;
	uint32_t *path = need(calloc(n, sizeof(*path)));
	x->result->trace = need(calloc(n + 1, STEP_MAX + 1));
	for (uint32_t i = x->at, k = (uint32_t)n; i != NOBODY; i = x->origins[i].from)
		path[--k] = i;
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(x->result->trace + len, STEP_MAX + 1, "%s\n",
					x->origins[path[i]].step);
	free(path);
}

void explore(const void *first, size_t size, size_t max, explore_steps_fn *steps,
	     struct explore_result *ret)
{
	struct explorer x = { .size = size, .max = max, .n_slots = 1, .at = NOBODY, .result = ret };

	*ret = (struct explore_result){ 0 };
	while (x.n_slots < 2 * max)
		x.n_slots *= 2;
	x.states = need(malloc(max * size));
	x.origins = need(malloc(max * sizeof(*x.origins)));
	x.slots = need(calloc(x.n_slots, sizeof(*x.slots)));
	explore_put(&x, first, "begin");
	for (x.at = 0; x.at < ret->states && !ret->bad && !ret->full; x.at++)
		steps(&x, state_of(&x, x.at));
	free(x.states);
	free(x.origins);
	free(x.slots);
}

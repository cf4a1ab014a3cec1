/*
 * tests/model/explore.h
 *    All states that a step function can reach, breadth first: a trace is as short as it can be.
 *
 * A state is `size` bytes without padding, compared byte by byte. Knows nothing of what the bytes mean.
 */
#ifndef PGSHOVEL_TESTS_MODEL_EXPLORE_H
#define PGSHOVEL_TESTS_MODEL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>

struct explorer;

/* Calls explore_put() for every state that follows, explore_bad() when something must not be. */
typedef void explore_steps_fn(struct explorer *x, const void *state);

struct explore_result {
	bool bad;
	bool full; /* more states than max: nothing is proven */
	size_t states, transitions;
	const char *invariant; /* the one that does not hold */
	char *trace; /* the steps to there, one a line; free() it */
};

void explore(const void *first, size_t size, size_t max, explore_steps_fn *steps,
	     struct explore_result *ret);

/* `step` is kept with the state, cut at 47 bytes. */
void explore_put(struct explorer *x, const void *state, const char *step);
void explore_bad(struct explorer *x, const char *invariant);

#endif

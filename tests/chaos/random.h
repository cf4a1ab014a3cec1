/*
 * tests/chaos/random.h
 *    Numbers that follow from a seed (splitmix64): the same on every machine, so that a run can be repeated.
 *
 * Not for secrets.
 */
#ifndef PGSHOVEL_TESTS_RANDOM_H
#define PGSHOVEL_TESTS_RANDOM_H

#include <stdint.h>

struct chaos_random {
	uint64_t state;
};

static inline uint64_t chaos_next(struct chaos_random *random)
{
	uint64_t z = (random->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* low to high, both included. */
static inline int chaos_between(struct chaos_random *random, int low, int high)
{
	return low + (int)(chaos_next(random) % (uint64_t)(high - low + 1));
}

#endif

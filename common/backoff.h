/*
 * common/backoff.h
 *    How long to wait before the next try: doubling with jitter, capped.
 *
 * Pure: the caller gives the random number and does the waiting.
 */
#ifndef PGSHOVEL_COMMON_BACKOFF_H
#define PGSHOVEL_COMMON_BACKOFF_H

#include <stdint.h>

struct pgs_backoff {
	uint64_t base_us;
	uint64_t cap_us;
	unsigned failures; /* since the last reset */
};

/* The next delay: base * 2^failures, capped, times a factor from 0.5 to 1 taken from `random`. */
uint64_t pgs_backoff_next(struct pgs_backoff *backoff, uint32_t random);
void pgs_backoff_reset(struct pgs_backoff *backoff);

#endif

/*
 * common/backoff.c
 *    See common/backoff.h.
 *
 * Does not wait and draws no random numbers.
 */
#include "common/backoff.h"

uint64_t pgs_backoff_next(struct pgs_backoff *backoff, uint32_t random)
{
	uint64_t delay_us = backoff->base_us;

	/* Doubled step by step: a shift by `failures` would wrap after 64 of them. */
	for (unsigned i = 0; i < backoff->failures && delay_us < backoff->cap_us; i++)
		delay_us = delay_us > UINT64_MAX / 2 ? UINT64_MAX : delay_us * 2;
	if (delay_us > backoff->cap_us)
		delay_us = backoff->cap_us;
	if (backoff->failures < 1000)
		backoff->failures++;
	/* half + half * random / 2^32, without losing bits or overflowing for any cap */
	return delay_us - delay_us / 2 +
	       (uint64_t)(((unsigned __int128)(delay_us / 2) * random) >> 32);
}

void pgs_backoff_reset(struct pgs_backoff *backoff)
{
	backoff->failures = 0;
}

/*
 * common/clock.c
 *    See common/clock.h.
 *
 * Does not sleep, does not format times.
 */
#include "common/clock.h"

#include <time.h>

static uint64_t fake_monotonic_us;
static int64_t fake_wall_us;

static int64_t read_us(clockid_t id)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(id, &ts); /* cannot fail for these two clocks */
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

uint64_t pgs_now_us(void)
{
	return fake_monotonic_us ? fake_monotonic_us : (uint64_t)read_us(CLOCK_MONOTONIC);
}

int64_t pgs_wall_us(void)
{
	return fake_wall_us ? fake_wall_us : read_us(CLOCK_REALTIME);
}

int pgs_ms_until(uint64_t at_us)
{
	const uint64_t most_us = 3600ull * 1000000;
	uint64_t now_us = pgs_now_us();

	if (at_us <= now_us)
		return 0;
	if (at_us - now_us >= most_us)
		return (int)(most_us / 1000);
	/* Rounded up: waking a little early would turn the last millisecond into a busy loop. */
	return (int)((at_us - now_us + 999) / 1000);
}

void pgs_clock_set_fake(uint64_t monotonic_us, int64_t wall_us)
{
	fake_monotonic_us = monotonic_us;
	fake_wall_us = wall_us;
}

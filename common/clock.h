/*
 * common/clock.h
 *    Time: monotonic microseconds for waiting, wall microseconds for writing down.
 *
 * Tests may replace both; see pgs_clock_set_fake(). Does not sleep.
 */
#ifndef PGSHOVEL_COMMON_CLOCK_H
#define PGSHOVEL_COMMON_CLOCK_H

#include <stdint.h>

uint64_t pgs_now_us(void); /* CLOCK_MONOTONIC */
int64_t pgs_wall_us(void); /* CLOCK_REALTIME, since 1970 */
int pgs_ms_until(uint64_t at_us); /* for poll(): 0 when past, rounded up, at most one hour */

/* Freeze both clocks at these values (tests only); both 0: the real clocks again. */
void pgs_clock_set_fake(uint64_t monotonic_us, int64_t wall_us);

#endif

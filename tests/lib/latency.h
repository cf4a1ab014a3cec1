/*
 * tests/lib/latency.h
 *    A histogram of times, 0.1 ms fine up to 20 s; what is longer counts as 20 s.
 */
#ifndef PGSHOVEL_TESTS_LATENCY_H
#define PGSHOVEL_TESTS_LATENCY_H

#include <stdint.h>
#include <stdio.h>

enum { LATENCY_SLOTS = 200000, LATENCY_SLOT_US = 100 };

struct latency {
	uint32_t slots[LATENCY_SLOTS];
	uint64_t n;
	int64_t max_us;
};

void latency_reset(struct latency *latency);
void latency_add(struct latency *latency, int64_t us);

/* Time that a share (0 to 1) of the values does not exceed. 0 when there are none. */
double latency_ms(const struct latency *latency, double share);

/* "p50 14.2 ms  p99 40.1 ms  max 52.0 ms", without newline. */
void latency_print(const struct latency *latency, FILE *out);

#endif

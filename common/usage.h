/*
 * common/usage.h
 *    What this process has used of the machine so far.
 *
 * Not of its children, and not of single threads.
 */
#ifndef PGSHOVEL_COMMON_USAGE_H
#define PGSHOVEL_COMMON_USAGE_H

#include <stdint.h>

struct pgs_usage {
	uint64_t cpu_us; /* user and system */
	uint64_t memory_peak; /* largest resident memory, bytes */
};

struct pgs_usage pgs_usage(void);

#endif

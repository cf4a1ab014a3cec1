/*
 * common/usage.c
 *    See common/usage.h.
 */
#include "common/usage.h"

#include <sys/resource.h>

struct pgs_usage pgs_usage(void)
{
	struct rusage u = { 0 };

	(void)getrusage(RUSAGE_SELF, &u); /* cannot fail for oneself */
	return (struct pgs_usage){
		.cpu_us = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
			  (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec),
		.memory_peak = (uint64_t)u.ru_maxrss * 1024,
	};
}

/*
 * common/base.h
 *    Attributes and the few macros that every file may use.
 *
 * Does not declare functions of any module, does not include other project headers.
 */
#ifndef PGSHOVEL_COMMON_BASE_H
#define PGSHOVEL_COMMON_BASE_H

#include <stdlib.h>
#include <unistd.h>

#define PGS_MUST_CHECK         __attribute__((warn_unused_result))
#define PGS_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define PGS_NORETURN           __attribute__((noreturn))
#define PGS_ARRAY_LEN(a)       (sizeof(a) / sizeof((a)[0]))

/* Run fn(&variable) when the variable leaves its scope; fn must accept the empty value. */
#define PGS_CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hand a pointer out of a PGS_CLEANUP variable: the clean-up then sees NULL. */
#define PGS_STEAL(p)                                                                               \
	({                                                                                         \
		__typeof__(p) pgs_stolen = (p);                                                    \
		(p) = NULL;                                                                        \
		pgs_stolen;                                                                        \
	})

/* Clean-up for memory from malloc() and its kin: PGS_CLEANUP(pgs_freep) char *text = NULL; */
static inline void pgs_freep(void *p)
{
	free(*(void **)p);
}

/* Clean-up for a file descriptor, -1 is empty: PGS_CLEANUP(pgs_closep) int fd = -1; */
static inline void pgs_closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(
			*fd); /* nothing sensible follows a failing close of a descriptor we drop */
}

#endif

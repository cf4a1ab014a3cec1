/*
 * tests/unit/fail_alloc.h
 *    Memory that ends when a test says so. Include it in one file of a test program; the makefile sees the
 *    include and links the program with --wrap for the functions below.
 *
 * fail_alloc_after(n): n allocations succeed, all later ones fail until fail_alloc_never(). Counts only
 * allocations of code that is linked statically (ours and libcheck's), not those inside shared libraries.
 */
#ifndef PGSHOVEL_TESTS_UNIT_FAIL_ALLOC_H
#define PGSHOVEL_TESTS_UNIT_FAIL_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);

static long fail_alloc_left = -1; /* -1: never */

static inline void fail_alloc_after(long n)
{
	fail_alloc_left = n;
}

static inline void fail_alloc_never(void)
{
	fail_alloc_left = -1;
}

static bool fail_alloc_now(void)
{
	if (fail_alloc_left < 0)
		return false;
	if (fail_alloc_left == 0)
		return true;
	fail_alloc_left--;
	return false;
}

void *__wrap_malloc(size_t size)
{
	return fail_alloc_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fail_alloc_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fail_alloc_now() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return fail_alloc_now() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
	return fail_alloc_now() ? NULL : __real_strndup(text, n);
}

#endif

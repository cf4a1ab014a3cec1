/*
 * common/utf8.h
 *    Is this UTF-8? One character at a time.
 *
 * Does not convert and does not count columns.
 */
#ifndef PGSHOVEL_COMMON_UTF8_H
#define PGSHOVEL_COMMON_UTF8_H

#include <stddef.h>

/* Bytes of the character at p, of which `left` > 0 may be read; 0: not UTF-8 (RFC 3629). NUL counts as one. */
size_t pgs_utf8_length(const char *p, size_t left);

#endif

/*
 * common/parse.h
 *    Strict text to number: the whole text or an error, never a guess.
 *
 * Units: durations in microseconds ("5ms", "2s", "1min", "1h", "100us"; a bare number is refused), sizes
 * in bytes ("16MB", "64kB", "1GB", "123B"; 1 MB = 2^20; a bare number is bytes).
 */
#ifndef PGSHOVEL_COMMON_PARSE_H
#define PGSHOVEL_COMMON_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"

/* reterr says what was wrong with `text` and names the allowed range; class CONFIG. */
int pgs_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret,
		  struct pgs_err *reterr) PGS_MUST_CHECK;
int pgs_parse_duration_us(const char *text, uint64_t min_us, uint64_t max_us, uint64_t *ret_us,
			  struct pgs_err *reterr) PGS_MUST_CHECK;
int pgs_parse_size_bytes(const char *text, uint64_t min, uint64_t max, uint64_t *ret_bytes,
			 struct pgs_err *reterr) PGS_MUST_CHECK;

/* Cluster: [a-z][a-z0-9]{0,23}, but not "zookeeper". Set: [a-z][a-z0-9_]{0,23} without "__" and without an edge "_". */
bool pgs_cluster_name_ok(const char *name);
bool pgs_set_name_ok(const char *name);

#endif

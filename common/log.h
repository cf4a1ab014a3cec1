/*
 * common/log.h
 *    One line to stderr: priority, prefix, text.
 *
 * Library code in common/ returns errors instead and uses PGS_LOG_DEBUG at most. Nothing secret may be
 * passed in: see pg_conninfo_display() for what may be said of a conninfo.
 */
#ifndef PGSHOVEL_COMMON_LOG_H
#define PGSHOVEL_COMMON_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"

/* The numbers are syslog's. */
enum pgs_log_level {
	PGS_LOG_ERR = 3,
	PGS_LOG_WARNING = 4,
	PGS_LOG_NOTICE = 5,
	PGS_LOG_INFO = 6,
	PGS_LOG_DEBUG = 7,
};

/* "error", "warning", "notice", "info" or "debug"; class CONFIG for anything else. */
int pgs_log_level_parse(const char *name, enum pgs_log_level *ret,
			struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Where lines go. The default writes to stderr: "<N>text" when stderr is not a terminal (journald reads
 * the priority), "program: text" when it is. Each line is one write(2). A sink must be thread-safe.
 */
typedef void pgs_log_sink(enum pgs_log_level level, const char *prefix, const char *line,
			  void *ctx);

void pgs_log_open(const char *program, enum pgs_log_level max_level);
void pgs_log_set_level(enum pgs_log_level max_level);
void pgs_log_set_sink(pgs_log_sink *sink, void *ctx); /* NULL: back to stderr */

/* The default, for a sink that fails. */
void pgs_log_stderr(enum pgs_log_level level, const char *prefix, const char *line, void *ctx);

/* prefix: the object that speaks, such as "set=example"; NULL for none. Newlines become spaces. */
void pgs_log(enum pgs_log_level level, const char *prefix, const char *fmt, ...) PGS_PRINTF(3, 4);

/*
 * At most `burst` lines in each window of `interval_us`. Lines held back are counted and the count is
 * given out with the next line that passes ("N similar lines held back"). Not thread-safe: one each owner.
 */
struct pgs_log_limit {
	uint64_t interval_us;
	unsigned burst;
	uint64_t window_start_us;
	unsigned in_window;
	unsigned held_back;
};

bool pgs_log_allowed(struct pgs_log_limit *limit, uint64_t now_us, unsigned *ret_held_back);

#endif

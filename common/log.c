/*
 * common/log.c
 *    See common/log.h. Holds the one global of common/: where lines go.
 *
 * Set up once, before threads start; afterwards any thread may log. The journal's fields are journal.c's.
 */
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LOG_LINE_MAX = 2048 };

static struct {
	char program[32];
	_Atomic int max_level; /* enum pgs_log_level; SIGHUP may change it while threads log */
	bool terminal;
	pgs_log_sink *sink;
	void *ctx;
} log_state = { .program = "pgshovel", .max_level = PGS_LOG_INFO };

void pgs_log_open(const char *program, enum pgs_log_level max_level)
{
	(void)snprintf(log_state.program, sizeof(log_state.program), "%s", program);
	log_state.terminal = isatty(STDERR_FILENO) == 1;
	log_state.max_level = (int)max_level;
}

void pgs_log_set_level(enum pgs_log_level max_level)
{
	log_state.max_level = (int)max_level;
}

void pgs_log_set_sink(pgs_log_sink *sink, void *ctx)
{
	log_state.sink = sink;
	log_state.ctx = ctx;
}

int pgs_log_level_parse(const char *name, enum pgs_log_level *ret, struct pgs_err *reterr)
{
	static const struct {
		const char *name;
		enum pgs_log_level level;
	} levels[] = {
		{ "error", PGS_LOG_ERR },     { "warning", PGS_LOG_WARNING },
		{ "notice", PGS_LOG_NOTICE }, { "info", PGS_LOG_INFO },
		{ "debug", PGS_LOG_DEBUG },
	};

	for (size_t i = 0; i < PGS_ARRAY_LEN(levels); i++)
		if (strcmp(levels[i].name, name) == 0) {
			*ret = levels[i].level;
			return 0;
		}
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
			   "log level \"%.64s\" is not one of error, warning, notice, info, debug",
			   name);
}

void pgs_log_stderr(enum pgs_log_level level, const char *prefix, const char *line, void *ctx)
{
	char text[LOG_LINE_MAX + 128];
	const char *gap = prefix ? " " : "";
	int len;

	(void)ctx;
	if (!prefix)
		prefix = "";
	if (log_state.terminal)
		len = snprintf(text, sizeof(text), "%s: %s%s%s\n", log_state.program, prefix, gap,
			       line);
	else
		len = snprintf(text, sizeof(text), "<%d>%s%s%s\n", (int)level, prefix, gap, line);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(text)) {
		len = (int)sizeof(text) - 1;
		text[len - 1] = '\n';
	}
	/* One write: lines of several threads and processes do not mix. There is nobody to tell a failure. */
	if (write(STDERR_FILENO, text, (size_t)len) < 0)
		return;
}

void pgs_log(enum pgs_log_level level, const char *prefix, const char *fmt, ...)
{
	int saved_errno = errno;
	char line[LOG_LINE_MAX];
	va_list ap;

	if ((int)level > log_state.max_level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap); /* a line that is too long is cut */
	va_end(ap);
	/* Every control character: a foreign text must not forge a second line or colour a terminal. */
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	if (log_state.sink)
		log_state.sink(level, prefix, line, log_state.ctx);
	else
		pgs_log_stderr(level, prefix, line, NULL);
	errno = saved_errno;
}

bool pgs_log_allowed(struct pgs_log_limit *limit, uint64_t now_us, unsigned *ret_held_back)
{
	if (limit->in_window == 0 || now_us - limit->window_start_us >= limit->interval_us) {
		limit->window_start_us = now_us;
		limit->in_window = 0;
	}
	if (limit->in_window >= limit->burst) {
		limit->held_back++;
		return false;
	}
	limit->in_window++;
	*ret_held_back = limit->held_back;
	limit->held_back = 0;
	return true;
}

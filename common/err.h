/*
 * common/err.h
 *    One error: what the caller should do (class), the foreign code, a line for people.
 *
 * Functions that can fail return 0 or -1 and take `struct pgs_err *reterr` as last parameter. On -1
 * *reterr is filled; on 0 it is untouched. Does not log and does not exit.
 */
#ifndef PGSHOVEL_COMMON_ERR_H
#define PGSHOVEL_COMMON_ERR_H

#include <stdarg.h>

#include "common/base.h"
#include "common/exitcode.h"

enum pgs_err_class {
	PGS_ERR_NONE = 0,
	PGS_ERR_RETRY, /* the same call may work later */
	PGS_ERR_CONFIG, /* an operator must change something first */
	PGS_ERR_FENCED, /* somebody else owns this set now: stop, do not retry */
	PGS_ERR_BUG, /* a broken invariant of our own */
};

struct pgs_err {
	enum pgs_err_class cls;
	char code
		[24]; /* SQLSTATE, ZNODEEXISTS, _MSG_TIMED_OUT, ENOENT ...; "" when there is none */
	char msg[640]; /* one line without newline; "could not" may work later, "cannot" never will */
};

/*
 * Fill *reterr (NULL: only the return value) and return -1, so that callers can write
 * `return pgs_err_set(reterr, PGS_ERR_RETRY, "ENOENT", "could not open \"%s\": %m", path)`.
 * A message that does not fit is cut. Line breaks become spaces. errno is preserved for %m.
 */
int pgs_err_set(struct pgs_err *reterr, enum pgs_err_class cls, const char *code, const char *fmt,
		...) PGS_PRINTF(4, 5);

/* Put "text: " before the message that *err holds already; class and code stay. Returns -1. */
int pgs_err_prefix(struct pgs_err *err, const char *fmt, ...) PGS_PRINTF(2, 3);

/* Out of memory as an error of class RETRY, code ENOMEM. Returns -1. */
int pgs_err_nomem(struct pgs_err *reterr);

/*
 * The three always return -1; said here again because the compiler cannot see it, and would otherwise take
 * every variable that is set on success for one that may be used without a value.
 */
#define PGS_ERR_MINUS_ONE(call)                                                                    \
	({                                                                                         \
		(void)(call);                                                                      \
		-1;                                                                                \
	})
#define pgs_err_set(...)    PGS_ERR_MINUS_ONE(pgs_err_set(__VA_ARGS__))
#define pgs_err_prefix(...) PGS_ERR_MINUS_ONE(pgs_err_prefix(__VA_ARGS__))
#define pgs_err_nomem(err)  PGS_ERR_MINUS_ONE(pgs_err_nomem(err))

/* The exit code that stands for a class. */
enum pgs_exit pgs_err_exit(enum pgs_err_class cls);

/* "retry", "config", "fenced", "bug": for logs and the control protocol. Static text. */
const char *pgs_err_class_name(enum pgs_err_class cls);

#endif

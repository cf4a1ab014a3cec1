/*
 * common/err.c
 *    See common/err.h.
 *
 * Allocates nothing: an error must be reportable when memory has ended.
 */
#include "common/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One line: control characters that would end or hide a log line become spaces. */
static void one_line(char *text)
{
	size_t len;

	for (char *p = text; *p; p++)
		if (*p == '\n' || *p == '\r' || *p == '\t' || *p == '\v' || *p == '\f')
			*p = ' ';
	len = strlen(text);
	while (len > 0 && text[len - 1] == ' ')
		text[--len] = '\0';
}

int(pgs_err_set)(struct pgs_err *reterr, enum pgs_err_class cls, const char *code, const char *fmt,
		 ...)
{
	int saved_errno = errno;
	char msg[sizeof(reterr->msg)];
	va_list ap;

	if (!reterr)
		return -1;
	/* Through a local: the arguments may point into *reterr. */
	va_start(ap, fmt);
	errno = saved_errno;
	(void)vsnprintf(msg, sizeof(msg), fmt, ap); /* cut by contract */
	va_end(ap);
	one_line(msg);
	if (code != reterr->code)
		(void)snprintf(reterr->code, sizeof(reterr->code), "%s", code ? code : "");
	(void)snprintf(reterr->msg, sizeof(reterr->msg), "%s", msg);
	reterr->cls = cls;
	errno = saved_errno;
	return -1;
}

int(pgs_err_prefix)(struct pgs_err *err, const char *fmt, ...)
{
	int saved_errno = errno;
	char msg[sizeof(err->msg)];
	va_list ap;
	int len;

	if (!err)
		return -1;
	va_start(ap, fmt);
	len = vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (len < 0)
		len = 0;
	if ((size_t)len < sizeof(msg))
		(void)snprintf(msg + len, sizeof(msg) - (size_t)len, ": %s",
			       err->msg); /* cut by contract */
	one_line(msg);
	(void)snprintf(err->msg, sizeof(err->msg), "%s", msg);
	errno = saved_errno;
	return -1;
}

int(pgs_err_nomem)(struct pgs_err *reterr)
{
	return pgs_err_set(reterr, PGS_ERR_RETRY, "ENOMEM", "could not allocate memory");
}

enum pgs_exit pgs_err_exit(enum pgs_err_class cls)
{
	switch (cls) {
	case PGS_ERR_NONE:
		return PGS_EXIT_OK;
	case PGS_ERR_RETRY:
		return PGS_EXIT_RETRY;
	case PGS_ERR_CONFIG:
		return PGS_EXIT_CONFIG;
	case PGS_ERR_FENCED:
		return PGS_EXIT_FENCED;
	case PGS_ERR_BUG:
		return PGS_EXIT_BUG;
	}
	return PGS_EXIT_BUG;
}

const char *pgs_err_class_name(enum pgs_err_class cls)
{
	switch (cls) {
	case PGS_ERR_NONE:
		return "none";
	case PGS_ERR_RETRY:
		return "retry";
	case PGS_ERR_CONFIG:
		return "config";
	case PGS_ERR_FENCED:
		return "fenced";
	case PGS_ERR_BUG:
		return "bug";
	}
	return "bug";
}

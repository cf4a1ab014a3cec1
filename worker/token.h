/*
 * worker/token.h
 *    The total order of a set's owners: (cluster generation, czxid of the lock, spawn number).
 *
 * Pure. Text form "GENERATION.CZXID.SPAWN"; a session shows it as application_name "pgshovel:TOKEN".
 */
#ifndef PGSHOVEL_WORKER_TOKEN_H
#define PGSHOVEL_WORKER_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_APPLICATION_PREFIX "pgshovel:"

enum { TOKEN_TEXT_MAX = 64 }; /* three 64-bit numbers, two dots, the NUL */

struct token {
	int64_t generation;
	int64_t czxid;
	int64_t spawn;
};

/* False: the text is not a token; *ret is then untouched. */
bool token_parse(const char *text, struct token *ret);

/* The same behind "pgshovel:". */
bool token_parse_application(const char *application_name, struct token *ret);

/* Negative, 0 or positive: a is older than, equal to, newer than b. */
int token_compare(const struct token *a, const struct token *b);

#endif

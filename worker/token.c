/*
 * worker/token.c
 *    See worker/token.h.
 */
#include "worker/token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Plain decimal without sign or space up to the stop character. */
static bool take_number(const char **at, char stop, int64_t *ret)
{
	char *end;
	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*ret = strtoll(*at, &end, 10);
	if (errno || *end != stop)
		return false;
	*at = stop ? end + 1 : end;
	return true;
}

bool token_parse(const char *text, struct token *ret)
{
	struct token t;
	if (!take_number(&text, '.', &t.generation) || !take_number(&text, '.', &t.czxid) ||
	    !take_number(&text, '\0', &t.spawn))
		return false;
	*ret = t;
	return true;
}

bool token_parse_application(const char *application_name, struct token *ret)
{
	const size_t len = sizeof(TOKEN_APPLICATION_PREFIX) - 1;
	return strncmp(application_name, TOKEN_APPLICATION_PREFIX, len) == 0 &&
	       token_parse(application_name + len, ret);
}

static int order(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

int token_compare(const struct token *a, const struct token *b)
{
	int c = order(a->generation, b->generation);
	if (!c)
		c = order(a->czxid, b->czxid);
	return c ? c : order(a->spawn, b->spawn);
}

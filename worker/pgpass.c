/*
 * worker/pgpass.c
 *    See worker/pgpass.h. The format is libpq's: host:port:database:user:password, "*" and backslashes.
 */
#include "worker/pgpass.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <string.h>

void pgpass_freep(char **password)
{
	if (*password)
		explicit_bzero(*password, strlen(*password));
	free(*password);
	*password = NULL;
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
	for (; options && options->keyword; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val && *options->val ? options->val : NULL;
	return NULL;
}

/* One field of a line against what is wanted; on a match *at stands behind the colon. */
static bool field_matches(const char **at, const char *wanted)
{
	const char *p = *at;
	if (p[0] == '*' && p[1] == ':') {
		*at = p + 2;
		return true;
	}
	for (; *p && *p != ':' && *p != '\n'; p++, wanted++) {
		if (*p == '\\' && p[1] && p[1] != '\n')
			p++;
		if (*p != *wanted)
			return false;
	}
	if (*p != ':' || *wanted)
		return false;
	*at = p + 1;
	return true;
}

static char *unescape(const char *at)
{
	const size_t len = strcspn(at, "\r\n");
	char *out = malloc(len + 1);
	size_t n = 0;
	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (at[i] == '\\' && i + 1 < len)
			i++;
		out[n++] = at[i];
	}
	out[n] = '\0';
	return out;
}

int pgpass_find(const char *file, const char *conninfo, char **ret, struct pgs_err *reterr)
{
	char *why = NULL;
	PQconninfoOption *given = PQconninfoParse(conninfo, &why);
	if (!given) {
		pgs_err_set(reterr, PGS_ERR_CONFIG, "", "cannot read the conninfo: %s",
			    why ? why : "");
		PQfreemem(why);
		return -1;
	}
	PQconninfoOption *fallback = PQconndefaults();
	const char *names[] = { "host", "port", "dbname", "user" };
	const char *wanted[PGS_ARRAY_LEN(names)];
	for (size_t i = 0; i < PGS_ARRAY_LEN(names); i++) {
		wanted[i] = option(given, names[i]);
		if (!wanted[i])
			wanted[i] = option(fallback, names[i]);
	}
	if (!wanted[2])
		wanted[2] = wanted[3]; /* libpq's default database is the user's name */
	if (!wanted[0] || wanted[0][0] == '/')
		wanted[0] = "localhost"; /* and sockets are called localhost in this file */

	int rc = 0;
	for (const char *line = file; line && *line && !*ret && !rc;) {
		const char *at = line;
		bool match = *line != '#';
		for (size_t i = 0; match && i < PGS_ARRAY_LEN(names); i++)
			match = field_matches(&at, wanted[i] ? wanted[i] : "");
		if (match) {
			*ret = unescape(at);
			rc = *ret ? 0 : pgs_err_nomem(reterr);
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	PQconninfoFree(given);
	PQconninfoFree(fallback);
	return rc;
}

/*
 * common/confine.c
 *    See common/confine.h. Strict: a piece that is misspelt must not be left out in silence.
 */
#include "common/confine.h"

#include <stdio.h>
#include <string.h>

#include "common/parse.h"

static const struct {
	const char *name;
	unsigned pieces;
} words[] = {
	{ "all", CONFINE_FILES | CONFINE_NETWORK | CONFINE_CALLS | CONFINE_LIMITS },
	{ "none", 0 },
	{ "files", CONFINE_FILES },
	{ "network", CONFINE_NETWORK },
	{ "calls", CONFINE_CALLS },
	{ "limits", CONFINE_LIMITS },
};

int confine_parse(const char *text, unsigned *ret, struct pgs_err *reterr)
{
	unsigned pieces = 0;

	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ","), i = 0;

		while (i < PGS_ARRAY_LEN(words) &&
		       (strlen(words[i].name) != len || strncmp(words[i].name, at, len) != 0))
			i++;
		/* "all" and "none" stand alone. */
		if (i == PGS_ARRAY_LEN(words) || (i < 2 && (at != text || at[len])))
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
					   "\"%s\" is no confinement; it is \"all\", \"none\" or "
					   "some of \"files,network,calls,limits\"",
					   text);
		pieces |= words[i].pieces;
		at += len;
		if (!*at)
			break;
	}
	*ret = pieces;
	return 0;
}

bool confine_ports_has(const struct confine_ports *ports, unsigned port)
{
	return port < 65536 && (ports->set[port / 64] >> (port % 64) & 1);
}

int confine_ports_add(struct confine_ports *into, unsigned port, struct pgs_err *reterr)
{
	if (confine_ports_has(into, port))
		return 0;
	if (port == 0 || port > 65535)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "%u is no TCP port", port);
	if (into->n == CONFINE_MAX_PORTS)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "E2BIG", "more than %d TCP ports",
				   CONFINE_MAX_PORTS);
	into->set[port / 64] |= UINT64_C(1) << (port % 64);
	into->n++;
	return 0;
}

static int add_range(const char *text, struct confine_ports *into, struct pgs_err *reterr)
{
	char first[16];
	size_t len = strcspn(text, "-");
	int64_t from, to;

	(void)snprintf(first, sizeof(first), "%.*s", (int)(len < 15 ? len : 15), text);
	if (pgs_parse_i64(first, 1, 65535, &from, reterr) < 0)
		return -1;
	to = from;
	if (text[len] && pgs_parse_i64(text + len + 1, from, 65535, &to, reterr) < 0)
		return -1;
	for (int64_t port = from; port <= to; port++)
		if (confine_ports_add(into, (unsigned)port, reterr) < 0)
			return -1;
	return 0;
}

int confine_ports_parse(const char *text, struct confine_ports *into, struct pgs_err *reterr)
{
	char word[32];

	if (!text || !*text)
		return 0;
	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ",");

		if (len >= sizeof(word))
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "\"%.32s...\" is no port",
					   at);
		(void)snprintf(word, sizeof(word), "%.*s", (int)len, at);
		if (add_range(word, into, reterr) < 0)
			return -1;
		at += len;
		if (!*at)
			return 0;
	}
}

int confine_paths_check(const char *text, struct pgs_err *reterr)
{
	size_t n = 0;

	for (const char *at = text; at && *at; n++) {
		size_t len = strcspn(at, ":");

		if (*at != '/' || n == CONFINE_MAX_PATHS)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
					   "\"%s\" is no list of at most %d absolute paths with "
					   "\":\" between them",
					   text, CONFINE_MAX_PATHS);
		at += len;
		at += *at == ':';
	}
	return 0;
}

/*
 * common/setdoc_conninfo.c
 *    A strict look at a connection string: well formed, no secret in it, nothing that the relay sets itself.
 *
 * Follows libpq's two grammars without linking libpq, because the supervisor must not. Does not connect and
 * never repeats the text in a message: what is wrong with it may be a password.
 */
#include "common/setdoc_internal.h"

#include <string.h>

enum { WORD_MAX = 64 };

enum conn_use { CONN_FREE, CONN_SECRET, CONN_OWNED };

struct conn_keyword {
	const char *name;
	enum conn_use use;
};

/* libpq's parameters up to version 18. */
static const struct conn_keyword keywords[] = {
	{ "application_name", CONN_OWNED }, /* the relay shows its token there */
	{ "channel_binding", CONN_FREE },
	{ "client_encoding", CONN_OWNED },
	{ "connect_timeout", CONN_FREE },
	{ "dbname", CONN_FREE },
	{ "fallback_application_name", CONN_OWNED },
	{ "gssdelegation", CONN_FREE },
	{ "gssencmode", CONN_FREE },
	{ "gsslib", CONN_FREE },
	{ "host", CONN_FREE },
	{ "hostaddr", CONN_FREE },
	{ "keepalives", CONN_FREE },
	{ "keepalives_count", CONN_FREE },
	{ "keepalives_idle", CONN_FREE },
	{ "keepalives_interval", CONN_FREE },
	{ "krbsrvname", CONN_FREE },
	{ "load_balance_hosts", CONN_FREE },
	{ "max_protocol_version", CONN_FREE },
	{ "min_protocol_version", CONN_FREE },
	{ "oauth_client_id", CONN_FREE },
	{ "oauth_client_secret", CONN_SECRET },
	{ "oauth_issuer", CONN_FREE },
	{ "oauth_scope", CONN_FREE },
	{ "options", CONN_FREE },
	{ "passfile", CONN_FREE },
	{ "password", CONN_SECRET },
	{ "port", CONN_FREE },
	{ "replication", CONN_OWNED },
	{ "require_auth", CONN_FREE },
	{ "requirepeer", CONN_FREE },
	{ "scram_client_key", CONN_SECRET },
	{ "scram_server_key", CONN_SECRET },
	{ "service", CONN_FREE },
	{ "servicefile", CONN_FREE },
	{ "ssl_max_protocol_version", CONN_FREE },
	{ "ssl_min_protocol_version", CONN_FREE },
	{ "sslcert", CONN_FREE },
	{ "sslcertmode", CONN_FREE },
	{ "sslcompression", CONN_FREE },
	{ "sslcrl", CONN_FREE },
	{ "sslcrldir", CONN_FREE },
	{ "sslkey", CONN_FREE },
	{ "sslkeylogfile", CONN_OWNED },
	{ "sslmode", CONN_FREE },
	{ "sslnegotiation", CONN_FREE },
	{ "sslpassword", CONN_SECRET },
	{ "sslrootcert", CONN_FREE },
	{ "sslsni", CONN_FREE },
	{ "target_session_attrs", CONN_FREE },
	{ "tcp_user_timeout", CONN_FREE },
	{ "user", CONN_FREE },
};

struct conninfo {
	const char *filename;
	int line;
	bool seen[PGS_ARRAY_LEN(keywords)];
};

static int fail_secret(const struct conninfo *ci, const char *what, struct pgs_err *reterr)
{
	return setdoc_fail(reterr, ci->filename, ci->line,
			   "\"conninfo\" holds a secret (%s); put the password into the passfile "
			   "\"pgpass\" of "
			   "the credentials folder",
			   what);
}

static int fail_syntax(const struct conninfo *ci, const char *what, struct pgs_err *reterr)
{
	return setdoc_fail(
		reterr, ci->filename, ci->line,
		"\"conninfo\" is not a connection string (%s); write it as for psql, such as "
		"\"host=db1 dbname=shop user=pgshovel\"",
		what);
}

static int check_keyword(struct conninfo *ci, const char *word, struct pgs_err *reterr)
{
	for (size_t i = 0; i < PGS_ARRAY_LEN(keywords); i++) {
		if (strcmp(word, keywords[i].name) != 0)
			continue;
		if (keywords[i].use == CONN_SECRET)
			return fail_secret(ci, word, reterr);
		if (keywords[i].use == CONN_OWNED)
			return setdoc_fail(
				reterr, ci->filename, ci->line,
				"\"%s\" in \"conninfo\" is set by pgshovel itself; remove it",
				word);
		if (ci->seen[i])
			return setdoc_fail(reterr, ci->filename, ci->line,
					   "\"%s\" stands twice in \"conninfo\"; remove one", word);
		ci->seen[i] = true;
		return 0;
	}
	return setdoc_fail(reterr, ci->filename, ci->line,
			   "\"conninfo\" has a keyword that libpq does not know; see the list in "
			   "libpq's manual");
}

static bool is_blank(char c)
{
	return c == ' ';
}

/* keyword = value, the value bare or in single quotes, backslash before any character. */
static int check_pairs(struct conninfo *ci, const char *p, struct pgs_err *reterr)
{
	while (*p) {
		char word[WORD_MAX];
		size_t n = 0;

		while (is_blank(*p))
			p++;
		if (!*p)
			break;
		for (; *p && *p != '=' && !is_blank(*p); p++) {
			if (n + 1 < sizeof(word))
				word[n++] = *p;
		}
		word[n] = '\0';
		while (is_blank(*p))
			p++;
		if (*p != '=')
			return fail_syntax(ci, "a keyword without =", reterr);
		p++;
		if (check_keyword(ci, word, reterr))
			return -1;
		while (is_blank(*p))
			p++;
		if (*p != '\'') {
			for (; *p && !is_blank(*p); p++) {
				if (*p == '\\' && p[1])
					p++;
			}
			continue;
		}
		for (p++; *p && *p != '\''; p++) {
			if (*p == '\\' && p[1])
				p++;
		}
		if (!*p)
			return fail_syntax(ci, "a quote that is not closed", reterr);
		p++;
	}
	return 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * Walk over one part of a URI until a character of `stops`; the decoded text, cut, goes to word.
 * NULL: a broken percent escape.
 */
static const char *uri_part(const char *p, const char *stops, char word[WORD_MAX])
{
	size_t n = 0;

	while (*p && !strchr(stops, *p)) {
		int c = (unsigned char)*p;

		if (c == '%') {
			int high = hex_value(p[1]);
			int low = high < 0 ? -1 : hex_value(p[2]);

			c = high * 16 + low;
			if (high < 0 || low < 0 || c == 0)
				return NULL;
			p += 2;
		}
		p++;
		if (n + 1 < WORD_MAX)
			word[n++] = (char)c;
	}
	word[n] = '\0';
	return p;
}

static int check_uri_query(struct conninfo *ci, const char *p, struct pgs_err *reterr)
{
	char word[WORD_MAX];
	char value[WORD_MAX];

	while (*p) {
		p = uri_part(p, "=&", word);
		if (!p)
			return fail_syntax(ci, "a broken % escape", reterr);
		if (*p != '=')
			return fail_syntax(ci, "a parameter without =", reterr);
		p = uri_part(p + 1, "=&", value);
		if (!p)
			return fail_syntax(ci, "a broken % escape", reterr);
		if (*p == '=')
			return fail_syntax(ci, "a parameter with two =", reterr);
		if (strcmp(word, "ssl") == 0 && strcmp(value, "true") == 0)
			memcpy(word, "sslmode",
			       sizeof("sslmode")); /* as JDBC writes it; libpq takes it */
		if (check_keyword(ci, word, reterr))
			return -1;
		if (*p == '&')
			p++;
	}
	return 0;
}

/* [user[:password]@][host][:port][,...][/dbname][?keyword=value[&...]] */
static int check_uri(struct conninfo *ci, const char *p, struct pgs_err *reterr)
{
	char word[WORD_MAX];
	size_t user = strcspn(p, "@/?");

	/*
	 * libpq looks for the @ up to the first slash only. Stopping at ? as well is stricter by one case,
	 * an @ inside a parameter of a URI without slash: no password can hide there unseen.
	 */
	if (p[user] == '@') {
		if (memchr(p, ':', user))
			return fail_secret(ci, "a password before @", reterr);
		p = uri_part(p, "@", word);
		if (!p)
			return fail_syntax(ci, "a broken % escape", reterr);
		p++;
		if (check_keyword(ci, "user", reterr))
			return -1;
	} else if (p[user] == '?' && strcspn(p, "@") < strcspn(p, "/")) {
		return fail_syntax(ci, "an @ behind the ?; write it as %40", reterr);
	}
	while (*p && *p != '/' && *p != '?') {
		if (*p == '[') {
			if (p[1] == ']')
				return fail_syntax(ci, "an empty []", reterr);
			p = uri_part(p + 1, "]/?", word);
			if (!p)
				return fail_syntax(ci, "a broken % escape", reterr);
			if (*p != ']')
				return fail_syntax(ci, "a [ that is not closed", reterr);
			p++;
		} else {
			p = uri_part(p, ":,/?[@", word);
			if (!p)
				return fail_syntax(ci, "a broken % escape", reterr);
		}
		if (*p == ':')
			p += 1 + strspn(p + 1, "0123456789");
		if (*p == ',')
			p++;
		else if (*p && *p != '/' && *p != '?')
			return fail_syntax(ci, "a broken host or port", reterr);
	}
	if (*p == '/') {
		p = uri_part(p + 1, "?", word);
		if (!p)
			return fail_syntax(ci, "a broken % escape", reterr);
		if (word[0] && check_keyword(ci, "dbname", reterr))
			return -1;
	}
	return *p == '?' ? check_uri_query(ci, p + 1, reterr) : 0;
}

int setdoc_check_conninfo(const struct setdoc *doc, const char *conninfo, int line,
			  struct pgs_err *reterr)
{
	static const char *const schemes[] = { "postgresql://", "postgres://" };
	struct conninfo ci = { .filename = doc->filename, .line = line };

	for (size_t i = 0; i < PGS_ARRAY_LEN(schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (strncmp(conninfo, schemes[i], n) == 0)
			return check_uri(&ci, conninfo + n, reterr);
	}
	if (conninfo[strspn(conninfo, " ")] == '\0')
		return fail_syntax(&ci, "it is empty", reterr);
	return check_pairs(&ci, conninfo, reterr);
}

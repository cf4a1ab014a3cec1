/*
 * common/pg_text.c
 *    The pure part of common/pg.h: SQLSTATE to class, conninfo for people, quoting.
 *
 * No connection is used and nothing blocks.
 */
#include "common/pg_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/pg.h"

enum { PG_TEXT_MAX_BYTES = 4096 };

/* First the whole code, then its two-character class; what is in neither list is for an operator. */
static const struct {
	char prefix[6];
	enum pgs_err_class cls;
} sqlstates[] = {
	/* A server in recovery, after a failover or on a standby: the primary comes back. */
	{ "25006", PGS_ERR_RETRY },
	{ "25P03", PGS_ERR_RETRY }, /* idle_in_transaction_session_timeout */
	{ "55P03", PGS_ERR_RETRY }, /* lock_timeout, NOWAIT */
	{ "55006", PGS_ERR_RETRY }, /* object in use */
	{ "72000", PGS_ERR_RETRY }, /* snapshot too old */
	{ "P0004", PGS_ERR_BUG }, /* ASSERT in our own functions */
	{ "XX001", PGS_ERR_CONFIG }, /* data corrupted: nothing gets better by trying */
	{ "XX002", PGS_ERR_CONFIG }, /* index corrupted */
	{ "08", PGS_ERR_RETRY }, /* connection */
	{ "40", PGS_ERR_RETRY }, /* serialization failure, deadlock */
	{ "53", PGS_ERR_RETRY }, /* disk full, out of memory, too many connections */
	{ "57", PGS_ERR_RETRY }, /* shutdown, starting up, cancelled, session timeouts */
	{ "58", PGS_ERR_RETRY }, /* I/O errors of the server */
	{ "XX", PGS_ERR_RETRY }, /* internal: "tuple concurrently updated" and its kin pass */
	/* Statements that we sent in a wrong state; no operator can cure that. */
	{ "0B", PGS_ERR_BUG },
	{ "24", PGS_ERR_BUG },
	{ "25", PGS_ERR_BUG },
	{ "26", PGS_ERR_BUG },
	{ "2D", PGS_ERR_BUG },
	{ "34", PGS_ERR_BUG },
	{ "3B", PGS_ERR_BUG },
	/*
	 * Everything else is CONFIG. Expected: 0A feature, 22 data, 23 constraint, 28 authorization, 3D
	 * database, 3F schema, 42 syntax, missing object or privilege, 54 limit, 55000 prepared transactions
	 * are disabled, F0 configuration file, P0001 RAISE of our own SQL.
	 */
};

enum pgs_err_class pg_sqlstate_class(const char *sqlstate)
{
	if (!sqlstate || !*sqlstate)
		return PGS_ERR_RETRY;
	for (size_t i = 0; i < PGS_ARRAY_LEN(sqlstates); i++)
		if (strncmp(sqlstate, sqlstates[i].prefix, strlen(sqlstates[i].prefix)) == 0)
			return sqlstates[i].cls;
	return PGS_ERR_CONFIG;
}

int pg_fail(PGconn *conn, const PGresult *res, struct pgs_err *reterr)
{
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	const char *primary = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *detail = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL) : NULL;
	const char *hint = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_HINT) : NULL;

	if (!primary || !*primary) {
		/* libpq's own words, of a lost connection most of the time. */
		const char *text = res ? PQresultErrorMessage(res) : "";

		if (!*text && conn)
			text = PQerrorMessage(conn);
		/* What the server said last, such as "terminating connection", comes before libpq's words. */
		return pgs_err_set(reterr, PGS_ERR_RETRY, state ? state : "08006", "%s",
				   *text ? text : "connection lost");
	}
	return pgs_err_set(reterr, pg_sqlstate_class(state), state, "%s%s%s%s%s", primary,
			   detail ? "; " : "", detail ? detail : "", hint ? "; " : "",
			   hint ? hint : "");
}

static bool is_sqlstate(const char *p)
{
	for (int i = 0; i < 5; i++)
		if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'A' && p[i] <= 'Z')))
			return false;
	return true;
}

int pg_text_connect_error(const char *text, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf msg = PGS_BUF_INIT(PG_TEXT_MAX_BYTES);
	char state[6] = "";
	enum pgs_err_class cls;

	for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
		const char *mark;

		end = strchrnul(line, '\n');
		if (strncmp(line, "LOCATION:", 9) == 0)
			continue;
		if (msg.len)
			pgs_buf_putc(&msg, ' ');
		/* `FATAL:  28P01: password ...`: two blanks, five characters, a colon. */
		mark = memmem(line, (size_t)(end - line), ":  ", 3);
		if (mark && end - mark > 10 && is_sqlstate(mark + 3) && mark[8] == ':') {
			memcpy(state, mark + 3, 5);
			pgs_buf_put(&msg, line, (size_t)(mark - line) + 3);
			line = mark + 10;
		}
		pgs_buf_put(&msg, line, (size_t)(end - line));
	}
	if (state[0])
		cls = pg_sqlstate_class(state);
	else if (strncmp(text, "invalid ", 8) == 0 || strstr(text, "no password supplied"))
		cls = PGS_ERR_CONFIG;
	else
		cls = PGS_ERR_RETRY;
	return pgs_err_set(reterr, cls, state[0] ? state : "08001", "%s",
			   msg.len ? pgs_buf_str(&msg) : "could not connect");
}

static void freeinfop(PQconninfoOption **info)
{
	PQconninfoFree(*info);
}

char *pg_conninfo_display(const char *conninfo)
{
	static const char *const shown[] = {
		"service", "host", "hostaddr", "port", "dbname", "user"
	};
	PGS_CLEANUP(freeinfop) PQconninfoOption *info = PQconninfoParse(conninfo, NULL);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf out = PGS_BUF_INIT(PG_TEXT_MAX_BYTES);

	/* Not the text itself: who misplaced a quote may have put a password anywhere. */
	if (!info)
		return strdup("(conninfo that cannot be parsed)");
	for (size_t i = 0; i < PGS_ARRAY_LEN(shown); i++)
		for (const PQconninfoOption *o = info; o->keyword; o++)
			if (strcmp(o->keyword, shown[i]) == 0 && o->val && *o->val)
				pgs_buf_printf(&out, "%s%s=%s", out.len ? " " : "", o->keyword,
					       o->val);
	if (!out.len)
		pgs_buf_lit(&out, "(defaults)");
	return pgs_buf_failed(&out) ? strdup("(long conninfo)") : pgs_buf_steal(&out);
}

static void put_doubled(struct pgs_buf *out, const char *text, const char *doubled)
{
	for (const char *p = text; *p; p++) {
		if (strchr(doubled, *p))
			pgs_buf_putc(out, *p);
		pgs_buf_putc(out, *p);
	}
}

void pg_put_ident(struct pgs_buf *out, const char *name)
{
	pgs_buf_putc(out, '"');
	put_doubled(out, name, "\"");
	pgs_buf_putc(out, '"');
}

void pg_put_literal(struct pgs_buf *out, const char *text)
{
	/* E'' means the same under both settings of standard_conforming_strings; the blank keeps the E
	 * apart from a word before it. */
	if (strchr(text, '\\'))
		pgs_buf_lit(out, " E'");
	else
		pgs_buf_putc(out, '\'');
	put_doubled(out, text, "'\\");
	pgs_buf_putc(out, '\'');
}

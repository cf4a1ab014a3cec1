/*
 * common/setdoc_scan.c
 *    A look at the whole text of a set file before libconfig sees it: bytes, grammar, depth, lines.
 *
 * libconfig 1.5 leaks memory on a syntax error, recurses as deep as the text asks, and gives strings the line of
 * the token behind them; so it gets only texts that it can parse. Duplicate names are left to it. Does not
 * know any key.
 */
#include "common/setdoc_internal.h"

#include <string.h>

#include "common/utf8.h"

struct scan {
	struct setdoc_lexer lex; /* on the next token, not yet taken */
	int depth;
	int *lines; /* owned until setdoc_scan() hands it over */
	size_t n_lines;
	size_t cap_lines;
	struct pgs_err *reterr;
};

static int check_bytes(const char *text, size_t len, const char *filename, struct pgs_err *reterr)
{
	int line = 1;

	for (size_t i = 0; i < len;) {
		size_t n = pgs_utf8_length(text + i, len - i);

		if (text[i] == '\0')
			return setdoc_fail(reterr, filename, line,
					   "there is a NUL byte; write plain text");
		if (n == 0)
			return setdoc_fail(
				reterr, filename, line,
				"there are bytes that are not UTF-8; save the file as UTF-8");
		if (text[i] == '\n')
			line++;
		i += n;
	}
	return 0;
}

static int advance(struct scan *s)
{
	return setdoc_lex_next(&s->lex, s->reterr);
}

static bool at_sign(const struct scan *s, char sign)
{
	return s->lex.kind == SETDOC_TOKEN_SIGN && s->lex.text[s->lex.start] == sign;
}

/* Strings are not shown: one of them may be a password that went astray. */
static int fail_unexpected(const struct scan *s, const char *advice)
{
	const struct setdoc_lexer *lex = &s->lex;

	if (lex->kind == SETDOC_TOKEN_END)
		return setdoc_fail(s->reterr, lex->filename, lex->start_line,
				   "the file ends too early; %s", advice);
	if (lex->kind == SETDOC_TOKEN_STRING)
		return setdoc_fail(s->reterr, lex->filename, lex->start_line,
				   "a string cannot stand here; %s", advice);
	return setdoc_fail(s->reterr, lex->filename, lex->start_line,
			   "\"%.*s\" cannot stand here; %s", (int)(lex->n > 40 ? 40 : lex->n),
			   lex->text + lex->start, advice);
}

/* One or more strings, which libconfig joins. */
static int scan_string(struct scan *s)
{
	if (s->n_lines == s->cap_lines) {
		size_t cap = s->cap_lines ? s->cap_lines * 2 : 64;
		int *lines = reallocarray(s->lines, cap, sizeof(*lines));

		if (!lines)
			return pgs_err_nomem(s->reterr);
		s->lines = lines;
		s->cap_lines = cap;
	}
	s->lines[s->n_lines++] = s->lex.start_line;
	while (s->lex.kind == SETDOC_TOKEN_STRING) {
		if (advance(s))
			return -1;
	}
	return 0;
}

static int scan_value(struct scan *s);
static int scan_settings(struct scan *s, bool in_group);

/* Values between brackets, the opening one taken already. An array holds scalars of one kind. */
static int scan_elements(struct scan *s, char close, bool array)
{
	enum setdoc_token first = s->lex.kind;

	if (at_sign(s, close))
		return advance(s);
	for (;;) {
		if (array && s->lex.kind == SETDOC_TOKEN_SIGN)
			return fail_unexpected(s,
					       "between [ and ] write values, separated by commas");
		if (array && s->lex.kind != first)
			return fail_unexpected(s, "values between [ and ] must be of one type");
		if (scan_value(s))
			return -1;
		if (at_sign(s, close))
			return advance(s);
		if (!at_sign(s, ','))
			return fail_unexpected(
				s, array ? "separate values with commas and close with ]"
					 : "separate values with commas and close with )");
		if (advance(s))
			return -1;
		if (at_sign(s, close))
			return fail_unexpected(s, "remove the comma before it");
	}
}

static int scan_value(struct scan *s)
{
	char sign = s->lex.kind == SETDOC_TOKEN_SIGN ? s->lex.text[s->lex.start] : '\0';
	int rc;

	if (s->lex.kind == SETDOC_TOKEN_STRING)
		return scan_string(s);
	if (s->lex.kind == SETDOC_TOKEN_NUMBER || s->lex.kind == SETDOC_TOKEN_BOOL)
		return advance(s);
	if (sign != '{' && sign != '[' && sign != '(')
		return fail_unexpected(s, "write a value, text in double quotes");
	if (++s->depth > SETDOC_MAX_DEPTH)
		return setdoc_fail(s->reterr, s->lex.filename, s->lex.start_line,
				   "brackets are nested deeper than any key permits; remove some");
	if (advance(s))
		return -1;
	if (sign == '{')
		rc = scan_settings(s, true);
	else
		rc = scan_elements(s, sign == '[' ? ']' : ')', sign == '[');
	s->depth--;
	return rc;
}

/* "name = value;" until the end of the file, or in a group until the bracket, which is taken. */
static int scan_settings(struct scan *s, bool in_group)
{
	int n = 0;

	for (;;) {
		if (in_group ? at_sign(s, '}') : s->lex.kind == SETDOC_TOKEN_END)
			return in_group ? advance(s) : 0;
		if (s->lex.kind != SETDOC_TOKEN_NAME)
			return fail_unexpected(s, in_group ? "write name = value; and close with }"
							   : "write name = value;");
		if (++n > SETDOC_MAX_SETTINGS) /* libconfig compares each with each */
			return fail_unexpected(s, "there are more settings than keys; remove some");
		if (advance(s))
			return -1;
		if (!at_sign(s, '=') && !at_sign(s, ':'))
			return fail_unexpected(s, "write name = value;");
		if (advance(s) || scan_value(s))
			return -1;
		if ((at_sign(s, ';') || at_sign(s, ',')) && advance(s))
			return -1;
	}
}

int setdoc_scan(const char *text, size_t len, const char *filename, int **ret_lines, size_t *ret_n,
		struct pgs_err *reterr)
{
	struct scan s = {
		.lex = { .filename = filename, .text = text, .len = len, .line = 1 },
		.reterr = reterr,
	};

	if (check_bytes(text, len, filename, reterr))
		return -1;
	if (advance(&s) || scan_settings(&s, false)) {
		free(s.lines);
		return -1;
	}
	*ret_lines = s.lines;
	*ret_n = s.n_lines;
	return 0;
}

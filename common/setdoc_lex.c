/*
 * common/setdoc_lex.c
 *    The tokens of a set file, as libconfig would see them, but strictly.
 *
 * libconfig cuts numbers silently, reads other files for @include, ends quietly inside an open comment and turns
 * escapes into NUL bytes. All of that is refused here, with the line. Does not know grammar or keys.
 */
#include "common/setdoc_internal.h"

#include <string.h>
#include <strings.h>

/* From the opening quote to behind the closing one. */
static int take_string(struct setdoc_lexer *lex, struct pgs_err *reterr)
{
	for (lex->at++; lex->at < lex->len; lex->at++) {
		unsigned char c = (unsigned char)lex->text[lex->at];

		if (c == '"') {
			lex->at++;
			return 0;
		}
		if (c == '\n')
			break;
		if (c < 0x20 || c == 0x7f)
			return setdoc_fail(reterr, lex->filename, lex->line,
					   "there is a control character in a string; remove it");
		if (c == '\\') {
			char next = lex->at + 1 < lex->len ? lex->text[lex->at + 1] : '\0';

			if (next != '"' && next != '\\')
				return setdoc_fail(reterr, lex->filename, lex->line,
						   "a backslash in a string must stand before a "
						   "double quote or "
						   "another backslash; write \\\\ for a backslash");
			lex->at++;
		}
	}
	return setdoc_fail(reterr, lex->filename, lex->line,
			   "a string is not closed in its line; add the double quote");
}

static int take_comment(struct setdoc_lexer *lex, struct pgs_err *reterr)
{
	int first = lex->line;

	for (lex->at += 2; lex->at + 1 < lex->len; lex->at++) {
		if (lex->text[lex->at] == '*' && lex->text[lex->at + 1] == '/') {
			lex->at += 2;
			return 0;
		}
		if (lex->text[lex->at] == '\n')
			lex->line++;
	}
	return setdoc_fail(reterr, lex->filename, first, "a comment is not closed; add */");
}

/* Blanks, line ends and comments. */
static int take_space(struct setdoc_lexer *lex, struct pgs_err *reterr)
{
	while (lex->at < lex->len) {
		char c = lex->text[lex->at];
		char next = lex->at + 1 < lex->len ? lex->text[lex->at + 1] : '\0';

		if (c == '#' || (c == '/' && next == '/')) {
			while (lex->at < lex->len && lex->text[lex->at] != '\n')
				lex->at++;
		} else if (c == '/' && next == '*') {
			if (take_comment(lex, reterr))
				return -1;
		} else if (c == '\n' || c == ' ' || c == '\t' || c == '\r' || c == '\f') {
			if (c == '\n')
				lex->line++;
			lex->at++;
		} else {
			break;
		}
	}
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';
}

/* What a word starting with a digit or a sign holds; "." and letters so that 1.5, 0x1f, 4L are one word. */
static bool is_number_char(char c)
{
	return is_digit(c) || is_letter(c) || c == '+' || c == '-' || c == '.' || c == '_';
}

static int take_number(struct setdoc_lexer *lex, struct pgs_err *reterr)
{
	const char *word = lex->text + lex->at;
	size_t sign = word[0] == '-' ? 1 : 0;
	size_t n = 0;
	size_t digits = 0;

	while (lex->at + n < lex->len && is_number_char(word[n]))
		n++;
	lex->at += n;
	while (sign + digits < n && is_digit(word[sign + digits]))
		digits++;
	if (digits == 0 || sign + digits != n || (digits > 1 && word[sign] == '0'))
		return setdoc_fail(
			reterr, lex->filename, lex->line,
			"\"%.*s\" is not a plain number; write whole numbers in decimal digits",
			(int)(n > 40 ? 40 : n), word);
	if (digits > 9)
		return setdoc_fail(reterr, lex->filename, lex->line,
				   "the number %.*s is too large for any key; write a smaller one",
				   (int)(n > 40 ? 40 : n), word);
	return 0;
}

static void take_name(struct setdoc_lexer *lex)
{
	const char *word = lex->text + lex->at;
	size_t n = 0;

	while (lex->at + n < lex->len &&
	       (is_letter(word[n]) || is_digit(word[n]) || word[n] == '-' || word[n] == '_'))
		n++;
	lex->at += n;
	lex->kind = SETDOC_TOKEN_NAME;
	if ((n == 4 && strncasecmp(word, "true", 4) == 0) ||
	    (n == 5 && strncasecmp(word, "false", 5) == 0))
		lex->kind = SETDOC_TOKEN_BOOL;
}

int setdoc_lex_next(struct setdoc_lexer *lex, struct pgs_err *reterr)
{
	int rc = 0;
	char c;

	if (take_space(lex, reterr))
		return -1;
	lex->start = lex->at;
	lex->start_line = lex->line;
	if (lex->at == lex->len) {
		lex->kind = SETDOC_TOKEN_END;
		return 0;
	}
	c = lex->text[lex->at];
	if (c == '"') {
		lex->kind = SETDOC_TOKEN_STRING;
		rc = take_string(lex, reterr);
	} else if (is_letter(c)) {
		take_name(lex);
	} else if (is_digit(c) || c == '-' || c == '+' || c == '.') {
		lex->kind = SETDOC_TOKEN_NUMBER;
		rc = take_number(lex, reterr);
	} else if (strchr("=:;,{}[]()", c)) {
		lex->kind = SETDOC_TOKEN_SIGN;
		lex->at++;
	} else if (c == '@') {
		rc = setdoc_fail(reterr, lex->filename, lex->line,
				 "\"@include\" is not supported; write the set into one file");
	} else {
		rc = setdoc_fail(
			reterr, lex->filename, lex->line,
			"\"%c\" cannot stand outside of a string; put text in double quotes",
			(unsigned char)c > 0x20 && (unsigned char)c < 0x7f ? c : '?');
	}
	lex->n = lex->at - lex->start;
	return rc;
}

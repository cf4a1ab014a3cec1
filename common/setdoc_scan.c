/*
 * common/setdoc_scan.c
 *    A look at the raw text of a set file before libconfig sees it.
 *
 * libconfig cuts numbers silently, reads other files for @include, ends quietly inside an open comment, turns
 * escapes into NUL bytes and recurses as deep as the text asks. All of that is refused here, with the line.
 * Does not know any key and does not judge the grammar: that is libconfig's part.
 */
#include "common/setdoc_internal.h"

#include <string.h>

#include "common/utf8.h"

struct scan {
	const char *filename;
	const char *text;
	size_t len;
	size_t at;
	int line;
	int depth;
	bool after_string; /* the last token was a string: one that follows is joined to it */
	int *lines; /* owned until setdoc_scan() hands it over */
	size_t n_lines;
	size_t cap_lines;
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

static int remember_string(struct scan *s, struct pgs_err *reterr)
{
	if (s->n_lines == s->cap_lines) {
		size_t cap = s->cap_lines ? s->cap_lines * 2 : 64;
		int *lines = reallocarray(s->lines, cap, sizeof(*lines));

		if (!lines)
			return pgs_err_nomem(reterr);
		s->lines = lines;
		s->cap_lines = cap;
	}
	s->lines[s->n_lines++] = s->line;
	return 0;
}

/* From the opening quote to behind the closing one. */
static int scan_string(struct scan *s, struct pgs_err *reterr)
{
	if (!s->after_string && remember_string(s, reterr))
		return -1;
	for (s->at++; s->at < s->len; s->at++) {
		unsigned char c = (unsigned char)s->text[s->at];

		if (c == '"') {
			s->at++;
			return 0;
		}
		if (c == '\n')
			break;
		if (c < 0x20 || c == 0x7f)
			return setdoc_fail(reterr, s->filename, s->line,
					   "there is a control character in a string; remove it");
		if (c == '\\') {
			char next = s->at + 1 < s->len ? s->text[s->at + 1] : '\0';

			if (next != '"' && next != '\\')
				return setdoc_fail(reterr, s->filename, s->line,
						   "a backslash in a string must stand before a "
						   "double quote or "
						   "another backslash; write \\\\ for a backslash");
			s->at++;
		}
	}
	return setdoc_fail(reterr, s->filename, s->line,
			   "a string is not closed in its line; add the double quote");
}

static int scan_comment(struct scan *s, struct pgs_err *reterr)
{
	int first = s->line;

	for (s->at += 2; s->at + 1 < s->len; s->at++) {
		if (s->text[s->at] == '*' && s->text[s->at + 1] == '/') {
			s->at += 2;
			return 0;
		}
		if (s->text[s->at] == '\n')
			s->line++;
	}
	return setdoc_fail(reterr, s->filename, first, "a comment is not closed; add */");
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '+' || c == '.' || c == '*';
}

/* Names, true and false are libconfig's; whatever looks like a number must be plain. */
static int scan_word(struct scan *s, struct pgs_err *reterr)
{
	const char *word = s->text + s->at;
	size_t n = 0;
	size_t digits;

	while (s->at + n < s->len && is_word(word[n]))
		n++;
	s->at += n;
	if (!(word[0] >= '0' && word[0] <= '9') && word[0] != '-' && word[0] != '+' &&
	    word[0] != '.')
		return 0;
	digits = word[0] == '-' ? 1 : 0;
	if (digits == n || (word[digits] == '0' && n > digits + 1))
		digits = 0;
	else
		while (digits < n && word[digits] >= '0' && word[digits] <= '9')
			digits++;
	if (digits != n)
		return setdoc_fail(
			reterr, s->filename, s->line,
			"\"%.*s\" is not a plain number; write whole numbers in decimal digits",
			(int)(n > 40 ? 40 : n), word);
	if (n > 10)
		return setdoc_fail(reterr, s->filename, s->line,
				   "the number %.*s is too large for any key; write a smaller one",
				   (int)(n > 40 ? 40 : n), word);
	return 0;
}

static int scan_token(struct scan *s, struct pgs_err *reterr)
{
	char c = s->text[s->at];
	char next = s->at + 1 < s->len ? s->text[s->at + 1] : '\0';

	switch (c) {
	case '\n':
		s->line++;
		s->at++;
		return 0;
	case ' ':
	case '\t':
	case '\r':
	case '\f':
		s->at++;
		return 0;
	case '"': {
		int rc = scan_string(s, reterr);

		s->after_string = true;
		return rc;
	}
	case '/':
		if (next == '*')
			return scan_comment(s, reterr);
		if (next != '/')
			break;
		__attribute__((fallthrough));
	case '#':
		while (s->at < s->len && s->text[s->at] != '\n')
			s->at++;
		return 0;
	case '@':
		return setdoc_fail(reterr, s->filename, s->line,
				   "\"@include\" is not supported; write the set into one file");
	case '{':
	case '[':
	case '(':
		if (++s->depth > SETDOC_MAX_DEPTH)
			return setdoc_fail(
				reterr, s->filename, s->line,
				"brackets are nested deeper than any key permits; remove some");
		break;
	case '}':
	case ']':
	case ')':
		s->depth--;
		break;
	default:
		if (is_word(c)) {
			s->after_string = false;
			return scan_word(s, reterr);
		}
		break;
	}
	s->after_string = false;
	s->at++;
	return 0;
}

int setdoc_scan(const char *text, size_t len, const char *filename, int **ret_lines, size_t *ret_n,
		struct pgs_err *reterr)
{
	struct scan s = { .filename = filename, .text = text, .len = len, .line = 1 };

	if (check_bytes(text, len, filename, reterr))
		return -1;
	while (s.at < s.len) {
		if (scan_token(&s, reterr)) {
			free(s.lines);
			return -1;
		}
	}
	*ret_lines = s.lines;
	*ret_n = s.n_lines;
	return 0;
}

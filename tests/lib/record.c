/*
 * tests/lib/record.c
 *    Takes a record of pgshovel's apart: the parts of the envelope as they stand in its bytes.
 *
 * A scanner over JSON text that knows strings and nesting; it does not decode escapes.
 */
#include "tests/lib/record.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t skip_space(struct piece text, size_t pos)
{
	while (pos < text.len && isspace((unsigned char)text.ptr[pos]))
		pos++;
	return pos;
}

/* Behind the string that begins at pos; 0 when it does not end. */
static size_t skip_string(struct piece text, size_t pos)
{
	for (pos++; pos < text.len; pos++) {
		if (text.ptr[pos] == '\\')
			pos++;
		else if (text.ptr[pos] == '"')
			return pos + 1;
	}
	return 0;
}

/* Behind the value that begins at pos; 0 when it is broken. */
static size_t skip_value(struct piece text, size_t pos)
{
	size_t depth = 0;
	size_t start = pos;

	while (pos < text.len) {
		char c = text.ptr[pos];

		if (c == '"') {
			pos = skip_string(text, pos);
			if (!pos || !depth)
				return pos;
			continue;
		}
		if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			if (!depth)
				return pos > start ? pos : 0;
			if (--depth == 0)
				return pos + 1;
		} else if (!depth && (c == ',' || isspace((unsigned char)c))) {
			return pos > start ? pos : 0;
		}
		pos++;
	}
	return depth || pos == start ? 0 : pos;
}

bool piece_next(struct piece object, size_t *pos, struct piece *name, struct piece *value)
{
	size_t at = skip_space(object, *pos);
	size_t end;

	if (at >= object.len || object.ptr[at] != (*pos ? ',' : '{'))
		return false;
	at = skip_space(object, at + 1);
	if (at >= object.len || object.ptr[at] != '"')
		return false;
	end = skip_string(object, at);
	if (!end)
		return false;
	*name = (struct piece){ object.ptr + at + 1, end - at - 2 };
	at = skip_space(object, end);
	if (at >= object.len || object.ptr[at] != ':')
		return false;
	at = skip_space(object, at + 1);
	end = skip_value(object, at);
	if (!end)
		return false;
	*value = (struct piece){ object.ptr + at, end - at };
	*pos = end;
	return true;
}

bool piece_is(struct piece piece, const char *text)
{
	return piece.ptr && piece.len == strlen(text) && memcmp(piece.ptr, text, piece.len) == 0;
}

bool piece_equal(struct piece a, struct piece b)
{
	if (!a.ptr || !b.ptr)
		return !a.ptr && !b.ptr;
	return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

bool piece_member(struct piece object, const char *name, struct piece *ret)
{
	struct piece found;
	size_t pos = 0;

	while (piece_next(object, &pos, &found, ret)) {
		if (piece_is(found, name))
			return true;
	}
	return false;
}

struct piece piece_unquote(struct piece text)
{
	if (!text.ptr || text.len < 2 || text.ptr[0] != '"')
		return (struct piece){ 0 };
	return (struct piece){ text.ptr + 1, text.len - 2 };
}

static bool piece_int(struct piece text, int64_t *ret)
{
	char digits[24];
	char *end;

	if (!text.ptr || !text.len || text.len >= sizeof(digits))
		return false;
	memcpy(digits, text.ptr, text.len);
	digits[text.len] = '\0';
	errno = 0;
	*ret = strtoll(digits, &end, 10);
	return !errno && !*end;
}

/* source.sequence is a string that holds the JSON array ["TXID","EV_ID"]. */
static bool sequence_second(struct piece text, int64_t *ret)
{
	struct piece raw = piece_unquote(text);
	size_t end;
	size_t start;

	if (!raw.ptr)
		return false;
	end = raw.len;
	while (end > 0 && !isdigit((unsigned char)raw.ptr[end - 1]))
		end--;
	start = end;
	while (start > 0 && isdigit((unsigned char)raw.ptr[start - 1]))
		start--;
	return piece_int((struct piece){ raw.ptr + start, end - start }, ret);
}

static struct piece null_to_absent(struct piece text)
{
	return piece_is(text, "null") ? (struct piece){ 0 } : text;
}

bool record_change(const struct record *record, struct change *ret, const char **why)
{
	struct piece value = record->value;
	struct piece source;
	struct piece part;

	*ret = (struct change){ 0 };
	if (piece_member(value, "payload", &part))
		value = part;
	if (!piece_member(value, "op", &part))
		return true;
	part = piece_unquote(part);
	if (part.len != 1) {
		*why = "op is not one letter";
		return false;
	}
	ret->op = part.ptr[0];
	if (piece_member(value, "before", &part))
		ret->before = null_to_absent(part);
	if (piece_member(value, "after", &part))
		ret->after = null_to_absent(part);
	if (!piece_member(value, "source", &source)) {
		*why = "no source";
		return false;
	}
	if (piece_member(source, "db", &part))
		ret->db = piece_unquote(part);
	if (piece_member(source, "schema", &part))
		ret->schema = piece_unquote(part);
	if (piece_member(source, "table", &part))
		ret->table = piece_unquote(part);
	if (!piece_member(source, "ts_us", &part) || !piece_int(part, &ret->ts_us))
		ret->ts_us = 0;
	if (!piece_member(source, "txId", &part) || !piece_int(part, &ret->txid)) {
		*why = "no source.txId";
		return false;
	}
	if (!piece_member(source, "sequence", &part) || !sequence_second(part, &ret->ev_id)) {
		*why = "no event id in source.sequence";
		return false;
	}
	return true;
}

/*
 * worker/encode_types_array.c
 *    One-dimensional arrays as JSON arrays; anything with more dimensions as its text.
 *
 * Lower bounds other than 1 are dropped, as in Debezium. All element types used here are separated by
 * commas (box, which is not, stays text).
 */
#include "worker/encode_part.h"

/* Offset behind "[2:3]=", 0 when there is no such prefix. */
static uint32_t behind_bounds(struct event_text text)
{
	if (text.len == 0 || text.text[0] != '[')
		return 0;
	const char *equals = memchr(text.text, '=', text.len);
	return equals ? (uint32_t)(equals - text.text + 1) : 0;
}

/*
 * The element at `at`, unescaped into `item` when it is quoted. Returns the offset behind it, 0 when the
 * text ends too early. *ret.text is NULL for an unquoted NULL.
 */
static uint32_t next_item(struct event_text text, uint32_t at, struct pgs_buf *item,
			  struct event_text *ret)
{
	if (text.text[at] != '"') {
		const uint32_t first = at;
		while (at < text.len && text.text[at] != ',' && text.text[at] != '}')
			at++;
		*ret = (struct event_text){ .text = text.text + first, .len = at - first };
		if (ret->len == 4 && memcmp(ret->text, "NULL", 4) == 0)
			*ret = (struct event_text){ .text = NULL };
		return at < text.len ? at : 0;
	}
	pgs_buf_reset(item);
	for (at++; at < text.len && text.text[at] != '"'; at++) {
		if (text.text[at] == '\\' && ++at == text.len)
			return 0;
		pgs_buf_putc(item, text.text[at]);
	}
	*ret = (struct event_text){ .text = pgs_buf_str(item), .len = (uint32_t)item->len };
	return at < text.len ? at + 1 : 0;
}

bool encode_value_array(const struct value_encoder *ve, struct value_scratch *scratch,
			struct event_text text, struct pgs_buf *out)
{
	uint32_t at = behind_bounds(text);
	if (at >= text.len || text.text[at] != '{')
		return false;
	at++;
	if (at < text.len && text.text[at] == '{') {
		encode_json_string(out, text.text, text.len);
		return true;
	}
	pgs_buf_putc(out, '[');
	if (at < text.len && text.text[at] == '}') {
		pgs_buf_putc(out, ']');
		return at + 1 == text.len;
	}
	for (;;) {
		struct event_text item;
		if (at >= text.len)
			return false;
		at = next_item(text, at, &scratch->item, &item);
		if (at == 0 || at >= text.len)
			return false;
		if (!item.text)
			pgs_buf_lit(out, "null");
		else if (!ve->item(ve, scratch, item, out))
			return false;
		const char next = text.text[at++];
		if (next == '}')
			break;
		if (next != ',')
			return false;
		pgs_buf_putc(out, ',');
	}
	pgs_buf_putc(out, ']');
	return at == text.len && !pgs_buf_failed(&scratch->item);
}

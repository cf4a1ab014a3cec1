/*
 * worker/encode_key.c
 *    The key of a row: its key columns as a JSON object, in key order; and whether two rows share one.
 *
 * Does not add Connect's schema around it: encode.c does.
 */
#include "worker/encode_part.h"

bool encode_key_plain(const struct relation *rel, const struct event_text *fields,
		      struct value_scratch *scratch, struct pgs_buf *out)
{
	pgs_buf_putc(out, '{');
	for (size_t i = 0; i < rel->n_key; i++) {
		const uint16_t c = rel->key[i];
		const struct column_encoder *ce = rel->columns[c].encoder;
		const size_t comma = i == 0; /* the first name goes without */
		pgs_buf_put(out, ce->name + comma, ce->name_len - comma);
		if (!fields[c].text)
			pgs_buf_lit(out, "null");
		else if (!ce->value.fn(&ce->value, scratch, fields[c], out))
			return false;
	}
	pgs_buf_putc(out, '}');
	return true;
}

bool encode_key_differs(const struct relation *rel, const struct event_text *a,
			const struct event_text *b)
{
	for (size_t i = 0; i < rel->n_key; i++) {
		const struct event_text x = a[rel->key[i]];
		const struct event_text y = b[rel->key[i]];
		if (!x.text != !y.text || x.len != y.len ||
		    (x.text && memcmp(x.text, y.text, x.len) != 0))
			return true;
	}
	return false;
}

/*
 * worker/encode_types_text.c
 *    Values whose JSON form is close to PostgreSQL's text: strings, booleans, integers, bytea, bit strings,
 *    hstore.
 *
 * Does not choose: encode_types.c does.
 */
#include "worker/encode_part.h"

bool encode_value_string(const struct value_encoder *ve, struct value_scratch *scratch,
			 struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	encode_json_string(out, text.text, text.len);
	return true;
}

bool encode_value_bool(const struct value_encoder *ve, struct value_scratch *scratch,
		       struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	if (text.len != 1 || (text.text[0] != 't' && text.text[0] != 'f'))
		return false;
	if (text.text[0] == 't')
		pgs_buf_lit(out, "true");
	else
		pgs_buf_lit(out, "false");
	return true;
}

/* int2, int4, int8, oid: the text is the JSON number. */
bool encode_value_number(const struct value_encoder *ve, struct value_scratch *scratch,
			 struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	const uint32_t first = text.len > 0 && text.text[0] == '-';
	if (text.len == first || text.len > 20 || (text.text[first] == '0' && text.len > first + 1))
		return false;
	for (uint32_t i = first; i < text.len; i++)
		if (text.text[i] < '0' || text.text[i] > '9')
			return false;
	pgs_buf_put(out, text.text, text.len);
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool is_bytea(struct event_text text)
{
	return text.len >= 2 && text.len % 2 == 0 && text.text[0] == '\\' && text.text[1] == 'x';
}

bool encode_value_bytea_base64(const struct value_encoder *ve, struct value_scratch *scratch,
			       struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	if (!is_bytea(text))
		return false;
	const size_t n = (text.len - 2) / 2;
	pgs_buf_reset(&scratch->bytes);
	if (!pgs_buf_grow(&scratch->bytes, n))
		return false;
	char *bytes = scratch->bytes.data;
	for (size_t i = 0; i < n; i++) {
		const int high = hex_digit(text.text[2 + 2 * i]);
		const int low = hex_digit(text.text[3 + 2 * i]);
		if (high < 0 || low < 0)
			return false;
		bytes[i] = (char)(high << 4 | low);
	}
	pgs_buf_putc(out, '"');
	encode_json_base64(out, bytes, n);
	pgs_buf_putc(out, '"');
	return true;
}

bool encode_value_bytea_hex(const struct value_encoder *ve, struct value_scratch *scratch,
			    struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	if (!is_bytea(text))
		return false;
	for (uint32_t i = 2; i < text.len; i++)
		if (hex_digit(text.text[i]) < 0)
			return false;
	pgs_buf_putc(out, '"');
	pgs_buf_put(out, text.text + 2, text.len - 2);
	pgs_buf_putc(out, '"');
	return true;
}

/* bit(1), varbit(1). A varbit(1) may be empty: no bit is set. */
bool encode_value_bit_boolean(const struct value_encoder *ve, struct value_scratch *scratch,
			      struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	if (text.len > 1 || (text.len == 1 && text.text[0] != '0' && text.text[0] != '1'))
		return false;
	if (text.len == 1 && text.text[0] == '1')
		pgs_buf_lit(out, "true");
	else
		pgs_buf_lit(out, "false");
	return true;
}

/* The bits as one number, little-endian bytes, zero bytes at the end left out (java.util.BitSet). */
bool encode_value_bits(const struct value_encoder *ve, struct value_scratch *scratch,
		       struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	const size_t n = (text.len + 7) / 8;
	pgs_buf_reset(&scratch->bytes);
	if (!pgs_buf_grow(&scratch->bytes, n))
		return false;
	unsigned char *bytes = (unsigned char *)scratch->bytes.data;
	memset(bytes, 0, n);
	size_t used = 0;
	for (uint32_t i = 0; i < text.len; i++) {
		const char bit = text.text[text.len - 1 - i];
		if (bit != '0' && bit != '1')
			return false;
		if (bit == '1') {
			bytes[i / 8] |= (unsigned char)(1u << (i % 8));
			used = i / 8 + 1;
		}
	}
	pgs_buf_putc(out, '"');
	encode_json_base64(out, bytes, used);
	pgs_buf_putc(out, '"');
	return true;
}

/*
 * One quoted hstore word; `at` stands on its opening quote. Appends it as a JSON string and returns the
 * offset behind the closing quote, 0 when there is none.
 */
static uint32_t hstore_word(struct event_text text, uint32_t at, struct pgs_buf *word,
			    struct pgs_buf *out)
{
	pgs_buf_reset(word);
	for (at++; at < text.len && text.text[at] != '"'; at++) {
		if (text.text[at] == '\\' && ++at == text.len)
			return 0;
		pgs_buf_putc(word, text.text[at]);
	}
	if (at >= text.len)
		return 0;
	encode_json_string(out, pgs_buf_str(word), word->len);
	return at + 1;
}

static bool literal_at(struct event_text text, uint32_t at, const char *literal)
{
	const size_t n = strlen(literal);
	return text.len - at >= n && memcmp(text.text + at, literal, n) == 0;
}

/* "a"=>"1", "b"=>NULL becomes the text of a JSON object, in a JSON string; order as PostgreSQL gives it. */
bool encode_value_hstore(const struct value_encoder *ve, struct value_scratch *scratch,
			 struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	struct pgs_buf *json = &scratch->bytes;
	pgs_buf_reset(json);
	pgs_buf_putc(json, '{');
	uint32_t at = 0;
	while (at < text.len) {
		if (json->len > 1) {
			if (!literal_at(text, at, ", "))
				return false;
			at += 2;
			pgs_buf_putc(json, ',');
		}
		if (!literal_at(text, at, "\""))
			return false;
		at = hstore_word(text, at, &scratch->limbs, json);
		if (at == 0 || !literal_at(text, at, "=>"))
			return false;
		at += 2;
		pgs_buf_putc(json, ':');
		if (literal_at(text, at, "NULL")) {
			at += 4;
			pgs_buf_lit(json, "null");
		} else if (!literal_at(text, at, "\"") ||
			   (at = hstore_word(text, at, &scratch->limbs, json)) == 0) {
			return false;
		}
	}
	pgs_buf_putc(json, '}');
	encode_json_string(out, pgs_buf_str(json), json->len);
	return !pgs_buf_failed(json);
}

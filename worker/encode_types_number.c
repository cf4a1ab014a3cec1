/*
 * worker/encode_types_number.c
 *    Floats, numeric and money: Java's number format, exact decimals as text or as two's complement.
 *
 * PostgreSQL's text is the shortest that reads back the same (extra_float_digits 1); here it is only laid
 * out anew. Does not choose between the modes: encode_types.c does.
 */
#include "worker/encode_part.h"

#include <stdio.h>

/* The significant digits of a decimal number: 0.d1d2d3... times ten to the power of exp10. */
struct decimal {
	bool negative;
	size_t n; /* no zeros at either end; 0: the number is zero */
	long exp10;
	char digit[64];
};

static bool text_is(struct event_text text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.text, word, text.len) == 0;
}

/* [-]digits[.digits][e[+-]digits] with at most 64 significant digits, as float8out writes it. */
static bool read_decimal(const char *text, size_t len, struct decimal *ret)
{
	const char *at = text;
	const char *const end = text + len;
	bool dot = false;
	bool any = false;
	*ret = (struct decimal){ .negative = at < end && *at == '-' };
	at += ret->negative;
	for (; at < end && (*at == '.' || (*at >= '0' && *at <= '9')); at++) {
		if (*at == '.') {
			if (dot)
				return false;
			dot = true;
			continue;
		}
		any = true;
		if (ret->n == 0 && *at == '0') {
			ret->exp10 -= dot;
			continue;
		}
		if (ret->n == sizeof(ret->digit))
			return false;
		ret->digit[ret->n++] = *at;
		ret->exp10 += !dot;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		const bool minus = at < end && *at == '-';
		if (at < end && (*at == '-' || *at == '+'))
			at++;
		long e = 0;
		const char *const first = at;
		for (; at < end && *at >= '0' && *at <= '9' && at - first < 5; at++)
			e = e * 10 + (*at - '0');
		if (at == first)
			return false;
		ret->exp10 += minus ? -e : e;
	}
	while (ret->n > 0 && ret->digit[ret->n - 1] == '0')
		ret->n--;
	/* What no double can be was not written by PostgreSQL. */
	static const char largest[] = "17976931348623157";
	const size_t n = ret->n < strlen(largest) ? ret->n : strlen(largest);
	const bool possible = ret->n == 0 || (ret->exp10 >= -323 && ret->exp10 <= 308) ||
			      (ret->exp10 == 309 && memcmp(ret->digit, largest, n) <= 0);
	return any && at == end && possible;
}

/* Double.toString(): 1.0, 0.001, 1.0E7, 1.0E-4; always a digit on each side of the point. */
static void put_java(struct pgs_buf *out, const struct decimal *d)
{
	if (d->negative)
		pgs_buf_putc(out, '-');
	if (d->n == 0) {
		pgs_buf_lit(out, "0.0");
		return;
	}
	const long point = d->exp10; /* digits in front of the point */
	if (point > -3 && point <= 0) {
		pgs_buf_lit(out, "0.");
		for (long i = point; i < 0; i++)
			pgs_buf_putc(out, '0');
		pgs_buf_put(out, d->digit, d->n);
	} else if (point > 0 && point <= 7) {
		for (long i = 0; i < point; i++)
			pgs_buf_putc(out, (size_t)i < d->n ? d->digit[i] : '0');
		pgs_buf_putc(out, '.');
		if ((size_t)point < d->n)
			pgs_buf_put(out, d->digit + point, d->n - (size_t)point);
		else
			pgs_buf_putc(out, '0');
	} else {
		pgs_buf_putc(out, d->digit[0]);
		pgs_buf_putc(out, '.');
		if (d->n > 1)
			pgs_buf_put(out, d->digit + 1, d->n - 1);
		else
			pgs_buf_putc(out, '0');
		pgs_buf_putc(out, 'E');
		encode_json_i64(out, point - 1);
	}
}

static double read_float(const char *text, bool is_double)
{
	return is_double ? strtod(text, NULL) : (double)strtof(text, NULL);
}

static double value_of(const struct decimal *d, bool is_double)
{
	char text[96];
	(void)snprintf(text, sizeof(text), "%s0.%.*se%ld", d->negative ? "-" : "", (int)d->n,
		       d->digit, d->exp10);
	return read_float(text, is_double);
}

/* The value rounded to n digits into *d, if that still reads back as the same. */
static bool try_digits(struct decimal *d, double value, int n, bool is_double)
{
	char text[48];
	(void)snprintf(text, sizeof(text), "%.*e", n - 1, value);
	const double back = read_float(text, is_double);
	return memcmp(&back, &value, sizeof(back)) == 0 && read_decimal(text, strlen(text), d);
}

/*
 * Where Java's digits are not PostgreSQL's. Java never prints fewer than two digits, and chooses the two nearest to the
 * value: 4.9E-324 where the shortest text is 5e-324; that shows only among the smallest subnormals. And Java
 * takes a shorter text that lies exactly between two floats, PostgreSQL does not; such texts exist only where floats
 * are at least 2 apart.
 */
static void adjust_digits(struct decimal *d, bool is_double)
{
	const size_t most = is_double ? 16 : 7;
	if (d->n == 1 && d->exp10 <= (is_double ? -300 : -40)) {
		(void)try_digits(d, value_of(d, is_double), 2, is_double);
	} else if (d->n >= most && d->exp10 > (long)most) {
		const double value = value_of(d, is_double);
		while (d->n > 1 && try_digits(d, value, (int)d->n - 1, is_double))
			continue;
	}
}

/*
 * True when PostgreSQL's text is Java's too: [-]D.F with a value between 0.1 and 9999999, which is what most
 * columns hold.
 */
static bool is_java_already(const char *text, size_t len)
{
	const char *const end = text + len;
	const char *at = text + (len > 0 && *text == '-');
	const char *const first = at;
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	const long n = at - first;
	if (n < 1 || n > 7 || end - at < 2 || *at != '.' ||
	    (*first == '0' && (n > 1 || at[1] == '0')))
		return false;
	for (at++; at < end; at++)
		if (*at < '0' || *at > '9')
			return false;
	return end[-1] != '0';
}

bool encode_java_float(struct pgs_buf *out, const char *text, size_t len, bool is_double)
{
	if (is_java_already(text, len)) {
		pgs_buf_put(out, text, len);
		return true;
	}
	const struct event_text whole = { .text = text, .len = (uint32_t)len };
	if (text_is(whole, "NaN") || text_is(whole, "Infinity") || text_is(whole, "-Infinity")) {
		encode_json_string(out, text, len);
		return true;
	}
	struct decimal d;
	if (!read_decimal(text, len, &d))
		return false;
	adjust_digits(&d, is_double);
	put_java(out, &d);
	return true;
}

bool encode_value_float4(const struct value_encoder *ve, struct value_scratch *scratch,
			 struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	return encode_java_float(out, text.text, text.len, false);
}

bool encode_value_float8(const struct value_encoder *ve, struct value_scratch *scratch,
			 struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	return encode_java_float(out, text.text, text.len, true);
}

/* [-]digits[.digits] and nothing else: numeric never writes an exponent. */
static bool is_plain_decimal(struct event_text text)
{
	uint32_t at = text.len > 0 && text.text[0] == '-';
	bool dot = false;
	bool any = false;
	for (; at < text.len; at++) {
		if (text.text[at] >= '0' && text.text[at] <= '9')
			any = true;
		else if (text.text[at] != '.' || dot)
			return false;
		else
			dot = true;
	}
	return any;
}

static bool is_special(struct event_text text)
{
	return text_is(text, "NaN") || text_is(text, "Infinity") || text_is(text, "-Infinity");
}

bool encode_value_numeric_string(const struct value_encoder *ve, struct value_scratch *scratch,
				 struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	if (is_plain_decimal(text)) {
		pgs_buf_putc(out, '"');
		pgs_buf_put(out, text.text, text.len);
		pgs_buf_putc(out, '"');
	} else if (text_is(text, "NaN")) {
		pgs_buf_lit(out, "\"NAN\"");
	} else if (text_is(text, "Infinity")) {
		pgs_buf_lit(out, "\"POSITIVE_INFINITY\"");
	} else if (text_is(text, "-Infinity")) {
		pgs_buf_lit(out, "\"NEGATIVE_INFINITY\"");
	} else {
		return false;
	}
	return true;
}

/* The shortest decimal that reads back as the same double: 15 digits are enough for most, 17 for all. */
static void put_double(struct pgs_buf *out, double value)
{
	char text[40];
	const double magnitude = value < 0 ? -value : value;
	for (int digits = magnitude < 2.3e-308 ? 1 : 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*e", digits - 1, value);
		if (strtod(text, NULL) == value)
			break;
	}
	(void)encode_java_float(out, text, strlen(text), true);
}

static bool put_as_double(struct event_text text, struct pgs_buf *tmp, struct pgs_buf *out)
{
	pgs_buf_reset(tmp);
	pgs_buf_put(tmp, text.text, text.len); /* strtod wants an end */
	if (pgs_buf_failed(tmp))
		return false;
	const double value = strtod(pgs_buf_str(tmp), NULL);
	if (value > 1.7976931348623157e308)
		pgs_buf_lit(out, "\"Infinity\"");
	else if (value < -1.7976931348623157e308)
		pgs_buf_lit(out, "\"-Infinity\"");
	else
		put_double(out, value);
	return true;
}

bool encode_value_numeric_double(const struct value_encoder *ve, struct value_scratch *scratch,
				 struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	if (is_special(text)) {
		encode_json_string(out, text.text, text.len);
		return true;
	}
	return is_plain_decimal(text) && put_as_double(text, &scratch->bytes, out);
}

/* Big-endian two's complement of minimal length, in base64, quoted. `bytes` holds the magnitude. */
static void put_twos_complement(struct pgs_buf *out, unsigned char *bytes, size_t n, bool negative)
{
	/* One zero byte in front, so that the sign always has room. */
	size_t first = 0;
	if (negative) {
		unsigned carry = 1;
		for (size_t i = n; i > 0; i--) {
			carry += (unsigned char)~bytes[i - 1];
			bytes[i - 1] = (unsigned char)carry;
			carry >>= 8;
		}
	}
	const unsigned char fill = negative ? 0xff : 0;
	while (first + 1 < n && bytes[first] == fill && (bytes[first + 1] & 0x80) == (fill & 0x80))
		first++;
	pgs_buf_putc(out, '"');
	encode_json_base64(out, bytes + first, n - first);
	pgs_buf_putc(out, '"');
}

/*
 * The number made of the digits of `text` (sign and point skipped) with `zeros` more zeros behind, less the
 * last `drop` digits. Limbs of 32 bits, least significant first, multiplied by 10^9 a step.
 */
static bool put_unscaled(struct value_scratch *scratch, struct event_text text, size_t zeros,
			 size_t drop, struct pgs_buf *out)
{
	const bool negative = text.len > 0 && text.text[0] == '-';
	size_t n_digits = zeros;
	for (uint32_t i = negative; i < text.len; i++)
		n_digits += text.text[i] != '.';
	if (drop >= n_digits)
		n_digits = 0;
	else
		n_digits -= drop;

	/* 10 digits are 33.2 bits: a limb for every 9 digits is always enough. */
	const size_t max_limbs = n_digits / 9 + 1;
	pgs_buf_reset(&scratch->limbs);
	if (!pgs_buf_grow(&scratch->limbs, max_limbs * sizeof(uint32_t)))
		return false;
	uint32_t *limb = (uint32_t *)(void *)scratch->limbs.data;
	size_t n = 0;
	uint32_t at = negative;
	uint32_t chunk = 0;
	uint32_t power = 1;
	for (size_t i = 0; i < n_digits; i++) {
		while (at < text.len && text.text[at] == '.')
			at++;
		const uint32_t digit = at < text.len ? (uint32_t)(text.text[at++] - '0') : 0;
		chunk = chunk * 10 + digit;
		power *= 10;
		if (power < 1000000000 && i + 1 < n_digits)
			continue;
		uint64_t carry = chunk;
		for (size_t k = 0; k < n; k++) {
			carry += (uint64_t)limb[k] * power;
			limb[k] = (uint32_t)carry;
			carry >>= 32;
		}
		if (carry > 0)
			limb[n++] = (uint32_t)carry;
		chunk = 0;
		power = 1;
	}

	pgs_buf_reset(&scratch->bytes);
	if (!pgs_buf_grow(&scratch->bytes, n * 4 + 1))
		return false;
	unsigned char *bytes = (unsigned char *)scratch->bytes.data;
	bytes[0] = 0;
	for (size_t k = 0; k < n; k++) {
		unsigned char *to = bytes + 1 + 4 * (n - 1 - k);
		to[0] = (unsigned char)(limb[k] >> 24);
		to[1] = (unsigned char)(limb[k] >> 16);
		to[2] = (unsigned char)(limb[k] >> 8);
		to[3] = (unsigned char)limb[k];
	}
	put_twos_complement(out, bytes, n * 4 + 1, negative && n > 0);
	return true;
}

static uint32_t fraction_digits(struct event_text text)
{
	const char *dot = memchr(text.text, '.', text.len);
	return dot ? (uint32_t)(text.text + text.len - dot - 1) : 0;
}

/* numeric(p,s): the scale is the column's. NaN and the infinities have no such form: null. */
bool encode_value_numeric_fixed(const struct value_encoder *ve, struct value_scratch *scratch,
				struct event_text text, struct pgs_buf *out)
{
	if (is_special(text)) {
		pgs_buf_lit(out, "null");
		return true;
	}
	if (!is_plain_decimal(text))
		return false;
	const uint32_t scale = fraction_digits(text);
	if (scale > (uint32_t)ve->digits)
		return false;
	return put_unscaled(scratch, text, (uint32_t)ve->digits - scale, 0, out);
}

/* numeric: scale and value, zeros at the end of the fraction stripped. */
bool encode_value_numeric_variable(const struct value_encoder *ve, struct value_scratch *scratch,
				   struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	if (is_special(text)) {
		pgs_buf_lit(out, "null");
		return true;
	}
	if (!is_plain_decimal(text))
		return false;
	uint32_t scale = fraction_digits(text);
	uint32_t drop = 0;
	while (scale > 0 && text.text[text.len - 1 - drop] == '0') {
		scale--;
		drop++;
	}
	pgs_buf_lit(out, "{\"scale\":");
	encode_json_u64(out, scale);
	pgs_buf_lit(out, ",\"value\":");
	if (!put_unscaled(scratch, text, 0, drop, out))
		return false;
	pgs_buf_putc(out, '}');
	return true;
}

/*
 * money's text follows lc_monetary: "$1,234.50", "-$1.00", "1.234,50 EUR". The last separator with exactly
 * two digits behind it is the decimal point; every other sign that is no digit is decoration. Leaves plain
 * decimal text with two fraction digits in `item`.
 */
static bool money_plain(struct event_text text, struct pgs_buf *item, struct event_text *ret)
{
	pgs_buf_reset(item);
	pgs_buf_putc(item, '-'); /* stripped below when the amount is not negative */
	bool negative = false;
	size_t behind = 0; /* digits behind the last separator */
	bool separated = false;
	for (uint32_t i = 0; i < text.len; i++) {
		const char c = text.text[i];
		if (c >= '0' && c <= '9') {
			pgs_buf_putc(item, c);
			behind++;
		} else if ((c == '.' || c == ',') && item->len > 1) {
			separated = true;
			behind = 0;
		} else if (c == '-' || c == '(') {
			negative = true;
		}
	}
	if (item->len == 1)
		return false;
	if (!separated || behind != 2)
		pgs_buf_lit(item, "00");
	if (item->len <
	    4) /* "-5" cannot come from a locale with two fraction digits, but stay safe */
		return false;
	const size_t point = item->len - 2;
	char fraction[2];
	memcpy(fraction, item->data + point, 2);
	item->data[point] = '.';
	item->len = point + 1;
	pgs_buf_put(item, fraction, 2);
	*ret = (struct event_text){ .text = item->data + !negative,
				    .len = (uint32_t)item->len - !negative };
	return !pgs_buf_failed(item);
}

bool encode_value_money_string(const struct value_encoder *ve, struct value_scratch *scratch,
			       struct event_text text, struct pgs_buf *out)
{
	struct event_text plain;
	return money_plain(text, &scratch->limbs, &plain) &&
	       encode_value_numeric_string(ve, scratch, plain, out);
}

bool encode_value_money_double(const struct value_encoder *ve, struct value_scratch *scratch,
			       struct event_text text, struct pgs_buf *out)
{
	struct event_text plain;
	return money_plain(text, &scratch->limbs, &plain) &&
	       encode_value_numeric_double(ve, scratch, plain, out);
}

bool encode_value_money_fixed(const struct value_encoder *ve, struct value_scratch *scratch,
			      struct event_text text, struct pgs_buf *out)
{
	struct event_text plain;
	if (!money_plain(text, &scratch->item, &plain))
		return false;
	return encode_value_numeric_fixed(ve, scratch, plain, out);
}

/*
 * worker/encode_json.c
 *    Writes JSON text as Kafka Connect's JsonConverter does: strings, integers, base64.
 *
 * Raw UTF-8 up to U+FFFF, an escaped surrogate pair above; bytes that are no UTF-8 become U+FFFD, so that
 * every record is valid JSON. Does not know types or records.
 */
#include "worker/encode_part.h"

static const char HEX_UPPER[16] = "0123456789ABCDEF";

/* True when one of the eight bytes needs a look: control, quote, backslash or not ASCII. */
static inline bool word_special(uint64_t w)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t high = UINT64_C(0x8080808080808080);
	const uint64_t quote = w ^ (ones * '"');
	const uint64_t slash = w ^ (ones * '\\');
	return ((w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & high) != 0;
}

static inline bool byte_special(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
}

/* Length of the UTF-8 sequence at `at`, 0 when it is none; its code point in *ret. */
static size_t utf8_sequence(const unsigned char *at, size_t left, uint32_t *ret)
{
	const unsigned char c = at[0];
	const size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || left < n)
		return 0;
	uint32_t cp = c & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (at[i] & 0x3f);
	}
	const bool too_short =
		(n == 3 && cp < 0x800) || (n == 4 && (cp < 0x10000 || cp > 0x10ffff));
	if (too_short || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret = cp;
	return n;
}

static void put_u16_escape(struct pgs_buf *out, uint32_t unit)
{
	const char text[6] = { '\\',
			       'u',
			       HEX_UPPER[unit >> 12 & 15],
			       HEX_UPPER[unit >> 8 & 15],
			       HEX_UPPER[unit >> 4 & 15],
			       HEX_UPPER[unit & 15] };
	pgs_buf_put(out, text, sizeof(text));
}

static void put_ascii_escape(struct pgs_buf *out, unsigned char c)
{
	static const char short_form[0x20] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
	};
	const char letter = c >= 0x20 ? (char)c : short_form[c];
	if (letter) {
		pgs_buf_put(out, (const char[2]){ '\\', letter }, 2);
		return;
	}
	put_u16_escape(out, c);
}

void encode_json_escaped(struct pgs_buf *out, const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *const end = at + len;
	const unsigned char *run = at;
	for (;;) {
		while (end - at >= 8) {
			uint64_t w;
			memcpy(&w, at, sizeof(w));
			if (word_special(w))
				break;
			at += 8;
		}
		while (at < end && !byte_special(*at))
			at++;
		if (at == end)
			break;
		uint32_t cp = 0;
		const size_t n = *at >= 0x80 ? utf8_sequence(at, (size_t)(end - at), &cp) : 0;
		if (n == 2 || n == 3) {
			at += n; /* stays raw: part of the run */
			continue;
		}
		pgs_buf_put(out, run, (size_t)(at - run));
		if (n == 4) {
			put_u16_escape(out, 0xd800 + ((cp - 0x10000) >> 10));
			put_u16_escape(out, 0xdc00 + ((cp - 0x10000) & 0x3ff));
			at += 4;
		} else if (*at >= 0x80) {
			pgs_buf_lit(out, "\xef\xbf\xbd");
			at++;
		} else {
			put_ascii_escape(out, *at);
			at++;
		}
		run = at;
	}
	pgs_buf_put(out, run, (size_t)(at - run));
}

void encode_json_string(struct pgs_buf *out, const char *text, size_t len)
{
	pgs_buf_putc(out, '"');
	encode_json_escaped(out, text, len);
	pgs_buf_putc(out, '"');
}

void encode_json_text(struct pgs_buf *out, const char *text)
{
	if (text)
		encode_json_string(out, text, strlen(text));
	else
		pgs_buf_lit(out, "null");
}

const char *encode_json_digits(uint64_t n, char ret[20])
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	char *at = ret + 20;
	while (n >= 100) {
		at -= 2;
		memcpy(at, pairs + 2 * (n % 100), 2);
		n /= 100;
	}
	if (n >= 10) {
		at -= 2;
		memcpy(at, pairs + 2 * n, 2);
	} else {
		*--at = (char)('0' + n);
	}
	return at;
}

void encode_json_u64(struct pgs_buf *out, uint64_t n)
{
	char text[20];
	const char *first = encode_json_digits(n, text);
	pgs_buf_put(out, first, (size_t)(text + sizeof(text) - first));
}

void encode_json_i64(struct pgs_buf *out, int64_t n)
{
	if (n < 0)
		pgs_buf_putc(out, '-');
	encode_json_u64(out, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

void encode_json_padded(struct pgs_buf *out, uint64_t n, int width)
{
	char text[20];
	int at = (int)sizeof(text);
	do {
		text[--at] = (char)('0' + n % 10);
		n /= 10;
		width--;
	} while (at > 0 && (n > 0 || width > 0));
	pgs_buf_put(out, text + at, sizeof(text) - (size_t)at);
}

void encode_json_base64(struct pgs_buf *out, const void *bytes, size_t len)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *at = bytes;
	const size_t need = (len + 2) / 3 * 4;
	if (!pgs_buf_grow(out, need))
		return;
	char *to = out->data + out->len;
	for (; len >= 3; len -= 3, at += 3, to += 4) {
		const uint32_t w = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
		to[0] = digit[w >> 18];
		to[1] = digit[w >> 12 & 63];
		to[2] = digit[w >> 6 & 63];
		to[3] = digit[w & 63];
	}
	if (len > 0) {
		const uint32_t w = (uint32_t)at[0] << 16 | (len > 1 ? (uint32_t)at[1] << 8 : 0);
		to[0] = digit[w >> 18];
		to[1] = digit[w >> 12 & 63];
		to[2] = len > 1 ? digit[w >> 6 & 63] : '=';
		to[3] = '=';
	}
	out->len += need;
	out->data[out->len] = '\0';
}

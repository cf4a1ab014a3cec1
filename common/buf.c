/*
 * common/buf.c
 *    See common/buf.h: the parts that are not worth inlining.
 *
 * Does not shrink: a buffer that is reset keeps its memory for the next round.
 */
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>

enum { BUF_FIRST_BYTES = 64 };

void pgs_buf_done(struct pgs_buf *buf)
{
	free(buf->data);
	*buf = PGS_BUF_INIT(buf->max);
}

bool pgs_buf_grow(struct pgs_buf *buf, size_t n)
{
	size_t need, cap;
	char *data;

	if (buf->failed)
		return false;
	if (buf->len > buf->max || n > buf->max - buf->len || n >= SIZE_MAX - buf->len) {
		buf->failed = true;
		return false;
	}
	need = buf->len + n + 1;
	if (need <= buf->cap)
		return true;
	cap = buf->cap ? buf->cap : BUF_FIRST_BYTES;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	/* Doubling must not allocate far above what the ceiling will ever let in. */
	if (cap > buf->max && buf->max < SIZE_MAX)
		cap = buf->max + 1;
	data = realloc(buf->data, cap);
	if (!data) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->cap = cap;
	buf->data[buf->len] = '\0';
	return true;
}

void pgs_buf_printf(struct pgs_buf *buf, const char *fmt, ...)
{
	va_list ap, again;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		buf->failed = true;
	else if (pgs_buf_grow(buf, (size_t)len)) {
		(void)vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt,
				again); /* measured above */
		buf->len += (size_t)len;
	}
	va_end(again);
}

void pgs_buf_u64(struct pgs_buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	pgs_buf_put(buf, digits + at, sizeof(digits) - at);
}

void pgs_buf_i64(struct pgs_buf *buf, int64_t value)
{
	char digits[20]; /* "-9223372036854775808" */
	size_t at = sizeof(digits);
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		digits[--at] = '-';
	pgs_buf_put(buf, digits + at, sizeof(digits) - at);
}

void pgs_buf_hex(struct pgs_buf *buf, const void *bytes, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *in = bytes;

	if (n > SIZE_MAX / 2) {
		buf->failed = true;
		return;
	}
	if (!pgs_buf_grow(buf, n * 2))
		return;
	for (size_t i = 0; i < n; i++) {
		buf->data[buf->len++] = hex[in[i] >> 4];
		buf->data[buf->len++] = hex[in[i] & 15];
	}
	buf->data[buf->len] = '\0';
}

const char *pgs_buf_str(const struct pgs_buf *buf)
{
	return buf->data ? buf->data : "";
}

char *pgs_buf_steal(struct pgs_buf *buf)
{
	char *text;

	/* An empty buffer has no memory yet, but the caller is promised a text. */
	if (buf->failed || (!buf->data && !pgs_buf_grow(buf, 0)))
		return NULL;
	text = buf->data;
	*buf = PGS_BUF_INIT(buf->max);
	return text;
}

/*
 * common/buf.h
 *    A growing byte buffer with a ceiling that is given at birth.
 *
 * Appending never returns an error: when memory ends or the ceiling is reached, the buffer is marked
 * failed, keeps what it had, and ignores what follows. Check pgs_buf_failed() once, at the end.
 * Always NUL-terminated behind the last byte. Not thread-safe.
 */
#ifndef PGSHOVEL_COMMON_BUF_H
#define PGSHOVEL_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base.h"

struct pgs_buf {
	char *data; /* owned; NULL until the first byte */
	size_t len;
	size_t cap; /* bytes allocated, the NUL included */
	size_t max; /* len never exceeds it */
	bool failed;
};

#define PGS_BUF_INIT(max_bytes) ((struct pgs_buf){ .max = (max_bytes) })

/* Empty a buffer and free its memory; it can be used again with the same ceiling. */
void pgs_buf_done(struct pgs_buf *buf);

/* Make room for n more bytes. False: the buffer is marked failed. */
bool pgs_buf_grow(struct pgs_buf *buf, size_t n);

void pgs_buf_printf(struct pgs_buf *buf, const char *fmt, ...) PGS_PRINTF(2, 3);
void pgs_buf_i64(struct pgs_buf *buf, int64_t value); /* decimal, without printf */
void pgs_buf_u64(struct pgs_buf *buf, uint64_t value);
void pgs_buf_hex(struct pgs_buf *buf, const void *bytes, size_t n); /* lower case */

/* "" before the first byte; valid until the next call that changes the buffer. */
const char *pgs_buf_str(const struct pgs_buf *buf);

/* Hand the text over (malloc'ed, never NULL unless failed); the buffer is empty afterwards. */
char *pgs_buf_steal(struct pgs_buf *buf) PGS_MUST_CHECK;

static inline bool pgs_buf_failed(const struct pgs_buf *buf)
{
	return buf->failed;
}

/* Keep the memory, forget the content and the failure. */
static inline void pgs_buf_reset(struct pgs_buf *buf)
{
	buf->len = 0;
	buf->failed = false;
	if (buf->data)
		buf->data[0] = '\0';
}

static inline void pgs_buf_put(struct pgs_buf *buf, const void *bytes, size_t n)
{
	if (__builtin_expect(buf->failed || buf->cap - buf->len <= n, 0) && !pgs_buf_grow(buf, n))
		return;
	memcpy(buf->data + buf->len, bytes, n);
	buf->len += n;
	buf->data[buf->len] = '\0';
}

static inline void pgs_buf_putc(struct pgs_buf *buf, char c)
{
	pgs_buf_put(buf, &c, 1);
}

static inline void pgs_buf_puts(struct pgs_buf *buf, const char *text)
{
	pgs_buf_put(buf, text, strlen(text));
}

/* For text known at compile time: the length costs nothing. */
#define pgs_buf_lit(buf, literal) pgs_buf_put((buf), "" literal "", sizeof(literal) - 1)

#endif

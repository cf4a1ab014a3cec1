/*
 * common/utf8.c
 *    Is this UTF-8? One character at a time.
 *
 * Does not convert and does not count columns.
 */
#include "common/utf8.h"

#include <stdint.h>

size_t pgs_utf8_length(const char *p, size_t left)
{
	const unsigned char *byte = (const unsigned char *)p;
	size_t n;
	uint32_t c;

	if (byte[0] < 0x80)
		return 1;
	if (byte[0] >= 0xc2 && byte[0] <= 0xdf)
		n = 2;
	else if ((byte[0] & 0xf0) == 0xe0)
		n = 3;
	else if (byte[0] >= 0xf0 && byte[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (left < n)
		return 0;
	c = byte[0] & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (byte[i] & 0x3f);
	}
	if (n == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff)))
		return 0; /* written too long, or half of a surrogate pair */
	if (n == 4 && (c < 0x10000 || c > 0x10ffff))
		return 0;
	return n;
}

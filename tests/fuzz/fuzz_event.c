/*
 * tests/fuzz/fuzz_event.c
 *    Anything as a COPY tuple, and anything as record text, of 1 to 16 fields.
 *
 * What splits must stay inside its buffers (the sanitizer looks) and cover the row: written out again with
 * quotes where needed and split once more, it must give the same fields.
 */
#include <stdint.h>
#include <string.h>

#include "worker/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FIELDS = 16 };

static void touch(struct event_text text)
{
	volatile char last = 0;
	if (text.text && text.len > 0)
		last = text.text[text.len - 1];
	(void)last;
}

/* As PostgreSQL's record_out: everything quoted. At most 2 n + 3 bytes a field. */
static size_t join(const struct event_text *f, size_t n, char *to)
{
	size_t at = 0;
	to[at++] = '(';
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			to[at++] = ',';
		if (!f[i].text)
			continue;
		to[at++] = '"';
		for (uint32_t k = 0; k < f[i].len; k++) {
			if (f[i].text[k] == '"' || f[i].text[k] == '\\')
				to[at++] = f[i].text[k];
			to[at++] = f[i].text[k];
		}
		to[at++] = '"';
	}
	to[at++] = ')';
	return at;
}

static void fuzz_split(const char *row, size_t len, size_t n)
{
	struct event_text first[MAX_FIELDS];
	struct event_text second[MAX_FIELDS];
	char *scratch = malloc(len + 1);
	char *again = malloc(2 * len + 3 * n + 3);
	char *scratch2 = malloc(2 * len + 3 * n + 3);
	if (!scratch || !again || !scratch2)
		abort();
	const struct event_text text = { .text = row, .len = (uint32_t)len };
	if (event_split(text, n, first, scratch, NULL) == 0) {
		const struct event_text rewritten = { .text = again,
						      .len = (uint32_t)join(first, n, again) };
		if (event_split(rewritten, n, second, scratch2, NULL) < 0)
			abort();
		for (size_t i = 0; i < n; i++) {
			touch(first[i]);
			if (!first[i].text != !second[i].text || first[i].len != second[i].len ||
			    (first[i].text &&
			     memcmp(first[i].text, second[i].text, first[i].len) != 0))
				abort();
		}
	}
	free(scratch);
	free(again);
	free(scratch2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	char *copy = malloc(size); /* exactly as long: reads behind the end are seen */
	if (!copy)
		abort();
	memcpy(copy, data + 1, size - 1);
	struct event ev;
	if (event_from_copy(copy, size - 1, data[0] & 3, &ev, NULL) == 1) {
		touch(ev.new_row);
		touch(ev.old_row);
		touch(ev.old_ctid);
		touch((struct event_text){ .text = ev.leaf, .len = ev.leaf_len });
		touch(ev.new_ctid);
		if (ev.new_row.text)
			fuzz_split(ev.new_row.text, ev.new_row.len, 3);
	}
	fuzz_split(copy, size - 1, 1 + (data[0] >> 4));
	free(copy);
	return 0;
}

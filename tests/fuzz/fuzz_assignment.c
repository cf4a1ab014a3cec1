/*
 * tests/fuzz/fuzz_assignment.c
 *    Any bytes as an assignment: refused, or read, written and read again to the same.
 *
 * A document that does not have its version would end nearly every run; so the input is tried a second time
 * with the version that its document has.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/assignment.h"
#include "common/setdoc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_text(const char *text, size_t len)
{
	struct pgs_buf first = PGS_BUF_INIT(2 * ASSIGNMENT_MAX_BYTES);
	struct pgs_buf second = PGS_BUF_INIT(2 * ASSIGNMENT_MAX_BYTES);
	struct assignment *a = NULL;
	struct assignment *b = NULL;
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	if (assignment_read(text, len, &a, &err)) {
		assert(!a && err.cls == PGS_ERR_BUG);
		return;
	}
	assignment_write(a, &first);
	assert(!pgs_buf_failed(&first));
	assert(assignment_read(first.data, first.len, &b, &err) == 0);
	assignment_write(b, &second);
	assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	assignment_free(a);
	assignment_free(b);
	pgs_buf_done(&first);
	pgs_buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char version[] = "\nversion=";
	static const char section[] = "\ndocument ";
	const char *text = (const char *)data;
	const char *at = memmem(text, size, version, sizeof(version) - 1);
	const char *document = memmem(text, size, section, sizeof(section) - 1);
	const char *body =
		document ? memchr(document + 1, '\n', (size_t)(text + size - document - 1)) : NULL;
	char *copy;

	try_text(text, size);
	if (!at || !body || size - (size_t)(at - text) < sizeof(version) - 1 + SETDOC_DIGEST_HEX)
		return 0;
	copy = malloc(size);
	if (copy) {
		size_t len = strtoul(document + sizeof(section) - 1, NULL, 10);
		size_t left = (size_t)(text + size - body - 1);
		char digest[SETDOC_DIGEST_HEX + 1];

		setdoc_sha256_hex(body + 1, len < left ? len : left, digest);
		memcpy(copy, text, size);
		memcpy(copy + (at - text) + sizeof(version) - 1, digest, SETDOC_DIGEST_HEX);
		try_text(copy, size);
	}
	free(copy);
	return 0;
}

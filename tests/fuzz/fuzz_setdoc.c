/*
 * tests/fuzz/fuzz_setdoc.c
 *    Any bytes as a set file: refused with one line, or accepted with a canonical text that parses to itself.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/setdoc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct setdoc *doc = NULL;
	struct setdoc *again = NULL;
	struct setdoc_topic *topics;
	struct pgs_err err = { .cls = PGS_ERR_NONE };
	size_t n;

	if (setdoc_parse((const char *)data, size, "fuzz", &doc, &err)) {
		assert(!doc && err.cls == PGS_ERR_CONFIG && strncmp(err.msg, "fuzz:", 5) == 0);
		return 0;
	}
	assert(setdoc_parse(doc->canonical, doc->canonical_len, "canonical", &again, &err) == 0);
	assert(strcmp(doc->canonical, again->canonical) == 0);
	assert(strcmp(doc->version, again->version) == 0);
	assert(memcmp(&doc->relay, &again->relay, sizeof(doc->relay)) == 0);
	assert(memcmp(&doc->format, &again->format, sizeof(doc->format)) == 0);
	assert(setdoc_topics(doc, doc->name ? doc->name : "x", &topics, &n, &err) == 0);
	setdoc_topics_free(topics, n);
	setdoc_free(again);
	setdoc_free(doc);
	return 0;
}

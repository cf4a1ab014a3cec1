/*
 * tests/fuzz/fuzz_zkdoc.c
 *    Any bytes as each document of ZooKeeper: refused, or read, written and read again to the same; and any
 *    text as a JSON string.
 */
#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "common/zkdoc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_cluster(const char *text, size_t len)
{
	struct pgs_buf out = PGS_BUF_INIT(SETDOC_MAX_BYTES);
	struct zkdoc_cluster doc;
	struct zkdoc_cluster again;
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	if (zkdoc_cluster_read(text, len, &doc, &err)) {
		assert(err.cls == PGS_ERR_CONFIG);
		return;
	}
	zkdoc_cluster_write(&doc, &out);
	assert(zkdoc_cluster_read(out.data, out.len, &again, &err) == 0);
	assert(again.generation == doc.generation && strcmp(again.software, doc.software) == 0);
	pgs_buf_done(&out);
}

static void try_set(const char *text, size_t len)
{
	struct pgs_buf out = PGS_BUF_INIT(SETDOC_MAX_BYTES);
	struct zkdoc_set doc;
	struct zkdoc_set again;
	struct pgs_err err = { .cls = PGS_ERR_NONE };
	const char *newline = memchr(text, '\n', len);

	if (zkdoc_set_read(text, len, &doc, &err))
		assert(err.cls == PGS_ERR_CONFIG);

	/* the whole input as a document under a right header */
	doc = (struct zkdoc_set){ .partitions = (int)(len % 100) + 1,
				  .document = text,
				  .document_len = len };
	if (newline && len < SETDOC_MAX_BYTES - 256) {
		setdoc_sha256_hex(text, len, doc.version);
		memcpy(doc.rollout, doc.version, ZKDOC_ID_HEX);
		zkdoc_set_write(&doc, &out);
		assert(zkdoc_set_read(out.data, out.len, &again, &err) == 0);
		assert(again.document_len == len && memcmp(again.document, text, len) == 0);
		assert(again.partitions == doc.partitions);
	}
	pgs_buf_done(&out);
}

static void try_intent(const char *text, size_t len)
{
	struct pgs_buf first = PGS_BUF_INIT(4 * 1024 * 1024);
	struct pgs_buf second = PGS_BUF_INIT(4 * 1024 * 1024);
	struct zkdoc_intent *doc = NULL;
	struct zkdoc_intent *again = NULL;
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	if (zkdoc_intent_read(text, len, &doc, &err)) {
		assert(!doc && err.cls == PGS_ERR_CONFIG);
		return;
	}
	zkdoc_intent_write(doc, &first);
	assert(!pgs_buf_failed(&first));
	assert(zkdoc_intent_read(first.data, first.len, &again, &err) == 0);
	zkdoc_intent_write(again, &second);
	assert(strcmp(first.data, second.data) == 0);
	zkdoc_intent_free(doc);
	zkdoc_intent_free(again);
	pgs_buf_done(&first);
	pgs_buf_done(&second);
}

static void try_json_string(const char *text, size_t len)
{
	struct pgs_buf out = PGS_BUF_INIT(64 * 1024 * 1024);
	char *copy = strndup(text, len);
	json_t *json;

	assert(copy);
	zkdoc_put_json_string(&out, copy);
	json = json_loadb(out.data, out.len, JSON_DECODE_ANY, NULL);
	assert(json_is_string(json));
	json_decref(json);
	free(copy);
	pgs_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	try_cluster(text, size);
	try_set(text, size);
	try_intent(text, size);
	try_json_string(text, size);
	return 0;
}

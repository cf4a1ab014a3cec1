/*
 * tests/fuzz/fuzz_conninfo.c
 *    Any text as a connection string: what we accept, libpq accepts, and libpq finds no secret in it.
 *
 * libpq is the judge here and may not be linked by the code under test: the supervisor parses set files too.
 */
#include <assert.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <string.h>

#include "common/setdoc_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const char *conninfo)
{
	char *errmsg = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &errmsg);

	/* keywords of later versions of libpq are accepted; then the connection says so */
	if (!options)
		assert(errmsg && (strstr(errmsg, "invalid connection option") ||
				  strstr(errmsg, "invalid URI query parameter")));
	for (PQconninfoOption *o = options; o && o->keyword; o++) {
		bool secret = strstr(o->keyword, "password") ||
			      strcmp(o->keyword, "replication") == 0 ||
			      strcmp(o->keyword, "application_name") == 0;

		assert(!secret || !o->val);
	}
	PQconninfoFree(options);
	PQfreemem(errmsg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char filename[] = "fuzz";
	struct setdoc doc = { .filename = filename };
	struct pgs_err err = { .cls = PGS_ERR_NONE };
	char *text = malloc(size + 1);

	assert(text);
	for (size_t i = 0; i < size; i++)
		text[i] = data[i] < 0x20 || data[i] == 0x7f
				  ? ' '
				  : (char)data[i]; /* never get this far */
	text[size] = '\0';
	if (setdoc_check_conninfo(&doc, text, 1, &err) == 0)
		judge(text);
	else
		assert(err.cls == PGS_ERR_CONFIG);
	free(text);
	return 0;
}

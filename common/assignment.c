/*
 * common/assignment.c
 *    What a supervisor hands to one worker over fd 4: text to struct and back (docs/protocol.md 4).
 *
 * Both ends are built together, so a text that does not fit is a bug and never tolerated. Does not touch
 * files, and does not parse the document: setdoc.c does.
 */
#include "common/assignment.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/parse.h"
#include "common/setdoc.h"

static const char first_line[] = "pgshovel-assignment 1\n";

static const char *const outputs[] = {
	[ASSIGNMENT_KAFKA] = "kafka",
	[ASSIGNMENT_STDOUT] = "stdout",
	[ASSIGNMENT_FILE] = "file",
};

enum { CREDENTIALS_MAX = 64, CREDENTIAL_NAME_MAX = 64 };

static void put_line(struct pgs_buf *out, const char *name, const char *value)
{
	pgs_buf_puts(out, name);
	pgs_buf_putc(out, '=');
	pgs_buf_puts(out, value ? value : "");
	pgs_buf_putc(out, '\n');
	if (value && strchr(value, '\n'))
		out->failed = true; /* would end the line early */
}

static void put_section(struct pgs_buf *out, const char *prefix, const char *name, const char *data,
			size_t len)
{
	pgs_buf_puts(out, prefix);
	pgs_buf_puts(out, name);
	pgs_buf_putc(out, ' ');
	pgs_buf_u64(out, len);
	pgs_buf_putc(out, '\n');
	pgs_buf_put(out, data, len);
	pgs_buf_putc(out, '\n');
}

void assignment_write(const struct assignment *a, struct pgs_buf *out)
{
	char partitions[16], memory[24];

	(void)snprintf(memory, sizeof(memory), "%llu", (unsigned long long)a->memory);
	(void)snprintf(partitions, sizeof(partitions), "%d", a->partitions);
	pgs_buf_puts(out, first_line);
	put_line(out, "cluster", a->cluster);
	put_line(out, "set", a->set);
	put_line(out, "rollout", a->rollout);
	put_line(out, "version", a->version);
	put_line(out, "partitions", partitions);
	put_line(out, "host", a->host);
	put_line(out, "token", a->token);
	put_line(out, "output", outputs[a->output]);
	put_line(out, "output_path", a->output_path);
	put_line(out, "from", a->from);
	put_line(out, "commit_path", a->commit_path);
	put_line(out, "confine", a->confine);
	put_line(out, "ports", a->ports);
	put_line(out, "paths", a->paths);
	put_line(out, "memory", memory);
	put_section(out, "", "document", a->document, a->document_len);
	for (size_t i = 0; i < a->n_credentials; i++)
		put_section(out, "credential:", a->credentials[i].name, a->credentials[i].data,
			    a->credentials[i].len);
}

struct reader {
	const char *at;
	const char *end;
	struct pgs_err *reterr;
};

static int fail(const struct reader *r, const char *what)
{
	return pgs_err_set(r->reterr, PGS_ERR_BUG, "",
			   "the assignment from the supervisor is not as it should be: %s", what);
}

static char *copy(const char *bytes, size_t len)
{
	char *text = malloc(len + 1);

	if (text) {
		memcpy(text, bytes, len);
		text[len] = '\0';
	}
	return text;
}

/* The line "name=value"; an empty value gives NULL. */
static int read_line(struct reader *r, const char *name, char **ret)
{
	size_t n = strlen(name);
	const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
	const char *value;

	if (!newline || (size_t)(newline - r->at) <= n || memcmp(r->at, name, n) != 0 ||
	    r->at[n] != '=')
		return fail(r, name);
	value = r->at + n + 1;
	if (memchr(value, '\0', (size_t)(newline - value)))
		return fail(r, name);
	if (newline > value) {
		*ret = copy(value, (size_t)(newline - value));
		if (!*ret)
			return pgs_err_nomem(r->reterr);
	}
	r->at = newline + 1;
	return 0;
}

/* The head "name BYTES" and its bytes; name is cut at `name_size`. */
static int read_section(struct reader *r, char *name, size_t name_size, char **ret, size_t *ret_len)
{
	const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
	const char *blank = newline ? memchr(r->at, ' ', (size_t)(newline - r->at)) : NULL;
	char digits[16];
	int64_t len;

	if (!blank || (size_t)(blank - r->at) >= name_size ||
	    (size_t)(newline - blank) > sizeof(digits) ||
	    memchr(r->at, '\0', (size_t)(newline - r->at)))
		return fail(r, "a section");
	(void)snprintf(name, name_size, "%.*s", (int)(blank - r->at), r->at);
	(void)snprintf(digits, sizeof(digits), "%.*s", (int)(newline - blank - 1), blank + 1);
	if (pgs_parse_i64(digits, 0, ASSIGNMENT_MAX_BYTES, &len, NULL) ||
	    r->end - newline - 1 < len + 1 || newline[1 + len] != '\n')
		return fail(r, "the size of a section");
	*ret = copy(newline + 1, (size_t)len);
	if (!*ret)
		return pgs_err_nomem(r->reterr);
	*ret_len = (size_t)len;
	r->at = newline + 1 + len + 1;
	return 0;
}

static int read_credentials(struct reader *r, struct assignment *a)
{
	static const char prefix[] = "credential:";
	char head[sizeof(prefix) + CREDENTIAL_NAME_MAX];

	a->credentials = calloc(CREDENTIALS_MAX, sizeof(*a->credentials));
	if (!a->credentials)
		return pgs_err_nomem(r->reterr);
	while (r->at < r->end) {
		struct assignment_credential *cred = &a->credentials[a->n_credentials];
		const char *name = head + sizeof(prefix) - 1;

		if (a->n_credentials == CREDENTIALS_MAX)
			return fail(r, "too many credentials");
		if (read_section(r, head, sizeof(head), &cred->data, &cred->len))
			return -1;
		a->n_credentials++;
		if (strncmp(head, prefix, sizeof(prefix) - 1) != 0 || !name[0])
			return fail(r, "an unknown section");
		if (assignment_credential(a, name))
			return fail(r, "a credential given twice");
		cred->name = strdup(name);
		if (!cred->name)
			return pgs_err_nomem(r->reterr);
	}
	return 0;
}

static bool is_hex(const char *text, size_t n)
{
	return text && strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}

/* Decimal "GENERATION.CZXID.SPAWN". */
static bool token_ok(const char *text)
{
	for (int part = 0; part < 3; part++) {
		size_t n = strspn(text, "0123456789");

		if (n == 0 || n > 20 || text[n] != (part < 2 ? '.' : '\0'))
			return false;
		text += n + 1;
	}
	return true;
}

static int check(const struct reader *r, const struct assignment *a)
{
	char version[SETDOC_DIGEST_HEX + 1];

	if (!a->cluster || !pgs_cluster_name_ok(a->cluster))
		return fail(r, "cluster");
	if (!a->set || !pgs_set_name_ok(a->set))
		return fail(r, "set");
	/* A set that is being created has none yet. */
	if (a->rollout && !is_hex(a->rollout, 32))
		return fail(r, "rollout");
	if (!is_hex(a->version, SETDOC_DIGEST_HEX))
		return fail(r, "version");
	if (!a->host)
		return fail(r, "host");
	if (a->output == ASSIGNMENT_KAFKA ? !a->token || !token_ok(a->token)
					  : a->token && !token_ok(a->token))
		return fail(r, "token");
	if ((a->output == ASSIGNMENT_FILE) != (a->output_path != NULL))
		return fail(r, "output_path");
	if (a->output == ASSIGNMENT_KAFKA && (a->from || a->commit_path))
		return fail(r, "from or commit_path together with Kafka");
	setdoc_sha256_hex(a->document, a->document_len, version);
	if (strcmp(version, a->version) != 0)
		return fail(r, "the document does not have its version");
	return 0;
}

static int read_all(struct reader *r, struct assignment *a)
{
	PGS_CLEANUP(pgs_freep) char *partitions = NULL;
	PGS_CLEANUP(pgs_freep) char *output = NULL;
	PGS_CLEANUP(pgs_freep) char *memory = NULL;
	char head[16];
	int64_t number;
	size_t known = 0;

	if ((size_t)(r->end - r->at) < sizeof(first_line) - 1 ||
	    memcmp(r->at, first_line, sizeof(first_line) - 1) != 0)
		return fail(r, "the first line; supervisor and relay are of different versions");
	r->at += sizeof(first_line) - 1;
	if (read_line(r, "cluster", &a->cluster) || read_line(r, "set", &a->set) ||
	    read_line(r, "rollout", &a->rollout) || read_line(r, "version", &a->version) ||
	    read_line(r, "partitions", &partitions) || read_line(r, "host", &a->host) ||
	    read_line(r, "token", &a->token) || read_line(r, "output", &output) ||
	    read_line(r, "output_path", &a->output_path) || read_line(r, "from", &a->from) ||
	    read_line(r, "commit_path", &a->commit_path) || read_line(r, "confine", &a->confine) ||
	    read_line(r, "ports", &a->ports) || read_line(r, "paths", &a->paths) ||
	    read_line(r, "memory", &memory))
		return -1;
	if (pgs_parse_i64(memory ? memory : "", 0, INT64_MAX, &number, NULL))
		return fail(r, "memory");
	a->memory = (uint64_t)number;
	if (pgs_parse_i64(partitions ? partitions : "", 1, 10000, &number, NULL))
		return fail(r, "partitions");
	a->partitions = (int)number;
	while (known < PGS_ARRAY_LEN(outputs) && strcmp(output ? output : "", outputs[known]) != 0)
		known++;
	if (known == PGS_ARRAY_LEN(outputs))
		return fail(r, "output");
	a->output = (enum assignment_output)known;
	if (read_section(r, head, sizeof(head), &a->document, &a->document_len))
		return -1;
	if (strcmp(head, "document") != 0 || a->document_len > SETDOC_MAX_BYTES)
		return fail(r, "document");
	return read_credentials(r, a) ? -1 : check(r, a);
}

int assignment_read(const char *text, size_t len, struct assignment **ret, struct pgs_err *reterr)
{
	PGS_CLEANUP(assignment_freep) struct assignment *a = calloc(1, sizeof(*a));
	struct reader r = { .at = text, .end = text + len, .reterr = reterr };

	if (!a)
		return pgs_err_nomem(reterr);
	if (len > ASSIGNMENT_MAX_BYTES)
		return fail(&r, "it is too large");
	if (read_all(&r, a))
		return -1;
	*ret = PGS_STEAL(a);
	return 0;
}

const struct assignment_credential *assignment_credential(const struct assignment *a,
							  const char *name)
{
	for (size_t i = 0; i < a->n_credentials; i++) {
		if (a->credentials[i].name && strcmp(a->credentials[i].name, name) == 0)
			return &a->credentials[i];
	}
	return NULL;
}

void assignment_free(struct assignment *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n_credentials; i++) {
		if (a->credentials[i].data)
			explicit_bzero(a->credentials[i].data, a->credentials[i].len);
		free(a->credentials[i].data);
		free(a->credentials[i].name);
	}
	free(a->credentials);
	free(a->cluster);
	free(a->set);
	free(a->rollout);
	free(a->version);
	free(a->host);
	free(a->token);
	free(a->output_path);
	free(a->from);
	free(a->commit_path);
	free(a->confine);
	free(a->ports);
	free(a->paths);
	free(a->document);
	free(a);
}

void assignment_freep(struct assignment **a)
{
	assignment_free(*a);
	*a = NULL;
}

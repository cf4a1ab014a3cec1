/*
 * common/zkdoc.c
 *    The documents stored in ZooKeeper that are plain text: cluster node, set node; IDs and JSON strings.
 *
 * Does no I/O. The intent of a rollout is in zkdoc_intent.c.
 */
#include "common/zkdoc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/parse.h"
#include "common/utf8.h"

/* A text that is read word by word, line by line. */
struct words {
	const char *at;
	const char *end;
};

/* The next word, which must end with `stop` and fit into ret; false: it does not. */
static bool next_word(struct words *w, char stop, char *ret, size_t size)
{
	const char *end = memchr(w->at, stop, (size_t)(w->end - w->at));

	if (!end || end == w->at || (size_t)(end - w->at) >= size ||
	    memchr(w->at, '\0', (size_t)(end - w->at)))
		return false;
	memcpy(ret, w->at, (size_t)(end - w->at));
	ret[end - w->at] = '\0';
	w->at = end + 1;
	return strpbrk(ret, " \n") == NULL;
}

static bool expect(struct words *w, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(w->end - w->at) < n || memcmp(w->at, text, n) != 0)
		return false;
	w->at += n;
	return true;
}

static int fail(const char *what, struct pgs_err *reterr)
{
	return pgs_err_set(
		reterr, PGS_ERR_CONFIG, "",
		"the %s in ZooKeeper is damaged or was not written by pgshovel; restore it or "
		"create it anew",
		what);
}

/* "MAGIC FORMAT" at the start; stop is what follows the number. */
static int read_format(struct words *w, const char *magic, char stop, const char *what,
		       struct pgs_err *reterr)
{
	char format[12];

	if (!expect(w, magic) || !next_word(w, stop, format, sizeof(format)) ||
	    strspn(format, "0123456789") != strlen(format))
		return fail(what, reterr);
	if (strcmp(format, "1") != 0)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"the %s in ZooKeeper has format %s, this pgshovel knows format 1; use the "
			"version that wrote it or a later one",
			what, format);
	return 0;
}

void zkdoc_cluster_write(const struct zkdoc_cluster *doc, struct pgs_buf *out)
{
	pgs_buf_printf(out, "pgshovel-cluster 1\nsoftware %s\ngeneration ", doc->software);
	pgs_buf_i64(out, doc->generation);
	pgs_buf_putc(out, '\n');
}

int zkdoc_cluster_read(const char *text, size_t len, struct zkdoc_cluster *ret,
		       struct pgs_err *reterr)
{
	static const char what[] = "cluster node";
	struct words w = { .at = text, .end = text + len };
	struct zkdoc_cluster doc = { .generation = 0 };
	char number[24];

	if (read_format(&w, "pgshovel-cluster ", '\n', what, reterr))
		return -1;
	if (!expect(&w, "software ") || !next_word(&w, '\n', doc.software, sizeof(doc.software)) ||
	    !expect(&w, "generation ") || !next_word(&w, '\n', number, sizeof(number)) ||
	    pgs_parse_i64(number, 0, INT64_MAX, &doc.generation, NULL) || w.at != w.end)
		return fail(what, reterr);
	*ret = doc;
	return 0;
}

void zkdoc_set_write(const struct zkdoc_set *doc, struct pgs_buf *out)
{
	pgs_buf_printf(out, "pgshovel 1 %s %s %d\n", doc->version, doc->rollout, doc->partitions);
	pgs_buf_put(out, doc->document, doc->document_len);
}

int zkdoc_set_read(const char *text, size_t len, struct zkdoc_set *ret, struct pgs_err *reterr)
{
	static const char what[] = "set node";
	static const char hex[] = "0123456789abcdef";
	struct words w = { .at = text, .end = text + len };
	struct zkdoc_set doc = { .partitions = 0 };
	char digest[SETDOC_DIGEST_HEX + 1];
	char number[8];
	int64_t partitions;

	if (len > SETDOC_MAX_BYTES)
		return fail(what, reterr);
	if (read_format(&w, "pgshovel ", ' ', what, reterr))
		return -1;
	if (!next_word(&w, ' ', doc.version, sizeof(doc.version)) ||
	    strspn(doc.version, hex) != SETDOC_DIGEST_HEX ||
	    !next_word(&w, ' ', doc.rollout, sizeof(doc.rollout)) ||
	    strspn(doc.rollout, hex) != ZKDOC_ID_HEX ||
	    !next_word(&w, '\n', number, sizeof(number)) ||
	    pgs_parse_i64(number, 1, 10000, &partitions, NULL))
		return fail(what, reterr);
	doc.partitions = (int)partitions;
	doc.document = w.at;
	doc.document_len = (size_t)(w.end - w.at);
	setdoc_sha256_hex(doc.document, doc.document_len, digest);
	if (strcmp(digest, doc.version) != 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "the set node in ZooKeeper says version %.12s, but its text has "
				   "%.12s: somebody "
				   "edited it; run \"pgshovel set upgrade\" with the set's file",
				   doc.version, digest);
	*ret = doc;
	return 0;
}

int zkdoc_new_id(char ret[ZKDOC_ID_HEX + 1], struct pgs_err *reterr)
{
	unsigned char bytes[ZKDOC_ID_HEX / 2];
	ssize_t n;

	do
		n = getrandom(bytes, sizeof(bytes), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(bytes))
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not get random bytes: %m");
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

void zkdoc_put_json_string(struct pgs_buf *out, const char *text)
{
	size_t len = strlen(text);

	pgs_buf_putc(out, '"');
	for (size_t i = 0; i < len;) {
		unsigned char c = (unsigned char)text[i];
		size_t n = pgs_utf8_length(text + i, len - i);

		if (n == 0) {
			/* a message in another encoding: the reader still gets valid JSON */
			pgs_buf_lit(out, "\xef\xbf\xbd");
			i++;
			continue;
		}
		if (c == '"' || c == '\\') {
			pgs_buf_putc(out, '\\');
			pgs_buf_putc(out, (char)c);
		} else if (c < 0x20 || c == 0x7f) {
			pgs_buf_printf(out, "\\u%04x", c);
		} else {
			pgs_buf_put(out, text + i, n);
		}
		i += n;
	}
	pgs_buf_putc(out, '"');
}

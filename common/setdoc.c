/*
 * common/setdoc.c
 *    The set document's life: read a file, parse it in steps, give it a version, free it.
 *
 * The steps are in setdoc_*.c: scan the raw text, libconfig, read by the table of keys, check the whole,
 * write the canonical text.
 */
#include "common/setdoc.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "common/setdoc_internal.h"

int setdoc_fail(struct pgs_err *reterr, const char *filename, int line, const char *fmt, ...)
{
	char msg[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, args); /* longer: cut */
	va_end(args);
	if (line > 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "%.120s:%d: %s", filename, line,
				   msg);
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "%.120s: %s", filename, msg);
}

struct setdoc_shown setdoc_show(const char *value)
{
	struct setdoc_shown shown;
	size_t n = strlen(value);

	if (n <= 60) {
		memcpy(shown.text, value, n + 1);
		return shown;
	}
	n = 57;
	while (n > 0 && ((unsigned char)value[n] & 0xc0) == 0x80)
		n--;
	memcpy(shown.text, value, n);
	memcpy(shown.text + n, "...", sizeof("..."));
	return shown;
}

void setdoc_sha256_hex(const void *bytes, size_t len, char ret[SETDOC_DIGEST_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[SHA256_DIGEST_LENGTH];

	SHA256(bytes, len, sum);
	for (size_t i = 0; i < sizeof(sum); i++) {
		ret[2 * i] = digits[sum[i] >> 4];
		ret[2 * i + 1] = digits[sum[i] & 15];
	}
	ret[SETDOC_DIGEST_HEX] = '\0';
}

int32_t setdoc_lock_key(const char *cluster, const char *set)
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	char name[64];
	int n = snprintf(name, sizeof(name), "%s/%s", cluster, set); /* both at most 24 bytes */
	uint32_t key;

	SHA256((const unsigned char *)name, (size_t)n < sizeof(name) ? (size_t)n : sizeof(name) - 1,
	       sum);
	key = (uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 | (uint32_t)sum[2] << 8 | sum[3];
	return (int32_t)key;
}

/*
 * Remember a line for each setting in libconfig's hook. Values in arrays and lists get it from our own scan, in
 * the order of the text; named ones and groups have it right already.
 */
static void set_lines(config_setting_t *setting, const int *lines, size_t n_lines, size_t *at)
{
	int n = config_setting_length(setting);

	for (int i = 0; i < n; i++) {
		config_setting_t *child = config_setting_get_elem(setting, (unsigned)i);
		intptr_t line = config_setting_source_line(child);

		if (config_setting_type(child) == CONFIG_TYPE_STRING && *at < n_lines) {
			if (!config_setting_name(child))
				line = lines[*at];
			(*at)++;
		}
		config_setting_set_hook(child, (void *)line);
		if (config_setting_is_aggregate(child))
			set_lines(child, lines, n_lines, at);
	}
}

int setdoc_line(const config_setting_t *setting)
{
	return (int)(intptr_t)config_setting_get_hook(setting);
}

static int finish(struct setdoc *doc, const config_setting_t *root, struct pgs_err *reterr)
{
	struct pgs_buf text = PGS_BUF_INIT(4 * SETDOC_MAX_BYTES);
	size_t len;

	setdoc_write_canonical(doc, root, &text);
	if (pgs_buf_failed(&text)) {
		pgs_buf_done(&text);
		return pgs_err_nomem(reterr);
	}
	len = text.len;
	doc->canonical = pgs_buf_steal(&text);
	doc->canonical_len = len;
	if (len > SETDOC_MAX_BYTES - SETDOC_MAX_HEADER)
		return setdoc_fail(
			reterr, doc->filename, 0,
			"the set needs %zu bytes, more than the %d of a set node; split it", len,
			SETDOC_MAX_BYTES - SETDOC_MAX_HEADER);
	setdoc_sha256_hex(doc->canonical, len, doc->version);
	return 0;
}

static int parse_tree(struct setdoc *doc, config_t *config, const char *text, size_t len,
		      struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) int *lines = NULL;
	PGS_CLEANUP(pgs_freep) char *copy = NULL;
	config_setting_t *root;
	size_t n_lines = 0;
	size_t at = 0;

	if (setdoc_scan(text, len, doc->filename, &lines, &n_lines, reterr))
		return -1;
	copy = malloc(len + 2);
	if (!copy)
		return pgs_err_nomem(reterr);
	memcpy(copy, text, len);
	memcpy(copy + len, "\n", 2); /* libconfig wants a newline behind a last comment */
	if (config_read_string(config, copy) != CONFIG_TRUE)
		return setdoc_fail(reterr, doc->filename, config_error_line(config),
				   "%s; give each key once", config_error_text(config));
	root = config_root_setting(config);
	set_lines(root, lines, n_lines, &at);
	setdoc_defaults(doc, "topics");
	setdoc_defaults(doc, "format");
	setdoc_defaults(doc, "relay");
	doc->topics.replication = -1;
	if (setdoc_read_group(doc, doc, "", root, reterr) || setdoc_check_whole(doc, reterr))
		return -1;
	return finish(doc, root, reterr);
}

int setdoc_parse(const char *text, size_t len, const char *filename, struct setdoc **ret,
		 struct pgs_err *reterr)
{
	PGS_CLEANUP(setdoc_freep) struct setdoc *doc = calloc(1, sizeof(*doc));
	config_t config;
	int rc;

	if (!doc)
		return pgs_err_nomem(reterr);
	doc->filename = strdup(filename);
	if (!doc->filename)
		return pgs_err_nomem(reterr);
	if (len > SETDOC_MAX_BYTES)
		return setdoc_fail(reterr, filename, 0,
				   "the file is larger than 64 kB; split the set");
	config_init(&config);
	rc = parse_tree(doc, &config, text, len, reterr);
	config_destroy(&config);
	if (rc)
		return -1;
	*ret = PGS_STEAL(doc);
	return 0;
}

int setdoc_load(const char *filename, struct setdoc **ret, struct pgs_err *reterr)
{
	bool standard_input = strcmp(filename, "-") == 0;
	PGS_CLEANUP(pgs_closep) int opened = -1;
	PGS_CLEANUP(pgs_freep)
	char *text = malloc(SETDOC_MAX_BYTES + 1); /* one more shows a larger file */
	size_t len = 0;

	if (!text)
		return pgs_err_nomem(reterr);
	if (!standard_input) {
		opened = open(filename, O_RDONLY | O_CLOEXEC);
		if (opened < 0)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "cannot open \"%s\": %m",
					   filename);
	}
	while (len <= SETDOC_MAX_BYTES) {
		ssize_t n = read(standard_input ? STDIN_FILENO : opened, text + len,
				 SETDOC_MAX_BYTES + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "cannot read \"%s\": %m",
					   filename);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return setdoc_parse(text, len, standard_input ? "standard input" : filename, ret, reterr);
}

static void free_strings(char **strings, size_t n)
{
	for (size_t i = 0; strings && i < n; i++)
		free(strings[i]);
	free(strings);
}

void setdoc_free(struct setdoc *doc)
{
	if (!doc)
		return;
	for (size_t i = 0; i < doc->n_databases; i++) {
		free(doc->databases[i].name);
		free(doc->databases[i].conninfo);
	}
	for (size_t i = 0; i < doc->n_tables; i++) {
		free(doc->tables[i].schema);
		free(doc->tables[i].table);
		free_strings(doc->tables[i].columns, doc->tables[i].n_columns);
		free_strings(doc->tables[i].key, doc->tables[i].n_key);
	}
	for (size_t i = 0; i < doc->n_kafka; i++) {
		free(doc->kafka[i].name);
		free(doc->kafka[i].value);
	}
	free(doc->databases);
	free(doc->tables);
	free(doc->kafka);
	free(doc->topics.prefix);
	free(doc->name);
	free(doc->filename);
	free(doc->canonical);
	free(doc);
}

void setdoc_freep(struct setdoc **doc)
{
	setdoc_free(*doc);
	*doc = NULL;
}

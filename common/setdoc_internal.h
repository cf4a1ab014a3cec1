/*
 * common/setdoc_internal.h
 *    What the setdoc_*.c files share: the rules behind the table of keys, and the steps of parsing.
 *
 * Included by common/setdoc*.c only; everybody else uses common/setdoc.h.
 */
#ifndef PGSHOVEL_COMMON_SETDOC_INTERNAL_H
#define PGSHOVEL_COMMON_SETDOC_INTERNAL_H

#include <libconfig.h>
#include <stddef.h>
#include <stdint.h>

#include "common/setdoc.h"

enum {
	SETDOC_MAX_DEPTH = 8, /* of brackets; the deepest legal document needs 3 */
	SETDOC_MAX_SETTINGS = 64, /* in one group; the largest has 7 keys */
	SETDOC_MAX_DATABASES = 64,
	SETDOC_MAX_COLUMNS = 1600, /* PostgreSQL's own limit */
	SETDOC_MAX_KEY_COLUMNS = 32,
	SETDOC_MAX_PROPERTIES = 256,
	SETDOC_MAX_IDENTIFIER = 63, /* bytes, PostgreSQL's NAMEDATALEN - 1 */
	SETDOC_MAX_TOPIC = 249, /* bytes, Kafka's own limit */
	SETDOC_MAX_HEADER =
		128, /* of the set node, which holds the canonical text and has the same limit */
};

/* How the value of a key is read and written. */
enum setdoc_kind {
	SETDOC_KIND_SET_NAME,
	SETDOC_KIND_DATABASE_NAME,
	SETDOC_KIND_CONNINFO,
	SETDOC_KIND_TABLE_NAME,
	SETDOC_KIND_PREFIX,
	SETDOC_KIND_COLUMNS,
	SETDOC_KIND_PROPERTIES,
	SETDOC_KIND_DATABASES,
	SETDOC_KIND_TABLES,
	SETDOC_KIND_GROUP,
	SETDOC_KIND_CHOICE, /* an enum; values[] in its order */
	SETDOC_KIND_BOOL,
	SETDOC_KIND_INT, /* int */
	SETDOC_KIND_INT64, /* int64_t */
	SETDOC_KIND_DURATION, /* uint64_t, microseconds */
	SETDOC_KIND_SIZE, /* uint64_t, bytes */
};

struct setdoc_rule {
	enum setdoc_kind kind;
	bool required;
	bool has_default; /* the table's `fallback` is a value, not words */
	size_t offset; /* of the field in struct setdoc, setdoc_database or setdoc_table */
	size_t offset_n; /* SETDOC_KIND_COLUMNS: of its count */
	size_t max_n; /* SETDOC_KIND_COLUMNS: most elements */
	bool may_be_empty; /* SETDOC_KIND_COLUMNS: [ ] says something */
	int64_t min; /* numbers, durations, sizes */
	int64_t max;
	const char *const *values; /* SETDOC_KIND_CHOICE, ends with NULL */
};

/* The key of that name in the group, or NULL. */
const struct setdoc_key *setdoc_key_find(const char *group, const char *name);

/*
 * Set *reterr to "FILE:LINE: message", class CONFIG, and return -1. Line 0: the file as a whole.
 */
int setdoc_fail(struct pgs_err *reterr, const char *filename, int line, const char *fmt, ...)
	PGS_PRINTF(4, 5);

/* A value as messages show it: cut after about 60 bytes, at a character's edge. */
struct setdoc_shown {
	char text[80];
};
struct setdoc_shown setdoc_show(const char *value);

enum setdoc_token {
	SETDOC_TOKEN_END,
	SETDOC_TOKEN_NAME,
	SETDOC_TOKEN_BOOL,
	SETDOC_TOKEN_NUMBER, /* decimal, at most nine digits */
	SETDOC_TOKEN_STRING, /* the quotes included */
	SETDOC_TOKEN_SIGN, /* one of =:;,{}[]() */
};

/* The caller sets filename, text, len (UTF-8, no NUL byte) and line = 1; the rest describes one token. */
struct setdoc_lexer {
	const char *filename;
	const char *text;
	size_t len;
	size_t at; /* behind the token */
	int line; /* where `at` is */
	enum setdoc_token kind;
	size_t start;
	size_t n;
	int start_line;
};

/* Go to the next token. Comments are skipped; what libconfig would misread is refused. */
int setdoc_lex_next(struct setdoc_lexer *lex, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Refuse what libconfig cannot parse or would misread. *ret_lines (malloc'ed, may be NULL) holds the line of
 * each string value in the order of the text.
 */
int setdoc_scan(const char *text, size_t len, const char *filename, int **ret_lines, size_t *ret_n,
		struct pgs_err *reterr) PGS_MUST_CHECK;

/* The line of a setting, as setdoc_parse() found it. */
int setdoc_line(const config_setting_t *setting);

/* Read one scalar from text: choice, bool, number, duration, size. Nothing is said about what is wrong. */
bool setdoc_scalar_from_text(const struct setdoc_rule *rule, const char *text, void *field);

/* Read a choice, bool, number, duration or size into its field of *base. */
int setdoc_read_scalar(const struct setdoc *doc, void *base, const struct setdoc_key *key,
		       const config_setting_t *setting, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Give the fields of one group their defaults. */
void setdoc_defaults(void *base, const char *group);

/* One string value with its own rules; each says what is wrong in *reterr. */
int setdoc_read_table_name(struct setdoc *doc, struct setdoc_table *table, const char *text,
			   int line, struct pgs_err *reterr) PGS_MUST_CHECK;
int setdoc_read_property(struct setdoc *doc, const char *text, int line,
			 struct setdoc_property *ret, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Refuses what is no connection string of libpq (key=value or URI), a secret, what the relay sets itself. */
int setdoc_check_conninfo(const struct setdoc *doc, const char *conninfo, int line,
			  struct pgs_err *reterr) PGS_MUST_CHECK;

/* Read a group: every key known and of its type, every required one there. */
int setdoc_read_group(struct setdoc *doc, void *base, const char *group,
		      const config_setting_t *setting, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Rules over the whole document: duplicates, several databases, topics. */
int setdoc_check_whole(const struct setdoc *doc, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Append the canonical text of a document that was read from `root`: the keys written there, no other. */
void setdoc_write_canonical(const struct setdoc *doc, const config_setting_t *root,
			    struct pgs_buf *out);

#endif

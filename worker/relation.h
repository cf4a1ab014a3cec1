/*
 * worker/relation.h
 *    One version of a captured table's shape, as the events name it.
 *
 * Built from a row of the table `relation` (docs/protocol.md 2) by relation_from_row(); looked up by id.
 * Immutable afterwards. Does not query: worker/source.c does.
 */
#ifndef PGSHOVEL_WORKER_RELATION_H
#define PGSHOVEL_WORKER_RELATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"

struct relation_column {
	char *name;
	char *type; /* format_type() as declared: "numeric(10,2)" */
	uint32_t typid;
	int32_t typmod;
	char typtype; /* pg_type.typtype of the declared type: b c d e m p r */
	char *base; /* the type below a domain, else equal to type */
	uint32_t baseid;
	int32_t basemod;
	uint32_t elemid; /* 0: not an array */
	int16_t attnum;
	bool notnull;
	bool generated;
	int key; /* position in the key from 1; 0: not part of it */
	char *fallback; /* default expression, NULL: none */
	char *labels; /* of an enum (or an array of one), comma-separated, NULL: not known or no enum */
	/* Filled by encode_prepare(): how this column's text becomes bytes. Owned by the relation. */
	void *encoder;
};

struct relation {
	int32_t id;
	uint32_t reloid;
	char *schema;
	char *table;
	char *leaf; /* the partition that schema and table name, as events do; NULL: the table itself */
	char version[65]; /* of the set that made it */
	bool chained; /* its events carry ctids */
	size_t n_columns;
	struct relation_column *columns;
	size_t n_key;
	uint16_t *key; /* indexes into columns, in key order */
	char *topic; /* filled by encode_prepare() */
	void *parts; /* filled by encode_prepare(): the bytes that are the same in every record. Owned */
};

/* `columns_json` is relation.columns. Class BUG when it does not have the documented form. */
int relation_from_row(int32_t id, uint32_t reloid, const char *schema, const char *table,
		      const char *version, bool chained, const char *columns_json,
		      struct relation **ret, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * This is the relation as a partition shows it: schema and table become its names. `leaf` is quoted as
 * format('%I.%I') quotes. Class CONFIG, code "relation", when it is no such name.
 */
int relation_set_leaf(struct relation *rel, const char *leaf, size_t len,
		      struct pgs_err *reterr) PGS_MUST_CHECK;
void relation_free(struct relation *rel);
void relation_freep(struct relation **rel);

#endif

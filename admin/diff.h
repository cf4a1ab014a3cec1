/*
 * admin/diff.h
 *    What differs between two documents of one set, by what it means. Pure.
 *
 * Knows documents only: what a rollout would do in the databases is the plan's business (plan.h).
 */
#ifndef PGSHOVEL_ADMIN_DIFF_H
#define PGSHOVEL_ADMIN_DIFF_H

#include <stdio.h>

#include "common/arena.h"
#include "common/setdoc.h"

enum { DIFF_MAX_BYTES = 16 * 1024 * 1024 };

/* One difference. All text lives in the arena or is static. */
struct diff_change {
	const char *what; /* database, table, columns, key, capture, option or kafka */
	const char *name; /* of the database, table, option ("format.decimal") or property */
	const char *from; /* NULL: it is not there in the old document */
	const char *to; /* NULL: it is not there in the new one */
};

struct diff {
	struct pgs_arena arena;
	struct diff_change *changes;
	size_t n_changes;
	bool respelled; /* other text, hence another version, that means the same */
};

int diff_make(const struct setdoc *from, const struct setdoc *to, struct diff *ret,
	      struct pgs_err *reterr) PGS_MUST_CHECK;
void diff_done(struct diff *diff);

/* One line each: "+", "-" or "~", what, name, values. */
void diff_print(const struct diff *diff, FILE *out);

/* {"set":…,"from":VERSION,"to":VERSION,"changes":[{"what":…,"name":…,"from":…,"to":…}]} */
void diff_print_json(const struct diff *diff, const char *set, const struct setdoc *from,
		     const struct setdoc *to, FILE *out);

#endif

/*
 * tests/chaos/deeds.h
 *    What the sessions of the load do: the statements of one transaction, drawn from a stream of random numbers.
 *
 * Pure: no connection. The tables are those of tests/chaos/lib.sh. Writers never name a column that the DDL session
 * adds, renames or drops.
 */
#ifndef PGSHOVEL_TESTS_DEEDS_H
#define PGSHOVEL_TESTS_DEEDS_H

#include <stdbool.h>

#include "tests/chaos/random.h"

enum { DEED_STATEMENTS = 16, DEED_TEXT = 768 };

struct deed {
	const char *name;
	int n;
	struct {
		char text[DEED_TEXT];
		int pause_ms; /* behind it */
	} statements[DEED_STATEMENTS];
};

/*
 * session: 1 to 99, has rows of its own. A deed that prepares uses gids "chaos-SESSION-…"; whether a gid is
 * finished, and when, is the session's business.
 */
void deed_draw(struct chaos_random *random, int session, struct deed *ret);

/* DDL of number n: a column's name is never used again. */
void deed_ddl(struct chaos_random *random, int n, struct deed *ret);

#endif

/*
 * tests/lib/writers.h
 *    Sessions that write table prop (id int primary key, v int) in turns, and the model of what they committed.
 *
 * One statement at a time, so that the order of events is known; also ticks, some with an old snapshot, and
 * rotations of the queue. Knows nothing of windows. Ends the program when something is not as it must be.
 */
#ifndef PGSHOVEL_TESTS_LIB_WRITERS_H
#define PGSHOVEL_TESTS_LIB_WRITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"

enum { WRITERS_ROWS = 30, WRITERS_CHANGES = 400000, ABSENT = -1 };

/* One captured change. */
struct change {
	uint64_t txid;
	uint64_t seq; /* the place in the order of all statements */
	int id;
	int old_v; /* ABSENT: an insert */
	int new_v; /* ABSENT: a delete */
};

void writers_open(const char *conninfo, const char *queue, uint64_t seed);

/* One random statement; the same seed gives the same ones. */
void writers_step(void);

/* Everything that is open commits. */
void writers_finish(void);

/* What is committed; lent until the next step. */
const struct change *writers_changes(size_t *ret_n);

/* Transaction ids in progress, for i from 0: 0 means none, UINT64_MAX the end. */
uint64_t writers_open_txid(size_t i);

/* A line of figures. False: some kind of step never came, so that little is proven. */
bool writers_print(void);
void writers_close(void);

/* 0 … n-1, from the seed. */
uint64_t writers_roll(uint64_t n);

/* Prints seed, step and the text; exit status 1. */
PGS_NORETURN void writers_die(const char *fmt, ...) PGS_PRINTF(1, 2);

#endif

/*
 * tests/chaos/schedule.c
 *    Which fault comes when: a pure function of seed and length.
 *
 * Kinds are drawn from a bag that is filled again when it is empty. What it would happen to is still in the
 * middle of another fault: it comes a little after that one's end.
 */
#include "tests/chaos/schedule.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/chaos/random.h"

enum {
	FIRST_MS = 4000, /* the load is running then */
	QUIET_MS = 3000, /* nothing ends later than so long before the end of the run */
	GAP_MIN_MS = 1500,
	GAP_MAX_MS = 6500,
	APART_MS = 1000,
};

enum thing { OWNER, BROKER, ZK, PG, TICKER, QUEUE, ADMIN, N_THINGS };

#define CHAOS_FAULT_ROW(name, thing, shortest, longest) { #name, thing, shortest, longest },
static const struct {
	const char *name;
	enum thing thing;
	int shortest_ms;
	int longest_ms;
} KINDS[] = { CHAOS_FAULTS(CHAOS_FAULT_ROW) };

const char *chaos_name(enum chaos_kind kind)
{
	return KINDS[kind].name;
}

static void fill_bag(struct chaos_random *random, enum chaos_kind *bag)
{
	for (int i = 0; i < CHAOS_N_KINDS; i++)
		bag[i] = (enum chaos_kind)i;
	for (int i = CHAOS_N_KINDS - 1; i > 0; i--) {
		int other = chaos_between(random, 0, i);
		enum chaos_kind kind = bag[i];

		bag[i] = bag[other];
		bag[other] = kind;
	}
}

static bool of_a_database(enum thing thing)
{
	return thing == PG || thing == TICKER || thing == QUEUE;
}

static int by_begin(const void *a, const void *b)
{
	const struct chaos_fault *one = a;
	const struct chaos_fault *other = b;

	if (one->begin_ms != other->begin_ms)
		return one->begin_ms < other->begin_ms ? -1 : 1;
	return (one->kind > other->kind) - (one->kind < other->kind);
}

size_t chaos_schedule(uint64_t seed, int seconds, struct chaos_fault *ret)
{
	struct chaos_random random = { seed };
	enum chaos_kind bag[CHAOS_N_KINDS];
	int free_at[N_THINGS][CHAOS_DATABASES + 1] = { { 0 } };
	int last_ms = seconds * 1000 - QUIET_MS;
	int now = FIRST_MS;
	int in_bag = 0;
	size_t n = 0;

	while (now < last_ms && n < CHAOS_MAX) {
		struct chaos_fault fault = { .begin_ms = now };
		enum thing thing;
		int *free_ms;

		if (in_bag == 0) {
			fill_bag(&random, bag);
			in_bag = CHAOS_N_KINDS;
		}
		fault.kind = bag[--in_bag];
		thing = KINDS[fault.kind].thing;
		if (of_a_database(thing))
			fault.database = chaos_between(&random, 1, CHAOS_DATABASES);
		free_ms = &free_at[thing][fault.database];
		if (fault.begin_ms < *free_ms)
			fault.begin_ms = *free_ms;
		fault.end_ms =
			fault.begin_ms + chaos_between(&random, KINDS[fault.kind].shortest_ms,
						       KINDS[fault.kind].longest_ms);
		now += chaos_between(&random, GAP_MIN_MS, GAP_MAX_MS);
		if (fault.end_ms > last_ms)
			continue;
		*free_ms = fault.end_ms + APART_MS;
		ret[n++] = fault;
	}
	qsort(ret, n, sizeof(*ret), by_begin);
	return n;
}

struct line {
	int ms;
	size_t fault;
	bool end;
};

static int by_time(const void *a, const void *b)
{
	const struct line *one = a;
	const struct line *other = b;

	if (one->ms != other->ms)
		return one->ms < other->ms ? -1 : 1;
	if (one->fault != other->fault)
		return one->fault < other->fault ? -1 : 1;
	return one->end - other->end;
}

bool chaos_print(const struct chaos_fault *faults, size_t n, char *buf, size_t size)
{
	static struct line lines[2 * CHAOS_MAX];
	size_t n_lines = 0;
	size_t at = 0;

	if (size == 0)
		return false;
	buf[0] = '\0';
	for (size_t i = 0; i < n && i < CHAOS_MAX; i++) {
		lines[n_lines++] = (struct line){ faults[i].begin_ms, i, false };
		if (faults[i].end_ms > faults[i].begin_ms)
			lines[n_lines++] = (struct line){ faults[i].end_ms, i, true };
	}
	qsort(lines, n_lines, sizeof(*lines), by_time);
	for (size_t i = 0; i < n_lines; i++) {
		const struct chaos_fault *fault = &faults[lines[i].fault];
		int len = snprintf(buf + at, size - at, "%d.%03d %s %s %d\n", lines[i].ms / 1000,
				   lines[i].ms % 1000, lines[i].end ? "end" : "begin",
				   chaos_name(fault->kind), fault->database);

		if (len < 0 || (size_t)len >= size - at)
			return false;
		at += (size_t)len;
	}
	return true;
}

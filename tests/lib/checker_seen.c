/*
 * tests/lib/checker_seen.c
 *    Which event ids were seen: a hash table that only grows; and the hash functions of the checker.
 */
#include <stdlib.h>

#include "tests/lib/checker_parts.h"

void *checker_must(void *memory)
{
	if (!memory) {
		fputs("checker: out of memory\n", stderr);
		abort();
	}
	return memory;
}

uint64_t checker_hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return hash;
}

uint64_t checker_hash_start(uint64_t seed)
{
	return 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u);
}

uint64_t checker_hash_mix(uint64_t hash)
{
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdu;
	hash ^= hash >> 33;
	return hash;
}

static struct seen *seen_slot(struct seen *table, size_t cap, const struct seen *wanted)
{
	uint64_t hash =
		checker_hash_mix(wanted->db ^ checker_hash_mix((uint64_t)wanted->ev_id ^
							       ((uint64_t)wanted->part << 48) ^
							       ((uint64_t)wanted->topic << 32)));
	size_t i = hash & (cap - 1);

	while (table[i].db && (table[i].db != wanted->db || table[i].ev_id != wanted->ev_id ||
			       table[i].topic != wanted->topic || table[i].part != wanted->part))
		i = (i + 1) & (cap - 1);
	return &table[i];
}

static void seen_grow(struct checker *checker)
{
	size_t cap = checker->seen_cap ? checker->seen_cap * 2 : 4096;
	struct seen *table = checker_must(calloc(cap, sizeof(*table)));

	for (size_t i = 0; i < checker->seen_cap; i++) {
		if (checker->seen[i].db)
			*seen_slot(table, cap, &checker->seen[i]) = checker->seen[i];
	}
	free(checker->seen);
	checker->seen = table;
	checker->seen_cap = cap;
}

bool checker_seen_has(const struct checker *checker, uint64_t db, int64_t ev_id, uint32_t topic,
		      uint32_t part)
{
	struct seen wanted = { .db = db, .ev_id = ev_id, .topic = topic, .part = part };

	return checker->seen_cap && seen_slot(checker->seen, checker->seen_cap, &wanted)->db;
}

void checker_seen_add(struct checker *checker, uint64_t db, int64_t ev_id, uint32_t topic,
		      uint32_t part)
{
	struct seen wanted = { .db = db, .ev_id = ev_id, .topic = topic, .part = part };

	if (checker->n_seen * 10 >= checker->seen_cap * 7)
		seen_grow(checker);
	*seen_slot(checker->seen, checker->seen_cap, &wanted) = wanted;
	checker->n_seen++;
}

bool checker_first_time(struct checker *checker, uint64_t db, int64_t ev_id, enum part part)
{
	bool other;

	if (part == PART_WHOLE)
		other = checker_seen_has(checker, db, ev_id, 0, PART_OLD_KEY) ||
			checker_seen_has(checker, db, ev_id, 0, PART_NEW_KEY);
	else
		other = checker_seen_has(checker, db, ev_id, 0, PART_WHOLE);
	if (other || checker_seen_has(checker, db, ev_id, 0, (uint32_t)part))
		return false;
	checker_seen_add(checker, db, ev_id, 0, (uint32_t)part);
	return true;
}

/*
 * supervisor/place.c
 *    Bounded-load rendezvous hashing of sets over hosts.
 *
 * Knows nothing of ZooKeeper, locks or time: who is alive is hosts.c's answer, when a set moves is pass.c's.
 *
 * Each set goes to the host with the highest score for it that still has room. Sets are served in the order of
 * their hashes, so that one more set pushes few others aside. The room of all hosts together grows by steps of
 * one set at one host, never at all hosts at once: a limit that rose everywhere would move many sets.
 */
#include "supervisor/place.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"

struct place_name {
	uint64_t hash;
	const char *name;
	uint32_t index; /* in the caller's list */
};

/* Every bit of the result depends on every bit of x. */
static uint64_t place_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= UINT64_C(0x9e3779b97f4a7c15);
	x ^= x >> 29;
	x *= UINT64_C(0xc2b2ae3d27d4eb4f);
	x ^= x >> 32;
	return x;
}

/* FNV-1a, mixed: its own high bits are weak for short names. */
static uint64_t place_hash(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		hash = (hash ^ *p) * UINT64_C(0x100000001b3);
	return place_mix(hash);
}

static int by_hash(const void *a, const void *b)
{
	const struct place_name *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return strcmp(x->name, y->name);
}

static struct place_name *names_sorted(const char *const *names, size_t n)
{
	struct place_name *sorted = calloc(n ? n : 1, sizeof(*sorted));

	if (!sorted)
		return NULL;
	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct place_name){ .hash = place_hash(names[i]),
						 .name = names[i],
						 .index = (uint32_t)i };
	qsort(sorted, n, sizeof(*sorted), by_hash);
	return sorted;
}

/* Of host number i of n in the order of hashes: an equal part of 1.1 x the sets + one for each host. */
static uint32_t place_room(size_t i, size_t n_hosts, size_t n_sets)
{
	size_t all = n_sets + n_sets / 10 + n_hosts;

	return (uint32_t)(all / n_hosts + (i < all % n_hosts));
}

int place_compute(const char *const *hosts, size_t n_hosts, const char *const *sets, size_t n_sets,
		  uint32_t *ret_owner, struct pgs_err *reterr)
{
	for (size_t i = 0; i < n_sets; i++)
		ret_owner[i] = PLACE_NONE;
	if (n_hosts == 0)
		return 0;
	PGS_CLEANUP(pgs_freep) struct place_name *host = names_sorted(hosts, n_hosts);
	PGS_CLEANUP(pgs_freep) struct place_name *set = names_sorted(sets, n_sets);
	PGS_CLEANUP(pgs_freep) uint32_t *room = calloc(n_hosts, sizeof(*room));
	if (!host || !set || !room)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < n_hosts; i++)
		room[i] = place_room(i, n_hosts, n_sets);

	for (size_t k = 0; k < n_sets; k++) {
		size_t best = n_hosts;
		uint64_t best_score = 0;
		for (size_t i = 0; i < n_hosts; i++) {
			uint64_t score = place_mix(set[k].hash ^ (host[i].hash << 1));
			if (room[i] > 0 && (best == n_hosts || score > best_score)) {
				best = i;
				best_score = score;
			}
		}
		room[best]--; /* there is always one with room: all of it is more than the sets */
		ret_owner[set[k].index] = host[best].index;
	}
	return 0;
}

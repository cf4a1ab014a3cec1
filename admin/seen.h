/*
 * admin/seen.h
 *    What the supervisors of a cluster last wrote of themselves and their sets, put together.
 *
 * Reads ZooKeeper only, changes nothing, prints nothing. What a supervisor wrote is kept as JSON: a field that is
 * missing (an older supervisor, a short status) reads as nothing.
 */
#ifndef PGSHOVEL_ADMIN_SEEN_H
#define PGSHOVEL_ADMIN_SEEN_H

#include <jansson.h>

#include "admin/admin.h"

struct seen_host {
	char name[64];
	char only[32]; /* "pgshoveld --set" of this set; "": a supervisor of the cluster */
	bool present; /* its session is open */
	bool drained;
	json_t *doc; /* owned; NULL: it has not written a status */
	int64_t age_us; /* of the status, by this machine's clock; never negative */
};

struct seen_set {
	char name[32];
	bool listed; /* ZooKeeper has it */
	const struct seen_host *host; /* whose word counts; NULL: nobody speaks of it */
	const json_t *doc; /* what that one says of it, NULL: nothing */
};

struct seen {
	struct seen_host
		*hosts; /* sorted by name; supervisors of the cluster, then those of one set */
	size_t n_hosts;
	struct seen_set *sets; /* sorted by name */
	size_t n_sets;
	int64_t at_us; /* wall clock */
	size_t n_rollouts; /* open */
	size_t n_left; /* databases that were left out */
	char admin[256]; /* who is at work, "": nobody */
};

int seen_read(struct admin *a, struct seen *ret, struct pgs_err *reterr) PGS_MUST_CHECK;
void seen_done(struct seen *seen);

/* Sums and worst cases over the sources of a set. */
struct seen_figures {
	bool known;
	int64_t queue_events, queue_age_us, lag_us;
	double rate; /* events a second */
};

struct seen_figures seen_figures(const json_t *set);

/* "up", "parked"; "unowned" when nobody has it, "unknown" when its host is away. */
const char *seen_state(const struct seen_set *set);

/* Nothing is wrong with it, as far as its host says. */
bool seen_works(const struct seen_set *set);

/* Why it does not work, one line; "": nothing is known to be wrong. */
void seen_error(const struct seen_set *set, struct pgs_buf *out);

/* A field of an object as text or number, "" or 0 when it is not there. */
const char *seen_text(const json_t *object, const char *key);
int64_t seen_number(const json_t *object, const char *key);

#endif

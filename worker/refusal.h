/*
 * worker/refusal.h
 *    Finding the event that the brokers refuse: they refuse a batch of records and say no more.
 *
 * Pure. After a refusal the events of the batch are suspects. When they are sent again, the relay settles
 * after every group of them; what is refused then is one group, and in the end one event.
 */
#ifndef PGSHOVEL_WORKER_REFUSAL_H
#define PGSHOVEL_WORKER_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/sink.h"

enum { REFUSAL_MAX = 64, REFUSAL_GROUPS = 32 };

struct refusal {
	/* Suspects; n 0: none. */
	int64_t first;
	int64_t last;
	uint64_t n;
	uint64_t group; /* so many go out together */
	uint64_t in_group;
	/* Known to be refused, each alone. */
	struct refusal_event {
		int64_t id;
		bool used; /* asked for since the last commit */
		char reason[320];
	} found[REFUSAL_MAX];
	size_t n_found;
};

/* Take a refusal in. 0: the window can be sent again, which comes nearer. -1: more than REFUSAL_MAX are found. */
int refusal_note(struct refusal *r, const struct sink_refusal *what, const struct pgs_err *err,
		 struct pgs_err *reterr);

/* Why this event is refused; NULL: it is not known to be. */
const char *refusal_of(struct refusal *r, int64_t event_id);

/* Before an event: its group must not share a batch with what came before. After it: a group has ended. */
bool refusal_settle_before(const struct refusal *r, int64_t event_id);
bool refusal_settle_after(struct refusal *r, int64_t event_id);

/* A transaction is committed: what it was about is settled. */
void refusal_committed(struct refusal *r);

/* An operator has to act: everything is tried anew afterwards. */
void refusal_forget(struct refusal *r);

#endif

/*
 * worker/retention.h
 *    What a source owes PgQ between windows: the consumer's mark, the hint, ticks when nobody ticks, and a
 *    look at the catalog.
 *
 * Runs on the source's main session, in the source's thread. With the forced flush these are the only
 * writes of a relay.
 */
#ifndef PGSHOVEL_WORKER_RETENTION_H
#define PGSHOVEL_WORKER_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"
#include "worker/source.h"
#include "worker/status.h"

struct retention {
	uint64_t next_us; /* the next look */
	uint64_t next_check_us; /* at the catalog */
	unsigned problems; /* looks in a row that found one */
	bool silent; /* nobody ticks but us */
	int64_t own_tick; /* the last one that we made */
	uint64_t next_rotate_us;
	int64_t tick; /* newest one that delivered windows cover: goes into positions */
	bool carried; /* a position with the current nonce is committed */
	int64_t delivered_id; /* largest ev_id that is delivered */
	int64_t delivered_time_us;
	uint64_t delivered_lsn;
	int64_t held_pid; /* session whose snapshot holds the mark back; 0: none */
	uint64_t held_since_us;
	bool held_said;
	int64_t captures_failed; /* as last told */
};

void retention_start(struct retention *r, const struct source *s);

/* A window is committed. */
void retention_delivered(struct retention *r, int64_t newest_ev_id, int64_t newest_time_us,
			 uint64_t lsn);

/*
 * Do what is due. snapshot: everything visible in it is delivered. caught_up: no event is known to wait.
 * CONFIG: capture is not what the set says.
 */
int retention_run(struct retention *r, struct source *s, struct status *st, const char *snapshot,
		  bool caught_up, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Only how many events wait and since when; any session will do. */
int retention_tell_queue(const struct retention *r, const struct source *s, struct status *st,
			 struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

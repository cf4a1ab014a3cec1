/*
 * worker/status.h
 *    What one source tells the thread that speaks with the supervisor: state, phase, counters.
 *
 * Written by the source's own thread, read by main.c's; every call takes the lock for a moment. A change of
 * state wakes the reader, a change of phase does not.
 */
#ifndef PGSHOVEL_WORKER_STATUS_H
#define PGSHOVEL_WORKER_STATUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/ctlproto.h"
#include "common/err.h"
#include "worker/token.h"

struct status {
	pthread_mutex_t lock;
	int wake_fd; /* eventfd of the reader, -1: nobody listens */
	enum ctl_state state;
	enum ctl_phase phase;
	enum pgs_err_class cls; /* of the error that parked the source */
	bool judged; /* START has ended once, either way */
	bool changed; /* since the reader looked last */
	uint64_t phase_since_us;
	uint64_t moved_us; /* began to work, or committed */
	bool ticker_silent;
	uint64_t captures_failed;
	uint64_t events;
	uint64_t transactions;
	uint64_t queue_events;
	uint64_t queue_age_us;
	uint64_t delivered_ev_time_us;
	uint64_t lag_us[CTL_N_LAGS];
	uint64_t lsn;
	uint64_t tick;
	char snapshot[sizeof(((struct ctl_msg *)NULL)->u.beat.snapshot)];
	char text[CTL_TEXT_MAX];
};

void status_init(struct status *st, int wake_fd);
void status_phase(struct status *st, enum ctl_phase phase);

/* text NULL: keep; "": nothing to say. */
void status_state(struct status *st, enum ctl_state state, const char *text);

/* The end of a try: RETRY becomes retrying, CONFIG and FENCED parked. */
void status_failed(struct status *st, const struct pgs_err *err);

/* A window that Kafka has committed. Times are wall clock; what each clock means is said in common/ctlproto.h. */
struct status_window {
	uint64_t events;
	int64_t ev_time_us; /* the newest event's */
	int64_t asked_us;
	int64_t read_us;
	int64_t acknowledged_us;
};

void status_sent(struct status *st, const struct status_window *window);

/* Everything that this snapshot shows is delivered, whether it had events or not. */
void status_position(struct status *st, const char *snapshot, uint64_t lsn, int64_t tick);
void status_queue(struct status *st, uint64_t events, uint64_t age_us, bool ticker_silent);
void status_captures_failed(struct status *st, uint64_t n);

/*
 * Fill the beat of one source; everything but `source`, `n_sources` and `database`. A source that works is said
 * to be stalled when events wait and nothing was committed for 60 s.
 */
void status_beat(struct status *st, struct ctl_msg *ret);

/* The owner's token, which the supervisor may replace while sources run. */
struct token_box {
	pthread_mutex_t lock;
	struct token token;
	char text[TOKEN_TEXT_MAX];
	unsigned version; /* counts replacements */
};

void token_box_init(struct token_box *box, const struct token *token, const char *text);
void token_box_put(struct token_box *box, const struct token *token, const char *text);
/* Copies the token; returns its version. */
unsigned token_box_get(struct token_box *box, struct token *ret, char ret_text[TOKEN_TEXT_MAX]);

#endif

/*
 * worker/status.c
 *    See worker/status.h.
 */
#include "worker/status.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "worker/wait.h"

enum { STALLED_AFTER_US = 60 * 1000 * 1000 };

void status_init(struct status *st, int wake_fd)
{
	*st = (struct status){ .lock = PTHREAD_MUTEX_INITIALIZER,
			       .wake_fd = wake_fd,
			       .state = CTL_STATE_STARTING,
			       .phase = CTL_PHASE_CONNECT,
			       .phase_since_us = pgs_now_us() };
}

static void lock(struct status *st)
{
	(void)pthread_mutex_lock(
		&st->lock); /* cannot fail for a plain mutex that this thread does not hold */
}

static void unlock(struct status *st)
{
	(void)pthread_mutex_unlock(&st->lock);
}

void status_phase(struct status *st, enum ctl_phase phase)
{
	lock(st);
	if (st->phase != phase) {
		st->phase = phase;
		st->phase_since_us = pgs_now_us();
	}
	unlock(st);
}

static void state_locked(struct status *st, enum ctl_state state, const char *text)
{
	if (text && strcmp(st->text, text) != 0) {
		(void)snprintf(st->text, sizeof(st->text), "%s", text); /* cut when too long */
		st->changed = true;
	}
	if (st->state != state) {
		st->state = state;
		st->moved_us = pgs_now_us();
		st->changed = true;
	}
	if (state != CTL_STATE_STARTING && !st->judged) {
		st->judged = true;
		st->changed = true;
	}
	if (st->changed && st->wake_fd >= 0)
		wait_event_set(st->wake_fd);
}

void status_state(struct status *st, enum ctl_state state, const char *text)
{
	lock(st);
	state_locked(st, state, text);
	unlock(st);
}

void status_failed(struct status *st, const struct pgs_err *err)
{
	lock(st);
	st->cls = err->cls;
	state_locked(st, err->cls == PGS_ERR_RETRY ? CTL_STATE_RETRYING : CTL_STATE_PARKED,
		     err->msg);
	unlock(st);
}

/* Clocks of two machines may differ: a time before its beginning is none. */
static uint64_t between(int64_t from_us, int64_t to_us)
{
	return to_us > from_us ? (uint64_t)(to_us - from_us) : 0;
}

void status_sent(struct status *st, const struct status_window *window)
{
	lock(st);
	st->events += window->events;
	st->transactions++;
	st->moved_us = pgs_now_us();
	st->delivered_ev_time_us = (uint64_t)window->ev_time_us;
	st->lag_us[CTL_LAG_ASKED] = between(window->ev_time_us, window->asked_us);
	st->lag_us[CTL_LAG_READ] = between(window->asked_us, window->read_us);
	st->lag_us[CTL_LAG_ACKNOWLEDGED] = between(window->read_us, window->acknowledged_us);
	st->lag_us[CTL_LAG_END_TO_END] = between(window->ev_time_us, window->acknowledged_us);
	unlock(st);
}

void status_position(struct status *st, const char *snapshot, uint64_t lsn, int64_t tick)
{
	/* "XMIN:XMAX:XIP,...": the list of those in progress may be long. */
	const char *xmax = strchr(snapshot, ':');
	const size_t len = xmax ? (size_t)(xmax - snapshot) + 1 + strcspn(xmax + 1, ":") : 0;
	lock(st);
	st->lsn = lsn;
	st->tick = tick > 0 ? (uint64_t)tick : 0;
	(void)snprintf(st->snapshot, sizeof(st->snapshot), "%.*s", (int)len,
		       snapshot); /* two numbers fit */
	unlock(st);
}

void status_queue(struct status *st, uint64_t events, uint64_t age_us, bool ticker_silent)
{
	lock(st);
	st->queue_events = events;
	st->queue_age_us = age_us;
	if (st->ticker_silent != ticker_silent) {
		st->ticker_silent = ticker_silent;
		st->changed = true;
	}
	unlock(st);
}

void status_captures_failed(struct status *st, uint64_t n)
{
	lock(st);
	st->changed = st->changed || st->captures_failed != n;
	st->captures_failed = n;
	unlock(st);
}

/* Events wait: in the queue, as last counted, or in hand. */
static bool stalled_locked(const struct status *st, uint64_t now)
{
	const bool in_hand = st->phase == CTL_PHASE_ENCODE || st->phase == CTL_PHASE_FLUSH ||
			     st->phase == CTL_PHASE_COMMIT;
	return st->state == CTL_STATE_WORKING && (in_hand || st->queue_events) &&
	       now - st->moved_us >= STALLED_AFTER_US;
}

void status_beat(struct status *st, struct ctl_msg *ret)
{
	*ret = (struct ctl_msg){ .type = CTL_BEAT, .format = CTL_FORMAT };
	lock(st);
	const uint64_t now = pgs_now_us();
	ret->u.beat.state = (uint8_t)(stalled_locked(st, now) ? CTL_STATE_STALLED : st->state);
	ret->u.beat.phase = (uint8_t)st->phase;
	ret->u.beat.ticker_silent = st->ticker_silent;
	ret->u.beat.captures_failed = st->captures_failed;
	ret->u.beat.events = st->events;
	ret->u.beat.transactions = st->transactions;
	ret->u.beat.queue_events = st->queue_events;
	ret->u.beat.queue_age_us = st->queue_age_us;
	ret->u.beat.delivered_ev_time_us = st->delivered_ev_time_us;
	memcpy(ret->u.beat.lag_us, st->lag_us, sizeof(st->lag_us));
	ret->u.beat.lsn = st->lsn;
	ret->u.beat.tick = st->tick;
	memcpy(ret->u.beat.snapshot, st->snapshot, sizeof(st->snapshot));
	ret->u.beat.phase_age_us = now - st->phase_since_us;
	(void)snprintf(ret->u.beat.text, sizeof(ret->u.beat.text), "%s",
		       st->text); /* equal sizes */
	st->changed = false;
	unlock(st);
}

void token_box_init(struct token_box *box, const struct token *token, const char *text)
{
	*box = (struct token_box){ .lock = PTHREAD_MUTEX_INITIALIZER, .token = *token };
	(void)snprintf(box->text, sizeof(box->text), "%s", text); /* parsed: it fits */
}

void token_box_put(struct token_box *box, const struct token *token, const char *text)
{
	(void)pthread_mutex_lock(&box->lock);
	box->token = *token;
	(void)snprintf(box->text, sizeof(box->text), "%s", text);
	box->version++;
	(void)pthread_mutex_unlock(&box->lock);
}

unsigned token_box_get(struct token_box *box, struct token *ret, char ret_text[TOKEN_TEXT_MAX])
{
	(void)pthread_mutex_lock(&box->lock);
	*ret = box->token;
	memcpy(ret_text, box->text, TOKEN_TEXT_MAX);
	const unsigned version = box->version;
	(void)pthread_mutex_unlock(&box->lock);
	return version;
}

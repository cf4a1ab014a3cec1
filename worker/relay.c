/*
 * worker/relay.c
 *    The straight line of one source: START, LOOP, ERROR, STOP (docs/operations.md, "The relay").
 *
 * What each step does is in relay_start.c, window.c, relay_send.c, retention.c. Only this file decides what
 * follows an error, and only this file and retention.c log.
 */
#include "worker/relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/steps.h"
#include "worker/wait.h"

enum {
	POLL_AFTER_1S_US = 50 * 1000,
	POLL_AFTER_1MIN_US = 500 * 1000,
	PARKED_RETRY_US = 300 * 1000 * 1000,
	HELD_MAX_BYTES = 1 << 30, /* two records of an event; the encoder bounds them */
	SKELETON_MAX_BYTES = 256 * 1024,
	WORKED_US = 60 * 1000 * 1000, /* so long, or a commit, and the back-off begins anew */
};

/* Quick while events came lately, slow after a minute without any. */
static void rest(struct relay *r)
{
	const uint64_t idle = pgs_now_us() - r->sent_at_us;
	uint64_t poll_us = r->poll_us;
	status_phase(r->status, CTL_PHASE_IDLE);
	if (idle > 1000000 && poll_us < POLL_AFTER_1S_US)
		poll_us = POLL_AFTER_1S_US;
	if (idle > 60000000 && poll_us < POLL_AFTER_1MIN_US)
		poll_us = POLL_AFTER_1MIN_US;
	if (idle > 1000000)
		reader_trim(r->reader);
	(void)wait_for(r->config.stop_fd, -1, false, poll_us);
}

/* The next part of a window is read while the one before is committed, when that is still going on. */
static int read_on(struct relay *r, const struct window **ret, struct pgs_err *reterr)
{
	struct pgs_err err = { .cls = PGS_ERR_NONE };
	status_phase(r->status, CTL_PHASE_WINDOW);
	const int rc = window_next(r->reader, &r->read, ret, &err);
	/* How the part before it ended comes first: a refusal must not be forgotten. */
	if (relay_settle(r, reterr))
		return -1;
	if (rc)
		*reterr = err;
	return rc;
}

/* Once around. */
static int run_part(struct relay *r, struct pgs_err *reterr)
{
	const struct window *w = NULL;
	if (read_on(r, &w, reterr))
		return -1;
	if (w->n) {
		RELAY_STEP(window_read);
		if (relay_send(r, w, reterr))
			return -1;
	}
	const struct position_state *after = &w->after;
	if (position_state_set(&r->read, after->snapshot, after->upto, after->cut_tx, after->ev_id,
			       reterr))
		return -1;
	if (w->n ? !w->more && relay_settle(r, reterr) : relay_follow(r, w->lsn, reterr))
		return -1;
	if (r->config.owned && retention_run(&r->retention, r->source, r->status, r->state.snapshot,
					     !w->more && !w->n, reterr))
		return -1;
	if (!w->n && !w->more)
		rest(r);
	else if (!w->more)
		r->sink->ops->ready(r->sink);
	return 0;
}

/* START and LOOP. 0: asked to stop, and nothing is open. */
static int run_line(struct relay *r, struct pgs_err *reterr)
{
	r->started_us = 0;
	if (relay_start(r, reterr))
		return -1;
	const struct position_state *at = &r->state;
	if (position_state_set(&r->read, at->snapshot, at->upto, at->cut_tx, at->ev_id, reterr))
		return -1;
	r->started_us = pgs_now_us();
	status_state(r->status, CTL_STATE_WORKING, "");
	while (!wait_event_is_set(r->config.stop_fd))
		if (run_part(r, reterr))
			return -1;
	return relay_settle(r, reterr);
}

/* Nothing is resumed: what is not committed is read again. */
static void let_go(struct relay *r)
{
	r->sink->ops->drop(r->sink);
	reader_free(r->reader);
	r->reader = NULL;
	encoder_freep(&r->encoder);
	source_free(r->source);
	r->source = NULL;
	r->last_relation = NULL;
	r->sent.events = 0;
	position_state_done(&r->state);
	position_state_done(&r->read);
}

/* ERROR: say it, let go, wait. */
static void recover(struct relay *r, struct pgs_err *err, struct pgs_backoff *backoff)
{
	uint32_t random = 0;
	uint64_t delay = PARKED_RETRY_US;
	/*
	 * Kafka's fence (the only one with a code) also falls on a transaction that timed out. Who owns the source
	 * is for its lock to say: START asks it before anybody else is fenced.
	 */
	if (err->cls == PGS_ERR_FENCED && *err->code)
		err->cls = PGS_ERR_RETRY;
	let_go(r);
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = 0; /* jitter: any value will do */
	if (err->cls == PGS_ERR_RETRY) {
		delay = pgs_backoff_next(backoff, random);
		pgs_log(PGS_LOG_WARNING, r->log_prefix, "%s; trying again in %" PRIu64 " ms",
			err->msg, delay / 1000);
	} else {
		pgs_log(PGS_LOG_ERR, r->log_prefix, "%s; this source is parked", err->msg);
	}
	if (err->cls != PGS_ERR_RETRY)
		refusal_forget(&r->refusal);
	status_failed(r->status, err);
	status_phase(r->status, CTL_PHASE_BACKOFF);
	(void)wait_for(r->config.stop_fd, -1, false, delay);
}

/* A START that took long and failed is no work. */
static bool has_worked(const struct relay *r, uint64_t commits_before)
{
	return r->status->transactions != commits_before ||
	       (r->started_us && pgs_now_us() - r->started_us > WORKED_US);
}

void relay_run(struct relay *r)
{
	struct pgs_backoff backoff = { .base_us = 250 * 1000, .cap_us = 60 * 1000 * 1000 };
	while (!wait_event_is_set(r->config.stop_fd)) {
		struct pgs_err err = { .cls = PGS_ERR_NONE };
		const uint64_t commits = r->status->transactions; /* written by this thread */
		if (run_line(r, &err) == 0 || strcmp(err.code, "interrupt") == 0)
			break;
		/* A refused batch comes nearer to its event with every start. */
		if (has_worked(r, commits) || strcmp(err.code, "narrowed") == 0)
			pgs_backoff_reset(&backoff);
		recover(r, &err, &backoff);
	}
	/* STOP: run_line() finished the open transaction, or what was open is dropped here. */
	let_go(r);
}

int relay_new(const struct source_config *config, struct status *status, struct sink *sink,
	      struct relay **ret, struct pgs_err *reterr)
{
	struct relay *r = calloc(1, sizeof(*r));
	if (!r)
		return pgs_err_nomem(reterr);
	r->config = *config;
	r->status = status;
	r->poll_us = config->doc->relay.poll_us;
	r->key = PGS_BUF_INIT(256);
	r->text = PGS_BUF_INIT(2 * (size_t)POSITION_MAX_BYTES);
	r->held.text = PGS_BUF_INIT(HELD_MAX_BYTES);
	r->skeleton = PGS_BUF_INIT(SKELETON_MAX_BYTES);
	r->poison_limit = (struct pgs_log_limit){ .interval_us = 10 * 1000 * 1000, .burst = 10 };
	(void)snprintf(r->log_prefix, sizeof(r->log_prefix), "set=%s database=%.64s",
		       config->assignment->set, config->db->name);
	if (setdoc_topic_prefix(config->doc, config->assignment->set, config->db, &r->prefix,
				reterr)) {
		free(r);
		return -1;
	}
	switch (config->doc->relay.on_poison) {
	case SETDOC_POISON_STOP:
		break;
	case SETDOC_POISON_QUARANTINE:
		r->quarantine_topic = encode_topic_quarantine(r->prefix);
		if (!r->quarantine_topic) {
			free(r->prefix);
			free(r);
			return pgs_err_nomem(reterr);
		}
		break;
	}
	r->sink = sink;
	*ret = r;
	return 0;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	let_go(r);
	r->sink->ops->free(r->sink);
	position_transaction_done(&r->transaction);
	pgs_buf_done(&r->key);
	pgs_buf_done(&r->text);
	pgs_buf_done(&r->held.text);
	pgs_buf_done(&r->skeleton);
	free(r->quarantine_topic);
	free(r->prefix);
	free(r);
}

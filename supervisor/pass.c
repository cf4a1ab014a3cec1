/*
 * supervisor/pass.c
 *    Builds the view of every slot, asks reconcile_step() and does what it says.
 *
 * Level-triggered: a pass may run at any time and as often as one likes. What arrives between two passes is
 * only noted down by the callbacks.
 */
#include "supervisor/pass.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/exitcode.h"
#include "supervisor/channel.h"
#include "supervisor/desired.h"
#include "supervisor/hosts.h"
#include "supervisor/locks.h"
#include "supervisor/loop.h"
#include "supervisor/reap.h"
#include "supervisor/report.h"
#include "supervisor/spawn.h"
#include "supervisor/spread.h"
#include "supervisor/stop.h"

enum {
	PASS_EVERY_US = 1000 * 1000,
	LAG_US =
		500 * 1000, /* later than this is not the scheduler's mood but an absence of ours */
	HELLO_US = 30 * 1000 * 1000,
	STARTING_AT_ONCE = 20,
	STARTING_FOR_US = 10 * 1000 *
			  1000, /* one that starts for longer than this no longer holds others up */
};

static enum slot_want want_of(const struct supervisor *sup, const struct slot *slot)
{
	if (sup->stopping)
		return WANT_REST;
	if (!slot->exists && (slot->node_known || !sup->config.set))
		return WANT_GONE;
	if (!slot->exists || !slot->node_known || !sup->cluster_known)
		return WANT_REST;
	if (supervisor_takes_locks(sup) && (!slot->owned || spread_leaves(sup, slot)))
		return WANT_REST;
	return slot->document_error[0] ? WANT_PARK : WANT_RUN;
}

static const char *stop_reason(const struct supervisor *sup, const struct slot *slot,
			       enum slot_want want)
{
	if (sup->stopping)
		return "the supervisor is stopping";
	switch (want) {
	case WANT_RUN:
		return slot_stale(slot) ? "the set has a new version"
					: "what is parked of it is tried again";
	case WANT_PARK:
		return "the set's document cannot be used";
	case WANT_GONE:
		return "the set was dropped";
	case WANT_REST:
		break;
	}
	if (slot->owner[0])
		return slot->owner;
	return slot->placed ? "the set is not ours any more" : "the set moves to another host";
}

/* The time after which a running worker counts as hung; why is for the log. */
static uint64_t hung_at(const struct supervisor *sup, struct slot *slot, const char **ret_why)
{
	uint64_t limit_us = sup->config.heartbeat_timeout_us;

	*ret_why = "no sign of life within the heartbeat timeout";
	for (size_t i = 0; i < slot->n_sources; i++) {
		struct slot_source *source = &slot->sources[i];
		struct phase_limit limit = reconcile_phase_limit(source->phase);
		if (!source->known)
			continue;
		if (limit.named_us && source->phase_age_us >= limit.named_us && !source->named) {
			source->named = true;
			pgs_log(PGS_LOG_WARNING, slot->prefix,
				"source \"%s\" is in the same phase for %.0f s: %s",
				source->database, (double)source->phase_age_us / 1e6,
				source->text[0] ? source->text : "it gives no reason");
		}
		if (limit.killed_us && source->phase_age_us >= limit.killed_us) {
			*ret_why = "a source is stuck while reading or encoding";
			return 0;
		}
	}
	/* Until it has said hello it may be held up by the machine alone. */
	if (!slot->hello && limit_us < HELLO_US)
		limit_us = HELLO_US;
	return slot->heard_us + limit_us;
}

static void start(struct supervisor *sup, struct slot *slot)
{
	struct pgs_err err = { 0 };
	bool retry_of_parked =
		slot->state == SLOT_PARKED && !slot_stale(slot) && slot->mzxid == slot->run_mzxid;

	slot->retry = false;
	if (slot_stale(slot) || slot->mzxid != slot->run_mzxid) {
		pgs_backoff_reset(&slot->backoff);
		slot->failures = 0;
	}
	if (spawn_worker(sup, slot, &err) < 0) {
		reap_failed_start(sup, slot, &err);
		return;
	}
	pgs_log(PGS_LOG_INFO, slot->prefix, "started worker (pid %d) with version %.12s%s",
		(int)slot->pid, slot->version,
		retry_of_parked ? ", to see whether it works by now" : "");
}

/* True: the slot is no more. */
static bool forget(struct supervisor *sup, struct slot *slot)
{
	if (slot->node_asked || !locks_release(sup, slot) || slot->lock_asked)
		return false;
	pgs_log(PGS_LOG_INFO, slot->prefix, "the set does not exist any more; forgotten");
	slots_remove(&sup->slots, slot);
	sup->status_dirty = true;
	return true;
}

/* One slot. True: it is no more. */
static bool step(struct supervisor *sup, struct slot *slot, uint64_t now_us, unsigned *n_starting)
{
	const char *why = "";
	struct slot_view view = {
		.state = slot->state,
		.want = want_of(sup, slot),
		.stale = slot_stale(slot),
		.touched = (slot->retry || slot->mzxid != slot->run_mzxid) &&
			   (!slot_running(slot) || slot_partly_parked(slot)),
		.may_start = *n_starting < STARTING_AT_ONCE && !locks_in_doubt(sup, slot),
		.deadline_us = slot->deadline_us,
	};

	if (slot->state == SLOT_STARTING || slot->state == SLOT_UP)
		view.deadline_us = hung_at(sup, slot, &why);
	switch (reconcile_step(&view, now_us)) {
	case ACT_NONE:
		break;
	case ACT_SPAWN:
		start(sup, slot);
		++*n_starting;
		break;
	case ACT_STOP:
		stop_begin(sup, slot, stop_reason(sup, slot, view.want));
		break;
	case ACT_ESCALATE:
		stop_escalate(sup, slot);
		break;
	case ACT_KILL:
		stop_kill(sup, slot, why);
		break;
	case ACT_PARK:
		slot->state = SLOT_PARKED;
		slot->deadline_us = now_us + REAP_PARK_RETRY_US;
		sup->status_dirty = true;
		break;
	case ACT_REST:
		slot->state = SLOT_IDLE;
		slot->deadline_us = 0;
		sup->status_dirty = true;
		break;
	case ACT_FORGET:
		return forget(sup, slot);
	}
	return false;
}

static void wake_at(uint64_t *next_us, uint64_t at_us)
{
	if (at_us < *next_us)
		*next_us = at_us;
}

/* --set: what a daemon would wait for ends a command. */
static void check_foreground(struct supervisor *sup)
{
	if (!sup->config.set || sup->stopping)
		return;
	if (sup->cluster_missing) {
		loop_finish(sup, PGS_EXIT_CONFIG); /* desired.c has said why */
		return;
	}
	struct slot *slot = slots_find(&sup->slots, sup->config.set);
	if (slot && slot->node_known && slot->exists)
		return;
	if (slot && slot->node_known && slot->starts == 0 && slot->lock == LOCK_NONE) {
		pgs_log(PGS_LOG_ERR, NULL,
			"set \"%s\" does not exist in cluster \"%s\"; see \"pgshovel set list\"",
			sup->config.set, sup->config.cluster);
		loop_finish(sup, PGS_EXIT_CONFIG);
	} else if (!slot || slot->node_known) {
		pgs_log(PGS_LOG_NOTICE, NULL, "set \"%s\" was dropped; ending", sup->config.set);
		loop_finish(sup, PGS_EXIT_OK);
	}
}

uint64_t pass_run(struct supervisor *sup)
{
	uint64_t now_us = pgs_now_us(), next_us = now_us + PASS_EVERY_US;
	unsigned n_starting = 0;
	bool running = false;

	/* Nobody is to be blamed for words that we were not there to hear. */
	if (sup->last_pass_us && now_us - sup->last_pass_us > PASS_EVERY_US + LAG_US) {
		uint64_t away_us = now_us - sup->last_pass_us - PASS_EVERY_US;
		slots_forgive(&sup->slots, away_us);
		pgs_log(PGS_LOG_WARNING, NULL,
			"the supervisor was held up for %.1f s; no worker is blamed for it",
			(double)away_us / 1e6);
	}
	sup->last_pass_us = now_us;

	slots_gather(&sup->slots);
	desired_pump(sup);
	hosts_pump(sup);
	spread_pump(sup);
	locks_pump(sup);
	abandoned_pump(sup);
	leftover_pump(sup);
	check_foreground(sup);
	for (size_t i = 0; i < sup->slots.n_busy; i++)
		if (sup->slots.busy[i]->state == SLOT_STARTING &&
		    now_us - sup->slots.busy[i]->spawned_us < STARTING_FOR_US)
			n_starting++;
	for (size_t i = 0; i < sup->slots.n_busy;) {
		struct slot *slot = sup->slots.busy[i];
		if (step(sup, slot, now_us, &n_starting))
			continue;
		i++;
		running |= slot_running(slot);
		if (sup->fast)
			stop_hurry(sup, slot);
		if (slot->deadline_us > now_us)
			wake_at(&next_us, slot->deadline_us);
	}
	if (sup->retry_at_us > now_us)
		wake_at(&next_us, sup->retry_at_us);
	report_pump(sup);
	sup->finished = sup->stopping && !running;
	return next_us;
}

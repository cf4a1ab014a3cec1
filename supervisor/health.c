/*
 * supervisor/health.c
 *    Does every set move that should? See supervisor/health.h.
 */
#include "supervisor/health.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/step.h"

enum { MAX_REASONS = 100, CONNECTED_US = 5 * 1000 * 1000 };

/* Times may lie ahead: slots_forgive() moves them. */
static uint64_t since(uint64_t now_us, uint64_t at_us)
{
	return now_us > at_us ? now_us - at_us : 0;
}

static double seconds(uint64_t us)
{
	return (double)us / 1e6;
}

static bool connected(const struct supervisor *sup, uint64_t now_us)
{
	return since(now_us, sup->zk_seen_us) < CONNECTED_US;
}

bool health_concerns(const struct supervisor *sup, const struct slot *slot, uint64_t now_us)
{
	if (!slot->exists || sup->stopping)
		return false;
	if (!supervisor_takes_locks(sup) || slot->owned)
		return true;
	/* Its place is here and nobody else has it: nobody will, unless we do. */
	return slot->placed && slot->lock != LOCK_ELSEWHERE && connected(sup, now_us);
}

/* A worker that is up for an instant between two crashes is not. */
static bool is_up(const struct slot *slot, uint64_t now_us)
{
	return slot->state == SLOT_UP &&
	       (slot->failures == 0 || since(now_us, slot->spawned_us) >= HEALTH_SETTLED_US);
}

void health_note(struct supervisor *sup, uint64_t now_us)
{
	if (sup->zk && zk_state(sup->zk) == ZK_CONNECTED)
		sup->zk_seen_us = now_us;
	for (size_t i = 0; i < sup->slots.n; i++) {
		struct slot *slot = sup->slots.list[i];
		if (!slot_ours(slot))
			continue; /* begins anew when it is placed here */
		if (slot->well_us == 0 || !health_concerns(sup, slot, now_us) ||
		    is_up(slot, now_us))
			slot->well_us = now_us;
	}
}

static bool source_well(const struct slot_source *source, uint64_t now_us,
			char ret_why[HEALTH_TEXT_MAX])
{
	uint64_t idle_us = since(now_us, source->working_us);

	if (source->state == CTL_STATE_PARKED)
		(void)snprintf(ret_why, HEALTH_TEXT_MAX, "database \"%s\" is parked: %s",
			       source->database, source->text);
	else if (source->state == CTL_STATE_STALLED)
		(void)snprintf(ret_why, HEALTH_TEXT_MAX,
			       "database \"%s\" is stalled: events wait and none is committed",
			       source->database);
	else if (source->state != CTL_STATE_WORKING && idle_us >= HEALTH_STUCK_US)
		(void)snprintf(ret_why, HEALTH_TEXT_MAX, "database \"%s\" is %s for %.0f s: %s",
			       source->database, ctl_state_name(source->state), seconds(idle_us),
			       source->text);
	else if (source->queue_events && source->queue_age_us >= HEALTH_STUCK_US &&
		 since(now_us, source->moved_us) >= HEALTH_STUCK_US)
		(void)snprintf(
			ret_why, HEALTH_TEXT_MAX,
			"database \"%s\": %llu events wait, and none was delivered for %.0f s",
			source->database, (unsigned long long)source->queue_events,
			seconds(since(now_us, source->moved_us)));
	else
		return true;
	return false;
}

/* Why a set has no worker, as far as it is known. */
static const char *down_because(const struct slot *slot)
{
	if (slot->last_text[0])
		return slot->last_text;
	if (slot->owner[0])
		return slot->owner;
	return slot->owned ? "it gives no reason" : "nobody holds its lock";
}

/* Tests have less patience. */
static uint64_t silent_us(void)
{
	return PGS_TEST_NUMBER("PGSHOVEL_SILENT_SECONDS", HEALTH_SILENT_US / 1000000) * 1000000ULL;
}

bool health_set(const struct supervisor *sup, const struct slot *slot, uint64_t now_us,
		char ret_why[HEALTH_TEXT_MAX])
{
	ret_why[0] = '\0';
	if (!health_concerns(sup, slot, now_us))
		return true;
	if (slot->document_error[0])
		(void)snprintf(ret_why, HEALTH_TEXT_MAX, "its document cannot be used: %s",
			       slot->document_error);
	else if (slot->state == SLOT_PARKED)
		(void)snprintf(ret_why, HEALTH_TEXT_MAX, "parked: %s", slot->last_text);
	else if (since(now_us, slot->well_us) >= HEALTH_DOWN_US)
		(void)snprintf(ret_why, HEALTH_TEXT_MAX, "not up for %.0f s (%s): %s",
			       seconds(since(now_us, slot->well_us)), slot_state_name(slot->state),
			       down_because(slot));
	else if (slot->state == SLOT_UP && since(now_us, slot->heard_us) >= silent_us())
		(void)snprintf(ret_why, HEALTH_TEXT_MAX,
			       "its worker (pid %d) has said nothing for %.0f s", (int)slot->pid,
			       seconds(since(now_us, slot->heard_us)));
	for (size_t i = 0; !ret_why[0] && slot_running(slot) && i < slot->n_sources; i++)
		if (slot->sources[i].known)
			(void)source_well(&slot->sources[i], now_us, ret_why);
	return !ret_why[0];
}

/* What concerns no single set. */
static size_t general_reasons(const struct supervisor *sup, struct pgs_buf *out)
{
	size_t n = 0;

	if (sup->stopping) {
		pgs_buf_lit(out, "the supervisor is stopping\n");
		n++;
	} else if (!sup->ready) {
		pgs_buf_printf(out, "no complete look at ZooKeeper yet: %s\n",
			       sup->zk && zk_trouble(sup->zk)[0] ? zk_trouble(sup->zk)
								 : "still reading");
		n++;
	}
	if (sup->cluster_error[0]) {
		pgs_buf_printf(out, "the cluster cannot be used: %s\n", sup->cluster_error);
		n++;
	}
	return n;
}

bool health_check(const struct supervisor *sup, uint64_t now_us, struct pgs_buf *out)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf reasons = PGS_BUF_INIT(HEALTH_MAX_BYTES);
	char why[HEALTH_TEXT_MAX];
	size_t n = general_reasons(sup, &reasons);

	for (size_t i = 0; i < sup->slots.n; i++) {
		const struct slot *slot = sup->slots.list[i];
		if (!health_set(sup, slot, now_us, why) && ++n <= MAX_REASONS)
			pgs_buf_printf(&reasons, "set \"%s\": %s\n", slot->set, why);
	}
	pgs_buf_puts(out, n ? "unhealthy\n" : "ok\n");
	pgs_buf_puts(out, pgs_buf_str(&reasons));
	if (n > MAX_REASONS)
		pgs_buf_printf(out, "and %zu more\n", n - MAX_REASONS);
	if (sup->ready && !connected(sup, now_us))
		pgs_buf_printf(out,
			       "note: no connection to ZooKeeper for %.0f s; what runs goes on\n",
			       seconds(since(now_us, sup->zk_seen_us)));
	return n == 0;
}

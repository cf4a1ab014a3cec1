/*
 * supervisor/slots.c
 *    The table of slots, sorted by name.
 *
 * Decides nothing (reconcile.c) and does nothing (spawn.c, stop.c).
 */
#include "supervisor/slots.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/step.h"

enum { BACKOFF_BASE_US = 250 * 1000, BACKOFF_CAP_MS = 60 * 1000 };

static uint64_t backoff_cap_us(void)
{
	return (uint64_t)PGS_TEST_NUMBER("PGSHOVEL_BACKOFF_MS", BACKOFF_CAP_MS) * 1000;
}

/* Where the name is, or where it belongs. */
static size_t slots_position(const struct slots *slots, const char *set)
{
	size_t low = 0, high = slots->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(slots->list[middle]->set, set) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct slot *slots_find(const struct slots *slots, const char *set)
{
	size_t at = slots_position(slots, set);

	return at < slots->n && strcmp(slots->list[at]->set, set) == 0 ? slots->list[at] : NULL;
}

struct slot *slots_add(struct slots *slots, const char *set)
{
	size_t at = slots_position(slots, set);

	assert(strlen(set) < SLOT_NAME_MAX);
	assert(at >= slots->n || strcmp(slots->list[at]->set, set) != 0);
	if (slots->n == slots->cap) {
		size_t cap = slots->cap ? slots->cap * 2 : 16;
		struct slot **list = reallocarray(slots->list, cap, sizeof(struct slot *));
		if (!list)
			return NULL;
		slots->list = list;
		struct slot **busy = reallocarray(slots->busy, cap, sizeof(struct slot *));
		if (!busy)
			return NULL;
		slots->busy = busy;
		slots->cap = cap;
	}
	struct slot *slot = calloc(1, sizeof(*slot));
	if (!slot)
		return NULL;
	(void)snprintf(slot->set, sizeof(slot->set), "%s", set);
	(void)snprintf(slot->prefix, sizeof(slot->prefix), "set=%s", set);
	slot->pidfd = slot->ctl_fd = -1;
	slot->backoff =
		(struct pgs_backoff){ .base_us = BACKOFF_BASE_US, .cap_us = backoff_cap_us() };
	slot->log_limit = (struct pgs_log_limit){ .interval_us = 60 * 1000 * 1000, .burst = 20 };
	memmove(&slots->list[at + 1], &slots->list[at], (slots->n - at) * sizeof(struct slot *));
	slots->list[at] = slot;
	slots->n++;
	return slot;
}

static void slot_free(struct slot *slot)
{
	assert(!slot_running(slot));
	free(slot->document);
	free(slot->sources);
	free(slot);
}

void slots_remove(struct slots *slots, struct slot *slot)
{
	size_t at = slots_position(slots, slot->set);

	assert(at < slots->n && slots->list[at] == slot);
	assert(!slot->node_asked && !slot->lock_asked);
	memmove(&slots->list[at], &slots->list[at + 1],
		(slots->n - at - 1) * sizeof(struct slot *));
	slots->n--;
	for (size_t i = 0; i < slots->n_busy; i++)
		if (slots->busy[i] == slot) {
			memmove(&slots->busy[i], &slots->busy[i + 1],
				(slots->n_busy - i - 1) * sizeof(struct slot *));
			slots->n_busy--;
			break;
		}
	slot_free(slot);
}

void slots_gather(struct slots *slots)
{
	slots->n_busy = 0;
	for (size_t i = 0; i < slots->n; i++) {
		struct slot *slot = slots->list[i];
		if (slot_ours(slot) || !slot->exists || slot->watched || slot->state != SLOT_IDLE)
			slots->busy[slots->n_busy++] = slot;
	}
}

void slots_done(struct slots *slots)
{
	for (size_t i = 0; i < slots->n; i++)
		slot_free(slots->list[i]);
	free(slots->list);
	free(slots->busy);
	*slots = (struct slots){ 0 };
}

bool slot_running(const struct slot *slot)
{
	return slot->pid > 0;
}

bool slot_ours(const struct slot *slot)
{
	return slot->placed || slot->owned || slot_running(slot);
}

bool slot_partly_parked(const struct slot *slot)
{
	if (!slot_running(slot))
		return false;
	for (size_t i = 0; i < slot->n_sources; i++)
		if (slot->sources[i].known && slot->sources[i].state == CTL_STATE_PARKED)
			return true;
	return false;
}

bool slot_stale(const struct slot *slot)
{
	return strcmp(slot->version, slot->run_version) != 0 ||
	       strcmp(slot->rollout, slot->run_rollout) != 0;
}

void slots_forgive(struct slots *slots, uint64_t away_us)
{
	for (size_t i = 0; i < slots->n; i++) {
		struct slot *slot = slots->list[i];
		if (slot->state == SLOT_STOPPING)
			slot->deadline_us += away_us;
		slot->heard_us += away_us;
	}
}

const char *slot_state_name(enum slot_state state)
{
	switch (state) {
	case SLOT_IDLE:
		return "idle";
	case SLOT_STARTING:
		return "starting";
	case SLOT_UP:
		return "up";
	case SLOT_STOPPING:
		return "stopping";
	case SLOT_BACKOFF:
		return "backoff";
	case SLOT_PARKED:
		return "parked";
	}
	return "?";
}

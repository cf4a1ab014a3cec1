/*
 * supervisor/stop.c
 *    STOP message → grace → SIGTERM → grace → SIGKILL to the whole group.
 *
 * Every rung sets a deadline; pass.c calls again when it is over. What a stop means for the set is reap.c's.
 */
#include "supervisor/stop.h"

#include <signal.h>
#include <sys/syscall.h>

#include "common/clock.h"
#include "supervisor/channel.h"

enum { TERM_GRACE_US = 5 * 1000 * 1000, KILL_AGAIN_US = 5 * 1000 * 1000 };

/* By pidfd for the worker itself; its group has its number, which cannot be reused before we reap it. */
static void send_signal(const struct slot *slot, int number)
{
	if (slot->pid <= 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, slot->pidfd, number, NULL,
		      0); /* fails when it is dead: fine */
	if (number == SIGKILL)
		(void)kill(-slot->pid, number);
}

void stop_begin(struct supervisor *sup, struct slot *slot, const char *reason)
{
	slot->stop_intended = true;
	slot->state = SLOT_STOPPING;
	slot->rung = RUNG_ASKED;
	slot->deadline_us = pgs_now_us() + sup->config.stop_grace_us;
	sup->status_dirty = true;
	pgs_log(PGS_LOG_INFO, slot->prefix, "stopping worker (pid %d): %s", (int)slot->pid, reason);
	if (!channel_send_stop(slot)) {
		pgs_log(PGS_LOG_WARNING, slot->prefix,
			"the worker does not listen; terminating it");
		stop_escalate(sup, slot);
	}
}

void stop_escalate(struct supervisor *sup, struct slot *slot)
{
	(void)sup;
	switch (slot->rung) {
	case RUNG_ASKED:
		pgs_log(PGS_LOG_WARNING, slot->prefix,
			"worker (pid %d) did not stop in time; sending SIGTERM", (int)slot->pid);
		slot->rung = RUNG_TERMINATED;
		slot->deadline_us = pgs_now_us() + TERM_GRACE_US;
		send_signal(slot, SIGTERM);
		break;
	case RUNG_TERMINATED:
		pgs_log(PGS_LOG_WARNING, slot->prefix,
			"worker (pid %d) ignores SIGTERM; sending SIGKILL", (int)slot->pid);
		slot->rung = RUNG_KILLED;
		slot->deadline_us = pgs_now_us() + KILL_AGAIN_US;
		send_signal(slot, SIGKILL);
		break;
	case RUNG_KILLED:
		/* Uninterruptible sleep in the kernel: it dies when that ends. */
		slot->deadline_us = pgs_now_us() + KILL_AGAIN_US;
		send_signal(slot, SIGKILL);
		break;
	}
}

void stop_kill(struct supervisor *sup, struct slot *slot, const char *why)
{
	pgs_log(PGS_LOG_ERR, slot->prefix, "killing worker (pid %d): %s", (int)slot->pid, why);
	slot->state = SLOT_STOPPING;
	slot->rung = RUNG_KILLED;
	slot->deadline_us = pgs_now_us() + KILL_AGAIN_US;
	sup->status_dirty = true;
	send_signal(slot, SIGKILL);
}

void stop_hurry(struct supervisor *sup, struct slot *slot)
{
	if (slot->state == SLOT_STOPPING && slot->rung == RUNG_ASKED)
		stop_escalate(sup, slot);
}

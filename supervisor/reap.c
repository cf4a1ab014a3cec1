/*
 * supervisor/reap.c
 *    Reaps workers and writes down what follows: idle, back-off or parked, and until when.
 *
 * Starts nothing: the next pass does.
 */
#include "supervisor/reap.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/exitcode.h"
#include "supervisor/channel.h"
#include "supervisor/loop.h"
#include "supervisor/spawn.h"

enum { STABLE_US = 60 * 1000 * 1000 };

static uint32_t random_number(void)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)pgs_now_us(); /* jitter needs no more */
	return r;
}

static void describe(char *to, size_t size, bool signalled, int code)
{
	if (signalled)
		(void)snprintf(to, size, "killed by signal %d (SIG%s)", code,
			       sigabbrev_np(code) ? sigabbrev_np(code) : "?");
	else
		(void)snprintf(to, size, "code %d", code);
}

/* Lines about one set are bounded: a set that ends a thousand times an hour says so some of the time. */
static void log_end(struct slot *slot, enum pgs_log_level level, const char *how, const char *next)
{
	unsigned held_back = 0;
	char more[64] = "";

	if (!pgs_log_allowed(&slot->log_limit, pgs_now_us(), &held_back))
		return;
	if (held_back)
		(void)snprintf(more, sizeof(more), " (%u similar lines held back)", held_back);
	pgs_log(level, slot->prefix, "worker exited: %s%s%s; %s%s", how,
		slot->last_text[0] ? ": " : "", slot->last_text, next, more);
}

static void fail(struct slot *slot, uint64_t ran_us, const char *how)
{
	char next[96];

	if (ran_us >= STABLE_US) {
		pgs_backoff_reset(&slot->backoff);
		slot->failures = 0;
	}
	slot->failures++;
	uint64_t delay_us = pgs_backoff_next(&slot->backoff, random_number());
	slot->state = SLOT_BACKOFF;
	slot->deadline_us = pgs_now_us() + delay_us;
	(void)snprintf(next, sizeof(next), "starting again in %.2f s (failure %u in a row)",
		       (double)delay_us / 1e6, slot->failures);
	log_end(slot, PGS_LOG_WARNING, how, next);
}

static void park(struct slot *slot, const char *how)
{
	slot->failures++;
	slot->state = SLOT_PARKED;
	slot->deadline_us = pgs_now_us() + REAP_PARK_RETRY_US;
	log_end(slot, PGS_LOG_ERR, how,
		"parked until the set is changed or touched; trying again in 5 minutes");
}

/* Standard output of a pipeline whose reader has left: nobody wants the rest. */
static bool output_is_gone(const struct supervisor *sup)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = 0 };

	return sup->config.to_stdout && poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

static void ended(struct supervisor *sup, struct slot *slot, bool signalled, int code)
{
	struct exit_view view = { .intended = slot->stop_intended,
				  .signalled = signalled,
				  .code = code };
	enum exit_verdict verdict = reconcile_exit(&view);
	uint64_t ran_us = pgs_now_us() - slot->spawned_us;
	char how[64];

	describe(how, sizeof(how), signalled, code);
	slot->ended = true;
	slot->last_signalled = signalled;
	slot->last_code = code;
	slot->last_wall_us = pgs_wall_us();
	(void)snprintf(slot->last_text, sizeof(slot->last_text), "%s",
		       cgroup_ran_out(&sup->cgroup, slot)
			       ? "it needed more memory than \"worker_memory\" permits"
			       : slot->dying_text);
	cgroup_leave(&sup->cgroup, slot);
	spawn_forget(slot);
	sup->status_dirty = true;
	loop_wake(sup);

	switch (verdict) {
	case EXIT_EXPECTED:
		slot->state = SLOT_IDLE;
		slot->deadline_us = 0;
		pgs_backoff_reset(&slot->backoff);
		slot->failures = 0;
		if (signalled || code != PGS_EXIT_OK)
			log_end(slot, PGS_LOG_WARNING, how, "it had been asked to stop");
		else
			pgs_log(PGS_LOG_INFO, slot->prefix, "worker stopped");
		break;
	case EXIT_LOOK_AGAIN:
		slot->fenced = supervisor_takes_locks(sup);
		slot->lock_dirty = true;
		fail(slot, ran_us, how);
		break;
	case EXIT_RESTART:
		fail(slot, ran_us, how);
		break;
	case EXIT_PARK:
		park(slot, how);
		break;
	}
	if (!supervisor_takes_locks(sup) && !slot->stop_intended) {
		/* A command in a pipeline ends with its worker where another try cannot help. */
		if (output_is_gone(sup))
			loop_finish(sup, PGS_EXIT_OK);
		else if (verdict == EXIT_PARK)
			loop_finish(sup, code);
	}
}

void reap_owner_after_all(struct supervisor *sup, struct slot *slot)
{
	char text[SLOT_TEXT_MAX];

	(void)snprintf(text, sizeof(text),
		       "this host holds the lock of the set in ZooKeeper, but %s", slot->last_text);
	memcpy(slot->last_text, text, sizeof(text));
	slot->state = SLOT_PARKED;
	slot->deadline_us = pgs_now_us() + REAP_PARK_RETRY_US;
	sup->status_dirty = true;
	pgs_log(PGS_LOG_ERR, slot->prefix,
		"%s; parked until that is done or the set is changed; trying again in 5 minutes",
		slot->last_text);
}

struct watched {
	struct supervisor *sup;
	struct slot *slot;
};

static int on_child(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct watched *watched = userdata;
	struct supervisor *sup = watched->sup;
	struct slot *slot = watched->slot;

	(void)source;
	/* Its last words first; then whatever it left in its group (its own pid is still a zombie, so it is its group). */
	channel_drain(sup, slot);
	(void)kill(-slot->pid, SIGKILL);
	ended(sup, slot, info->si_code != CLD_EXITED, info->si_status);
	return 0;
}

static void watched_free(void *userdata)
{
	free(userdata);
}

int reap_watch(struct supervisor *sup, struct slot *slot, struct pgs_err *reterr)
{
	struct watched *watched = malloc(sizeof(*watched));

	if (!watched)
		return pgs_err_nomem(reterr);
	*watched = (struct watched){ .sup = sup, .slot = slot };
	slot->pidfd = (int)syscall(SYS_pidfd_open, slot->pid, 0);
	int r = slot->pidfd < 0 ? -errno
				: sd_event_add_child_pidfd(sup->event, &slot->child, slot->pidfd,
							   WEXITED, on_child, watched);
	if (r < 0) {
		free(watched);
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not watch the worker: %s",
				   strerrordesc_np(-r));
	}
	(void)sd_event_source_set_destroy_callback(slot->child, watched_free);
	(void)sd_event_source_set_priority(slot->child, PRIORITY_CHILD);
	return 0;
}

void reap_failed_start(struct supervisor *sup, struct slot *slot, const struct pgs_err *err)
{
	slot->ended = true;
	slot->last_signalled = false;
	slot->last_code = pgs_err_exit(err->cls);
	slot->last_wall_us = pgs_wall_us();
	(void)snprintf(slot->last_text, sizeof(slot->last_text), "%s", err->msg);
	(void)snprintf(slot->run_version, sizeof(slot->run_version), "%s", slot->version);
	(void)snprintf(slot->run_rollout, sizeof(slot->run_rollout), "%s", slot->rollout);
	slot->run_mzxid = slot->mzxid;
	sup->status_dirty = true;
	if (err->cls == PGS_ERR_CONFIG)
		park(slot, "it did not start");
	else
		fail(slot, 0, "it did not start");
}

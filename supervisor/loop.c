/*
 * supervisor/loop.c
 *    sd-event: signals, the ZooKeeper client, passes, readiness and the end.
 *
 * Decides nothing about sets. The only place of this program that sleeps.
 */
#include "supervisor/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "common/clock.h"
#include "common/exitcode.h"
#include "common/zpath.h"
#include "supervisor/channel.h"
#include "supervisor/desired.h"
#include "supervisor/hosts.h"
#include "supervisor/http.h"
#include "supervisor/locks.h"
#include "supervisor/pass.h"
#include "supervisor/report.h"
#include "supervisor/spawn.h"
#include "supervisor/spread.h"
#include "supervisor/zk_event.h"

enum {
	EXTEND_US = 30 * 1000 * 1000, /* asked for anew at each pass until ready */
	COMPLAIN_US = 30 * 1000 * 1000,
};

void loop_block_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGPIPE);
	(void)sigprocmask(SIG_BLOCK, &set, NULL); /* cannot fail with these arguments */
}

void loop_wake(struct supervisor *sup)
{
	if (sup->pass)
		(void)sd_event_source_set_enabled(sup->pass,
						  SD_EVENT_ONESHOT); /* else the timer does it */
}

void loop_tokens_changed(struct supervisor *sup)
{
	for (size_t i = 0; i < sup->slots.n; i++) {
		struct slot *slot = sup->slots.list[i];
		if (slot_running(slot))
			channel_send_token(sup, slot);
		else if (slot->fenced)
			slot->deadline_us = 0; /* that one's token may be newer than any other */
	}
}

void loop_finish(struct supervisor *sup, int exit_code)
{
	if (sup->stopping)
		return;
	sup->stopping = true;
	sup->exit_code = exit_code;
	(void)sd_notify(0, "STOPPING=1");
	restart_ask(sup);
	loop_wake(sup);
}

static void notify_ready(struct supervisor *sup)
{
	if (sup->stopping)
		return;
	if (sup->ready)
		return;
	if (desired_complete(sup) && spread_complete(sup)) {
		sup->ready = true;
		(void)sd_notifyf(0, "READY=1\nSTATUS=%s", sup->status_text);
		pgs_log(PGS_LOG_INFO, NULL, "ready: %s", sup->status_text);
		return;
	}
	(void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%d", EXTEND_US);
	static struct pgs_log_limit limit = { .interval_us = COMPLAIN_US, .burst = 1 };
	unsigned held_back;
	if (zk_trouble(sup->zk)[0] && pgs_log_allowed(&limit, pgs_now_us(), &held_back))
		pgs_log(PGS_LOG_WARNING, NULL,
			"%s; waiting for ZooKeeper, nothing is started before",
			zk_trouble(sup->zk));
}

static int on_pass(sd_event_source *source, void *userdata)
{
	struct supervisor *sup = userdata;

	(void)source;
	uint64_t next_us = pass_run(sup);
	notify_ready(sup);
	/* Whether the locks stay or go. */
	if (sup->finished && sup->restart.settled)
		return sd_event_exit(sup->event, 0);
	int r = sd_event_source_set_time(sup->timer, next_us);
	return r < 0 ? r : sd_event_source_set_enabled(sup->timer, SD_EVENT_ONESHOT);
}

/* The worst of this minute and of the one before. */
static void note_lag(struct supervisor *sup, uint64_t due_us)
{
	enum { MINUTE_US = 60 * 1000 * 1000 };
	uint64_t now_us = pgs_now_us(), lag_us = now_us > due_us ? now_us - due_us : 0;

	if (now_us - sup->loop_lag_from_us >= MINUTE_US) {
		sup->loop_lag_before_us = sup->loop_lag_us;
		sup->loop_lag_us = 0;
		sup->loop_lag_from_us = now_us;
	}
	if (lag_us > sup->loop_lag_us)
		sup->loop_lag_us = lag_us;
}

static int on_timer(sd_event_source *source, uint64_t at_us, void *userdata)
{
	(void)source;
	note_lag(userdata, at_us);
	loop_wake(userdata);
	return 0;
}

static void stop(struct supervisor *sup, const char *name)
{
	if (sup->stopping) {
		pgs_log(PGS_LOG_WARNING, NULL, "got %s again: stopping without grace", name);
		sup->fast = true;
		loop_wake(sup);
		return;
	}
	pgs_log(PGS_LOG_NOTICE, NULL, "got %s: stopping", name);
	loop_finish(sup, PGS_EXIT_OK);
}

/* Everything is read and checked before anything is taken over. */
static int reload(struct supervisor *sup, struct pgs_err *reterr)
{
	struct config fresh;
	struct credentials credentials = { 0 };
	bool usage;

	if (config_read(sup->argc, sup->argv, &fresh, &usage, reterr) < 0)
		return -1;
	int r = credentials_load(fresh.credentials_dir, &credentials, reterr);
	if (r == 0)
		r = config_take_reloadable(&sup->config, &fresh, reterr);
	config_done(&fresh);
	if (r < 0) {
		credentials_done(&credentials);
		return -1;
	}
	credentials_done(&sup->credentials);
	sup->credentials = credentials;
	pgs_log_set_level(config_log_level(&sup->config));
	/* What is parked may have been waiting for just this, also where the worker has yet to end because of it. */
	for (size_t i = 0; i < sup->slots.n; i++) {
		struct slot *slot = sup->slots.list[i];
		slot->retry = slot->state == SLOT_PARKED || slot_partly_parked(slot);
	}
	desired_forget(sup);
	return spawn_open_relay(sup, reterr);
}

static void on_hangup(struct supervisor *sup)
{
	struct pgs_err err;

	/* While it starts it is not ready, and no reload may make it so. */
	if (sup->ready)
		(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
				 (unsigned long long)pgs_now_us());
	if (reload(sup, &err) == 0) {
		pgs_log(PGS_LOG_NOTICE, NULL, "configuration and credentials were read again");
		sup->reload_error[0] = '\0';
	} else {
		pgs_log(PGS_LOG_ERR, NULL, "could not reload: %s; keeping what was", err.msg);
		(void)snprintf(sup->reload_error, sizeof(sup->reload_error), "%.300s", err.msg);
	}
	/* Stays in STATUS= until a reload succeeds. */
	report_text(sup, sup->status_text);
	(void)sd_notifyf(0, "%sSTATUS=%s", sup->ready ? "READY=1\n" : "", sup->status_text);
	loop_wake(sup);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct supervisor *sup = userdata;

	(void)source;
	switch (info->ssi_signo) {
	case SIGTERM:
		stop(sup, "SIGTERM");
		break;
	case SIGINT:
		stop(sup, "SIGINT");
		break;
	case SIGHUP:
		/* A command whose terminal went away ends; a service reads its files again. */
		if (sup->config.set && isatty(STDERR_FILENO))
			stop(sup, "SIGHUP");
		else
			on_hangup(sup);
		break;
	case SIGUSR1:
		report_dump(sup);
		break;
	default:
		break; /* only the four above are asked for */
	}
	return 0;
}

static void on_session(struct zk *zk, enum zk_state state, bool new_session, void *ctx)
{
	struct supervisor *sup = ctx;

	switch (state) {
	case ZK_CONNECTED:
		pgs_log(PGS_LOG_INFO, NULL, "connected to ZooKeeper (session 0x%llx%s)",
			(unsigned long long)zk_session_id(zk),
			!new_session           ? ""
			: sup->leftover.wanted ? ", taken over"
					       : ", new");
		if (new_session) {
			desired_forget(sup);
			locks_forget(sup);
			hosts_forget(sup);
			abandoned_forget(sup);
			spread_forget(sup);
			session_note(sup);
		}
		break;
	case ZK_CONNECTING:
		pgs_log(PGS_LOG_WARNING, NULL,
			"lost the connection to ZooKeeper; what runs goes on");
		break;
	case ZK_EXPIRED:
		pgs_log(PGS_LOG_WARNING, NULL,
			"the ZooKeeper session expired; opening a new one and taking the locks "
			"again");
		leftover_forget(sup);
		break;
	case ZK_DENIED:
		pgs_log(PGS_LOG_ERR, NULL,
			"ZooKeeper refused the authentication; check the file \"zookeeper\" of the "
			"credentials folder; trying again");
		if (sup->config.set && !sup->cluster_known)
			loop_finish(sup, PGS_EXIT_CONFIG);
		break;
	}
	loop_wake(sup);
}

static void on_watch(struct zk *zk, const char *path, void *ctx)
{
	struct supervisor *sup = ctx;

	(void)zk;
	if (!desired_on_watch(sup, path) && !locks_on_watch(sup, path) &&
	    !spread_on_watch(sup, path))
		(void)hosts_on_watch(sup, path); /* nobody's: a watch of something that is gone */
}

static void read_boot_id(struct supervisor *sup)
{
	PGS_CLEANUP(pgs_closep)
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, sup->boot_id, sizeof(sup->boot_id) - 1);

	sup->boot_id[n > 0 ? n : 0] = '\0';
	sup->boot_id[strcspn(sup->boot_id, "\n")] = '\0';
}

static void read_host(struct supervisor *sup)
{
	char name[256] = "";

	if (!sup->config.host)
		(void)gethostname(name, sizeof(name) - 1); /* a long name is cut anyway */
	zpath_host_clean(sup->config.host ? sup->config.host
			 : name[0]        ? name
					  : "localhost",
			 sup->host);
}

static int sources_open(struct supervisor *sup)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	int r = sd_event_new(&sup->event);

	for (size_t i = 0; r >= 0 && i < PGS_ARRAY_LEN(numbers); i++) {
		sd_event_source *source = NULL;
		r = sd_event_add_signal(sup->event, &source, numbers[i], on_signal, sup);
		if (r >= 0)
			r = sd_event_source_set_priority(source, PRIORITY_SIGNAL);
		if (r >= 0)
			r = sd_event_source_set_floating(source, true);
		sd_event_source_unref(source);
	}
	if (r >= 0)
		r = sd_event_add_defer(sup->event, &sup->pass, on_pass, sup);
	if (r >= 0)
		r = sd_event_source_set_priority(sup->pass, PRIORITY_PASS);
	if (r >= 0)
		r = sd_event_source_set_exit_on_failure(sup->pass, true);
	if (r >= 0)
		r = sd_event_add_time(sup->event, &sup->timer, CLOCK_MONOTONIC, UINT64_MAX, 1000,
				      on_timer, sup);
	if (r >= 0)
		r = sd_event_source_set_exit_on_failure(sup->timer, true);
	if (r >= 0)
		r = sd_event_set_watchdog(sup->event, true);
	return r;
}

static int open_all(struct supervisor *sup, struct pgs_err *reterr)
{
	struct zk_params params = {
		.hosts = sup->config.zookeeper_hosts,
		.session_timeout_us = sup->config.session_timeout_us,
		.digest = sup->credentials.zookeeper,
		.on_session = on_session,
		.on_watch = on_watch,
		.on_resolve = resolver_ask,
		.ctx = sup,
	};

	read_boot_id(sup);
	read_host(sup);
	sup->log_limit = (struct pgs_log_limit){ .interval_us = COMPLAIN_US, .burst = 1 };
	if (spawn_open_relay(sup, reterr) < 0)
		return -1;
	cgroup_open(&sup->cgroup);
	int r = sources_open(sup);
	if (r < 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not set up the event loop: %s",
				   strerrordesc_np(-r));
	desired_forget(sup);
	if (sup->config.set) {
		struct slot *slot = slots_add(&sup->slots, sup->config.set);
		if (!slot)
			return pgs_err_nomem(reterr);
		slot->node_dirty = slot->lock_dirty = slot->placed = true;
	}
	session_open(sup, &params);
	if (zk_open(&params, &sup->zk, reterr) < 0)
		return -1;
	return zk_event_new(sup->event, sup->zk, &sup->zk_event, reterr);
}

static void close_all(struct supervisor *sup)
{
	abandoned_done(sup);
	resolver_done(sup);
	http_close(sup);
	zk_event_free(sup->zk_event);
	session_close(sup, sup->restart.is); /* gives the locks back, but for a restart */
	restart_done(sup);
	sup->zk = NULL;
	for (size_t i = 0; i < sup->slots.n; i++)
		spawn_forget(
			sup->slots.list
				[i]); /* closes the control sockets: a worker that is left ends by that */
	slots_done(&sup->slots);
	spread_done(sup);
	sd_event_source_disable_unref(sup->pass);
	sd_event_source_disable_unref(sup->timer);
	sd_event_unref(sup->event);
	if (sup->relay_fd >= 0)
		(void)close(sup->relay_fd); /* only ever executed */
	cgroup_close(&sup->cgroup);
}

int loop_run(struct supervisor *sup)
{
	struct pgs_err err = { 0 };
	int code;

	if (open_all(sup, &err) < 0) {
		pgs_log(PGS_LOG_ERR, NULL, "%s", err.msg);
		code = pgs_err_exit(err.cls);
	} else {
		int r = sd_event_loop(sup->event);
		code = sup->exit_code;
		if (r < 0) {
			pgs_log(PGS_LOG_ERR, NULL, "the event loop failed: %s",
				strerrordesc_np(-r));
			code = PGS_EXIT_BUG;
		}
	}
	close_all(sup);
	return code;
}

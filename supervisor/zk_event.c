/*
 * supervisor/zk_event.c
 *    Tells sd-event what the ZooKeeper client waits for, anew before every sleep of the loop.
 *
 * Knows nothing of sessions or nodes. The client closes its socket and opens another one under the same number;
 * epoll then drops the old one silently, so the source is taken out before the client is asked and put back after.
 */
#include "supervisor/zk_event.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "supervisor/supervisor.h"

struct zk_event {
	sd_event *event;
	struct zk *zk;
	sd_event_source *timer; /* always on: its prepare callback is what runs before each sleep */
	sd_event_source *io; /* NULL while the client has no socket */
};

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct zk_event *ze = userdata;
	int events = ((revents & EPOLLIN) ? ZK_READ : 0) | ((revents & EPOLLOUT) ? ZK_WRITE : 0);

	(void)source;
	(void)fd;
	if (revents & (EPOLLHUP | EPOLLERR))
		events = ZK_READ | ZK_WRITE;
	/* ONESHOT: the source is off already, so that the client may close the descriptor now. */
	zk_process(ze->zk, events);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t at_us, void *userdata)
{
	(void)source;
	(void)at_us;
	(void)userdata; /* the wake-up alone matters: on_prepare runs next */
	return 0;
}

/* A failing sd_event call ends the loop: a supervisor that cannot wait for ZooKeeper had better start again. */
static int on_prepare(sd_event_source *source, void *userdata)
{
	struct zk_event *ze = userdata;
	int fd, events, r = 0;
	uint64_t timeout_us;

	if (ze->io)
		r = sd_event_source_set_enabled(ze->io, SD_EVENT_OFF);
	if (r < 0)
		return r;
	zk_interest(ze->zk, &fd, &events, &timeout_us);
	if (fd < 0) {
		ze->io = sd_event_source_disable_unref(ze->io);
	} else {
		uint32_t mask =
			((events & ZK_READ) ? EPOLLIN : 0) | ((events & ZK_WRITE) ? EPOLLOUT : 0);
		if (ze->io && sd_event_source_get_io_fd(ze->io) != fd)
			ze->io = sd_event_source_disable_unref(ze->io);
		if (!ze->io) {
			r = sd_event_add_io(ze->event, &ze->io, fd, mask, on_io, ze);
			if (r >= 0)
				r = sd_event_source_set_priority(ze->io, PRIORITY_ZK);
			if (r >= 0)
				r = sd_event_source_set_exit_on_failure(ze->io, true);
		} else {
			r = sd_event_source_set_io_events(ze->io, mask);
		}
		if (r >= 0)
			r = sd_event_source_set_enabled(ze->io, SD_EVENT_ONESHOT);
		if (r < 0)
			return r;
	}
	r = sd_event_source_set_time_relative(source, timeout_us);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ON);
}

int zk_event_new(sd_event *event, struct zk *zk, struct zk_event **ret, struct pgs_err *reterr)
{
	struct zk_event *ze = calloc(1, sizeof(*ze));

	if (!ze)
		return pgs_err_nomem(reterr);
	ze->event = event;
	ze->zk = zk;
	int r = sd_event_add_time_relative(event, &ze->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
					   ze);
	if (r >= 0)
		r = sd_event_source_set_prepare(ze->timer, on_prepare);
	if (r >= 0)
		r = sd_event_source_set_priority(ze->timer, PRIORITY_ZK);
	if (r >= 0)
		r = sd_event_source_set_exit_on_failure(ze->timer, true);
	if (r >= 0)
		r = sd_event_source_set_enabled(ze->timer, SD_EVENT_ON);
	if (r < 0) {
		zk_event_free(ze);
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not set up the event loop: %s",
				   strerrordesc_np(-r));
	}
	*ret = ze;
	return 0;
}

void zk_event_free(struct zk_event *ze)
{
	if (!ze)
		return;
	sd_event_source_disable_unref(ze->io);
	sd_event_source_disable_unref(ze->timer);
	free(ze);
}

/*
 * supervisor/channel.c
 *    Control messages of workers: read with distrust, bounded in number and size, made printable.
 *
 * What a worker says is gossip: it may move its own slot's heartbeat and figures and nothing else.
 */
#include "supervisor/channel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "common/clock.h"
#include "supervisor/loop.h"

enum {
	MESSAGES_PER_TURN = 64,
	MESSAGES_PER_WINDOW =
		2000, /* more in a second is a flood: the socket is left alone for the rest of it */
	WINDOW_US = 1000 * 1000,
	RATE_US = 5 * 1000 * 1000,
};

/* A text field of a message: may lack its NUL and hold anything. */
static void printable(char *to, size_t to_size, const char *from, size_t from_size)
{
	size_t n = strnlen(from, from_size);

	if (n >= to_size)
		n = to_size - 1;
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)from[i] < 0x20 || from[i] == 0x7f ? ' ' : from[i];
	to[n] = '\0';
}

static void strange(struct slot *slot, const char *what)
{
	slot->strange_messages++;
	if (slot->strange_messages == 1)
		pgs_log(PGS_LOG_WARNING, slot->prefix,
			"the worker (pid %d) sent %s; ignoring this and counting more",
			(int)slot->pid, what);
}

static bool beat_ok(const struct ctl_msg *msg)
{
	return msg->u.beat.n_sources > 0 && msg->u.beat.n_sources <= SLOT_MAX_SOURCES &&
	       msg->u.beat.source < msg->u.beat.n_sources &&
	       msg->u.beat.state >= CTL_STATE_STARTING && msg->u.beat.state <= CTL_STATE_STALLED &&
	       msg->u.beat.phase >= CTL_PHASE_IDLE && msg->u.beat.phase <= CTL_PHASE_BACKOFF;
}

/* Events a second since the last time that this was counted, when that is long enough ago to mean anything. */
static void count_rate(struct slot_source *source, uint64_t events, uint64_t now_us)
{
	if (!source->known || events < source->rate_events) {
		source->rate = 0;
	} else if (now_us - source->rate_at_us < RATE_US) {
		return;
	} else {
		source->rate = (double)(events - source->rate_events) * 1e6 /
			       (double)(now_us - source->rate_at_us);
	}
	source->rate_at_us = now_us;
	source->rate_events = events;
}

/* What it complains of stays known when it is over. */
static void keep_error(struct slot_source *source)
{
	if (!source->text[0] || source->state == CTL_STATE_STARTING ||
	    source->state == CTL_STATE_WORKING || strcmp(source->text, source->last_error) == 0)
		return;
	memcpy(source->last_error, source->text, sizeof(source->last_error));
	source->last_error_wall_us = pgs_wall_us();
}

static void take_figures(struct supervisor *sup, struct slot *slot, struct slot_source *source,
			 const struct ctl_msg *msg)
{
	uint64_t now_us = pgs_now_us();
	bool new_phase = source->phase != (enum ctl_phase)msg->u.beat.phase ||
			 msg->u.beat.phase_age_us < source->phase_age_us;
	bool changed = !source->known || source->state != (enum ctl_state)msg->u.beat.state ||
		       source->ticker_silent != (msg->u.beat.ticker_silent != 0) ||
		       source->captures_failed != msg->u.beat.captures_failed;

	if (!source->known || msg->u.beat.events != source->events || msg->u.beat.queue_events == 0)
		source->moved_us = now_us;
	if (!source->known || msg->u.beat.state == CTL_STATE_WORKING)
		source->working_us = now_us;
	count_rate(source, msg->u.beat.events, now_us);
	source->known = true;
	source->named = source->named && !new_phase;
	source->state = (enum ctl_state)msg->u.beat.state;
	source->phase = (enum ctl_phase)msg->u.beat.phase;
	source->ticker_silent = msg->u.beat.ticker_silent != 0;
	source->captures_failed = msg->u.beat.captures_failed;
	source->events = msg->u.beat.events;
	source->transactions = msg->u.beat.transactions;
	source->queue_events = msg->u.beat.queue_events;
	source->queue_age_us = msg->u.beat.queue_age_us;
	source->delivered_ev_time_us = msg->u.beat.delivered_ev_time_us;
	memcpy(source->lag_us, msg->u.beat.lag_us, sizeof(source->lag_us));
	source->lsn = msg->u.beat.lsn;
	source->tick = msg->u.beat.tick;
	source->phase_age_us = msg->u.beat.phase_age_us;
	source->heard_us = now_us;
	printable(source->snapshot, sizeof(source->snapshot), msg->u.beat.snapshot,
		  sizeof(msg->u.beat.snapshot));
	printable(source->database, sizeof(source->database), msg->u.beat.database,
		  sizeof(msg->u.beat.database));
	printable(source->text, sizeof(source->text), msg->u.beat.text, sizeof(msg->u.beat.text));
	keep_error(source);
	slot->cpu_us = msg->u.beat.cpu_us;
	slot->memory_peak = msg->u.beat.memory_peak;
	if (changed)
		sup->status_dirty = true;
}

static void take_beat(struct supervisor *sup, struct slot *slot, const struct ctl_msg *msg)
{
	if (!beat_ok(msg)) {
		strange(slot, "a beat that makes no sense");
		return;
	}
	if (slot->n_sources != msg->u.beat.n_sources) {
		struct slot_source *sources = calloc(msg->u.beat.n_sources, sizeof(*sources));
		if (!sources)
			return; /* figures are missing for a while; the heartbeat counts all the same */
		free(slot->sources);
		slot->sources = sources;
		slot->n_sources = msg->u.beat.n_sources;
	}
	take_figures(sup, slot, &slot->sources[msg->u.beat.source], msg);
}

static void take(struct supervisor *sup, struct slot *slot, const struct ctl_msg *msg)
{
	/* An enum from outside: compared as the number it is. */
	switch (msg->type) {
	case CTL_HELLO:
		slot->hello = true;
		printable(slot->software, sizeof(slot->software), msg->u.hello.software,
			  sizeof(msg->u.hello.software));
		if (strcmp(slot->software, PGSHOVEL_VERSION) != 0)
			pgs_log(PGS_LOG_WARNING, slot->prefix,
				"the worker is version %s, the supervisor %s", slot->software,
				PGSHOVEL_VERSION);
		break;
	case CTL_READY:
		if (slot->state == SLOT_STARTING) {
			slot->state = SLOT_UP;
			sup->status_dirty = true;
		}
		break;
	case CTL_BEAT:
		take_beat(sup, slot, msg);
		break;
	case CTL_DYING:
		printable(slot->dying_text, sizeof(slot->dying_text), msg->u.dying.text,
			  sizeof(msg->u.dying.text));
		break;
	default:
		strange(slot, "a message of a type that is not a worker's");
		return;
	}
	slot->heard_us = pgs_now_us();
}

static int on_pause_over(sd_event_source *source, uint64_t at_us, void *userdata)
{
	struct slot *slot = userdata;

	(void)source;
	(void)at_us;
	slot->ctl_pause = sd_event_source_disable_unref(slot->ctl_pause);
	if (slot->ctl)
		(void)sd_event_source_set_enabled(
			slot->ctl, SD_EVENT_ON); /* else it is missed and killed later */
	return 0;
}

/* True: this worker has said enough for now. */
static bool flooding(struct supervisor *sup, struct slot *slot)
{
	uint64_t now_us = pgs_now_us();

	if (now_us - slot->window_start_us >= WINDOW_US) {
		slot->window_start_us = now_us;
		slot->messages_in_window = 0;
	}
	if (++slot->messages_in_window <= MESSAGES_PER_WINDOW)
		return false;
	if (slot->ctl && !slot->ctl_pause &&
	    sd_event_add_time_relative(sup->event, &slot->ctl_pause, CLOCK_MONOTONIC, WINDOW_US, 0,
				       on_pause_over, slot) >= 0)
		(void)sd_event_source_set_enabled(slot->ctl, SD_EVENT_OFF);
	return true;
}

void channel_drain(struct supervisor *sup, struct slot *slot)
{
	for (int i = 0; i < MESSAGES_PER_TURN && slot->ctl_fd >= 0; i++) {
		struct ctl_msg msg;
		ssize_t n = recv(slot->ctl_fd, &msg, sizeof(msg), MSG_DONTWAIT | MSG_TRUNC);
		if (n == 0) {
			/* The worker closed its end; that it ends comes by its own way. */
			slot->ctl = sd_event_source_disable_unref(slot->ctl);
			return;
		}
		if (n < 0)
			return;
		if (n != sizeof(msg) || msg.format != CTL_FORMAT)
			strange(slot, "a message of a wrong size or format");
		else
			take(sup, slot, &msg);
		if (flooding(sup, slot))
			return;
	}
}

struct channel {
	struct supervisor *sup;
	struct slot *slot;
};

static int on_ctl(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct channel *channel = userdata;

	(void)source;
	(void)fd;
	(void)revents;
	channel_drain(channel->sup, channel->slot);
	/* A beat that says nothing new needs no pass: with many workers there would be one all the time. */
	if (channel->sup->status_dirty)
		loop_wake(channel->sup);
	return 0;
}

static void channel_free(void *userdata)
{
	free(userdata);
}

int channel_open(struct supervisor *sup, struct slot *slot, int fd, struct pgs_err *reterr)
{
	struct channel *channel = malloc(sizeof(*channel));

	slot->ctl_fd = fd;
	if (!channel)
		return pgs_err_nomem(reterr);
	*channel = (struct channel){ .sup = sup, .slot = slot };
	int r = sd_event_add_io(sup->event, &slot->ctl, fd, EPOLLIN, on_ctl, channel);
	if (r < 0) {
		free(channel);
		return pgs_err_set(reterr, PGS_ERR_RETRY, "",
				   "could not watch the control socket: %s", strerrordesc_np(-r));
	}
	(void)sd_event_source_set_destroy_callback(slot->ctl, channel_free);
	(void)sd_event_source_set_priority(slot->ctl, PRIORITY_CHANNEL);
	return 0;
}

void channel_close(struct slot *slot)
{
	slot->ctl = sd_event_source_disable_unref(slot->ctl);
	slot->ctl_pause = sd_event_source_disable_unref(slot->ctl_pause);
	if (slot->ctl_fd >= 0)
		(void)close(slot->ctl_fd); /* the kernel keeps nothing of it that we need */
	slot->ctl_fd = -1;
}

static bool channel_send(struct slot *slot, const struct ctl_msg *msg)
{
	return slot->ctl_fd >= 0 && send(slot->ctl_fd, msg, sizeof(*msg),
					 MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(*msg);
}

bool channel_send_stop(struct slot *slot)
{
	return channel_send(slot, &(struct ctl_msg){ .type = CTL_STOP, .format = CTL_FORMAT });
}

void channel_send_dump(struct slot *slot)
{
	if (!channel_send(slot, &(struct ctl_msg){ .type = CTL_DUMP, .format = CTL_FORMAT }))
		pgs_log(PGS_LOG_WARNING, slot->prefix,
			"could not ask the worker for a diagnosis: it does not listen");
}

void channel_token(const struct supervisor *sup, const struct slot *slot,
		   char ret[CHANNEL_TOKEN_MAX])
{
	(void)snprintf(ret, CHANNEL_TOKEN_MAX, "%lld.%lld.%llu", (long long)sup->generation,
		       (long long)slot->lock_czxid, (unsigned long long)slot->spawn);
}

void channel_send_token(struct supervisor *sup, struct slot *slot)
{
	struct ctl_msg msg = { .type = CTL_TOKEN, .format = CTL_FORMAT };

	channel_token(sup, slot, msg.u.token.token);
	if (!channel_send(slot, &msg))
		pgs_log(PGS_LOG_WARNING, slot->prefix,
			"could not give the worker its new token: it does not listen; it goes on "
			"with the old one");
}

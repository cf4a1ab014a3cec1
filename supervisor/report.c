/*
 * supervisor/report.c
 *    The state of all slots as one line (STATUS=), as JSON (/status/HOST) and as log lines (SIGUSR1).
 *
 * Changes nothing. Holds no secret: error texts of workers are theirs to keep clean.
 */
#include "supervisor/report.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "common/clock.h"
#include "common/zkdoc.h"
#include "common/zpath.h"
#include "supervisor/channel.h"
#include "supervisor/desired.h"

enum {
	EVERY_US = 10 * 1000 * 1000,
	AT_MOST_EVERY_US = 1000 * 1000,
	STATUS_MAX_BYTES = 60 * 1024,
};

/* How much of each set goes into the document; the first that fits is taken. */
enum detail { DETAIL_ALL, DETAIL_NO_TEXT, DETAIL_NO_SOURCES, DETAIL_COUNTS };

static const char *source_state_name(enum ctl_state state)
{
	switch (state) {
	case CTL_STATE_STARTING:
		return "starting";
	case CTL_STATE_WORKING:
		return "working";
	case CTL_STATE_RETRYING:
		return "retrying";
	case CTL_STATE_PARKED:
		return "parked";
	case CTL_STATE_STALLED:
		return "stalled";
	}
	return "?";
}

static const char *phase_name(enum ctl_phase phase)
{
	switch (phase) {
	case CTL_PHASE_IDLE:
		return "idle";
	case CTL_PHASE_CONNECT:
		return "connect";
	case CTL_PHASE_KAFKA:
		return "kafka";
	case CTL_PHASE_WINDOW:
		return "window";
	case CTL_PHASE_ENCODE:
		return "encode";
	case CTL_PHASE_FLUSH:
		return "flush";
	case CTL_PHASE_COMMIT:
		return "commit";
	case CTL_PHASE_UPKEEP:
		return "upkeep";
	case CTL_PHASE_BACKOFF:
		return "backoff";
	}
	return "?";
}

static const char *zk_state_name(enum zk_state state)
{
	switch (state) {
	case ZK_CONNECTING:
		return "connecting";
	case ZK_CONNECTED:
		return "connected";
	case ZK_EXPIRED:
		return "expired";
	case ZK_DENIED:
		return "denied";
	}
	return "?";
}

/* For people: why a set is not running, or what its worker complains of. */
static const char *slot_error(const struct slot *slot)
{
	if (slot->document_error[0])
		return slot->document_error;
	if (slot->state == SLOT_BACKOFF || slot->state == SLOT_PARKED)
		return slot->last_text;
	return "";
}

/* A deadline of the monotonic clock as microseconds since 1970, 0 for none. */
static int64_t wall_of(uint64_t at_us)
{
	return at_us == 0 ? 0 : pgs_wall_us() + (int64_t)(at_us - pgs_now_us());
}

static void put_source(struct pgs_buf *out, const struct slot_source *source, enum detail detail)
{
	pgs_buf_lit(out, "{\"database\":");
	zkdoc_put_json_string(out, source->database);
	pgs_buf_printf(out,
		       ",\"state\":\"%s\",\"phase\":\"%s\",\"phase_age_us\":%llu,\"events\":%llu,"
		       "\"transactions\":%llu"
		       ",\"queue_events\":%llu,\"queue_age_us\":%llu,\"delivered_ev_time_us\":%llu"
		       ",\"lag_us\":[%llu,%llu,%llu,%llu],\"ticker_silent\":%s"
		       ",\"captures_failed\":%llu",
		       source_state_name(source->state), phase_name(source->phase),
		       (unsigned long long)source->phase_age_us, (unsigned long long)source->events,
		       (unsigned long long)source->transactions,
		       (unsigned long long)source->queue_events,
		       (unsigned long long)source->queue_age_us,
		       (unsigned long long)source->delivered_ev_time_us,
		       (unsigned long long)source->lag_us[0], (unsigned long long)source->lag_us[1],
		       (unsigned long long)source->lag_us[2], (unsigned long long)source->lag_us[3],
		       source->ticker_silent ? "true" : "false",
		       (unsigned long long)source->captures_failed);
	if (detail == DETAIL_ALL) {
		pgs_buf_lit(out, ",\"text\":");
		zkdoc_put_json_string(out, source->text);
	}
	pgs_buf_putc(out, '}');
}

static void put_sources(struct pgs_buf *out, const struct slot *slot, enum detail detail)
{
	bool first = true;

	pgs_buf_lit(out, ",\"sources\":[");
	for (size_t i = 0; i < slot->n_sources; i++) {
		if (!slot->sources[i].known)
			continue;
		if (!first)
			pgs_buf_putc(out, ',');
		first = false;
		put_source(out, &slot->sources[i], detail);
	}
	pgs_buf_putc(out, ']');
}

static void put_last_exit(struct pgs_buf *out, const struct slot *slot)
{
	if (!slot->ended)
		return;
	pgs_buf_printf(out, ",\"last_exit\":{\"%s\":%d,\"at_us\":%lld,\"text\":",
		       slot->last_signalled ? "signal" : "code", slot->last_code,
		       (long long)slot->last_wall_us);
	zkdoc_put_json_string(out, slot->last_text);
	pgs_buf_putc(out, '}');
}

static void put_slot(const struct supervisor *sup, struct pgs_buf *out, const struct slot *slot,
		     enum detail detail)
{
	pgs_buf_lit(out, "{\"set\":");
	zkdoc_put_json_string(out, slot->set);
	pgs_buf_printf(out,
		       ",\"state\":\"%s\",\"owned\":%s,\"owner\":", slot_state_name(slot->state),
		       slot->owned ? "true" : "false");
	zkdoc_put_json_string(out, slot->owned ? sup->host : slot->owner);
	pgs_buf_lit(out, ",\"version\":");
	zkdoc_put_json_string(out, slot->version);
	pgs_buf_lit(out, ",\"running_version\":");
	zkdoc_put_json_string(out, slot_running(slot) ? slot->run_version : "");
	if (slot_running(slot)) {
		char token[CHANNEL_TOKEN_MAX];
		channel_token(sup, slot, token);
		pgs_buf_printf(out, ",\"pid\":%d,\"token\":\"%s\",\"started_us\":%lld",
			       (int)slot->pid, token, (long long)wall_of(slot->spawned_us));
	}
	pgs_buf_printf(out, ",\"starts\":%u,\"failures\":%u", slot->starts, slot->failures);
	put_last_exit(out, slot);
	if (slot->state == SLOT_BACKOFF || slot->state == SLOT_PARKED)
		pgs_buf_printf(out, ",\"next_try_us\":%lld", (long long)wall_of(slot->deadline_us));
	pgs_buf_lit(out, ",\"error\":");
	zkdoc_put_json_string(out, slot_error(slot));
	if (detail < DETAIL_NO_SOURCES)
		put_sources(out, slot, detail);
	pgs_buf_putc(out, '}');
}

static void put_document(const struct supervisor *sup, struct pgs_buf *out, enum detail detail)
{
	char text[256];

	report_text(sup, text);
	pgs_buf_lit(out, "{\"v\":1,\"host\":");
	zkdoc_put_json_string(out, sup->host);
	pgs_buf_printf(
		out, ",\"pid\":%d,\"software\":\"%s\",\"at_us\":%lld,\"state\":\"%s\",\"summary\":",
		(int)getpid(), PGSHOVEL_VERSION, (long long)pgs_wall_us(),
		sup->stopping || sup->drained ? "draining" : "active");
	zkdoc_put_json_string(out, text);
	pgs_buf_lit(out, ",\"error\":");
	zkdoc_put_json_string(out, sup->cluster_error);
	pgs_buf_printf(out, ",\"ignored_sets\":%zu,\"n_sets\":%zu,\"complete\":%s,\"sets\":[",
		       sup->n_ignored_sets, sup->slots.n, detail == DETAIL_ALL ? "true" : "false");
	bool first = true;
	for (size_t i = 0; detail < DETAIL_COUNTS && i < sup->slots.n; i++) {
		if (!slot_ours(sup->slots.list[i]))
			continue; /* another host's: that one tells */
		if (!first)
			pgs_buf_putc(out, ',');
		first = false;
		put_slot(sup, out, sup->slots.list[i], detail);
	}
	pgs_buf_lit(out, "]}");
}

void report_json(const struct supervisor *sup, struct pgs_buf *out)
{
	for (int detail = DETAIL_ALL; detail <= DETAIL_COUNTS; detail++) {
		pgs_buf_reset(out);
		put_document(sup, out, (enum detail)detail);
		if (!pgs_buf_failed(out))
			return;
	}
}

void report_text(const struct supervisor *sup, char ret[256])
{
	size_t counts[N_SLOT_STATES] = { 0 }, elsewhere = 0, unusable = 0;

	for (size_t i = 0; i < sup->slots.n; i++) {
		const struct slot *slot = sup->slots.list[i];
		if (!slot->owned && supervisor_takes_locks(sup))
			elsewhere++;
		else
			counts[slot->state]++;
		unusable += slot->document_error[0] != '\0';
	}
	(void)snprintf(ret, 256,
		       "cluster \"%s\": %zu sets, %zu up, %zu starting, %zu in back-off, %zu "
		       "parked (%zu unusable), "
		       "%zu elsewhere; ZooKeeper %s%s%.80s",
		       sup->config.cluster, sup->slots.n, counts[SLOT_UP],
		       counts[SLOT_STARTING] + counts[SLOT_IDLE], counts[SLOT_BACKOFF],
		       counts[SLOT_PARKED], unusable, elsewhere,
		       sup->zk ? zk_state_name(zk_state(sup->zk)) : "closed",
		       sup->cluster_error[0] ? "; " : "", sup->cluster_error);
}

static void on_status_created(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
			      void *ctx)
{
	struct supervisor *sup = ctx;

	(void)zk;
	(void)stat;
	sup->status_asked = false;
	sup->n_requests--;
	if (err && strcmp(err->code, "ZNODEEXISTS") != 0)
		pgs_log(PGS_LOG_DEBUG, NULL, "could not create the status node: %s", err->msg);
}

static void on_status_set(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
			  void *ctx)
{
	struct supervisor *sup = ctx;
	struct zpath path = zpath_status(sup->config.cluster, sup->host);
	struct pgs_err create_err;

	(void)stat;
	sup->status_asked = false;
	sup->n_requests--;
	if (!err || strcmp(err->code, "ZNONODE") != 0 || !sup->cluster_known)
		return; /* the next one comes in 10 s at the latest */
	if (zk_create(zk, path.text, "{}", 2, false, on_status_created, sup, &create_err) < 0)
		return;
	sup->status_asked = true;
	sup->n_requests++;
	sup->status_dirty = true;
}

static void write_node(struct supervisor *sup)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(STATUS_MAX_BYTES);
	struct pgs_err err;

	if (sup->config.set || sup->status_asked || zk_state(sup->zk) != ZK_CONNECTED)
		return;
	report_json(sup, &text);
	if (pgs_buf_failed(&text) ||
	    zk_set(sup->zk, zpath_status(sup->config.cluster, sup->host).text, pgs_buf_str(&text),
		   text.len, -1, on_status_set, sup, &err) < 0)
		return;
	sup->status_asked = true;
	sup->n_requests++;
}

void report_pump(struct supervisor *sup)
{
	uint64_t now_us = pgs_now_us();
	char text[256];

	report_text(sup, text);
	if (strcmp(text, sup->status_text) != 0) {
		memcpy(sup->status_text, text, sizeof(sup->status_text));
		(void)sd_notifyf(0, "STATUS=%s", text); /* nobody listens outside systemd */
		sup->status_dirty = true;
	}
	if (now_us < sup->status_at_us &&
	    !(sup->status_dirty && now_us + EVERY_US >= sup->status_at_us + AT_MOST_EVERY_US))
		return;
	sup->status_at_us = now_us + EVERY_US;
	sup->status_dirty = false;
	write_node(sup);
}

void report_dump(struct supervisor *sup)
{
	char text[256];

	report_text(sup, text);
	pgs_log(PGS_LOG_NOTICE, NULL, "diagnosis: %s; generation %lld, %u requests open", text,
		(long long)sup->generation, sup->n_requests);
	for (size_t i = 0; i < sup->slots.n; i++) {
		struct slot *slot = sup->slots.list[i];
		if (!slot_ours(slot))
			continue;
		pgs_log(PGS_LOG_NOTICE, slot->prefix,
			"state %s, pid %d, version %.12s, owner %s, starts %u, failures %u, "
			"strange messages %llu, error \"%s\"",
			slot_state_name(slot->state), (int)slot->pid, slot->version,
			slot->owned ? "this host" : slot->owner, slot->starts, slot->failures,
			(unsigned long long)slot->strange_messages, slot_error(slot));
		for (size_t k = 0; k < slot->n_sources; k++)
			if (slot->sources[k].known)
				pgs_log(PGS_LOG_NOTICE, slot->prefix,
					"source \"%s\": %s, phase %s for %.1f s, %llu events, %s",
					slot->sources[k].database,
					source_state_name(slot->sources[k].state),
					phase_name(slot->sources[k].phase),
					(double)slot->sources[k].phase_age_us / 1e6,
					(unsigned long long)slot->sources[k].events,
					slot->sources[k].text);
		if (slot_running(slot))
			channel_send_dump(slot);
	}
}

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
#include "supervisor/health.h"
#include "supervisor/http.h"

enum {
	EVERY_US = 10 * 1000 * 1000,
	AT_MOST_EVERY_US = 1000 * 1000,
	STATUS_MAX_BYTES = 60 * 1024,
};

/*
 * How much of each set goes into the document; the first that fits is taken. From DETAIL_TROUBLED on only sets
 * that do not work have their sources, and those that work are one line each.
 */
enum detail {
	DETAIL_ALL,
	DETAIL_NO_TEXT,
	DETAIL_NO_SOURCES,
	DETAIL_TROUBLED,
	DETAIL_BRIEF,
	DETAIL_COUNTS,
};

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

static void put_position(struct pgs_buf *out, const struct slot_source *source)
{
	pgs_buf_lit(out, ",\"position\":{\"snapshot\":");
	zkdoc_put_json_string(out, source->snapshot);
	pgs_buf_printf(out, ",\"lsn\":\"%X/%X\",\"tick\":%llu}", (unsigned)(source->lsn >> 32),
		       (unsigned)source->lsn, (unsigned long long)source->tick);
}

static void put_source(struct pgs_buf *out, const struct slot_source *source, enum detail detail)
{
	pgs_buf_lit(out, "{\"database\":");
	zkdoc_put_json_string(out, source->database);
	pgs_buf_printf(out,
		       ",\"state\":\"%s\",\"phase\":\"%s\",\"phase_age_us\":%llu,\"events\":%llu,"
		       "\"transactions\":%llu,\"rate\":%.1f"
		       ",\"queue_events\":%llu,\"queue_age_us\":%llu,\"delivered_ev_time_us\":%llu"
		       ",\"lag_us\":[%llu,%llu,%llu,%llu],\"ticker_silent\":%s"
		       ",\"captures_failed\":%llu",
		       ctl_state_name(source->state), ctl_phase_name(source->phase),
		       (unsigned long long)source->phase_age_us, (unsigned long long)source->events,
		       (unsigned long long)source->transactions, source->rate,
		       (unsigned long long)source->queue_events,
		       (unsigned long long)source->queue_age_us,
		       (unsigned long long)source->delivered_ev_time_us,
		       (unsigned long long)source->lag_us[CTL_LAG_ASKED],
		       (unsigned long long)source->lag_us[CTL_LAG_READ],
		       (unsigned long long)source->lag_us[CTL_LAG_ACKNOWLEDGED],
		       (unsigned long long)source->lag_us[CTL_LAG_END_TO_END],
		       source->ticker_silent ? "true" : "false",
		       (unsigned long long)source->captures_failed);
	if (source->snapshot[0])
		put_position(out, source);
	if (detail == DETAIL_ALL) {
		pgs_buf_lit(out, ",\"text\":");
		zkdoc_put_json_string(out, source->text);
		if (source->last_error[0]) {
			pgs_buf_printf(out, ",\"last_error\":{\"at_us\":%lld,\"text\":",
				       (long long)source->last_error_wall_us);
			zkdoc_put_json_string(out, source->last_error);
			pgs_buf_putc(out, '}');
		}
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

/* A set that works, in a document that would not fit otherwise: the worst of its sources. */
static void put_slot_brief(struct pgs_buf *out, const struct slot *slot)
{
	uint64_t events = 0, age_us = 0, lag_us = 0;

	for (size_t i = 0; i < slot->n_sources; i++) {
		const struct slot_source *source = &slot->sources[i];
		events += source->queue_events;
		age_us = source->queue_age_us > age_us ? source->queue_age_us : age_us;
		lag_us = source->lag_us[CTL_LAG_END_TO_END] > lag_us
				 ? source->lag_us[CTL_LAG_END_TO_END]
				 : lag_us;
	}
	pgs_buf_printf(out,
		       "{\"set\":\"%s\",\"state\":\"%s\",\"owned\":%s,\"running_version\":\"%.12s\""
		       ",\"pid\":%d,\"queue_events\":%llu,\"queue_age_us\":%llu,\"lag_us\":%llu",
		       slot->set, slot_state_name(slot->state), slot->owned ? "true" : "false",
		       slot_running(slot) ? slot->run_version : "", (int)slot->pid,
		       (unsigned long long)events, (unsigned long long)age_us,
		       (unsigned long long)lag_us);
	if (slot_error(slot)[0]) {
		char text[64];
		(void)snprintf(text, sizeof(text), "%s", slot_error(slot));
		pgs_buf_lit(out, ",\"error\":");
		zkdoc_put_json_string(out, text);
	}
	pgs_buf_putc(out, '}');
}

/* Nothing to tell but figures. */
static bool slot_well(const struct slot *slot)
{
	bool well = slot->state == SLOT_UP;

	for (size_t i = 0; i < slot->n_sources; i++)
		well = well &&
		       (!slot->sources[i].known || slot->sources[i].state == CTL_STATE_WORKING);
	return well;
}

static void put_document(const struct supervisor *sup, struct pgs_buf *out, enum detail detail)
{
	char text[STATUS_TEXT_MAX];

	report_text(sup, text);
	pgs_buf_lit(out, "{\"v\":1,\"host\":");
	zkdoc_put_json_string(out, sup->host);
	if (sup->config.set)
		pgs_buf_printf(out, ",\"only\":\"%s\"", sup->config.set);
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
	/* What does not fit is not written to its end: of very many sets each attempt would cost more than all else. */
	for (size_t i = 0; detail < DETAIL_COUNTS && i < sup->slots.n && !pgs_buf_failed(out);
	     i++) {
		if (!slot_ours(sup->slots.list[i]))
			continue; /* another host's: that one tells */
		if (!first)
			pgs_buf_putc(out, ',');
		first = false;
		if (detail == DETAIL_BRIEF ||
		    (detail == DETAIL_TROUBLED && slot_well(sup->slots.list[i])))
			put_slot_brief(out, sup->slots.list[i]);
		else
			put_slot(sup, out, sup->slots.list[i],
				 detail == DETAIL_TROUBLED ? DETAIL_NO_TEXT : detail);
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

void report_text(const struct supervisor *sup, char ret[STATUS_TEXT_MAX])
{
	size_t counts[N_SLOT_STATES] = { 0 }, elsewhere = 0, unusable = 0;

	for (size_t i = 0; i < sup->slots.n; i++) {
		const struct slot *slot = sup->slots.list[i];
		if (!slot->owned && supervisor_takes_locks(sup))
			elsewhere++;
		else
			counts[slot->state]++;
		unusable += slot_ours(slot) && slot->document_error[0] != '\0';
	}
	(void)snprintf(ret, STATUS_TEXT_MAX,
		       "cluster \"%s\": %zu sets, %zu up, %zu starting, %zu in back-off, %zu "
		       "parked (%zu unusable), "
		       "%zu elsewhere; ZooKeeper %s%s%.80s%s%.200s",
		       sup->config.cluster, sup->slots.n, counts[SLOT_UP],
		       counts[SLOT_STARTING] + counts[SLOT_IDLE], counts[SLOT_BACKOFF],
		       counts[SLOT_PARKED], unusable, elsewhere,
		       sup->zk ? zk_state_name(zk_state(sup->zk)) : "closed",
		       sup->cluster_error[0] ? "; " : "", sup->cluster_error,
		       sup->reload_error[0] ? "; reload failed: " : "", sup->reload_error);
}

/* A supervisor of one set has a node of its own, beside that of its host, which goes when it ends. */
static struct zpath status_path(const struct supervisor *sup)
{
	return sup->config.set ? zpath_status_set(sup->config.cluster, sup->host, sup->config.set)
			       : zpath_status(sup->config.cluster, sup->host);
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
	struct zpath path = status_path(sup);
	struct pgs_err create_err;

	(void)stat;
	sup->status_asked = false;
	sup->n_requests--;
	if (!err || strcmp(err->code, "ZNONODE") != 0 || !sup->cluster_known)
		return; /* the next one comes in 10 s at the latest */
	if (zk_create(zk, path.text, "{}", 2, sup->config.set != NULL, on_status_created, sup,
		      &create_err) < 0)
		return;
	sup->status_asked = true;
	sup->n_requests++;
	sup->status_dirty = true;
}

static void write_node(struct supervisor *sup)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(STATUS_MAX_BYTES);
	struct pgs_err err;

	if (!supervisor_takes_locks(sup) || sup->status_asked || zk_state(sup->zk) != ZK_CONNECTED)
		return; /* without locks nothing is anybody's: the output is the caller's */
	report_json(sup, &text);
	if (pgs_buf_failed(&text) || zk_set(sup->zk, status_path(sup).text, pgs_buf_str(&text),
					    text.len, -1, on_status_set, sup, &err) < 0)
		return;
	sup->status_asked = true;
	sup->n_requests++;
}

void report_pump(struct supervisor *sup)
{
	uint64_t now_us = pgs_now_us();
	char text[STATUS_TEXT_MAX];

	health_note(sup, now_us);
	http_pump(sup);
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

static void dump_source(const struct slot *slot, const struct slot_source *source)
{
	pgs_log(PGS_LOG_NOTICE, slot->prefix,
		"diagnosis: source \"%s\": %s, phase %s for %.1f s, heard of %.1f s ago, %llu "
		"events, "
		"%.1f a second, %llu waiting for %.1f s, lag %.3f s, position %s; %s%s%s",
		source->database, ctl_state_name(source->state), ctl_phase_name(source->phase),
		(double)source->phase_age_us / 1e6, (double)(pgs_now_us() - source->heard_us) / 1e6,
		(unsigned long long)source->events, source->rate,
		(unsigned long long)source->queue_events, (double)source->queue_age_us / 1e6,
		(double)source->lag_us[CTL_LAG_END_TO_END] / 1e6,
		source->snapshot[0] ? source->snapshot : "not known",
		source->text[0] ? source->text : "no error",
		source->last_error[0] ? "; last error: " : "", source->last_error);
}

void report_dump(struct supervisor *sup)
{
	char text[STATUS_TEXT_MAX];

	report_text(sup, text);
	pgs_log(PGS_LOG_NOTICE, NULL, "diagnosis: %s; generation %lld, %u requests open", text,
		(long long)sup->generation, sup->n_requests);
	for (size_t i = 0; i < sup->slots.n; i++) {
		struct slot *slot = sup->slots.list[i];
		if (!slot_ours(slot))
			continue;
		pgs_log(PGS_LOG_NOTICE, slot->prefix,
			"diagnosis: state %s, pid %d, version %.12s, owner %s, starts %u, failures "
			"%u, "
			"strange messages %llu, error \"%s\"",
			slot_state_name(slot->state), (int)slot->pid, slot->version,
			slot->owned ? "this host" : slot->owner, slot->starts, slot->failures,
			(unsigned long long)slot->strange_messages, slot_error(slot));
		for (size_t k = 0; k < slot->n_sources; k++)
			if (slot->sources[k].known)
				dump_source(slot, &slot->sources[k]);
		if (slot_running(slot))
			channel_send_dump(slot);
	}
}

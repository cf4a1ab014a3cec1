/*
 * supervisor/metrics.c
 *    The table of metrics and the page that is made of it. See supervisor/metrics.h.
 *
 * Values are whole numbers, times in microseconds: the page shows those as seconds. What a worker said is gossip:
 * it can make a figure wrong, never the page.
 */
#include "supervisor/metrics.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/usage.h"
#include "common/utf8.h"
#include "supervisor/health.h"

struct page {
	const struct supervisor *sup;
	uint64_t now_us;
	struct pgs_buf *out;
};

enum unit { ONE, SECONDS };

/* One of the three writes the samples: all of them, those of a set, or those of a source. */
struct family {
	const char *name;
	const char *type;
	const char *help;
	enum unit unit;
	void (*put)(const struct page *p, const struct family *f);
	void (*set)(const struct page *p, const struct family *f, const struct slot *slot);
	void (*source)(const struct page *p, const struct family *f, const struct slot *slot,
		       const struct slot_source *source);
};

void metrics_put_label(struct pgs_buf *out, const char *value)
{
	size_t left = strlen(value);

	while (left > 0) {
		size_t n = pgs_utf8_length(value, left);
		if (n == 0)
			pgs_buf_putc(out, '?');
		else if (*value == '\n')
			pgs_buf_lit(out, "\\n");
		else if (*value == '"' || *value == '\\')
			pgs_buf_put(out, (char[]){ '\\', *value }, 2);
		else
			pgs_buf_put(out, value, n);
		n = n ? n : 1;
		value += n;
		left -= n;
	}
}

static void put_name(const struct page *p, const struct family *f)
{
	pgs_buf_puts(p->out, f->name);
}

static void put_pair(const struct page *p, char before, const char *label, const char *value)
{
	pgs_buf_putc(p->out, before);
	pgs_buf_puts(p->out, label);
	pgs_buf_lit(p->out, "=\"");
	metrics_put_label(p->out, value);
	pgs_buf_putc(p->out, '"');
}

static void put_set(const struct page *p, const struct family *f, const struct slot *slot)
{
	put_name(p, f);
	put_pair(p, '{', "set", slot->set);
}

static void put_source(const struct page *p, const struct family *f, const struct slot *slot,
		       const struct slot_source *source)
{
	put_set(p, f, slot);
	put_pair(p, ',', "database", source->database);
}

/* After the labels, if there are any. */
static void put_value(const struct page *p, const struct family *f, bool labels, uint64_t value)
{
	if (labels)
		pgs_buf_putc(p->out, '}');
	pgs_buf_putc(p->out, ' ');
	if (f->unit == SECONDS)
		pgs_buf_printf(p->out, "%llu.%06u", (unsigned long long)(value / 1000000),
			       (unsigned)(value % 1000000));
	else
		pgs_buf_u64(p->out, value);
	pgs_buf_putc(p->out, '\n');
}

static uint64_t since(const struct page *p, uint64_t at_us)
{
	return p->now_us > at_us ? p->now_us - at_us : 0;
}

/* A function that writes one sample without labels of its own. */
#define HOST_VALUE(name, value)                                                                    \
	static void name(const struct page *p, const struct family *f)                             \
	{                                                                                          \
		put_name(p, f);                                                                    \
		put_value(p, f, false, value);                                                     \
	}
#define SET_VALUE(name, value)                                                                     \
	static void name(const struct page *p, const struct family *f, const struct slot *slot)    \
	{                                                                                          \
		put_set(p, f, slot);                                                               \
		put_value(p, f, true, value);                                                      \
	}
/* While a worker runs; else there is none. */
#define WORKER_VALUE(name, value)                                                                  \
	static void name(const struct page *p, const struct family *f, const struct slot *slot)    \
	{                                                                                          \
		if (!slot_running(slot))                                                           \
			return;                                                                    \
		put_set(p, f, slot);                                                               \
		put_value(p, f, true, value);                                                      \
	}
#define SOURCE_VALUE(name, value)                                                                  \
	static void name(const struct page *p, const struct family *f, const struct slot *slot,    \
			 const struct slot_source *source)                                         \
	{                                                                                          \
		put_source(p, f, slot, source);                                                    \
		put_value(p, f, true, value);                                                      \
	}

/* ---- The supervisor. ---- */

static void host_info(const struct page *p, const struct family *f)
{
	put_name(p, f);
	put_pair(p, '{', "cluster", p->sup->config.cluster);
	put_pair(p, ',', "host", p->sup->host);
	put_pair(p, ',', "version", PGSHOVEL_VERSION);
	put_value(p, f, true, 1);
}

static void host_sets(const struct page *p, const struct family *f)
{
	uint64_t counts[N_SLOT_STATES] = { 0 };

	for (size_t i = 0; i < p->sup->slots.n; i++)
		if (slot_ours(p->sup->slots.list[i]))
			counts[p->sup->slots.list[i]->state]++;
	for (int state = 0; state < N_SLOT_STATES; state++) {
		put_name(p, f);
		put_pair(p, '{', "state", slot_state_name((enum slot_state)state));
		put_value(p, f, true, counts[state]);
	}
}

static bool healthy(const struct page *p)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(HEALTH_MAX_BYTES);

	return health_check(p->sup, p->now_us, &text);
}

static uint64_t loop_lag_us(const struct supervisor *sup)
{
	return sup->loop_lag_us > sup->loop_lag_before_us ? sup->loop_lag_us
							  : sup->loop_lag_before_us;
}

HOST_VALUE(host_ready, p->sup->ready)
HOST_VALUE(host_healthy, healthy(p))
HOST_VALUE(host_drained, p->sup->drained)
HOST_VALUE(host_zookeeper, p->sup->zk &&zk_state(p->sup->zk) == ZK_CONNECTED)
HOST_VALUE(host_ignored, p->sup->n_ignored_sets)
HOST_VALUE(host_starts, p->sup->n_spawns)
HOST_VALUE(host_loop_lag, loop_lag_us(p->sup))
HOST_VALUE(host_cpu, pgs_usage().cpu_us)
HOST_VALUE(host_memory, pgs_usage().memory_peak)

/* ---- Sets. ---- */

static void set_info(const struct page *p, const struct family *f, const struct slot *slot)
{
	char wanted[13], running[13];

	(void)snprintf(wanted, sizeof(wanted), "%.12s", slot->version);
	(void)snprintf(running, sizeof(running), "%.12s",
		       slot_running(slot) ? slot->run_version : "");
	put_set(p, f, slot);
	put_pair(p, ',', "version", wanted);
	put_pair(p, ',', "running_version", running);
	put_value(p, f, true, 1);
}

static void set_state(const struct page *p, const struct family *f, const struct slot *slot)
{
	put_set(p, f, slot);
	put_pair(p, ',', "state", slot_state_name(slot->state));
	put_value(p, f, true, 1);
}

static bool set_is_healthy(const struct page *p, const struct slot *slot)
{
	char why[HEALTH_TEXT_MAX];

	return health_set(p->sup, slot, p->now_us, why);
}

SET_VALUE(set_up, slot->state == SLOT_UP)
SET_VALUE(set_owned, slot->owned)
SET_VALUE(set_healthy, set_is_healthy(p, slot))
SET_VALUE(set_starts, slot->starts)
SET_VALUE(set_failures, slot->failures)
SET_VALUE(set_strange, slot->strange_messages)
WORKER_VALUE(heartbeat_age, since(p, slot->heard_us))
WORKER_VALUE(worker_age, since(p, slot->spawned_us))
WORKER_VALUE(worker_cpu, slot->cpu_us)
WORKER_VALUE(worker_memory, slot->memory_peak)

/* ---- Sources. ---- */

static void source_state(const struct page *p, const struct family *f, const struct slot *slot,
			 const struct slot_source *source)
{
	put_source(p, f, slot, source);
	put_pair(p, ',', "state", ctl_state_name(source->state));
	put_value(p, f, true, 1);
}

static void phase_age(const struct page *p, const struct family *f, const struct slot *slot,
		      const struct slot_source *source)
{
	put_source(p, f, slot, source);
	put_pair(p, ',', "phase", ctl_phase_name(source->phase));
	put_value(p, f, true, source->phase_age_us);
}

static void lag(const struct page *p, const struct family *f, const struct slot *slot,
		const struct slot_source *source)
{
	static const char *const clocks[CTL_N_LAGS] = { "asked", "read", "acknowledged",
							"end_to_end" };

	for (int i = 0; i < CTL_N_LAGS; i++) {
		put_source(p, f, slot, source);
		put_pair(p, ',', "clock", clocks[i]);
		put_value(p, f, true, source->lag_us[i]);
	}
}

SOURCE_VALUE(source_events, source->events)
SOURCE_VALUE(source_transactions, source->transactions)
SOURCE_VALUE(source_queue_events, source->queue_events)
SOURCE_VALUE(source_queue_age, source->queue_age_us)
SOURCE_VALUE(source_progress_age, since(p, source->moved_us))
SOURCE_VALUE(source_delivered, source->delivered_ev_time_us)
SOURCE_VALUE(source_lsn, source->lsn)
SOURCE_VALUE(source_ticker_silent, source->ticker_silent)
SOURCE_VALUE(source_captures_failed, source->captures_failed)

/* ---- The table. ---- */

#define GAUGE   .type = "gauge"
#define COUNTER .type = "counter"

static const struct family families[] = {
	{ "pgshovel_supervisor_info", GAUGE, .help = "Cluster, host name and version; always 1.",
	  .put = host_info },
	{ "pgshovel_supervisor_ready", GAUGE,
	  .help = "1 after the first complete look at ZooKeeper.", .put = host_ready },
	{ "pgshovel_supervisor_healthy", GAUGE, .help = "1 while /healthz answers ok.",
	  .put = host_healthy },
	{ "pgshovel_supervisor_drained", GAUGE, .help = "1 while an operator wants no sets here.",
	  .put = host_drained },
	{ "pgshovel_supervisor_zookeeper_connected", GAUGE,
	  .help = "1 while there is a connection to ZooKeeper.", .put = host_zookeeper },
	{ "pgshovel_supervisor_sets", GAUGE, .help = "Sets of this host by state.",
	  .put = host_sets },
	{ "pgshovel_supervisor_sets_ignored", GAUGE,
	  .help = "Sets beyond max-sets, and nodes with a name that no set has.",
	  .put = host_ignored },
	{ "pgshovel_supervisor_worker_starts_total", COUNTER,
	  .help = "Workers started, of all sets.", .put = host_starts },
	{ "pgshovel_supervisor_loop_lag_seconds", GAUGE, .unit = SECONDS,
	  .help = "How late the event loop was at worst in the last one to two minutes.",
	  .put = host_loop_lag },
	{ "pgshovel_supervisor_cpu_seconds_total", COUNTER, .unit = SECONDS,
	  .help = "CPU time of the supervisor without its workers.", .put = host_cpu },
	{ "pgshovel_supervisor_memory_peak_bytes", GAUGE,
	  .help = "Largest resident memory of the supervisor so far.", .put = host_memory },

	{ "pgshovel_set_info", GAUGE,
	  .help = "Version that ZooKeeper wants and version that runs, 12 digits; always 1.",
	  .set = set_info },
	{ "pgshovel_set_state", GAUGE,
	  .help = "1 for the state that the set is in: idle, starting, up, stopping, backoff, "
		  "parked.",
	  .set = set_state },
	{ "pgshovel_set_up", GAUGE, .help = "1 while the set has a relay that has started.",
	  .set = set_up },
	{ "pgshovel_set_owned", GAUGE, .help = "1 while this host holds the lock of the set.",
	  .set = set_owned },
	{ "pgshovel_set_healthy", GAUGE,
	  .help = "0 while the set should move and does not; /healthz says why.",
	  .set = set_healthy },
	{ "pgshovel_set_worker_starts_total", COUNTER, .help = "Workers started.",
	  .set = set_starts },
	{ "pgshovel_set_failures", GAUGE, .help = "Failures in a row.", .set = set_failures },
	{ "pgshovel_set_strange_messages_total", COUNTER,
	  .help = "Messages of the worker that made no sense.", .set = set_strange },
	{ "pgshovel_set_heartbeat_age_seconds", GAUGE, .unit = SECONDS,
	  .help = "Time since the last word of the worker.", .set = heartbeat_age },
	{ "pgshovel_set_worker_age_seconds", GAUGE, .unit = SECONDS,
	  .help = "Time since the worker was started.", .set = worker_age },
	{ "pgshovel_set_worker_cpu_seconds_total", COUNTER, .unit = SECONDS,
	  .help = "CPU time of the worker.", .set = worker_cpu },
	{ "pgshovel_set_worker_memory_peak_bytes", GAUGE,
	  .help = "Largest resident memory of the worker so far.", .set = worker_memory },

	{ "pgshovel_source_state", GAUGE,
	  .help = "1 for the state that the source is in: starting, working, retrying, parked, "
		  "stalled.",
	  .source = source_state },
	{ "pgshovel_source_phase_age_seconds", GAUGE, .unit = SECONDS,
	  .help = "Time in the present phase of the relay's loop.", .source = phase_age },
	{ "pgshovel_source_events_total", COUNTER,
	  .help = "Events delivered since the worker started.", .source = source_events },
	{ "pgshovel_source_transactions_total", COUNTER,
	  .help = "Kafka transactions committed since the worker started.",
	  .source = source_transactions },
	{ "pgshovel_source_queue_events", GAUGE,
	  .help = "Events that wait in the queue, as last estimated.",
	  .source = source_queue_events },
	{ "pgshovel_source_queue_age_seconds", GAUGE, .unit = SECONDS,
	  .help = "Age of what waits longest, as last estimated.", .source = source_queue_age },
	{ "pgshovel_source_progress_age_seconds", GAUGE, .unit = SECONDS,
	  .help = "Time since events were delivered or none waited.",
	  .source = source_progress_age },
	{ "pgshovel_source_lag_seconds", GAUGE, .unit = SECONDS,
	  .help = "Lag of the window delivered last, by clock: asked, read, acknowledged, "
		  "end_to_end.",
	  .source = lag },
	{ "pgshovel_source_delivered_timestamp_seconds", GAUGE, .unit = SECONDS,
	  .help = "When the transaction of the newest delivered event began, since 1970; 0: none "
		  "yet.",
	  .source = source_delivered },
	{ "pgshovel_source_position_lsn", GAUGE,
	  .help = "WAL position, in bytes, up to which everything is delivered.",
	  .source = source_lsn },
	{ "pgshovel_source_ticker_silent", GAUGE,
	  .help = "1 while nobody but the relay ticks the queue.", .source = source_ticker_silent },
	{ "pgshovel_source_captures_failed_total", COUNTER,
	  .help = "Changes that capture lost since the set was created (on_capture_error = count).",
	  .source = source_captures_failed },
};

/* The sets of this host, as the status node has them. */
static void put_sets(const struct page *p, const struct family *f)
{
	for (size_t i = 0; i < p->sup->slots.n; i++) {
		const struct slot *slot = p->sup->slots.list[i];
		if (!slot_ours(slot))
			continue;
		if (f->set)
			f->set(p, f, slot);
		for (size_t k = 0; f->source && slot_running(slot) && k < slot->n_sources; k++)
			if (slot->sources[k].known)
				f->source(p, f, slot, &slot->sources[k]);
	}
}

static void put_family(const struct page *p, const struct family *f)
{
	pgs_buf_printf(p->out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
	if (f->put)
		f->put(p, f);
	else
		put_sets(p, f);
}

void metrics_page(const struct supervisor *sup, uint64_t now_us, struct pgs_buf *out)
{
	const struct page page = { .sup = sup, .now_us = now_us, .out = out };

	for (size_t i = 0; i < PGS_ARRAY_LEN(families); i++)
		put_family(&page, &families[i]);
}

void metrics_list(FILE *out)
{
	for (size_t i = 0; i < PGS_ARRAY_LEN(families); i++)
		(void)fprintf(out, "%s %s %s\n", families[i].name, families[i].type,
			      families[i].help);
}

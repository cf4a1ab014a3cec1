/*
 * common/ctlproto.h
 *    The messages on fd 3 between supervisor and worker, and the numbers of the two descriptors.
 *
 * Only the layout and the words: supervisor/channel.c and worker/control.c send and receive. See docs/protocol.md 4.
 */
#ifndef PGSHOVEL_COMMON_CTLPROTO_H
#define PGSHOVEL_COMMON_CTLPROTO_H

#include <stdbool.h>
#include <stdint.h>

enum { CTL_FD = 3, CTL_ASSIGNMENT_FD = 4, CTL_FORMAT = 3 };

/* As long as an error's message: what to do stands at its end. */
enum { CTL_TEXT_MAX = 640 };

enum ctl_type {
	CTL_HELLO = 1,
	CTL_READY,
	CTL_BEAT,
	CTL_DYING,
	CTL_STOP,
	CTL_TOKEN,
	CTL_DUMP,
};

enum ctl_state {
	CTL_STATE_STARTING = 1,
	CTL_STATE_WORKING,
	CTL_STATE_RETRYING, /* an error of class RETRY; waiting before START */
	CTL_STATE_PARKED, /* an error of class CONFIG; this source does not go on */
	CTL_STATE_STALLED, /* events wait and nothing was committed for 60 s */
};

/* Where a source is in its straight line; each has its own time limit in supervisor/reconcile.c. */
enum ctl_phase {
	CTL_PHASE_IDLE = 1, /* waiting for the next poll */
	CTL_PHASE_CONNECT, /* PostgreSQL */
	CTL_PHASE_KAFKA, /* metadata, init_transactions, position */
	CTL_PHASE_WINDOW, /* reading a window */
	CTL_PHASE_ENCODE, /* encoding and producing */
	CTL_PHASE_FLUSH, /* waiting for the source's WAL */
	CTL_PHASE_COMMIT, /* Kafka commits; may take minutes */
	CTL_PHASE_UPKEEP, /* mark, hint, tick, catalog */
	CTL_PHASE_BACKOFF,
};

/* "working", "commit"; "?" for a number that is none. */
const char *ctl_state_name(enum ctl_state state);
const char *ctl_phase_name(enum ctl_phase phase);

/*
 * The four clocks, of the newest event of a window: ev_time is the start of the application's transaction by the
 * database's clock, the others are the relay's.
 */
enum ctl_lag {
	CTL_LAG_ASKED, /* ev_time to the moment at which the relay asked for the window */
	CTL_LAG_READ, /* from there until it had read the window and put it in order */
	CTL_LAG_ACKNOWLEDGED, /* from there until Kafka had committed it */
	CTL_LAG_END_TO_END, /* ev_time to Kafka's commit */
	CTL_N_LAGS,
};

struct ctl_msg {
	uint32_t type; /* enum ctl_type */
	uint32_t format; /* CTL_FORMAT */
	union {
		struct {
			char software[32];
		} hello;
		struct {
			uint16_t source; /* position in the document's databases */
			uint16_t n_sources;
			uint8_t state; /* enum ctl_state */
			uint8_t phase; /* enum ctl_phase */
			uint8_t ticker_silent;
			uint8_t unused;
			uint64_t events; /* delivered since this worker started */
			uint64_t transactions; /* Kafka transactions committed since it started */
			uint64_t queue_events; /* waiting, as last estimated */
			uint64_t
				queue_age_us; /* age of the oldest waiting event, as last estimated */
			uint64_t
				delivered_ev_time_us; /* ev_time of the last delivered event, wall clock */
			uint64_t lag_us[CTL_N_LAGS]; /* of the last delivered window */
			uint64_t lsn; /* position: WAL flushed when the window was read */
			uint64_t tick; /* position: newest tick that it covers, 0: none */
			char snapshot[48]; /* position: "XMIN:XMAX" up to which all is delivered */
			uint64_t cpu_us; /* of the whole worker, since it started */
			uint64_t memory_peak; /* of the whole worker, bytes resident */
			uint64_t
				captures_failed; /* since the set was created: changes that are lost */
			uint64_t phase_age_us; /* how long the source has been in this phase */
			char database[64];
			char text[CTL_TEXT_MAX]; /* last error or notice, one line, "" = none */
		} beat;
		struct {
			int32_t exit_code;
			char text[CTL_TEXT_MAX];
		} dying;
		struct {
			char token[64];
		} token;
	} u;
};

#endif

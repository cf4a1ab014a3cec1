/*
 * worker/relay.h
 *    One source from PostgreSQL to its sink, for as long as it is wanted.
 *
 * relay.c is the straight line; relay_start.c takes over; relay_send.c fills one Kafka transaction.
 */
#ifndef PGSHOVEL_WORKER_RELAY_H
#define PGSHOVEL_WORKER_RELAY_H

#include "common/backoff.h"
#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "worker/encode.h"
#include "worker/position.h"
#include "worker/refusal.h"
#include "worker/retention.h"
#include "worker/sink.h"
#include "worker/source.h"
#include "worker/status.h"
#include "worker/window.h"

/*
 * The delete and the tombstone of a key change, until its insert is known to fit: with quarantine an event is
 * sent whole or not at all.
 */
struct relay_held {
	struct encode_record records[2]; /* key, value and header are in text, by offset */
	struct encode_header header;
	size_t n;
	struct pgs_buf text;
};

/* What is written to the sink, but not known to be committed; events 0: nothing is. */
struct relay_sent {
	uint64_t events;
	int64_t newest_ev_id;
	int64_t newest_time_us;
	int64_t asked_at_us;
	int64_t read_at_us;
	uint64_t lsn;
};

struct relay {
	struct source_config config;
	struct status *status;
	struct sink *sink;
	struct source *source;
	struct encoder *encoder; /* from START to ERROR, as are the next ones */
	struct reader *reader;
	struct position_state state; /* S: everything up to it is delivered */
	struct position_state
		read; /* everything up to it is read: S, and what is being committed */
	struct relay_sent sent;
	struct retention retention;
	struct position_transaction transaction; /* whose events are being sent */
	char *prefix; /* of topics */
	struct pgs_buf key; /* of the position */
	struct pgs_buf text;
	struct relation *last_relation;
	struct relay_held held;
	struct refusal refusal;
	struct pgs_log_limit poison_limit;
	char *quarantine_topic; /* NULL: poison stops the source */
	struct pgs_buf skeleton;
	uint64_t started_us; /* START was complete; 0: it is not */
	uint64_t sent_at_us; /* when the last transaction was committed; monotonic */
	uint64_t poll_us;
	char log_prefix[160];
};

/* tokens, stop_fd and so on are in config; the sink is the relay's from here on. */
int relay_new(const struct source_config *config, struct status *status, struct sink *sink,
	      struct relay **ret, struct pgs_err *reterr) PGS_MUST_CHECK;
void relay_free(struct relay *r);

/* Until stop is asked. Errors are told to the status and tried again; nothing comes back. */
void relay_run(struct relay *r);

/* relay_start.c: everything of START; after it state, reader, encoder and retention are ready. */
int relay_start(struct relay *r, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * relay_send.c: one part of a window in one transaction: flushed, begin, produce, position. Its commit is begun
 * where more is known to wait, which can be read meanwhile.
 */
int relay_send(struct relay *r, const struct window *w, struct pgs_err *reterr) PGS_MUST_CHECK;
/* What relay_send() sent is committed and S moves to what was read then; nothing sent: nothing to do. */
int relay_settle(struct relay *r, struct pgs_err *reterr) PGS_MUST_CHECK;
/* S is what was read. */
int relay_follow(struct relay *r, uint64_t lsn, struct pgs_err *reterr) PGS_MUST_CHECK;
/* The relation that an event names, with an encoder and a topic. */
int relay_relation(struct relay *r, const struct event *ev, struct relation **ret,
		   struct pgs_err *reterr) PGS_MUST_CHECK;
order_key_fn relay_order_key;

#endif

/*
 * worker/position.h
 *    What Kafka holds for one source: the record of docs/protocol.md 3, and whether to believe it.
 *
 * Pure. The position is the only truth about what was delivered; position_judge() says whether it belongs to
 * the source as it is now.
 */
#ifndef PGSHOVEL_WORKER_POSITION_H
#define PGSHOVEL_WORKER_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "worker/token.h"

enum {
	POSITION_MAX_BYTES = 8 * 1024 * 1024, /* two snapshots with every transaction in progress */
	POSITION_NONCE_MAX = 40,
};

/* Where reading goes on. Owned strings; position_state_done(). */
struct position_state {
	char *snapshot; /* everything visible in it is in Kafka */
	char *upto; /* upper snapshot of a cut window; NULL: the window was whole */
	int64_t cut_tx; /* with upto: largest ev_id of the last event's transaction, 0: not used */
	int64_t ev_id; /* with upto: the last event sent */
};

void position_state_done(struct position_state *state);
int position_state_set(struct position_state *state, const char *snapshot, const char *upto,
		       int64_t cut_tx, int64_t ev_id, struct pgs_err *reterr) PGS_MUST_CHECK;

/* With transactions = true: how much of a transaction of the source is in Kafka, where a window was cut in it. */
struct position_transaction {
	int64_t txid; /* 0: in none */
	int64_t total; /* data changes so far */
	struct position_collection {
		char *name; /* schema.table */
		int64_t events; /* data changes so far */
	} * collections;
	size_t n_collections;
};

void position_transaction_done(struct position_transaction *t);

/* One event, as nothing but the history that made it can hold it. */
struct position_event {
	int64_t id;
	int64_t txid;
	int64_t time_us;
};

/* The whole record. Strings are lent when written, owned when read (position_done). NULL = null. */
struct position {
	struct position_state state;
	struct position_transaction transaction;
	char *version;
	char *system;
	int64_t database;
	int64_t timeline;
	uint64_t lsn; /* 0: null */
	char *nonce;
	int64_t tick; /* 0: null */
	char *host;
	char *token;
	int64_t at_us;
	struct position_event last; /* id 0: null */
};

/* Append the JSON object. The buffer's failure is the only error. */
void position_write(const struct position *pos, struct pgs_buf *out);

/* Strict about what is needed to go on; unknown fields are ignored. Class CONFIG: not our record. */
int position_read(const char *text, size_t len, struct position *ret,
		  struct pgs_err *reterr) PGS_MUST_CHECK;
void position_done(struct position *pos);

/* The record's key: ["NODE","ROLLOUT"]. Appends. */
void position_key(const char *node, const char *rollout, struct pgs_buf *out);

/* "16/B374D848" and back. */
bool position_parse_lsn(const char *text, uint64_t *ret);
void position_put_lsn(uint64_t lsn, struct pgs_buf *out);

/* What the source knows of the timeline on which the position was written. */
enum position_history {
	POSITION_HISTORY_UNKNOWN,
	POSITION_FORKED,
	POSITION_NO_ANCESTOR, /* it is none of those that led to the source's */
};

/* The source as it is now. */
struct position_source {
	const char *name; /* of the database, for messages */
	const char *system;
	int64_t database;
	int64_t timeline;
	uint64_t lsn;
	uint64_t next_txid;
	struct token token; /* ours */

	/* What is looked for only where position_wants() says so. */
	enum position_history history;
	uint64_t fork_lsn; /* POSITION_FORKED: where the timeline of the position was left */
	const char *history_why; /* POSITION_HISTORY_UNKNOWN: why, and what would help */
	bool last_missing; /* the position's last event is not in the queue */
};

/* The row of `hint`. */
struct position_hint {
	char nonce[POSITION_NONCE_MAX]; /* "" before the first START */
	char prev_nonce
		[POSITION_NONCE_MAX]; /* nonce of the position that was accepted last, or "" */
	int64_t tick; /* 0: null */
	uint64_t lsn; /* 0: null: nothing was delivered yet */
};

enum position_verdict {
	POSITION_FIRST, /* there is none, and none was written: start at the set's snapshot */
	POSITION_GOES_ON,
	POSITION_REWIND, /* source and Kafka do not belong together: stop */
	POSITION_NEWER_OWNER, /* a newer owner wrote it: the set is not ours any more, for all that we know */
};

/*
 * What position_judge() must know beyond nonces. Nothing, when the source has written its hint since it delivered the
 * position: whatever holds that hint holds all that was before. Else a position of the same timeline needs the
 * event, one of another the history.
 */
enum position_want { POSITION_WANTS_NOTHING, POSITION_WANTS_HISTORY, POSITION_WANTS_EVENT };
enum position_want position_wants(const struct position *pos, const struct position_hint *hint,
				  int64_t timeline);

/*
 * `pos` NULL: Kafka holds none. On POSITION_REWIND and POSITION_NEWER_OWNER *ret_why says in one line which two
 * things differ and what an operator can do.
 */
enum position_verdict position_judge(const struct position *pos, const struct position_hint *hint,
				     const struct position_source *source, struct pgs_buf *ret_why);

/*
 * The hint's life, so that the position's nonce is always one of the two. position_hint_start(): at START,
 * after POSITION_FIRST or POSITION_GOES_ON. position_hint_next(): before a later write of the hint;
 * carried: a position with the current nonce is committed (only then a new one may be made). `fresh` is a
 * random text.
 */
void position_hint_start(struct position_hint *hint, const struct position *pos, const char *fresh);
void position_hint_next(struct position_hint *hint, bool carried, const char *fresh);

#endif

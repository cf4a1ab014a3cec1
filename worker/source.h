/*
 * worker/source.h
 *    The PostgreSQL side of one source: its session, identity, lock, relations, hint and flushes.
 *
 * One thread. Reading windows is window.c's, moving the mark retention.c's. The main session holds the lock
 * and is never inside a transaction between calls; a second one for bulk reading is opened when needed.
 * After any error the only calls allowed are source_close() and source_free().
 */
#ifndef PGSHOVEL_WORKER_SOURCE_H
#define PGSHOVEL_WORKER_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/assignment.h"
#include "common/base.h"
#include "common/err.h"
#include "common/pg.h"
#include "common/setdoc.h"
#include "worker/event.h"
#include "worker/position.h"
#include "worker/relation.h"
#include "worker/status.h"
#include "worker/token.h"

enum { SOURCE_MAX_RELATIONS = 65536 };

/* What does not change while the worker lives; all lent. */
struct source_config {
	const struct assignment *assignment;
	const struct setdoc *doc;
	const struct setdoc_database *db;
	struct token_box *tokens;
	int stop_fd;
	bool owned; /* takes the lock, writes hint and mark; false for --stdout and --file */
};

struct source {
	struct source_config config;
	char prefix[160]; /* of log lines: set=NAME database=NAME */
	char schema[64]; /* quoted: "pgshovel_CLUSTER" */
	char queue[64]; /* pgshovel:CLUSTER:SET */
	PGconn *conn;
	PGconn *bulk; /* NULL until needed */
	struct token token; /* shown in application_name */
	unsigned token_version;
	char token_text[TOKEN_TEXT_MAX];

	/* As read by source_open(). Owned. */
	char node[40];
	char system[24];
	int64_t database; /* oid */
	char *database_name;
	int64_t timeline;
	uint64_t lsn; /* flushed when the session was opened, or a position was judged */
	uint64_t flushed; /* up to here at least, as statements told since */
	uint64_t next_txid; /* at the same time */
	char rollout[40]; /* that created the set */
	char *start_snapshot;
	int32_t queue_id;
	char *event_table; /* the parent of the rotation tables */
	char *event_seq;
	int64_t mark; /* tick of the consumer */
	struct position_hint hint;

	struct relation **relations; /* sorted by id, then by partition */
	size_t n_relations;
};

int source_new(const struct source_config *config, struct source **ret,
	       struct pgs_err *reterr) PGS_MUST_CHECK;
void source_free(struct source *s);

/*
 * Connect, check identity and version of the schema, take the lock (owned sources), read set and hint.
 * FENCED: a newer owner holds the lock. CONFIG: another database than it says, a pooler in the path, rights
 * missing. RETRY: everything that may pass by itself, a set that is not rolled out here yet among it.
 */
int source_open(struct source *s, struct pgs_err *reterr) PGS_MUST_CHECK;
void source_close(struct source *s);

/* The session lives and is the one that took the lock; shows a new token when there is one. */
int source_check(struct source *s, struct pgs_err *reterr) PGS_MUST_CHECK;

/* The session for bulk reading: plain settings, no lock. source_bulk_close() may leave a query unread. */
int source_bulk(struct source *s, struct pgs_err *reterr) PGS_MUST_CHECK;
void source_bulk_close(struct source *s);

/*
 * The relation that an event names, as its partition shows it, read when it is not known yet; lent until
 * source_close(). CONFIG: there is none.
 */
int source_relation(struct source *s, const struct event *ev, struct relation **ret,
		    struct pgs_err *reterr) PGS_MUST_CHECK;
bool source_relation_is(const struct relation *rel, const struct event *ev);

/* Write s->hint; flushed when it returns. */
int source_write_hint(struct source *s, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Until the source has flushed its WAL up to lsn. After a few milliseconds one tiny committed write of ours
 * makes it so (an idle open transaction could keep it unflushed for long).
 */
int source_flushed(struct source *s, uint64_t lsn, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Does the position (NULL: there is none) belong to this source? As position_judge(), with what that must know
 * looked up here: the event or the history of timelines. An error only when looking failed and may work later.
 */
int source_judge(struct source *s, const struct position *pos, enum position_verdict *ret,
		 struct pgs_buf *why, struct pgs_err *reterr) PGS_MUST_CHECK;

/* 32 random hex digits. */
int source_new_nonce(char ret[POSITION_NONCE_MAX], struct pgs_err *reterr) PGS_MUST_CHECK;

/* Limits of one statement: interruptible by stop (reading), or not (while a Kafka transaction is open). */
struct pg_limit source_limit(const struct source *s);
struct pg_limit source_limit_firm(void);

/* A malloc'ed copy of a result's field; "" for null. NULL: no memory. */
char *source_field(const PGresult *res, int row, int column);

#endif

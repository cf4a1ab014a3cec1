/*
 * worker/quarantine.h
 *    Events that cannot be sent: which errors mean that, keeping the event in the source, the skeleton.
 *
 * Does not produce and does not decide: relay_send.c does. What consumers see is docs/stream.md's.
 */
#ifndef PGSHOVEL_WORKER_QUARANTINE_H
#define PGSHOVEL_WORKER_QUARANTINE_H

#include <stdbool.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "worker/event.h"
#include "worker/relation.h"
#include "worker/source.h"

enum {
	QUARANTINE_MAX_EVENTS = 10000, /* kept ones of a set in one database; more park the set */
	QUARANTINE_KEEP_DAYS = 30, /* for retried and discarded ones, until the next event comes */
	QUARANTINE_MAX_KEY = 64 * 1024, /* a longer key is left out of the skeleton */
};

/* The event itself is at fault: another attempt or another event would not change it. */
bool quarantine_is_poison(const struct pgs_err *err);

/*
 * Put the whole event into the table `quarantine`, flushed when it returns; an event that is there already
 * is not put there again. CONFIG: the table holds QUARANTINE_MAX_EVENTS. May be called while a Kafka
 * transaction is open.
 */
int quarantine_keep(struct source *s, const struct event *ev, const char *reason,
		    struct pgs_err *reterr) PGS_MUST_CHECK;

/* The skeleton, one JSON object, appended. rel NULL: not known. key: JSON, or "" when it cannot be made. */
void quarantine_put_skeleton(const struct source *s, const struct relation *rel,
			     const struct event *ev, const char *key, const char *reason,
			     int64_t now_us, struct pgs_buf *out);

#endif

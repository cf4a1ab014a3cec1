/*
 * worker/position_judge.c
 *    Whether a position belongs to the source as it is now. See worker/position.h.
 *
 * Pure: what the rule must know about the source is gathered by source_judge.c. Transaction ids, event ids and even
 * the numbers of timelines repeat after a promotion or a restore; nonces do not, WAL positions of one history do not.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "worker/position.h"
#include "worker/snapshot.h"

#define CURE                                                                                       \
	"; nothing is sent until an operator decides: \"pgshovel set position\" shows both "       \
	"sides, "                                                                                  \
	"accepts or resets"

static enum position_verdict rewound(struct pgs_buf *why, const char *fmt, ...) PGS_PRINTF(2, 3);

static enum position_verdict rewound(struct pgs_buf *why, const char *fmt, ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args); /* cut when too long */
	va_end(args);
	pgs_buf_puts(why, text);
	pgs_buf_puts(why, CURE);
	return POSITION_REWIND;
}

static bool same_text(const char *a, const char *b)
{
	return a && *a && strcmp(a, b) == 0;
}

static const char *nonce_of(const struct position *pos)
{
	return pos->nonce ? pos->nonce : "";
}

enum position_want position_wants(const struct position *pos, const struct position_hint *hint,
				  int64_t timeline)
{
	if (!same_text(hint->nonce, nonce_of(pos)))
		return POSITION_WANTS_NOTHING;
	if (pos->timeline && pos->timeline != timeline)
		return POSITION_WANTS_HISTORY;
	return pos->last.id ? POSITION_WANTS_EVENT : POSITION_WANTS_NOTHING;
}

/* "0/16B374D8 of timeline 1", for messages. */
struct place {
	char text[64];
};

static struct place place_of(uint64_t lsn, int64_t timeline)
{
	struct place ret;
	(void)snprintf(ret.text, sizeof(ret.text), "%" PRIX32 "/%" PRIX32 " of timeline %" PRId64,
		       (uint32_t)(lsn >> 32), (uint32_t)lsn, timeline);
	return ret;
}

/* The upper bound of the transactions that a position counts as delivered; 0: it cannot be read. */
static uint64_t position_xmax(const struct position *pos)
{
	PGS_CLEANUP(snapshot_done) struct snapshot s = { .xmin = 0 };
	const char *text = pos->state.upto ? pos->state.upto : pos->state.snapshot;
	return text && snapshot_parse(text, &s, NULL) == 0 ? s.xmax : 0;
}

/* Another server, another database, a newer owner. */
static enum position_verdict judge_identity(const struct position *pos,
					    const struct position_source *source,
					    struct pgs_buf *why)
{
	struct token token;
	if (pos->system && !same_text(source->system, pos->system))
		return rewound(
			why,
			"the position in Kafka is of system %s, database \"%s\" is on system %s",
			pos->system, source->name, source->system);
	if (pos->database && pos->database != source->database)
		return rewound(
			why,
			"the position in Kafka is of the database with oid %lld, database \"%s\" "
			"has oid %lld",
			(long long)pos->database, source->name, (long long)source->database);
	if (pos->token && token_parse(pos->token, &token) &&
	    token_compare(&token, &source->token) > 0) {
		pgs_buf_printf(
			why,
			"the position of database \"%s\" in Kafka was written by a newer owner "
			"(token %s) than this one (token %lld.%lld.%lld); where no other host "
			"has the set ZooKeeper went back in time, and \"pgshovel cluster "
			"recover\" cures that",
			source->name, pos->token, (long long)source->token.generation,
			(long long)source->token.czxid, (long long)source->token.spawn);
		return POSITION_NEWER_OWNER;
	}
	return POSITION_GOES_ON;
}

/* The nonce is the current one: a copy of the source from before the delivery would have it too. */
static enum position_verdict judge_history(const struct position *pos,
					   const struct position_hint *hint,
					   const struct position_source *source,
					   struct pgs_buf *why)
{
	const struct place theirs = place_of(pos->lsn, pos->timeline);
	const struct place ours = place_of(source->lsn, source->timeline);
	switch (position_wants(pos, hint, source->timeline)) {
	case POSITION_WANTS_NOTHING:
		return POSITION_GOES_ON;
	case POSITION_WANTS_EVENT:
		if (!source->last_missing)
			return POSITION_GOES_ON;
		return rewound(
			why,
			"the position in Kafka (%s) says that event %lld of transaction "
			"%lld was delivered, which database \"%s\" (%s) does not hold: it was "
			"restored from an older state",
			theirs.text, (long long)pos->last.id, (long long)pos->last.txid,
			source->name, ours.text);
	case POSITION_WANTS_HISTORY:
		break;
	}
	switch (source->history) {
	case POSITION_FORKED:
		if (pos->lsn <= source->fork_lsn)
			return POSITION_GOES_ON;
		return rewound(why,
			       "the position in Kafka is at %s, which database \"%s\" (%s) left at "
			       "%" PRIX32 "/%" PRIX32
			       ": a failover or restore may have lost delivered changes",
			       theirs.text, source->name, ours.text,
			       (uint32_t)(source->fork_lsn >> 32), (uint32_t)source->fork_lsn);
	case POSITION_NO_ANCESTOR:
		return rewound(why,
			       "the position in Kafka is at %s, which is not in the history of "
			       "database \"%s\" (%s): a failover or restore may have lost "
			       "delivered changes",
			       theirs.text, source->name, ours.text);
	case POSITION_HISTORY_UNKNOWN:
		return rewound(why,
			       "the position in Kafka is at %s, database \"%s\" at %s: whether the "
			       "change of timeline lost delivered changes cannot be seen%s%.200s",
			       theirs.text, source->name, ours.text,
			       source->history_why ? ": " : "",
			       source->history_why ? source->history_why : "");
	}
	return POSITION_REWIND;
}

enum position_verdict position_judge(const struct position *pos, const struct position_hint *hint,
				     const struct position_source *source, struct pgs_buf *why)
{
	if (!pos) {
		if (!hint->lsn && !hint->prev_nonce[0])
			return POSITION_FIRST;
		return rewound(
			why,
			"the positions topic holds no position of database \"%s\" although "
			"the database says that changes were delivered: the topic was deleted, "
			"recreated or cut",
			source->name);
	}
	const enum position_verdict identity = judge_identity(pos, source, why);
	if (identity != POSITION_GOES_ON)
		return identity;
	const struct place theirs = place_of(pos->lsn, pos->timeline);
	const struct place ours = place_of(source->lsn, source->timeline);
	if (pos->lsn > source->lsn)
		return rewound(
			why,
			"the position in Kafka is at %s, database \"%s\" is only at %s: it went "
			"back in time",
			theirs.text, source->name, ours.text);
	const uint64_t xmax = position_xmax(pos);
	if (xmax > source->next_txid)
		return rewound(why,
			       "the position in Kafka (%s) covers transactions below %" PRIu64
			       ", database \"%s\" (%s) has only come to %" PRIu64
			       ": it went back in time",
			       theirs.text, xmax, source->name, ours.text, source->next_txid);
	if (!same_text(hint->nonce, nonce_of(pos)) && !same_text(hint->prev_nonce, nonce_of(pos)))
		return rewound(
			why,
			"the position in Kafka (mark %.8s, at %s) is unknown to database \"%s\" "
			"(marks %.8s and %.8s, at %s): it was restored or promoted from an older "
			"state",
			pos->nonce ? pos->nonce : "none", theirs.text, source->name,
			hint->nonce[0] ? hint->nonce : "none",
			hint->prev_nonce[0] ? hint->prev_nonce : "none", ours.text);
	return judge_history(pos, hint, source, why);
}

static void copy_nonce(char to[POSITION_NONCE_MAX], const char *from)
{
	(void)snprintf(to, POSITION_NONCE_MAX, "%s", from);
}

void position_hint_start(struct position_hint *hint, const struct position *pos, const char *fresh)
{
	copy_nonce(hint->prev_nonce, pos && pos->nonce ? pos->nonce : "");
	copy_nonce(hint->nonce, fresh);
}

void position_hint_next(struct position_hint *hint, bool carried, const char *fresh)
{
	if (!carried)
		return;
	memcpy(hint->prev_nonce, hint->nonce, sizeof(hint->prev_nonce));
	copy_nonce(hint->nonce, fresh);
}

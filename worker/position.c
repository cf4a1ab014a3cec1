/*
 * worker/position.c
 *    See worker/position.h.
 *
 * Does not talk to Kafka or PostgreSQL: sink_kafka.c and source.c do.
 */
#include "worker/position.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "worker/encode_part.h"
#include "worker/snapshot.h"

void position_state_done(struct position_state *state)
{
	free(state->snapshot);
	free(state->upto);
	*state = (struct position_state){ .snapshot = NULL };
}

int position_state_set(struct position_state *state, const char *snapshot, const char *upto,
		       int64_t cut_tx, int64_t ev_id, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) char *s = strdup(snapshot);
	PGS_CLEANUP(pgs_freep) char *u = upto ? strdup(upto) : NULL;
	if (!s || (upto && !u))
		return pgs_err_nomem(reterr);
	position_state_done(state);
	*state = (struct position_state){
		.snapshot = PGS_STEAL(s), .upto = PGS_STEAL(u), .cut_tx = cut_tx, .ev_id = ev_id
	};
	return 0;
}

bool position_parse_lsn(const char *text, uint64_t *ret)
{
	char *end;
	const unsigned long long high = strtoull(text, &end, 16);
	if (end == text || *end != '/' || high > UINT32_MAX)
		return false;
	const char *low_text = end + 1;
	const unsigned long long low = strtoull(low_text, &end, 16);
	if (end == low_text || *end || low > UINT32_MAX)
		return false;
	*ret = ((uint64_t)high << 32) | low;
	return true;
}

void position_put_lsn(uint64_t lsn, struct pgs_buf *out)
{
	pgs_buf_printf(out, "%" PRIX32 "/%" PRIX32, (uint32_t)(lsn >> 32), (uint32_t)lsn);
}

/* Our own values hold no control characters; quotes and backslashes could come from a host's name. */
static void put_number(struct pgs_buf *out, int64_t n)
{
	if (n)
		pgs_buf_i64(out, n);
	else
		pgs_buf_lit(out, "null");
}

void position_write(const struct position *pos, struct pgs_buf *out)
{
	const bool cut = pos->state.upto != NULL;
	pgs_buf_lit(out, "{\"v\":1,\"snapshot\":");
	encode_json_text(out, pos->state.snapshot);
	pgs_buf_lit(out, ",\"upto\":");
	encode_json_text(out, pos->state.upto);
	pgs_buf_lit(out, ",\"cut_tx\":");
	put_number(out, cut ? pos->state.cut_tx : 0);
	pgs_buf_lit(out, ",\"ev_id\":");
	put_number(out, cut ? pos->state.ev_id : 0);
	pgs_buf_lit(out, ",\"version\":");
	encode_json_text(out, pos->version);
	pgs_buf_lit(out, ",\"system\":");
	encode_json_text(out, pos->system);
	pgs_buf_lit(out, ",\"database\":");
	put_number(out, pos->database);
	pgs_buf_lit(out, ",\"timeline\":");
	put_number(out, pos->timeline);
	pgs_buf_lit(out, ",\"lsn\":");
	if (pos->lsn) {
		pgs_buf_putc(out, '"');
		position_put_lsn(pos->lsn, out);
		pgs_buf_putc(out, '"');
	} else {
		pgs_buf_lit(out, "null");
	}
	pgs_buf_lit(out, ",\"nonce\":");
	encode_json_text(out, pos->nonce);
	pgs_buf_lit(out, ",\"tick\":");
	put_number(out, pos->tick);
	pgs_buf_lit(out, ",\"host\":");
	encode_json_text(out, pos->host);
	pgs_buf_lit(out, ",\"token\":");
	encode_json_text(out, pos->token);
	pgs_buf_lit(out, ",\"at\":");
	put_number(out, pos->at_us);
	pgs_buf_putc(out, '}');
}

/* Absent and null are the same; another type is an error. */
static bool get_string(const json_t *object, const char *name, char **ret)
{
	const json_t *item = json_object_get(object, name);
	if (!item || json_is_null(item))
		return true;
	if (!json_is_string(item))
		return false;
	*ret = strdup(json_string_value(item));
	return *ret != NULL;
}

static bool get_number(const json_t *object, const char *name, int64_t *ret)
{
	const json_t *item = json_object_get(object, name);
	if (!item || json_is_null(item))
		return true;
	if (!json_is_integer(item))
		return false;
	*ret = json_integer_value(item);
	return true;
}

static bool snapshot_ok(const char *text)
{
	PGS_CLEANUP(snapshot_done) struct snapshot s = { .xmin = 0 };
	return text && snapshot_parse(text, &s, NULL) == 0;
}

static bool read_fields(const json_t *object, struct position *p)
{
	PGS_CLEANUP(pgs_freep) char *lsn = NULL;
	return get_string(object, "snapshot", &p->state.snapshot) &&
	       get_string(object, "upto", &p->state.upto) &&
	       get_number(object, "cut_tx", &p->state.cut_tx) &&
	       get_number(object, "ev_id", &p->state.ev_id) &&
	       get_string(object, "version", &p->version) &&
	       get_string(object, "system", &p->system) &&
	       get_number(object, "database", &p->database) &&
	       get_number(object, "timeline", &p->timeline) && get_string(object, "lsn", &lsn) &&
	       (!lsn || position_parse_lsn(lsn, &p->lsn)) &&
	       get_string(object, "nonce", &p->nonce) && get_number(object, "tick", &p->tick) &&
	       get_string(object, "host", &p->host) && get_string(object, "token", &p->token) &&
	       get_number(object, "at", &p->at_us) && snapshot_ok(p->state.snapshot) &&
	       (!p->state.upto || snapshot_ok(p->state.upto));
}

int position_read(const char *text, size_t len, struct position *ret, struct pgs_err *reterr)
{
	json_error_t why;
	json_t *object = json_loadb(text, len, 0, &why);
	struct position p = { .at_us = 0 };
	int64_t v = 0;

	if (!json_is_object(object) || !get_number(object, "v", &v)) {
		json_decref(object);
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"the position in Kafka is not a record of this program: \"%.*s\"",
			(int)(len < 80 ? len : 80), text);
	}
	const bool ok = v == 1 && read_fields(object, &p);
	json_decref(object);
	if (!ok) {
		position_done(&p);
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"the position in Kafka has format %lld or fields that this version "
			"does not understand: \"%.*s\"",
			(long long)v, (int)(len < 200 ? len : 200), text);
	}
	*ret = p;
	return 0;
}

void position_done(struct position *pos)
{
	position_state_done(&pos->state);
	free(pos->version);
	free(pos->system);
	free(pos->nonce);
	free(pos->host);
	free(pos->token);
	*pos = (struct position){ .at_us = 0 };
}

void position_key(const char *node, const char *rollout, struct pgs_buf *out)
{
	pgs_buf_lit(out, "[\"");
	pgs_buf_puts(out, node);
	pgs_buf_lit(out, "\",\"");
	pgs_buf_puts(out, rollout);
	pgs_buf_lit(out, "\"]");
}

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

enum position_verdict position_judge(const struct position *pos, const struct position_hint *hint,
				     const struct position_source *source, struct pgs_buf *why)
{
	struct token token;
	char lsn[2][24];

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
	(void)snprintf(lsn[0], sizeof(lsn[0]), "%" PRIX32 "/%" PRIX32, (uint32_t)(pos->lsn >> 32),
		       (uint32_t)pos->lsn);
	(void)snprintf(lsn[1], sizeof(lsn[1]), "%" PRIX32 "/%" PRIX32,
		       (uint32_t)(source->lsn >> 32), (uint32_t)source->lsn);
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
	    token_compare(&token, &source->token) > 0)
		return rewound(
			why,
			"the position in Kafka was written by a newer owner (token %s) than this "
			"one (token %lld.%lld.%lld): ZooKeeper went back in time or the set has "
			"moved; "
			"\"pgshovel cluster recover\" cures the former",
			pos->token, (long long)source->token.generation,
			(long long)source->token.czxid, (long long)source->token.spawn);
	if (pos->lsn > source->lsn)
		return rewound(
			why,
			"the position in Kafka is at %s, database \"%s\" is only at %s: it went "
			"back in time",
			lsn[0], source->name, lsn[1]);
	if (pos->timeline != source->timeline && source->fork_lsn && pos->lsn > source->fork_lsn)
		return rewound(why,
			       "the position in Kafka is at %s of timeline %lld, of which database "
			       "\"%s\" (timeline %lld) has less: a failover lost delivered changes",
			       lsn[0], (long long)pos->timeline, source->name,
			       (long long)source->timeline);
	if (!same_text(hint->nonce, pos->nonce ? pos->nonce : "") &&
	    !same_text(hint->prev_nonce, pos->nonce ? pos->nonce : ""))
		return rewound(
			why,
			"the position in Kafka (mark %.8s, at %s) is unknown to database \"%s\" "
			"(marks %.8s and %.8s, at %s): it was restored or promoted from an older "
			"state",
			pos->nonce ? pos->nonce : "none", lsn[0], source->name,
			hint->nonce[0] ? hint->nonce : "none",
			hint->prev_nonce[0] ? hint->prev_nonce : "none", lsn[1]);
	return POSITION_GOES_ON;
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

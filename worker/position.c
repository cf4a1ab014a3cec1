/*
 * worker/position.c
 *    See worker/position.h.
 *
 * Does not talk to Kafka or PostgreSQL: sink_kafka.c and source.c do. Whether to believe one: position_judge.c.
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

void position_transaction_done(struct position_transaction *t)
{
	for (size_t i = 0; i < t->n_collections; i++)
		free(t->collections[i].name);
	free(t->collections);
	*t = (struct position_transaction){ .txid = 0 };
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

static void put_transaction(struct pgs_buf *out, const struct position_transaction *t)
{
	if (!t->txid) {
		pgs_buf_lit(out, "null");
		return;
	}
	pgs_buf_printf(out, "{\"id\":%" PRId64 ",\"total\":%" PRId64 ",\"collections\":[", t->txid,
		       t->total);
	for (size_t i = 0; i < t->n_collections; i++) {
		pgs_buf_puts(out, i ? ",[" : "[");
		encode_json_text(out, t->collections[i].name);
		pgs_buf_printf(out, ",%" PRId64 "]", t->collections[i].events);
	}
	pgs_buf_lit(out, "]}");
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
	pgs_buf_lit(out, ",\"transaction\":");
	put_transaction(out, &pos->transaction);
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
	if (pos->last.id)
		pgs_buf_printf(out, ",\"last\":[%" PRId64 ",%" PRId64 ",%" PRId64 "]}",
			       pos->last.id, pos->last.txid, pos->last.time_us);
	else
		pgs_buf_lit(out, ",\"last\":null}");
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

static bool get_transaction(const json_t *object, struct position_transaction *t)
{
	const json_t *item = json_object_get(object, "transaction");
	if (!item || json_is_null(item))
		return true;
	const json_t *list = json_object_get(item, "collections");
	const size_t n = json_array_size(list);
	if (!get_number(item, "id", &t->txid) || !get_number(item, "total", &t->total) ||
	    !json_is_array(list))
		return false;
	t->collections = n ? calloc(n, sizeof(*t->collections)) : NULL;
	for (; t->n_collections < n; t->n_collections++) {
		const json_t *pair = json_array_get(list, t->n_collections);
		const char *name = json_string_value(json_array_get(pair, 0));
		const json_t *events = json_array_get(pair, 1);
		if (!t->collections || !name || !json_is_integer(events))
			return false;
		struct position_collection *c = &t->collections[t->n_collections];
		*c = (struct position_collection){ .name = strdup(name),
						   .events = json_integer_value(events) };
		if (!c->name)
			return false;
	}
	return true;
}

static bool get_event(const json_t *object, const char *name, struct position_event *ret)
{
	const json_t *item = json_object_get(object, name);
	int64_t *const numbers[] = { &ret->id, &ret->txid, &ret->time_us };
	if (!item || json_is_null(item))
		return true;
	for (size_t i = 0; i < PGS_ARRAY_LEN(numbers); i++) {
		const json_t *number = json_array_get(item, i);
		if (!json_is_integer(number))
			return false;
		*numbers[i] = json_integer_value(number);
	}
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
	       get_transaction(object, &p->transaction) &&
	       get_string(object, "version", &p->version) &&
	       get_string(object, "system", &p->system) &&
	       get_number(object, "database", &p->database) &&
	       get_number(object, "timeline", &p->timeline) && get_string(object, "lsn", &lsn) &&
	       (!lsn || position_parse_lsn(lsn, &p->lsn)) &&
	       get_string(object, "nonce", &p->nonce) && get_number(object, "tick", &p->tick) &&
	       get_string(object, "host", &p->host) && get_string(object, "token", &p->token) &&
	       get_number(object, "at", &p->at_us) && get_event(object, "last", &p->last) &&
	       snapshot_ok(p->state.snapshot) && (!p->state.upto || snapshot_ok(p->state.upto));
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
	position_transaction_done(&pos->transaction);
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

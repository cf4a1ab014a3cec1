/*
 * worker/encode_event.c
 *    From an event to its records: which operation, which key, which headers, which topic and partition.
 *
 * Nothing is allocated but when a buffer must grow. Values are written by encode_envelope.c.
 */
#include "worker/encode_part.h"

/* A buffer that grew beyond this is given back after its event. */
enum { KEEP_BYTES = 1024 * 1024 };

static int too_large(const struct encoder *enc, const struct relation *rel, int64_t ev_id,
		     struct pgs_err *reterr)
{
	return pgs_err_set(
		reterr, PGS_ERR_CONFIG, "too-large",
		"cannot encode event %lld of \"%s.%s\": a record may have %zu bytes at most",
		(long long)ev_id, rel->schema, rel->table, enc->record_max_bytes);
}

static int split(struct encoder *enc, const struct relation *rel, struct event_text row, int which,
		 struct pgs_err *reterr)
{
	struct pgs_buf *unquoted = &enc->unquoted[which];
	pgs_buf_reset(unquoted);
	if (!pgs_buf_grow(unquoted, row.len))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "too-large",
				   "a row of %u bytes of \"%s.%s\" does not fit into memory",
				   row.len, rel->schema, rel->table);
	return event_split(row, rel->n_columns, enc->fields[which], unquoted->data, reterr);
}

/* Where the plain JSON of a key lies inside the key with its schema. */
static struct event_text plain_key(const struct encoder *enc, const struct relation *rel,
				   const struct pgs_buf *key)
{
	const struct relation_parts *parts = rel->parts;
	const size_t open = parts->value_open - parts->key_open;
	return (struct event_text){ .text = key->data + open,
				    .len = (uint32_t)(key->len - open -
						      (enc->with_schema ? 1 : 0)) };
}

static int put_key(struct encoder *enc, const struct relation *rel, const struct event_text *fields,
		   struct pgs_buf *out, struct pgs_err *reterr)
{
	const struct relation_parts *parts = rel->parts;
	if (rel->n_key == 0)
		return 0;
	pgs_buf_put(out, parts->bytes + parts->key_open, parts->value_open - parts->key_open);
	if (!encode_key_plain(rel, fields, &enc->scratch, out))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "poison",
				   "cannot encode the key of a row of \"%s.%s\": a key column "
				   "holds bytes that are "
				   "no text of its type",
				   rel->schema, rel->table);
	if (enc->with_schema)
		pgs_buf_putc(out, '}');
	if (pgs_buf_failed(out))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "too-large",
				   "cannot encode the key of a row of \"%s.%s\": it is larger than "
				   "a record may be",
				   rel->schema, rel->table);
	return 0;
}

int encode_key(struct encoder *enc, const struct relation *rel, struct event_text row,
	       struct pgs_buf *out, struct pgs_err *reterr)
{
	if (split(enc, rel, row, ROW_NEW, reterr) < 0)
		return -1;
	return put_key(enc, rel, enc->fields[ROW_NEW], out, reterr);
}

/* Hand one record over. key: ROW_NEW, ROW_OLD or -1; with_value false: a tombstone. */
static int emit_record(struct encoder *enc, const struct relation *rel, const struct event *ev,
		       int key, bool with_value, const struct encode_header *header,
		       const struct encode_target *to, struct pgs_err *reterr)
{
	const bool has_key = key >= 0 && rel->n_key > 0;
	struct encode_record record = {
		.topic = rel->topic,
		.key = has_key ? enc->key[key].data : NULL,
		.key_len = has_key ? enc->key[key].len : 0,
		.value = with_value ? enc->value.data : NULL,
		.value_len = with_value ? enc->value.len : 0,
		.headers = header,
		.n_headers = header ? 1 : 0,
		.timestamp_ms = to->now_us / 1000,
	};
	if (with_value && pgs_buf_failed(&enc->value))
		return too_large(enc, rel, ev->id, reterr);
	const size_t bytes = record.key_len + record.value_len +
			     (header ? strlen(header->name) + header->value_len : 0);
	if (bytes > enc->record_max_bytes)
		return too_large(enc, rel, ev->id, reterr);
	if (ev->type == 'T' && !enc->topic_single)
		record.topic = enc->topic_truncate;
	else if (!enc->topic_single)
		record.partition = encode_partition(record.key, record.key_len, enc->partitions);
	return to->emit(to->ctx, &record, reterr);
}

static int emit_delete(struct encoder *enc, const struct relation *rel, const struct event *ev,
		       const struct encode_transaction *tx, const struct encode_header *header,
		       const struct encode_target *to, struct pgs_err *reterr)
{
	if (encode_put_value(enc, rel, ev, tx, 'd', ROW_OLD, -1, to->now_us, reterr) < 0 ||
	    emit_record(enc, rel, ev, ROW_OLD, true, header, to, reterr) < 0)
		return -1;
	if (!enc->doc->format.tombstones)
		return 0;
	return emit_record(enc, rel, ev, ROW_OLD, false, header, to, reterr);
}

/* An update that moved the row to another key: delete there, insert here. */
static int emit_key_change(struct encoder *enc, const struct relation *rel, const struct event *ev,
			   const struct encode_transaction *tx, const struct encode_target *to,
			   struct pgs_err *reterr)
{
	const struct event_text new_key = plain_key(enc, rel, &enc->key[ROW_NEW]);
	const struct event_text old_key = plain_key(enc, rel, &enc->key[ROW_OLD]);
	const struct encode_header newkey = { "__debezium.newkey", new_key.text, new_key.len };
	const struct encode_header oldkey = { "__debezium.oldkey", old_key.text, old_key.len };
	if (emit_delete(enc, rel, ev, tx, &newkey, to, reterr) < 0 ||
	    encode_put_value(enc, rel, ev, tx, 'c', -1, ROW_NEW, to->now_us, reterr) < 0)
		return -1;
	return emit_record(enc, rel, ev, ROW_NEW, true, &oldkey, to, reterr);
}

static bool same_bytes(const struct pgs_buf *a, const struct pgs_buf *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static int encode_update(struct encoder *enc, const struct relation *rel, const struct event *ev,
			 const struct encode_transaction *tx, const struct encode_target *to,
			 struct pgs_err *reterr)
{
	const bool has_old = ev->old_row.text != NULL;
	if (has_old && rel->n_key > 0 &&
	    encode_key_differs(rel, enc->fields[ROW_NEW], enc->fields[ROW_OLD])) {
		if (put_key(enc, rel, enc->fields[ROW_OLD], &enc->key[ROW_OLD], reterr) < 0)
			return -1;
		if (!same_bytes(&enc->key[ROW_NEW], &enc->key[ROW_OLD]))
			return emit_key_change(enc, rel, ev, tx, to, reterr);
	}
	if (encode_put_value(enc, rel, ev, tx, 'u', has_old ? ROW_OLD : -1, ROW_NEW, to->now_us,
			     reterr) < 0)
		return -1;
	return emit_record(enc, rel, ev, ROW_NEW, true, NULL, to, reterr);
}

static void relax(struct pgs_buf *buf)
{
	if (__builtin_expect(buf->cap > KEEP_BYTES, 0))
		pgs_buf_done(buf);
}

/* One large row must not cost its memory for ever. */
static void give_back(struct encoder *enc)
{
	relax(&enc->value);
	relax(&enc->scratch.item);
	relax(&enc->scratch.bytes);
	relax(&enc->scratch.limbs);
	for (int i = ROW_NEW; i <= ROW_OLD; i++) {
		relax(&enc->unquoted[i]);
		relax(&enc->key[i]);
	}
}

static int encode_rows(struct encoder *enc, const struct relation *rel, const struct event *ev,
		       const struct encode_transaction *tx, const struct encode_target *to,
		       struct pgs_err *reterr)
{
	const bool has_new = ev->type == 'I' || ev->type == 'U';
	const bool has_old = ev->type == 'D' || (ev->type == 'U' && ev->old_row.text);
	pgs_buf_reset(&enc->key[ROW_NEW]);
	pgs_buf_reset(&enc->key[ROW_OLD]);
	if (has_new && (split(enc, rel, ev->new_row, ROW_NEW, reterr) < 0 ||
			put_key(enc, rel, enc->fields[ROW_NEW], &enc->key[ROW_NEW], reterr) < 0))
		return -1;
	if (has_old && split(enc, rel, ev->old_row, ROW_OLD, reterr) < 0)
		return -1;
	switch (ev->type) {
	case 'I':
		if (encode_put_value(enc, rel, ev, tx, 'c', -1, ROW_NEW, to->now_us, reterr) < 0)
			return -1;
		return emit_record(enc, rel, ev, ROW_NEW, true, NULL, to, reterr);
	case 'U':
		return encode_update(enc, rel, ev, tx, to, reterr);
	case 'D':
		if (put_key(enc, rel, enc->fields[ROW_OLD], &enc->key[ROW_OLD], reterr) < 0)
			return -1;
		return emit_delete(enc, rel, ev, tx, NULL, to, reterr);
	case 'T':
		if (encode_put_value(enc, rel, ev, tx, 't', -1, -1, to->now_us, reterr) < 0)
			return -1;
		return emit_record(enc, rel, ev, -1, true, NULL, to, reterr);
	default:
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "event %lld has a foreign type",
				   (long long)ev->id);
	}
}

int encode_event(struct encoder *enc, const struct relation *rel, const struct event *ev,
		 const struct encode_transaction *tx, int64_t now_us, encode_emit_fn *emit,
		 void *ctx, struct pgs_err *reterr)
{
	const struct encode_target to = { .emit = emit, .ctx = ctx, .now_us = now_us };
	if (!rel->parts || rel->n_columns > enc->n_fields)
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "relation %d was not prepared",
				   rel->id);
	const int rc = encode_rows(enc, rel, ev, tx, &to, reterr);
	give_back(enc);
	return rc;
}

/*
 * worker/encode_envelope.c
 *    One value: the rows in their envelope, the source block, the transaction block; and the flat form.
 *
 * Does not split rows, make keys or emit records: encode_event.c does.
 */
#include "worker/encode_part.h"

/* The columns of a split row; the closing brace is left to the flat form's tail. */
static int put_row(struct encoder *enc, const struct relation *rel, int64_t ev_id, int which,
		   struct pgs_err *reterr)
{
	struct pgs_buf *out = &enc->value;
	const struct event_text *fields = enc->fields[which];
	pgs_buf_putc(out, '{');
	for (size_t i = 0; i < rel->n_columns; i++) {
		const struct column_encoder *ce = rel->columns[i].encoder;
		const size_t comma = i == 0; /* the first name goes without */
		pgs_buf_put(out, ce->name + comma, ce->name_len - comma);
		if (!fields[i].text)
			pgs_buf_lit(out, "null");
		else if (!ce->value.fn(&ce->value, &enc->scratch, fields[i], out))
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "poison",
					   "cannot encode event %lld of \"%s.%s\": column \"%s\" "
					   "holds %u bytes "
					   "that are no text of type %s",
					   (long long)ev_id, rel->schema, rel->table,
					   rel->columns[i].name, fields[i].len,
					   rel->columns[i].type);
	}
	if (!enc->flat)
		pgs_buf_putc(out, '}');
	return 0;
}

/* Debezium's block, or flat fields. */
static void put_transaction(struct encoder *enc, const struct encode_transaction *tx)
{
	struct pgs_buf *out = &enc->value;
	pgs_buf_puts(out, enc->flat ? ",\"__transaction_id\":\"" : "{\"id\":\"");
	encode_json_i64(out, tx->txid);
	pgs_buf_puts(out, enc->flat ? "\",\"__transaction_total_order\":" : "\",\"total_order\":");
	encode_json_i64(out, *tx->total_order);
	pgs_buf_puts(out, enc->flat ? ",\"__transaction_data_collection_order\":"
				    : ",\"data_collection_order\":");
	encode_json_i64(out, *tx->collection_order);
	if (!enc->flat)
		pgs_buf_putc(out, '}');
}

/*
 * A time in three units. From the second millisecond of 1970 on, milliseconds and nanoseconds are the digits of the
 * microseconds with some less or more.
 */
struct three {
	char text[24]; /* the digits of the microseconds, then three zeros */
	const char *first;
	size_t n; /* digits of the microseconds */
	int64_t us;
};

static void make_three(int64_t us, struct three *ret)
{
	ret->us = us;
	if (us < 1000)
		return;
	ret->first = encode_json_digits((uint64_t)us, ret->text);
	ret->n = (size_t)(ret->text + 20 - ret->first);
	memset(ret->text + 20, '0', 3);
}

static void put_ms(struct pgs_buf *out, const struct three *t)
{
	if (t->us < 1000)
		encode_json_i64(out, t->us / 1000 - (t->us % 1000 < 0)); /* rounded down */
	else
		pgs_buf_put(out, t->first, t->n - 3);
}

static void put_us(struct pgs_buf *out, const struct three *t)
{
	if (t->us < 1000)
		encode_json_i64(out, t->us);
	else
		pgs_buf_put(out, t->first, t->n);
}

static void put_ns(struct pgs_buf *out, const struct three *t)
{
	if (t->us >= 1000)
		pgs_buf_put(out, t->first, t->n + 3);
	else if (t->us == 0)
		pgs_buf_putc(out, '0');
	else {
		encode_json_i64(out, t->us);
		pgs_buf_lit(out, "000");
	}
}

/* The end of the record; a window has one time for all of its events. */
static void make_now(struct encoder *enc, int64_t now_us)
{
	struct pgs_buf *now = &enc->now;
	struct three t;
	make_three(now_us, &t);
	pgs_buf_reset(now);
	pgs_buf_lit(now, "\",\"ts_ms\":");
	put_ms(now, &t);
	pgs_buf_lit(now, ",\"ts_us\":");
	put_us(now, &t);
	pgs_buf_lit(now, ",\"ts_ns\":");
	put_ns(now, &t);
	pgs_buf_puts(now, enc->with_schema ? "}}" : "}");
	enc->now_us = now_us;
}

/* Everything behind the rows. */
static void put_tail(struct encoder *enc, const struct relation *rel, const struct event *ev,
		     const struct encode_transaction *tx, char op, int64_t now_us)
{
	struct pgs_buf *out = &enc->value;
	const struct relation_parts *parts = rel->parts;
	struct three when;
	char digits[20];
	make_three(ev->time_us, &when);
	if (enc->now.len == 0 || enc->now_us != now_us)
		make_now(enc, now_us);

	pgs_buf_put(out, parts->bytes + parts->source, parts->table - parts->source);
	put_ms(out, &when);
	pgs_buf_put(out, enc->source_db.data, enc->source_db.len);
	const char *txid = encode_json_digits((uint64_t)ev->txid, digits);
	const size_t txid_len = (size_t)(digits + sizeof(digits) - txid);
	pgs_buf_put(out, txid, txid_len);
	pgs_buf_lit(out, "\\\",\\\"");
	encode_json_i64(out, ev->id);
	pgs_buf_lit(out, "\\\"]\",\"ts_us\":");
	put_us(out, &when);
	pgs_buf_lit(out, ",\"ts_ns\":");
	put_ns(out, &when);
	pgs_buf_put(out, parts->bytes + parts->table, parts->end - parts->table);
	pgs_buf_put(out, txid, txid_len);
	pgs_buf_lit(out, ",\"lsn\":null,\"xmin\":null,\"origin\":null,\"origin_lsn\":null},"
			 "\"transaction\":");
	if (tx)
		put_transaction(enc, tx);
	else
		pgs_buf_lit(out, "null");
	pgs_buf_lit(out, ",\"op\":\"");
	pgs_buf_putc(out, op);
	pgs_buf_put(out, enc->now.data, enc->now.len);
}

/* The fields that a flat record has behind its row. */
static void put_flat_tail(struct encoder *enc, const struct relation *rel, const struct event *ev,
			  const struct encode_transaction *tx, char op, bool first)
{
	struct pgs_buf *out = &enc->value;
	const struct relation_parts *parts = rel->parts;
	const char op_text[1] = { op };
	pgs_buf_puts(out, first ? "\"__op\":\"" : ",\"__op\":\"");
	pgs_buf_put(out, op_text, 1);
	pgs_buf_putc(out, '"');
	pgs_buf_put(out, enc->source_db.data, enc->source_db.len);
	pgs_buf_put(out, parts->bytes + parts->table, parts->end - parts->table);
	encode_json_i64(out, ev->txid);
	pgs_buf_lit(out, ",\"__source_sequence\":\"[\\\"");
	encode_json_i64(out, ev->txid);
	pgs_buf_lit(out, "\\\",\\\"");
	encode_json_i64(out, ev->id);
	pgs_buf_lit(out, "\\\"]\",\"__source_ts_us\":");
	encode_json_i64(out, ev->time_us);
	if (tx)
		put_transaction(enc, tx);
	pgs_buf_putc(out, '}');
}

/* One value into enc->value; `before` and `after` are ROW_NEW, ROW_OLD or -1 for null. */
int encode_put_value(struct encoder *enc, const struct relation *rel, const struct event *ev,
		     const struct encode_transaction *tx, char op, int before, int after,
		     int64_t now_us, struct pgs_err *reterr)
{
	struct pgs_buf *out = &enc->value;
	const struct relation_parts *parts = rel->parts;
	pgs_buf_reset(out);
	if (tx) {
		(*tx->total_order)++;
		(*tx->collection_order)++;
	}
	if (enc->flat) {
		const int row = after >= 0 ? after : before;
		if (row < 0)
			pgs_buf_putc(out, '{');
		else if (put_row(enc, rel, ev->id, row, reterr) < 0)
			return -1;
		put_flat_tail(enc, rel, ev, tx, op, row < 0);
		return 0;
	}
	pgs_buf_put(out, parts->bytes + parts->value_open, parts->source - parts->value_open);
	if (before < 0)
		pgs_buf_lit(out, "null");
	else if (put_row(enc, rel, ev->id, before, reterr) < 0)
		return -1;
	pgs_buf_lit(out, ",\"after\":");
	if (after < 0)
		pgs_buf_lit(out, "null");
	else if (put_row(enc, rel, ev->id, after, reterr) < 0)
		return -1;
	put_tail(enc, rel, ev, tx, op, now_us);
	return 0;
}

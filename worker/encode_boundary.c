/*
 * worker/encode_boundary.c
 *    BEGIN and END of a transaction of the source, for transactions = true.
 *
 * Does not count: the relay knows which events belong together.
 */
#include "worker/encode_part.h"

/* A record of the transaction topic. counts NULL: no counts yet, as in BEGIN. */
static int emit_boundary(struct encoder *enc, int64_t txid, const char *status,
			 const struct encode_collection *counts, size_t n,
			 const struct encode_target *to, struct pgs_err *reterr)
{
	struct pgs_buf *key = &enc->key[ROW_NEW];
	struct pgs_buf *out = &enc->value;
	pgs_buf_reset(key);
	pgs_buf_reset(out);
	if (enc->with_schema) {
		pgs_buf_lit(key, "{\"schema\":");
		pgs_buf_puts(key, encode_schema_transaction_key);
		pgs_buf_lit(key, ",\"payload\":");
		pgs_buf_lit(out, "{\"schema\":");
		pgs_buf_puts(out, encode_schema_transaction_value);
		pgs_buf_lit(out, ",\"payload\":");
	}
	pgs_buf_lit(key, "{\"id\":\"");
	encode_json_i64(key, txid);
	pgs_buf_puts(key, enc->with_schema ? "\"}}" : "\"}");

	pgs_buf_lit(out, "{\"status\":\"");
	pgs_buf_puts(out, status);
	pgs_buf_lit(out, "\",\"id\":\"");
	encode_json_i64(out, txid);
	pgs_buf_lit(out, "\",\"event_count\":");
	if (!counts) {
		pgs_buf_lit(out, "null,\"data_collections\":null");
	} else {
		int64_t total = 0;
		for (size_t i = 0; i < n; i++)
			total += counts[i].events;
		encode_json_i64(out, total);
		pgs_buf_lit(out, ",\"data_collections\":[");
		for (size_t i = 0; i < n; i++) {
			pgs_buf_puts(out,
				     i > 0 ? ",{\"data_collection\":" : "{\"data_collection\":");
			encode_json_string(out, counts[i].name, strlen(counts[i].name));
			pgs_buf_lit(out, ",\"event_count\":");
			encode_json_i64(out, counts[i].events);
			pgs_buf_putc(out, '}');
		}
		pgs_buf_putc(out, ']');
	}
	pgs_buf_lit(out, ",\"ts_ms\":");
	encode_json_i64(out, to->now_us / 1000);
	pgs_buf_puts(out, enc->with_schema ? "}}" : "}");
	if (pgs_buf_failed(out) || pgs_buf_failed(key))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "too-large",
				   "cannot encode the %s record of transaction %lld: a record may "
				   "have %zu bytes "
				   "at most",
				   status, (long long)txid, enc->record_max_bytes);
	const struct encode_record record = {
		.topic = enc->topic_single ? enc->topic_single : enc->topic_transaction,
		.key = key->data,
		.key_len = key->len,
		.value = out->data,
		.value_len = out->len,
		.timestamp_ms = to->now_us / 1000,
	};
	return to->emit(to->ctx, &record, reterr);
}

int encode_transaction_begin(struct encoder *enc, int64_t txid, int64_t now_us,
			     encode_emit_fn *emit, void *ctx, struct pgs_err *reterr)
{
	const struct encode_target to = { .emit = emit, .ctx = ctx, .now_us = now_us };
	return emit_boundary(enc, txid, "BEGIN", NULL, 0, &to, reterr);
}

int encode_transaction_end(struct encoder *enc, int64_t txid,
			   const struct encode_collection *counts, size_t n, int64_t now_us,
			   encode_emit_fn *emit, void *ctx, struct pgs_err *reterr)
{
	const struct encode_target to = { .emit = emit, .ctx = ctx, .now_us = now_us };
	const struct encode_collection none = { .name = "" };
	return emit_boundary(enc, txid, "END", counts ? counts : &none, n, &to, reterr);
}

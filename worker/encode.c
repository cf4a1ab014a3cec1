/*
 * worker/encode.c
 *    The frame of the encoder: from an event to its records. Envelopes, source block, headers, side topics.
 *
 * Everything that is the same in every record of a relation is made once, in encode_prepare(); per event
 * nothing is allocated but when a buffer must grow. Values, keys and schemas are written by encode_*.c.
 */
#include "worker/encode_part.h"

#include "worker/encode.h"

enum {
	NO_LIMIT_BYTES = 1 << 30, /* PostgreSQL's own limit of a field */
	SLACK_BYTES = 64 * 1024,
	KEEP_BYTES = 1024 * 1024, /* a buffer that grew beyond this is given back after its event */
};

/* What is the same in every record of a relation; relation.parts. Offsets into bytes[]. */
struct relation_parts {
	size_t key_open; /* {"schema":{...},"payload": or nothing */
	size_t value_open; /* the same for values, and up to the row before */
	size_t table; /* ,"schema":"s","table":"t","txId": */
	size_t end;
	char bytes[];
};

struct encoder {
	const struct setdoc *doc;
	size_t record_max_bytes;
	int partitions;
	bool with_schema;
	bool flat;
	char *prefix;
	char *topic_single; /* layout single: everything goes here */
	char *topic_truncate;
	char *topic_transaction;
	struct pgs_buf source_open; /* ,"source":{... up to ts_ms */
	struct pgs_buf source_db; /* snapshot and db, up to sequence */
	struct value_scratch scratch;
	struct pgs_buf unquoted[2]; /* of the new and the old row */
	struct event_text *fields[2];
	size_t n_fields; /* allocated in each */
	struct pgs_buf key[2];
	struct pgs_buf value;
};

/* Index of the new and of the old row in the encoder's pairs. */
enum { NEW, OLD };

static bool is_single(const struct setdoc *doc)
{
	switch (doc->topics.layout) {
	case SETDOC_LAYOUT_PER_TABLE:
		return false;
	case SETDOC_LAYOUT_SINGLE:
		return true;
	}
	return false;
}

static char *side_topic(const char *prefix, const char *name)
{
	struct pgs_buf topic = PGS_BUF_INIT(4096);
	setdoc_topic_clean(&topic, prefix);
	pgs_buf_puts(&topic, name);
	return pgs_buf_steal(&topic);
}

char *encode_topic_truncate(const char *prefix)
{
	return side_topic(prefix, ".truncate");
}

char *encode_topic_transaction(const char *prefix)
{
	return side_topic(prefix, ".transaction");
}

char *encode_topic_quarantine(const char *prefix)
{
	return side_topic(prefix, ".quarantine");
}

/* Opening bytes of the source block; flat records have other names for the same. */
static void make_source(struct encoder *enc, const char *database)
{
	struct pgs_buf *open = &enc->source_open;
	struct pgs_buf *db = &enc->source_db;
	if (enc->flat) {
		pgs_buf_lit(db, ",\"__source_db\":");
		encode_json_string(db, database, strlen(database));
		return;
	}
	pgs_buf_lit(open, ",\"source\":{\"version\":\"" PGSHOVEL_VERSION
			  "\",\"connector\":\"postgresql\",\"name\":");
	encode_json_string(open, enc->prefix, strlen(enc->prefix));
	pgs_buf_lit(open, ",\"ts_ms\":");
	pgs_buf_lit(db, ",\"snapshot\":\"false\",\"db\":");
	encode_json_string(db, database, strlen(database));
	pgs_buf_lit(db, ",\"sequence\":\"[\\\"");
}

int encoder_new(const struct encode_config *config, struct encoder **ret, struct pgs_err *reterr)
{
	PGS_CLEANUP(encoder_freep) struct encoder *enc = calloc(1, sizeof(*enc));
	if (!enc)
		return pgs_err_nomem(reterr);
	enc->doc = config->doc;
	enc->record_max_bytes =
		config->record_max_bytes > 0 ? config->record_max_bytes : NO_LIMIT_BYTES;
	enc->partitions = config->partitions;
	switch (config->doc->format.envelope) {
	case SETDOC_ENVELOPE_DEBEZIUM_JSON:
		break;
	case SETDOC_ENVELOPE_DEBEZIUM_JSON_SCHEMA:
		enc->with_schema = true;
		break;
	case SETDOC_ENVELOPE_FLAT:
		enc->flat = true;
		break;
	}
	/* Values grow by at most what JSON escaping and one more field can add before the check is made. */
	const size_t max = enc->record_max_bytes + SLACK_BYTES;
	enc->scratch.item = PGS_BUF_INIT(2 * max);
	enc->scratch.bytes = PGS_BUF_INIT(2 * max);
	enc->scratch.limbs = PGS_BUF_INIT(2 * max);
	enc->source_open = PGS_BUF_INIT(SLACK_BYTES);
	enc->source_db = PGS_BUF_INIT(SLACK_BYTES);
	enc->value = PGS_BUF_INIT(max);
	for (int i = NEW; i <= OLD; i++) {
		enc->unquoted[i] = PGS_BUF_INIT(2 * max);
		enc->key[i] = PGS_BUF_INIT(max);
	}
	enc->prefix = side_topic(config->prefix, "");
	if (is_single(config->doc))
		enc->topic_single = side_topic(config->prefix, "");
	enc->topic_truncate = encode_topic_truncate(config->prefix);
	enc->topic_transaction = encode_topic_transaction(config->prefix);
	if (!enc->prefix || (is_single(config->doc) && !enc->topic_single) ||
	    !enc->topic_truncate || !enc->topic_transaction)
		return pgs_err_nomem(reterr);
	make_source(enc, config->database);
	if (pgs_buf_failed(&enc->source_open) || pgs_buf_failed(&enc->source_db))
		return pgs_err_nomem(reterr);
	*ret = PGS_STEAL(enc);
	return 0;
}

void encoder_free(struct encoder *enc)
{
	if (!enc)
		return;
	free(enc->prefix);
	free(enc->topic_single);
	free(enc->topic_truncate);
	free(enc->topic_transaction);
	pgs_buf_done(&enc->source_open);
	pgs_buf_done(&enc->source_db);
	pgs_buf_done(&enc->scratch.item);
	pgs_buf_done(&enc->scratch.bytes);
	pgs_buf_done(&enc->scratch.limbs);
	for (int i = NEW; i <= OLD; i++) {
		pgs_buf_done(&enc->unquoted[i]);
		pgs_buf_done(&enc->key[i]);
		free(enc->fields[i]);
	}
	pgs_buf_done(&enc->value);
	free(enc);
}

void encoder_freep(struct encoder **enc)
{
	encoder_free(*enc);
	*enc = NULL;
}

static int prepare_column(const struct setdoc *doc, struct relation_column *col,
			  struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf name = PGS_BUF_INIT(SLACK_BYTES);
	pgs_buf_putc(&name, ',');
	encode_json_string(&name, col->name, strlen(col->name));
	pgs_buf_putc(&name, ':');
	struct column_encoder *ce = malloc(sizeof(*ce) + name.len);
	if (!ce || pgs_buf_failed(&name)) {
		free(ce);
		return pgs_err_nomem(reterr);
	}
	memcpy(ce->name, name.data, name.len);
	ce->name_len = name.len;
	encode_type_choose(doc, col, &ce->value);
	free(col->encoder);
	col->encoder = ce;
	return 0;
}

static void make_table_part(const struct encoder *enc, const struct relation *rel,
			    struct pgs_buf *out)
{
	pgs_buf_puts(out, enc->flat ? ",\"__source_schema\":" : ",\"schema\":");
	encode_json_string(out, rel->schema, strlen(rel->schema));
	pgs_buf_puts(out, enc->flat ? ",\"__source_table\":" : ",\"table\":");
	encode_json_string(out, rel->table, strlen(rel->table));
	pgs_buf_puts(out, enc->flat ? ",\"__source_txId\":" : ",\"txId\":");
}

int encode_prepare(struct encoder *enc, struct relation *rel, struct pgs_err *reterr)
{
	for (size_t i = 0; i < rel->n_columns; i++)
		if (prepare_column(enc->doc, &rel->columns[i], reterr) < 0)
			return -1;
	if (rel->n_columns > enc->n_fields) {
		for (int i = NEW; i <= OLD; i++) {
			void *more =
				realloc(enc->fields[i], rel->n_columns * sizeof(enc->fields[i][0]));
			if (!more)
				return pgs_err_nomem(reterr);
			enc->fields[i] = more;
		}
		enc->n_fields = rel->n_columns;
	}

	PGS_CLEANUP(pgs_buf_done) struct pgs_buf name = PGS_BUF_INIT(4096);
	pgs_buf_puts(&name, enc->prefix);
	pgs_buf_putc(&name, '.');
	setdoc_topic_clean(&name, rel->schema);
	pgs_buf_putc(&name, '.');
	setdoc_topic_clean(&name, rel->table);

	PGS_CLEANUP(pgs_buf_done) struct pgs_buf bytes = PGS_BUF_INIT(16 * 1024 * 1024);
	struct relation_parts parts = { .key_open = 0 };
	if (enc->with_schema && rel->n_key > 0) {
		pgs_buf_lit(&bytes, "{\"schema\":");
		encode_schema_key(rel, pgs_buf_str(&name), &enc->scratch, &bytes);
		pgs_buf_lit(&bytes, ",\"payload\":");
	}
	parts.value_open = bytes.len;
	if (enc->with_schema) {
		pgs_buf_lit(&bytes, "{\"schema\":");
		encode_schema_envelope(rel, pgs_buf_str(&name), &enc->scratch, &bytes);
		pgs_buf_lit(&bytes, ",\"payload\":");
	}
	if (!enc->flat)
		pgs_buf_lit(&bytes, "{\"before\":");
	parts.table = bytes.len;
	make_table_part(enc, rel, &bytes);
	parts.end = bytes.len;

	struct relation_parts *kept = malloc(sizeof(*kept) + bytes.len);
	char *topic = enc->topic_single ? strdup(enc->topic_single) : pgs_buf_steal(&name);
	if (!kept || !topic || pgs_buf_failed(&bytes) || pgs_buf_failed(&name)) {
		free(kept);
		free(topic);
		return pgs_err_nomem(reterr);
	}
	*kept = parts;
	memcpy(kept->bytes, bytes.data, bytes.len);
	free(rel->parts);
	rel->parts = kept;
	free(rel->topic);
	rel->topic = topic;
	return 0;
}

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

/* "PLAIN" of the transaction id twice: as Debezium's block, and as flat fields. */
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

/* Three zeros behind the microseconds: no multiplication that could overflow. */
static void put_ns(struct pgs_buf *out, int64_t us)
{
	encode_json_i64(out, us);
	if (us != 0)
		pgs_buf_lit(out, "000");
}

/* Everything behind the rows. */
static void put_tail(struct encoder *enc, const struct relation *rel, const struct event *ev,
		     const struct encode_transaction *tx, char op, int64_t now_us)
{
	struct pgs_buf *out = &enc->value;
	const struct relation_parts *parts = rel->parts;
	/* Floor division: an event before 1970 is of no use, but must not get a wrong sign. */
	const int64_t ev_ms = ev->time_us / 1000 - (ev->time_us % 1000 < 0);
	const char op_text[1] = { op };

	pgs_buf_put(out, enc->source_open.data, enc->source_open.len);
	encode_json_i64(out, ev_ms);
	pgs_buf_put(out, enc->source_db.data, enc->source_db.len);
	encode_json_i64(out, ev->txid);
	pgs_buf_lit(out, "\\\",\\\"");
	encode_json_i64(out, ev->id);
	pgs_buf_lit(out, "\\\"]\",\"ts_us\":");
	encode_json_i64(out, ev->time_us);
	pgs_buf_lit(out, ",\"ts_ns\":");
	put_ns(out, ev->time_us);
	pgs_buf_put(out, parts->bytes + parts->table, parts->end - parts->table);
	encode_json_i64(out, ev->txid);
	pgs_buf_lit(out, ",\"lsn\":null,\"xmin\":null,\"origin\":null,\"origin_lsn\":null},"
			 "\"transaction\":");
	if (tx)
		put_transaction(enc, tx);
	else
		pgs_buf_lit(out, "null");
	pgs_buf_lit(out, ",\"op\":\"");
	pgs_buf_put(out, op_text, 1);
	pgs_buf_lit(out, "\",\"ts_ms\":");
	encode_json_i64(out, now_us / 1000);
	pgs_buf_lit(out, ",\"ts_us\":");
	encode_json_i64(out, now_us);
	pgs_buf_lit(out, ",\"ts_ns\":");
	put_ns(out, now_us);
	pgs_buf_putc(out, '}');
	if (enc->with_schema)
		pgs_buf_putc(out, '}');
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

/* One value into enc->value; `before` and `after` are NEW, OLD or -1 for null. */
static int put_value(struct encoder *enc, const struct relation *rel, const struct event *ev,
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
	pgs_buf_put(out, parts->bytes + parts->value_open, parts->table - parts->value_open);
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
	if (split(enc, rel, row, NEW, reterr) < 0)
		return -1;
	return put_key(enc, rel, enc->fields[NEW], out, reterr);
}

struct target {
	encode_emit_fn *emit;
	void *ctx;
	int64_t now_us;
};

/* Hand one record over. key: NEW, OLD or -1; with_value false: a tombstone. */
static int emit_record(struct encoder *enc, const struct relation *rel, const struct event *ev,
		       int key, bool with_value, const struct encode_header *header,
		       const struct target *to, struct pgs_err *reterr)
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
		       const struct target *to, struct pgs_err *reterr)
{
	if (put_value(enc, rel, ev, tx, 'd', OLD, -1, to->now_us, reterr) < 0 ||
	    emit_record(enc, rel, ev, OLD, true, header, to, reterr) < 0)
		return -1;
	if (!enc->doc->format.tombstones)
		return 0;
	return emit_record(enc, rel, ev, OLD, false, header, to, reterr);
}

/* An update that moved the row to another key: delete there, insert here. */
static int emit_key_change(struct encoder *enc, const struct relation *rel, const struct event *ev,
			   const struct encode_transaction *tx, const struct target *to,
			   struct pgs_err *reterr)
{
	const struct event_text new_key = plain_key(enc, rel, &enc->key[NEW]);
	const struct event_text old_key = plain_key(enc, rel, &enc->key[OLD]);
	const struct encode_header newkey = { "__debezium.newkey", new_key.text, new_key.len };
	const struct encode_header oldkey = { "__debezium.oldkey", old_key.text, old_key.len };
	if (emit_delete(enc, rel, ev, tx, &newkey, to, reterr) < 0 ||
	    put_value(enc, rel, ev, tx, 'c', -1, NEW, to->now_us, reterr) < 0)
		return -1;
	return emit_record(enc, rel, ev, NEW, true, &oldkey, to, reterr);
}

static bool same_bytes(const struct pgs_buf *a, const struct pgs_buf *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static int encode_update(struct encoder *enc, const struct relation *rel, const struct event *ev,
			 const struct encode_transaction *tx, const struct target *to,
			 struct pgs_err *reterr)
{
	const bool has_old = ev->old_row.text != NULL;
	if (has_old && rel->n_key > 0 &&
	    encode_key_differs(rel, enc->fields[NEW], enc->fields[OLD])) {
		if (put_key(enc, rel, enc->fields[OLD], &enc->key[OLD], reterr) < 0)
			return -1;
		if (!same_bytes(&enc->key[NEW], &enc->key[OLD]))
			return emit_key_change(enc, rel, ev, tx, to, reterr);
	}
	if (put_value(enc, rel, ev, tx, 'u', has_old ? OLD : -1, NEW, to->now_us, reterr) < 0)
		return -1;
	return emit_record(enc, rel, ev, NEW, true, NULL, to, reterr);
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
	for (int i = NEW; i <= OLD; i++) {
		relax(&enc->unquoted[i]);
		relax(&enc->key[i]);
	}
}

static int encode_rows(struct encoder *enc, const struct relation *rel, const struct event *ev,
		       const struct encode_transaction *tx, const struct target *to,
		       struct pgs_err *reterr)
{
	const bool has_new = ev->type == 'I' || ev->type == 'U';
	const bool has_old = ev->type == 'D' || (ev->type == 'U' && ev->old_row.text);
	pgs_buf_reset(&enc->key[NEW]);
	pgs_buf_reset(&enc->key[OLD]);
	if (has_new && (split(enc, rel, ev->new_row, NEW, reterr) < 0 ||
			put_key(enc, rel, enc->fields[NEW], &enc->key[NEW], reterr) < 0))
		return -1;
	if (has_old && split(enc, rel, ev->old_row, OLD, reterr) < 0)
		return -1;
	switch (ev->type) {
	case 'I':
		if (put_value(enc, rel, ev, tx, 'c', -1, NEW, to->now_us, reterr) < 0)
			return -1;
		return emit_record(enc, rel, ev, NEW, true, NULL, to, reterr);
	case 'U':
		return encode_update(enc, rel, ev, tx, to, reterr);
	case 'D':
		if (put_key(enc, rel, enc->fields[OLD], &enc->key[OLD], reterr) < 0)
			return -1;
		return emit_delete(enc, rel, ev, tx, NULL, to, reterr);
	case 'T':
		if (put_value(enc, rel, ev, tx, 't', -1, -1, to->now_us, reterr) < 0)
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
	const struct target to = { .emit = emit, .ctx = ctx, .now_us = now_us };
	if (!rel->parts || rel->n_columns > enc->n_fields)
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "relation %d was not prepared",
				   rel->id);
	const int rc = encode_rows(enc, rel, ev, tx, &to, reterr);
	give_back(enc);
	return rc;
}

/* A record of the transaction topic; `put` appends the value's payload behind its status and id. */
static int emit_boundary(struct encoder *enc, int64_t txid, const char *status,
			 const struct encode_collection *counts, size_t n, const struct target *to,
			 struct pgs_err *reterr)
{
	struct pgs_buf *key = &enc->key[NEW];
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
	const struct target to = { .emit = emit, .ctx = ctx, .now_us = now_us };
	return emit_boundary(enc, txid, "BEGIN", NULL, 0, &to, reterr);
}

int encode_transaction_end(struct encoder *enc, int64_t txid,
			   const struct encode_collection *counts, size_t n, int64_t now_us,
			   encode_emit_fn *emit, void *ctx, struct pgs_err *reterr)
{
	const struct target to = { .emit = emit, .ctx = ctx, .now_us = now_us };
	const struct encode_collection none = { .name = "" };
	return emit_boundary(enc, txid, "END", counts ? counts : &none, n, &to, reterr);
}

/*
 * worker/encode.c
 *    An encoder's life, and the preparation of relations: everything that is the same in every record is made here,
 *    once.
 *
 * Per event nothing is done in this file: encode_event.c makes the records, encode_envelope.c their values,
 * encode_key.c their keys, encode_types*.c single values, encode_schema.c Connect's schemas.
 */
#include "worker/encode_part.h"

enum {
	NO_LIMIT_BYTES = 1 << 30, /* PostgreSQL's own limit of a field */
	SLACK_BYTES = 64 * 1024,
};

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

/* What is the same in every record of the database; flat records have other names for the same. */
static void make_source(struct encoder *enc, const char *database)
{
	struct pgs_buf *db = &enc->source_db;
	if (enc->flat) {
		pgs_buf_lit(db, ",\"__source_db\":");
		encode_json_string(db, database, strlen(database));
		return;
	}
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
	enc->source_db = PGS_BUF_INIT(SLACK_BYTES);
	enc->now = PGS_BUF_INIT(SLACK_BYTES);
	enc->value = PGS_BUF_INIT(max);
	for (int i = ROW_NEW; i <= ROW_OLD; i++) {
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
	if (pgs_buf_failed(&enc->source_db))
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
	pgs_buf_done(&enc->source_db);
	pgs_buf_done(&enc->now);
	pgs_buf_done(&enc->scratch.item);
	pgs_buf_done(&enc->scratch.bytes);
	pgs_buf_done(&enc->scratch.limbs);
	for (int i = ROW_NEW; i <= ROW_OLD; i++) {
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

/* "0.1.0+d4d625dd0192": the software, and the version of the set under which the event was captured. */
static void put_version(const struct relation *rel, struct pgs_buf *out)
{
	pgs_buf_lit(out, "\"" PGSHOVEL_VERSION);
	if (rel->version[0])
		pgs_buf_printf(out, "+%.*s", SETDOC_SHOWN_HEX, rel->version);
	pgs_buf_putc(out, '"');
}

/* Opening bytes of the source block. */
static void make_source_part(const struct encoder *enc, const struct relation *rel,
			     struct pgs_buf *out)
{
	if (enc->flat)
		return;
	pgs_buf_lit(out, ",\"source\":{\"version\":");
	put_version(rel, out);
	pgs_buf_lit(out, ",\"connector\":\"postgresql\",\"name\":");
	encode_json_string(out, enc->prefix, strlen(enc->prefix));
	pgs_buf_lit(out, ",\"ts_ms\":");
}

static void make_table_part(const struct encoder *enc, const struct relation *rel,
			    struct pgs_buf *out)
{
	if (enc->flat) {
		pgs_buf_lit(out, ",\"__source_version\":");
		put_version(rel, out);
	}
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
		for (int i = ROW_NEW; i <= ROW_OLD; i++) {
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
	parts.source = bytes.len;
	make_source_part(enc, rel, &bytes);
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

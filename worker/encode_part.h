/*
 * worker/encode_part.h
 *    What the parts of the encoder share: value encoders, JSON writers, Connect schemas.
 *
 * Only encode*.c and their tests include this; everybody else uses encode.h. Nothing here allocates per
 * event but the growing buffers, which keep their memory.
 */
#ifndef PGSHOVEL_WORKER_ENCODE_PART_H
#define PGSHOVEL_WORKER_ENCODE_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/buf.h"
#include "common/setdoc.h"
#include "worker/encode.h"
#include "worker/event.h"
#include "worker/relation.h"

/* What the Connect schema of a column says; one row each in encode_schema.c. */
enum value_schema {
	VALUE_SCHEMA_BOOLEAN,
	VALUE_SCHEMA_INT16,
	VALUE_SCHEMA_INT32,
	VALUE_SCHEMA_INT64,
	VALUE_SCHEMA_FLOAT,
	VALUE_SCHEMA_DOUBLE,
	VALUE_SCHEMA_STRING,
	VALUE_SCHEMA_BYTES,
	VALUE_SCHEMA_DECIMAL,
	VALUE_SCHEMA_VARIABLE_DECIMAL,
	VALUE_SCHEMA_DATE,
	VALUE_SCHEMA_TIME_MS,
	VALUE_SCHEMA_TIME_US,
	VALUE_SCHEMA_TIMESTAMP_MS,
	VALUE_SCHEMA_TIMESTAMP_US,
	VALUE_SCHEMA_CONNECT_DATE,
	VALUE_SCHEMA_CONNECT_TIME,
	VALUE_SCHEMA_CONNECT_TIMESTAMP,
	VALUE_SCHEMA_ISO_DATE,
	VALUE_SCHEMA_ISO_TIME,
	VALUE_SCHEMA_ISO_TIMESTAMP,
	VALUE_SCHEMA_ZONED_TIME,
	VALUE_SCHEMA_ZONED_TIMESTAMP,
	VALUE_SCHEMA_DURATION_US,
	VALUE_SCHEMA_INTERVAL,
	VALUE_SCHEMA_JSON,
	VALUE_SCHEMA_XML,
	VALUE_SCHEMA_UUID,
	VALUE_SCHEMA_ENUM,
	VALUE_SCHEMA_LTREE,
	VALUE_SCHEMA_TSVECTOR,
	VALUE_SCHEMA_BITS,
	VALUE_SCHEMA_POINT,
	VALUE_SCHEMA_LINE,
	VALUE_SCHEMA_CIRCLE,
	VALUE_SCHEMA_GEOMETRY,
};

/* Memory of the encoder that value functions may use for the length of one call. */
struct value_scratch {
	struct pgs_buf item; /* array elements without their quotes */
	struct pgs_buf bytes; /* binary before base64, text before a second escaping */
	struct pgs_buf limbs; /* big numbers */
};

struct value_encoder;

/*
 * Append the JSON form of one non-null value, given as PostgreSQL's text. False: the text is not what the
 * type writes (the event is poison); what was appended is then void.
 */
typedef bool value_fn(const struct value_encoder *ve, struct value_scratch *scratch,
		      struct event_text text, struct pgs_buf *out);

/* How values of one column are written; chosen once, in encode_type_choose(). Plain data. */
struct value_encoder {
	value_fn *fn;
	value_fn *item; /* of an array's elements; NULL: not an array */
	enum value_schema schema; /* of the elements, for an array */
	int digits; /* fraction digits: of times (0..6), or of a fixed decimal's scale */
	int precision; /* numeric(p,s): p, else 0; bit(n): n */
};

/* relation_column.encoder: one allocation. */
struct column_encoder {
	struct value_encoder value;
	size_t name_len;
	char name[]; /* ,"name": with the comma in front */
};

/* What is the same in every record of a relation; relation.parts. Offsets into bytes[]. */
struct relation_parts {
	size_t key_open; /* {"schema":{...},"payload": or nothing */
	size_t value_open; /* the same for values, and up to the row before */
	size_t source; /* ,"source":{... up to ts_ms; nothing in flat records */
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
	struct pgs_buf source_db; /* snapshot and db, up to sequence */
	struct pgs_buf now; /* the end of every record encoded at now_us */
	int64_t now_us;
	struct value_scratch scratch;
	struct pgs_buf unquoted[2]; /* of the new and the old row */
	struct event_text *fields[2];
	size_t n_fields; /* allocated in each */
	struct pgs_buf key[2];
	struct pgs_buf value;
};

/* Index of the new and of the old row in the encoder's pairs. */
enum { ROW_NEW, ROW_OLD };

/* Where the records of one call go. */
struct encode_target {
	encode_emit_fn *emit;
	void *ctx;
	int64_t now_us;
};

/*
 * encode_envelope.c: one value into enc->value; `before` and `after` are ROW_NEW, ROW_OLD or -1 for null, their fields
 * split already. Counts `tx` on. Class CONFIG, code "poison": a column's text is not what its type writes. A value that
 * did not fit leaves the buffer failed.
 */
int encode_put_value(struct encoder *enc, const struct relation *rel, const struct event *ev,
		     const struct encode_transaction *tx, char op, int before, int after,
		     int64_t now_us, struct pgs_err *reterr) PGS_MUST_CHECK;

/* encode_types.c: never fails; unknown types become text. */
void encode_type_choose(const struct setdoc *doc, const struct relation_column *col,
			struct value_encoder *ret);

/* encode_schema.c: the Connect schemas of a relation; record_name is the topic. */
void encode_schema_key(const struct relation *rel, const char *record_name,
		       struct value_scratch *scratch, struct pgs_buf *out);
void encode_schema_envelope(const struct relation *rel, const char *record_name,
			    struct value_scratch *scratch, struct pgs_buf *out);
extern const char encode_schema_transaction_key[];
extern const char encode_schema_transaction_value[];

/* encode_key.c: the key columns as a JSON object; the rows are split already. */
bool encode_key_plain(const struct relation *rel, const struct event_text *fields,
		      struct value_scratch *scratch, struct pgs_buf *out);
bool encode_key_differs(const struct relation *rel, const struct event_text *a,
			const struct event_text *b);

/* encode_json.c */
void encode_json_string(struct pgs_buf *out, const char *text, size_t len);
void encode_json_text(struct pgs_buf *out, const char *text); /* NULL: null */
void encode_json_escaped(struct pgs_buf *out, const char *text,
			 size_t len); /* without the quotes */
const char *encode_json_digits(uint64_t n,
			       char ret[20]); /* right-aligned: the first digit is returned */
void encode_json_i64(struct pgs_buf *out, int64_t n);
void encode_json_u64(struct pgs_buf *out, uint64_t n);
void encode_json_padded(struct pgs_buf *out, uint64_t n, int width);
void encode_json_base64(struct pgs_buf *out, const void *bytes,
			size_t len); /* without the quotes */

/* encode_types_*.c */
value_fn encode_value_string, encode_value_bool, encode_value_number, encode_value_bytea_base64,
	encode_value_bytea_hex, encode_value_bit_boolean, encode_value_bits, encode_value_hstore;
value_fn encode_value_float4, encode_value_float8, encode_value_numeric_string,
	encode_value_numeric_double, encode_value_numeric_fixed, encode_value_numeric_variable,
	encode_value_money_string, encode_value_money_double, encode_value_money_fixed;
value_fn encode_value_date_days, encode_value_date_iso, encode_value_time_ms, encode_value_time_us,
	encode_value_time_iso, encode_value_timetz, encode_value_timestamp_ms,
	encode_value_timestamp_us, encode_value_timestamp_iso, encode_value_timestamptz,
	encode_value_interval_us, encode_value_interval_iso;
value_fn encode_value_point, encode_value_line, encode_value_circle, encode_value_lseg,
	encode_value_box, encode_value_path, encode_value_polygon;
value_fn encode_value_array;

/* A float as Java writes it, from PostgreSQL's shortest text (encode_types_number.c). */
bool encode_java_float(struct pgs_buf *out, const char *text, size_t len, bool is_double);

#endif

/*
 * worker/encode_schema.c
 *    Kafka Connect schemas as JSON, for the envelope debezium-json-schema: of keys, of envelopes, of the
 *    transaction topic.
 *
 * Built once per relation. Fields stand in JsonConverter's order: type, (items or fields), optional, name,
 * version, doc, parameters, default, field.
 */
#include "worker/encode_part.h"

struct form {
	const char *type; /* "type":..., with the fields of a struct or the items of an array */
	const char *behind; /* what follows "optional": name, version, doc */
};

#define NAMED(name) ",\"name\":\"" name "\",\"version\":1"
#define POINT_FIELDS                                                                               \
	"\"type\":\"struct\",\"fields\":[{\"type\":\"double\",\"optional\":false,\"field\":\"x\"}" \
	","                                                                                        \
	"{\"type\":\"double\",\"optional\":false,\"field\":\"y\"},"                                \
	"{\"type\":\"bytes\",\"optional\":true,\"field\":\"wkb\"},"                                \
	"{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"}]"
#define POINT_NAME NAMED("io.debezium.data.geometry.Point") ",\"doc\":\"Geometry (POINT)\""

static const struct form FORMS[] = {
	[VALUE_SCHEMA_BOOLEAN] = { "\"type\":\"boolean\"", "" },
	[VALUE_SCHEMA_INT16] = { "\"type\":\"int16\"", "" },
	[VALUE_SCHEMA_INT32] = { "\"type\":\"int32\"", "" },
	[VALUE_SCHEMA_INT64] = { "\"type\":\"int64\"", "" },
	[VALUE_SCHEMA_FLOAT] = { "\"type\":\"float\"", "" },
	[VALUE_SCHEMA_DOUBLE] = { "\"type\":\"double\"", "" },
	[VALUE_SCHEMA_STRING] = { "\"type\":\"string\"", "" },
	[VALUE_SCHEMA_BYTES] = { "\"type\":\"bytes\"", "" },
	[VALUE_SCHEMA_DECIMAL] = { "\"type\":\"bytes\"",
				   NAMED("org.apache.kafka.connect.data.Decimal") },
	[VALUE_SCHEMA_VARIABLE_DECIMAL] = { "\"type\":\"struct\",\"fields\":["
					    "{\"type\":\"int32\",\"optional\":false,\"field\":"
					    "\"scale\"},"
					    "{\"type\":\"bytes\",\"optional\":false,\"field\":"
					    "\"value\"}]",
					    NAMED("io.debezium.data.VariableScaleDecimal") ",\"doc"
											   "\":"
											   "\"Varia"
											   "ble "
											   "scaled "
											   "decimal"
											   "\"" },
	[VALUE_SCHEMA_DATE] = { "\"type\":\"int32\"", NAMED("io.debezium.time.Date") },
	[VALUE_SCHEMA_TIME_MS] = { "\"type\":\"int32\"", NAMED("io.debezium.time.Time") },
	[VALUE_SCHEMA_TIME_US] = { "\"type\":\"int64\"", NAMED("io.debezium.time.MicroTime") },
	[VALUE_SCHEMA_TIMESTAMP_MS] = { "\"type\":\"int64\"", NAMED("io.debezium.time.Timestamp") },
	[VALUE_SCHEMA_TIMESTAMP_US] = { "\"type\":\"int64\"",
					NAMED("io.debezium.time.MicroTimestamp") },
	[VALUE_SCHEMA_CONNECT_DATE] = { "\"type\":\"int32\"",
					NAMED("org.apache.kafka.connect.data.Date") },
	[VALUE_SCHEMA_CONNECT_TIME] = { "\"type\":\"int32\"",
					NAMED("org.apache.kafka.connect.data.Time") },
	[VALUE_SCHEMA_CONNECT_TIMESTAMP] = { "\"type\":\"int64\"",
					     NAMED("org.apache.kafka.connect.data.Timestamp") },
	[VALUE_SCHEMA_ISO_DATE] = { "\"type\":\"string\"", NAMED("io.debezium.time.IsoDate") },
	[VALUE_SCHEMA_ISO_TIME] = { "\"type\":\"string\"", NAMED("io.debezium.time.IsoTime") },
	[VALUE_SCHEMA_ISO_TIMESTAMP] = { "\"type\":\"string\"",
					 NAMED("io.debezium.time.IsoTimestamp") },
	[VALUE_SCHEMA_ZONED_TIME] = { "\"type\":\"string\"", NAMED("io.debezium.time.ZonedTime") },
	[VALUE_SCHEMA_ZONED_TIMESTAMP] = { "\"type\":\"string\"",
					   NAMED("io.debezium.time.ZonedTimestamp") },
	[VALUE_SCHEMA_DURATION_US] = { "\"type\":\"int64\"",
				       NAMED("io.debezium.time.MicroDuration") },
	[VALUE_SCHEMA_INTERVAL] = { "\"type\":\"string\"", NAMED("io.debezium.time.Interval") },
	[VALUE_SCHEMA_JSON] = { "\"type\":\"string\"", NAMED("io.debezium.data.Json") },
	[VALUE_SCHEMA_XML] = { "\"type\":\"string\"", NAMED("io.debezium.data.Xml") },
	[VALUE_SCHEMA_UUID] = { "\"type\":\"string\"", NAMED("io.debezium.data.Uuid") },
	[VALUE_SCHEMA_ENUM] = { "\"type\":\"string\"", NAMED("io.debezium.data.Enum") },
	[VALUE_SCHEMA_LTREE] = { "\"type\":\"string\"", NAMED("io.debezium.data.Ltree") },
	[VALUE_SCHEMA_TSVECTOR] = { "\"type\":\"string\"", NAMED("io.debezium.data.Tsvector") },
	[VALUE_SCHEMA_BITS] = { "\"type\":\"bytes\"", NAMED("io.debezium.data.Bits") },
	[VALUE_SCHEMA_POINT] = { POINT_FIELDS, POINT_NAME },
	[VALUE_SCHEMA_LINE] = { "\"type\":\"struct\",\"fields\":["
				"{\"type\":\"double\",\"optional\":false,\"field\":\"a\"},"
				"{\"type\":\"double\",\"optional\":false,\"field\":\"b\"},"
				"{\"type\":\"double\",\"optional\":false,\"field\":\"c\"}]",
				NAMED("io.debezium.data.geometry.Line") ",\"doc\":\"Geometry "
									"(LINE)\"" },
	[VALUE_SCHEMA_CIRCLE] = { "\"type\":\"struct\",\"fields\":[{" POINT_FIELDS
				  ",\"optional\":false" POINT_NAME ",\"field\":\"center\"},"
				  "{\"type\":\"double\",\"optional\":false,\"field\":\"radius\"}]",
				  NAMED("io.debezium.data.geometry.Circle") ",\"doc\":\"Geometry "
									    "(CIRCLE)\"" },
	[VALUE_SCHEMA_GEOMETRY] = { "\"type\":\"struct\",\"fields\":["
				    "{\"type\":\"bytes\",\"optional\":false,\"field\":\"wkb\"},"
				    "{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"},"
				    "{\"type\":\"map\",\"keys\":{\"type\":\"string\",\"optional\":"
				    "false},"
				    "\"values\":{\"type\":\"string\",\"optional\":false},"
				    "\"optional\":true,\"field\":\"extensions\"}]",
				    ",\"name\":\"io.debezium.data.geometry.Geometry\",\"version\":2"
				    ",\"doc\":\"Geometry\"" },
};

static const char SOURCE_FIELDS[] =
	"{\"type\":\"struct\",\"fields\":["
	"{\"type\":\"string\",\"optional\":false,\"field\":\"version\"},"
	"{\"type\":\"string\",\"optional\":false,\"field\":\"connector\"},"
	"{\"type\":\"string\",\"optional\":false,\"field\":\"name\"},"
	"{\"type\":\"int64\",\"optional\":false,\"field\":\"ts_ms\"},"
	"{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Enum\",\"version\":1,"
	"\"parameters\":{\"allowed\":\"true,first,first_in_data_collection,last_in_data_collection,"
	"last,"
	"false,incremental\"},\"default\":\"false\",\"field\":\"snapshot\"},"
	"{\"type\":\"string\",\"optional\":false,\"field\":\"db\"},"
	"{\"type\":\"string\",\"optional\":true,\"field\":\"sequence\"},"
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_us\"},"
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ns\"},"
	"{\"type\":\"string\",\"optional\":false,\"field\":\"schema\"},"
	"{\"type\":\"string\",\"optional\":false,\"field\":\"table\"},"
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"txId\"},"
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"lsn\"},"
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"xmin\"},"
	"{\"type\":\"string\",\"optional\":true,\"field\":\"origin\"},"
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"origin_lsn\"}],"
	"\"optional\":false,\"name\":\"io.debezium.connector.postgresql.Source\",\"version\":1,"
	"\"field\":\"source\"}";

static const char TAIL_FIELDS[] =
	"{\"type\":\"struct\",\"fields\":["
	"{\"type\":\"string\",\"optional\":false,\"field\":\"id\"},"
	"{\"type\":\"int64\",\"optional\":false,\"field\":\"total_order\"},"
	"{\"type\":\"int64\",\"optional\":false,\"field\":\"data_collection_order\"}],"
	"\"optional\":true,\"name\":\"event.block\",\"version\":1,\"field\":\"transaction\"},"
	"{\"type\":\"string\",\"optional\":false,\"field\":\"op\"},"
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ms\"},"
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_us\"},"
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ns\"}]";

const char encode_schema_transaction_key[] = "{\"type\":\"struct\",\"fields\":[{\"type\":"
					     "\"string\",\"optional\":false,\"field\":\"id\"}],"
					     "\"optional\":false,\"name\":\"io.debezium.connector."
					     "common.TransactionMetadataKey\",\"version\":1}";

const char encode_schema_transaction_value[] =
	"{\"type\":\"struct\",\"fields\":["
	"{\"type\":\"string\",\"optional\":false,\"field\":\"status\"},"
	"{\"type\":\"string\",\"optional\":false,\"field\":\"id\"},"
	"{\"type\":\"int64\",\"optional\":true,\"field\":\"event_count\"},"
	"{\"type\":\"array\",\"items\":{\"type\":\"struct\",\"fields\":["
	"{\"type\":\"string\",\"optional\":false,\"field\":\"data_collection\"},"
	"{\"type\":\"int64\",\"optional\":false,\"field\":\"event_count\"}],"
	"\"optional\":true,\"name\":\"event.collection\",\"version\":1},"
	"\"optional\":true,\"field\":\"data_collections\"},"
	"{\"type\":\"int64\",\"optional\":false,\"field\":\"ts_ms\"}],"
	"\"optional\":false,\"name\":\"io.debezium.connector.common.TransactionMetadataValue\","
	"\"version\":1}";

/* Parameters, where the schema has some. */
static void put_parameters(const struct relation_column *col, const struct value_encoder *ve,
			   struct pgs_buf *out)
{
	if (ve->schema == VALUE_SCHEMA_DECIMAL) {
		pgs_buf_printf(out, ",\"parameters\":{\"scale\":\"%d\"", ve->digits);
		if (ve->precision > 0)
			pgs_buf_printf(out, ",\"connect.decimal.precision\":\"%d\"", ve->precision);
		pgs_buf_putc(out, '}');
	} else if (ve->schema == VALUE_SCHEMA_BITS) {
		pgs_buf_printf(out, ",\"parameters\":{\"length\":\"%d\"}", ve->precision);
	} else if (ve->schema == VALUE_SCHEMA_ENUM) {
		pgs_buf_lit(out, ",\"parameters\":{\"allowed\":");
		encode_json_string(out, col->labels, strlen(col->labels));
		pgs_buf_putc(out, '}');
	}
}

/*
 * The literal of a default expression as pg_get_expr() writes it: 42, '-1'::integer, 'a''b'::text, true.
 * Leaves the value in `item`. False: the expression is no literal.
 */
static bool read_literal(const char *expr, struct pgs_buf *item)
{
	pgs_buf_reset(item);
	if (*expr != '\'') {
		const size_t n = strspn(expr, "-.0123456789");
		if (n > 0 && (expr[n] == '\0' || strncmp(expr + n, "::", 2) == 0))
			pgs_buf_put(item, expr, n);
		else if (strcmp(expr, "true") == 0 || strcmp(expr, "false") == 0)
			pgs_buf_put(item, expr, 1);
		return item->len > 0;
	}
	const char *at = expr + 1;
	for (; *at && (*at != '\'' || at[1] == '\''); at++) {
		pgs_buf_putc(item, *at);
		at += *at == '\'';
	}
	return *at == '\'' && (at[1] == '\0' || strncmp(at + 1, "::", 2) == 0) && !strchr(at, '(');
}

/* A literal with a type modifier behind it ("::numeric(5,2)") would have to be rounded first: left out. */
static bool put_default(const struct relation_column *col, const struct value_encoder *ve,
			struct value_scratch *scratch, struct pgs_buf *out)
{
	if (!col->fallback || col->generated || ve->item)
		return false;
	const bool integer = ve->schema == VALUE_SCHEMA_INT16 || ve->schema == VALUE_SCHEMA_INT32 ||
			     ve->schema == VALUE_SCHEMA_INT64;
	const bool timestamp = ve->schema == VALUE_SCHEMA_TIMESTAMP_MS ||
			       ve->schema == VALUE_SCHEMA_TIMESTAMP_US ||
			       ve->schema == VALUE_SCHEMA_CONNECT_TIMESTAMP;
	if ((integer && strncmp(col->fallback, "nextval(", 8) == 0) ||
	    (timestamp && col->fallback[0] != '\'')) {
		pgs_buf_putc(out, '0');
		return true;
	}
	if (!read_literal(col->fallback, &scratch->item))
		return false;
	const struct event_text literal = { .text = pgs_buf_str(&scratch->item),
					    .len = (uint32_t)scratch->item.len };
	return ve->fn(ve, scratch, literal, out);
}

static void put_form(const struct relation_column *col, const struct value_encoder *ve,
		     bool optional, struct pgs_buf *out)
{
	pgs_buf_putc(out, '{');
	pgs_buf_puts(out, FORMS[ve->schema].type);
	pgs_buf_puts(out, optional ? ",\"optional\":true" : ",\"optional\":false");
	pgs_buf_puts(out, FORMS[ve->schema].behind);
	put_parameters(col, ve, out);
}

static void put_column(const struct relation_column *col, const struct value_encoder *ve,
		       struct value_scratch *scratch, struct pgs_buf *out)
{
	if (ve->item) {
		pgs_buf_lit(out, "{\"type\":\"array\",\"items\":");
		put_form(col, ve, ve->schema != VALUE_SCHEMA_ENUM, out);
		pgs_buf_puts(out, col->notnull ? "},\"optional\":false" : "},\"optional\":true");
	} else {
		put_form(col, ve, !col->notnull, out);
	}
	const size_t before = out->len;
	pgs_buf_lit(out, ",\"default\":");
	if (!put_default(col, ve, scratch, out))
		out->len = before;
	pgs_buf_lit(out, ",\"field\":");
	encode_json_string(out, col->name, strlen(col->name));
	pgs_buf_putc(out, '}');
}

static void put_record_name(const char *record_name, const char *part, struct pgs_buf *out)
{
	pgs_buf_lit(out, "\"name\":");
	pgs_buf_putc(out, '"');
	encode_json_escaped(out, record_name, strlen(record_name));
	pgs_buf_puts(out, part);
	pgs_buf_putc(out, '"');
}

void encode_schema_key(const struct relation *rel, const char *record_name,
		       struct value_scratch *scratch, struct pgs_buf *out)
{
	pgs_buf_lit(out, "{\"type\":\"struct\",\"fields\":[");
	for (size_t i = 0; i < rel->n_key; i++) {
		const struct relation_column *col = &rel->columns[rel->key[i]];
		const struct column_encoder *ce = col->encoder;
		if (i > 0)
			pgs_buf_putc(out, ',');
		put_column(col, &ce->value, scratch, out);
	}
	pgs_buf_lit(out, "],\"optional\":false,");
	put_record_name(record_name, ".Key", out);
	pgs_buf_putc(out, '}');
}

static void put_row(const struct relation *rel, const char *record_name, const char *field,
		    struct value_scratch *scratch, struct pgs_buf *out)
{
	pgs_buf_lit(out, "{\"type\":\"struct\",\"fields\":[");
	for (size_t i = 0; i < rel->n_columns; i++) {
		const struct column_encoder *ce = rel->columns[i].encoder;
		if (i > 0)
			pgs_buf_putc(out, ',');
		put_column(&rel->columns[i], &ce->value, scratch, out);
	}
	pgs_buf_lit(out, "],\"optional\":true,");
	put_record_name(record_name, ".Value", out);
	pgs_buf_lit(out, ",\"field\":\"");
	pgs_buf_puts(out, field);
	pgs_buf_lit(out, "\"}");
}

void encode_schema_envelope(const struct relation *rel, const char *record_name,
			    struct value_scratch *scratch, struct pgs_buf *out)
{
	pgs_buf_lit(out, "{\"type\":\"struct\",\"fields\":[");
	put_row(rel, record_name, "before", scratch, out);
	pgs_buf_putc(out, ',');
	put_row(rel, record_name, "after", scratch, out);
	pgs_buf_putc(out, ',');
	pgs_buf_puts(out, SOURCE_FIELDS);
	pgs_buf_putc(out, ',');
	pgs_buf_puts(out, TAIL_FIELDS);
	pgs_buf_lit(out, ",\"optional\":false,");
	put_record_name(record_name, ".Envelope", out);
	pgs_buf_lit(out, ",\"version\":2}");
}

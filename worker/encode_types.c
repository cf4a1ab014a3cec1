/*
 * worker/encode_types.c
 *    Which form a column's values take: base type and the set's modes to value function and schema.
 *
 * Called once per column and relation. Types that are not in the table stay text, never dropped.
 */
#include "worker/encode_part.h"

/* Fixed by PostgreSQL for ever (pg_type.dat). */
enum builtin {
	T_BOOL = 16,
	T_BYTEA = 17,
	T_CHAR = 18,
	T_NAME = 19,
	T_INT8 = 20,
	T_INT2 = 21,
	T_INT4 = 23,
	T_TEXT = 25,
	T_OID = 26,
	T_JSON = 114,
	T_XML = 142,
	T_POINT = 600,
	T_LSEG = 601,
	T_PATH = 602,
	T_BOX = 603,
	T_POLYGON = 604,
	T_LINE = 628,
	T_CIDR = 650,
	T_FLOAT4 = 700,
	T_FLOAT8 = 701,
	T_CIRCLE = 718,
	T_MACADDR8 = 774,
	T_MONEY = 790,
	T_MACADDR = 829,
	T_INET = 869,
	T_BPCHAR = 1042,
	T_VARCHAR = 1043,
	T_DATE = 1082,
	T_TIME = 1083,
	T_TIMESTAMP = 1114,
	T_TIMESTAMPTZ = 1184,
	T_INTERVAL = 1186,
	T_TIMETZ = 1266,
	T_BIT = 1560,
	T_VARBIT = 1562,
	T_NUMERIC = 1700,
	T_UUID = 2950,
	T_TSVECTOR = 3614,
	T_JSONB = 3802,
	T_INT4RANGE = 3904,
	T_NUMRANGE = 3906,
	T_TSRANGE = 3908,
	T_TSTZRANGE = 3910,
	T_DATERANGE = 3912,
	T_INT8RANGE = 3926,
	T_FIRST_OF_USERS = 16384,
};

static void use(struct value_encoder *ve, value_fn *fn, enum value_schema schema)
{
	ve->fn = fn;
	ve->schema = schema;
}

static void choose_numeric(const struct setdoc *doc, int32_t typmod, struct value_encoder *ve)
{
	if (typmod >= 4) {
		const int scale =
			(((typmod - 4) & 0x7ff) ^ 0x400) - 0x400; /* 11 bits with a sign */
		ve->precision = (typmod - 4) >> 16 & 0xffff;
		ve->digits = scale > 0 ? scale : 0;
	}
	switch (doc->format.decimal) {
	case SETDOC_DECIMAL_STRING:
		use(ve, encode_value_numeric_string, VALUE_SCHEMA_STRING);
		break;
	case SETDOC_DECIMAL_DOUBLE:
		use(ve, encode_value_numeric_double, VALUE_SCHEMA_DOUBLE);
		break;
	case SETDOC_DECIMAL_PRECISE:
		if (ve->precision > 0)
			use(ve, encode_value_numeric_fixed, VALUE_SCHEMA_DECIMAL);
		else
			use(ve, encode_value_numeric_variable, VALUE_SCHEMA_VARIABLE_DECIMAL);
		break;
	}
}

static void choose_money(const struct setdoc *doc, struct value_encoder *ve)
{
	ve->digits = 2;
	switch (doc->format.decimal) {
	case SETDOC_DECIMAL_STRING:
		use(ve, encode_value_money_string, VALUE_SCHEMA_STRING);
		break;
	case SETDOC_DECIMAL_DOUBLE:
		use(ve, encode_value_money_double, VALUE_SCHEMA_DOUBLE);
		break;
	case SETDOC_DECIMAL_PRECISE:
		use(ve, encode_value_money_fixed, VALUE_SCHEMA_DECIMAL);
		break;
	}
}

static void choose_date(const struct setdoc *doc, struct value_encoder *ve)
{
	switch (doc->format.time) {
	case SETDOC_TIME_ADAPTIVE:
	case SETDOC_TIME_MICROSECONDS:
		use(ve, encode_value_date_days, VALUE_SCHEMA_DATE);
		break;
	case SETDOC_TIME_CONNECT:
		use(ve, encode_value_date_days, VALUE_SCHEMA_CONNECT_DATE);
		break;
	case SETDOC_TIME_ISOSTRING:
		use(ve, encode_value_date_iso, VALUE_SCHEMA_ISO_DATE);
		break;
	}
}

static void choose_time(const struct setdoc *doc, struct value_encoder *ve)
{
	switch (doc->format.time) {
	case SETDOC_TIME_ADAPTIVE:
		if (ve->digits <= 3)
			use(ve, encode_value_time_ms, VALUE_SCHEMA_TIME_MS);
		else
			use(ve, encode_value_time_us, VALUE_SCHEMA_TIME_US);
		break;
	case SETDOC_TIME_MICROSECONDS:
		use(ve, encode_value_time_us, VALUE_SCHEMA_TIME_US);
		break;
	case SETDOC_TIME_CONNECT:
		use(ve, encode_value_time_ms, VALUE_SCHEMA_CONNECT_TIME);
		break;
	case SETDOC_TIME_ISOSTRING:
		use(ve, encode_value_time_iso, VALUE_SCHEMA_ISO_TIME);
		break;
	}
}

static void choose_timestamp(const struct setdoc *doc, struct value_encoder *ve)
{
	switch (doc->format.time) {
	case SETDOC_TIME_ADAPTIVE:
		if (ve->digits <= 3)
			use(ve, encode_value_timestamp_ms, VALUE_SCHEMA_TIMESTAMP_MS);
		else
			use(ve, encode_value_timestamp_us, VALUE_SCHEMA_TIMESTAMP_US);
		break;
	case SETDOC_TIME_MICROSECONDS:
		use(ve, encode_value_timestamp_us, VALUE_SCHEMA_TIMESTAMP_US);
		break;
	case SETDOC_TIME_CONNECT:
		use(ve, encode_value_timestamp_ms, VALUE_SCHEMA_CONNECT_TIMESTAMP);
		break;
	case SETDOC_TIME_ISOSTRING:
		use(ve, encode_value_timestamp_iso, VALUE_SCHEMA_ISO_TIMESTAMP);
		break;
	}
}

static void choose_interval(const struct setdoc *doc, struct value_encoder *ve)
{
	switch (doc->format.interval) {
	case SETDOC_INTERVAL_NUMERIC:
		use(ve, encode_value_interval_us, VALUE_SCHEMA_DURATION_US);
		break;
	case SETDOC_INTERVAL_STRING:
		use(ve, encode_value_interval_iso, VALUE_SCHEMA_INTERVAL);
		break;
	}
}

static void choose_bytea(const struct setdoc *doc, struct value_encoder *ve)
{
	switch (doc->format.binary) {
	case SETDOC_BINARY_BYTES:
		use(ve, encode_value_bytea_base64, VALUE_SCHEMA_BYTES);
		break;
	case SETDOC_BINARY_BASE64:
		use(ve, encode_value_bytea_base64, VALUE_SCHEMA_STRING);
		break;
	case SETDOC_BINARY_HEX:
		use(ve, encode_value_bytea_hex, VALUE_SCHEMA_STRING);
		break;
	}
}

static void choose_bits(uint32_t type, int32_t typmod, struct value_encoder *ve)
{
	ve->precision = typmod > 0 ? typmod : type == T_BIT ? 1 : INT32_MAX;
	if (ve->precision == 1)
		use(ve, encode_value_bit_boolean, VALUE_SCHEMA_BOOLEAN);
	else
		use(ve, encode_value_bits, VALUE_SCHEMA_BITS);
}

/* The word behind the last dot of a possibly qualified and quoted name, "[]" and quotes left out. */
static bool is_named(const char *type, const char *word)
{
	const char *dot = strrchr(type, '.');
	const char *at = dot ? dot + 1 : type;
	const size_t n = strlen(word);
	return strncmp(at, word, n) == 0 && (at[n] == '\0' || strcmp(at + n, "[]") == 0);
}

/* Types of extensions and of users: known by name, since their oids differ from database to database. */
static void choose_foreign(const struct relation_column *col, struct value_encoder *ve)
{
	if (col->labels)
		use(ve, encode_value_string, VALUE_SCHEMA_ENUM);
	else if (is_named(col->base, "hstore"))
		use(ve, encode_value_hstore, VALUE_SCHEMA_JSON);
	else if (is_named(col->base, "ltree"))
		use(ve, encode_value_string, VALUE_SCHEMA_LTREE);
}

/* One type, an element's or a column's. *ve is text already and stays so for what is not named here. */
static void choose_scalar(const struct setdoc *doc, const struct relation_column *col,
			  uint32_t type, struct value_encoder *ve)
{
	ve->digits = col->basemod >= 0 && col->basemod <= 6 ? col->basemod : 6;
	switch (type) {
	case T_BOOL:
		use(ve, encode_value_bool, VALUE_SCHEMA_BOOLEAN);
		break;
	case T_INT2:
		use(ve, encode_value_number, VALUE_SCHEMA_INT16);
		break;
	case T_INT4:
		use(ve, encode_value_number, VALUE_SCHEMA_INT32);
		break;
	case T_INT8:
	case T_OID:
		use(ve, encode_value_number, VALUE_SCHEMA_INT64);
		break;
	case T_FLOAT4:
		use(ve, encode_value_float4, VALUE_SCHEMA_FLOAT);
		break;
	case T_FLOAT8:
		use(ve, encode_value_float8, VALUE_SCHEMA_DOUBLE);
		break;
	case T_NUMERIC:
		choose_numeric(doc, col->basemod, ve);
		break;
	case T_MONEY:
		choose_money(doc, ve);
		break;
	case T_BYTEA:
		choose_bytea(doc, ve);
		break;
	case T_BIT:
	case T_VARBIT:
		choose_bits(type, col->basemod, ve);
		break;
	case T_DATE:
		choose_date(doc, ve);
		break;
	case T_TIME:
		choose_time(doc, ve);
		break;
	case T_TIMETZ:
		use(ve, encode_value_timetz, VALUE_SCHEMA_ZONED_TIME);
		break;
	case T_TIMESTAMP:
		choose_timestamp(doc, ve);
		break;
	case T_TIMESTAMPTZ:
		use(ve, encode_value_timestamptz, VALUE_SCHEMA_ZONED_TIMESTAMP);
		break;
	case T_INTERVAL:
		choose_interval(doc, ve);
		break;
	case T_JSON:
	case T_JSONB:
		use(ve, encode_value_string, VALUE_SCHEMA_JSON);
		break;
	case T_XML:
		use(ve, encode_value_string, VALUE_SCHEMA_XML);
		break;
	case T_UUID:
		use(ve, encode_value_string, VALUE_SCHEMA_UUID);
		break;
	case T_TSVECTOR:
		use(ve, encode_value_string, VALUE_SCHEMA_TSVECTOR);
		break;
	case T_POINT:
		use(ve, encode_value_point, VALUE_SCHEMA_POINT);
		break;
	case T_LINE:
		use(ve, encode_value_line, VALUE_SCHEMA_LINE);
		break;
	case T_CIRCLE:
		use(ve, encode_value_circle, VALUE_SCHEMA_CIRCLE);
		break;
	case T_BOX:
		use(ve, encode_value_box, VALUE_SCHEMA_GEOMETRY);
		break;
	case T_LSEG:
		use(ve, encode_value_lseg, VALUE_SCHEMA_GEOMETRY);
		break;
	case T_PATH:
		use(ve, encode_value_path, VALUE_SCHEMA_GEOMETRY);
		break;
	case T_POLYGON:
		use(ve, encode_value_polygon, VALUE_SCHEMA_GEOMETRY);
		break;
	default:
		if (type >= T_FIRST_OF_USERS)
			choose_foreign(col, ve);
		break;
	}
}

/* Element types whose arrays become JSON arrays: those of Debezium, and whatever users define. */
static bool is_array_of(uint32_t elem)
{
	switch (elem) {
	case T_BOOL:
	case T_INT2:
	case T_INT4:
	case T_INT8:
	case T_OID:
	case T_FLOAT4:
	case T_FLOAT8:
	case T_NUMERIC:
	case T_BYTEA:
	case T_CHAR:
	case T_NAME:
	case T_TEXT:
	case T_BPCHAR:
	case T_VARCHAR:
	case T_DATE:
	case T_TIME:
	case T_TIMETZ:
	case T_TIMESTAMP:
	case T_TIMESTAMPTZ:
	case T_JSON:
	case T_JSONB:
	case T_UUID:
	case T_INET:
	case T_CIDR:
	case T_MACADDR:
	case T_MACADDR8:
	case T_INT4RANGE:
	case T_INT8RANGE:
	case T_NUMRANGE:
	case T_TSRANGE:
	case T_TSTZRANGE:
	case T_DATERANGE:
		return true;
	default:
		return elem >= T_FIRST_OF_USERS;
	}
}

void encode_type_choose(const struct setdoc *doc, const struct relation_column *col,
			struct value_encoder *ret)
{
	*ret = (struct value_encoder){ .fn = encode_value_string, .schema = VALUE_SCHEMA_STRING };
	/* int2vector and a few others have elements but are no arrays in their text. */
	const size_t n = strlen(col->base);
	const bool array = col->elemid != 0 && n > 2 && strcmp(col->base + n - 2, "[]") == 0;
	if (!array) {
		choose_scalar(doc, col, col->baseid, ret);
	} else if (is_array_of(col->elemid)) {
		choose_scalar(doc, col, col->elemid, ret);
		ret->item = ret->fn;
		ret->fn = encode_value_array;
	}
}

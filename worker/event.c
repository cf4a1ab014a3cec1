/*
 * worker/event.c
 *    Takes one row of the queue out of binary COPY, and record text apart into its columns.
 *
 * Nothing is allocated and nothing is copied but quoted fields. Does not know types: a field stays text.
 */
#include "worker/event.h"

#include <endian.h>
#include <string.h>

/* Microseconds from 1970 to 2000, PostgreSQL's epoch. */
#define EPOCH_2000_US INT64_C(946684800000000)

struct cursor {
	const char *at;
	size_t left;
};

static bool take_i16(struct cursor *c, int16_t *ret)
{
	uint16_t n;
	if (c->left < sizeof(n))
		return false;
	memcpy(&n, c->at, sizeof(n));
	*ret = (int16_t)be16toh(n);
	c->at += sizeof(n);
	c->left -= sizeof(n);
	return true;
}

static bool take_field(struct cursor *c, struct event_text *ret)
{
	uint32_t n;
	if (c->left < sizeof(n))
		return false;
	memcpy(&n, c->at, sizeof(n));
	n = be32toh(n);
	c->at += sizeof(n);
	c->left -= sizeof(n);
	if (n == UINT32_MAX) {
		*ret = (struct event_text){ .text = NULL };
		return true;
	}
	if (n > c->left)
		return false;
	*ret = (struct event_text){ .text = c->at, .len = n };
	c->at += n;
	c->left -= n;
	return true;
}

static bool as_i64(struct event_text field, int64_t *ret)
{
	uint64_t n;
	if (!field.text || field.len != sizeof(n))
		return false;
	memcpy(&n, field.text, sizeof(n));
	*ret = (int64_t)be64toh(n);
	return true;
}

/* "ID" or "ID:partition". Ids are positive, written by our own capture functions in plain decimal. */
static bool take_relation(struct event_text field, struct event *ret)
{
	int64_t n = 0;
	uint32_t i = 0;
	for (; i < field.len && field.text[i] != ':'; i++) {
		const unsigned digit = (unsigned)field.text[i] - '0';
		if (digit > 9 || i == 10)
			return false;
		n = n * 10 + digit;
	}
	if (i == 0 || n > INT32_MAX || i + 1 == field.len || field.len > UINT16_MAX)
		return false;
	if (i < field.len) {
		ret->leaf = field.text + i + 1;
		ret->leaf_len = (uint16_t)(field.len - i - 1);
	}
	ret->relation = (int32_t)n;
	return true;
}

int event_from_copy(const char *row, size_t len, unsigned n_extra, struct event *ret,
		    struct pgs_err *reterr)
{
	struct cursor c = { .at = row, .left = len };
	int16_t n_fields;
	if (!take_i16(&c, &n_fields))
		return pgs_err_set(reterr, PGS_ERR_BUG, "",
				   "a COPY tuple of %zu bytes has no header", len);
	if (n_fields == -1 && c.left == 0)
		return 0;
	if (n_fields < 0 || (unsigned)n_fields != n_extra + EVENT_N_COLUMNS)
		return pgs_err_set(reterr, PGS_ERR_BUG, "",
				   "a COPY tuple has %d fields instead of %u", n_fields,
				   n_extra + EVENT_N_COLUMNS);

	struct event_text f[EVENT_N_COLUMNS];
	for (unsigned i = 0; i < n_extra; i++)
		if (!take_field(&c, &f[0]))
			goto cut;
	for (unsigned i = 0; i < EVENT_N_COLUMNS; i++)
		if (!take_field(&c, &f[i]))
			goto cut;
	if (c.left != 0)
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "a COPY tuple has %zu bytes too many",
				   c.left);

	struct event ev = { .new_row = f[5], .old_row = f[6], .old_ctid = f[7], .new_ctid = f[8] };
	if (!as_i64(f[0], &ev.id) || !as_i64(f[1], &ev.txid) || !as_i64(f[2], &ev.time_us))
		return pgs_err_set(
			reterr, PGS_ERR_BUG, "",
			"ev_id, ev_txid or ev_time of an event is null or not 8 bytes wide");
	/* What somebody put into the queue by hand is an event, too: it must not stop the others. */
	ev.foreign = ev.time_us == INT64_MIN ||
		     __builtin_add_overflow(ev.time_us, EPOCH_2000_US, &ev.time_us);
	if (ev.foreign)
		ev.time_us = 0;
	const bool known = f[3].text && f[3].len == 1 && memchr("IUDT", f[3].text[0], 4);
	ev.type = '?';
	if (known)
		ev.type = f[3].text[0];
	ev.foreign = !take_relation(f[4], &ev) || ev.foreign || !known;
	if (ev.foreign) {
		ev.ev_type = f[3];
		ev.new_ctid.text = NULL;
	}
	*ret = ev;
	return 1;
cut:
	return pgs_err_set(reterr, PGS_ERR_BUG, "", "a COPY tuple of %zu bytes ends inside a field",
			   len);
}

int event_foreign(const struct event *ev, struct pgs_err *reterr)
{
	if (ev->type == '?')
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "poison",
				   "capture did not write it: its ev_type is \"%.*s\"",
				   ev->ev_type.len < 32 ? (int)ev->ev_type.len : 32,
				   ev->ev_type.text ? ev->ev_type.text : "");
	if (ev->relation == 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "poison",
				   "capture did not write it: no relation id in ev_extra1");
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "poison",
			   "capture did not write it: its ev_time is infinite");
}

/* The next quote or backslash in [at, end), or end. Eight bytes at a time. */
static const char *next_special(const char *at, const char *end)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t high = UINT64_C(0x8080808080808080);
	while (end - at >= 8) {
		uint64_t word;
		memcpy(&word, at, sizeof(word));
		const uint64_t quote = word ^ (ones * '"');
		const uint64_t slash = word ^ (ones * '\\');
		if ((((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & high)
			break;
		at += 8;
	}
	while (at < end && *at != '"' && *at != '\\')
		at++;
	return at;
}

static bool is_closing(const char *special, const char *end)
{
	return *special == '"' && (special + 1 == end || special[1] != '"');
}

/*
 * A quoted field: "at" stands behind the opening quote. Most have nothing to unescape and are lent; others are
 * moved to *scratch, which is then advanced. Returns the byte behind the closing quote, NULL when there is none.
 */
static const char *take_quoted(const char *at, const char *end, char **scratch,
			       struct event_text *ret)
{
	const char *special = next_special(at, end);
	if (special == end)
		return NULL;
	if (is_closing(special, end)) {
		*ret = (struct event_text){ .text = at, .len = (uint32_t)(special - at) };
		return special + 1;
	}
	char *out = *scratch;
	for (;;) {
		memcpy(out, at, (size_t)(special - at));
		out += special - at;
		if (is_closing(special, end))
			break;
		if (special + 1 == end)
			return NULL;
		*out++ = special[1]; /* the second half of "" or \\ */
		at = special + 2;
		special = next_special(at, end);
		if (special == end)
			return NULL;
	}
	*ret = (struct event_text){ .text = *scratch, .len = (uint32_t)(out - *scratch) };
	*scratch = out;
	return special + 1;
}

int event_split(struct event_text row, size_t n, struct event_text *ret_fields, char *scratch,
		struct pgs_err *reterr)
{
	const char *at = row.text;
	const char *const end = row.text ? row.text + row.len : NULL;
	if (row.len < 2 || !at || *at != '(' || end[-1] != ')')
		return pgs_err_set(reterr, PGS_ERR_BUG, "record",
				   "a row of %u bytes is not record text", row.len);
	const char *const last = end - 1; /* the closing parenthesis */
	at++;
	for (size_t i = 0; i < n; i++) {
		struct event_text *f = &ret_fields[i];
		if (at < last && *at == '"') {
			at = take_quoted(at + 1, last, &scratch, f);
			if (!at)
				return pgs_err_set(reterr, PGS_ERR_BUG, "record",
						   "field %zu of record text has no closing quote",
						   i + 1);
		} else {
			const char *stop = at;
			while (stop < last && *stop != ',')
				stop++;
			*f = (struct event_text){ .text = stop > at ? at : NULL,
						  .len = (uint32_t)(stop - at) };
			at = stop;
		}
		const bool more = i + 1 < n;
		if (more ? (at >= last || *at != ',') : at != last)
			return pgs_err_set(
				reterr, PGS_ERR_BUG, "record",
				"record text does not have %zu fields (seen at field %zu)", n,
				i + 1);
		at++;
	}
	return 0;
}

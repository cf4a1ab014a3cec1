/*
 * common/parse.c
 *    See common/parse.h.
 *
 * Independent of the locale; does not skip blanks.
 */
#include "common/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first: the range in a message is said in the largest unit that fits. */
static const struct unit duration_units[] = {
	{ "h", 3600000000ull }, { "min", 60000000 }, { "s", 1000000 }, { "ms", 1000 }, { "us", 1 },
};
static const struct unit size_units[] = {
	{ "GB", 1ull << 30 },
	{ "MB", 1ull << 20 },
	{ "kB", 1ull << 10 },
	{ "B", 1 },
};

/* Digits at *text into *ret; moves *text behind them. False: no digit, or more than 64 bits. */
static bool take_digits(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return false;
	*text = p;
	*ret = value;
	return true;
}

int pgs_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret, struct pgs_err *reterr)
{
	const char *p = text;
	bool negative = *p == '-';
	uint64_t digits;
	int64_t value;

	p += negative;
	if (!take_digits(&p, &digits) || *p || digits > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		goto refuse;
	value = negative ? (int64_t)-digits : (int64_t)digits;
	if (value < min || value > max)
		goto refuse;
	*ret = value;
	return 0;
refuse:
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
			   "\"%.64s\" is not a number from %" PRId64 " to %" PRId64, text, min,
			   max);
}

static void put_with_unit(char *ret, size_t size, uint64_t value, const struct unit *units,
			  size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (i == n - 1 || (value && value % units[i].factor == 0)) {
			(void)snprintf(ret, size, "%" PRIu64 "%s", value / units[i].factor,
				       units[i].name); /* 20 digits and a unit always fit */
			return;
		}
}

static int parse_unit(const char *text, const char *kind, const char *example,
		      const struct unit *units, size_t n, bool bare_ok, uint64_t min, uint64_t max,
		      uint64_t *ret, struct pgs_err *reterr)
{
	const char *p = text;
	const struct unit *unit = NULL;
	uint64_t value;
	char low[32], high[32];

	put_with_unit(low, sizeof(low), min, units, n);
	put_with_unit(high, sizeof(high), max, units, n);
	if (!take_digits(&p, &value))
		goto refuse;
	for (size_t i = 0; i < n; i++)
		if (strcmp(p, units[i].name) == 0)
			unit = &units[i];
	if (!unit && (*p || !bare_ok))
		goto refuse;
	if (unit && __builtin_mul_overflow(value, unit->factor, &value))
		goto refuse;
	if (value < min || value > max)
		goto refuse;
	*ret = value;
	return 0;
refuse:
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
			   "\"%.64s\" is not a %s from %s to %s, such as \"%s\"", text, kind, low,
			   high, example);
}

int pgs_parse_duration_us(const char *text, uint64_t min_us, uint64_t max_us, uint64_t *ret_us,
			  struct pgs_err *reterr)
{
	return parse_unit(text, "duration", "5ms", duration_units, PGS_ARRAY_LEN(duration_units),
			  false, min_us, max_us, ret_us, reterr);
}

int pgs_parse_size_bytes(const char *text, uint64_t min, uint64_t max, uint64_t *ret_bytes,
			 struct pgs_err *reterr)
{
	return parse_unit(text, "size", "16MB", size_units, PGS_ARRAY_LEN(size_units), true, min,
			  max, ret_bytes, reterr);
}

enum { NAME_MAX_BYTES = 24 };

static bool lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

bool pgs_cluster_name_ok(const char *name)
{
	size_t len = strnlen(name, NAME_MAX_BYTES + 1);

	if (!lower(name[0]) || len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 1; i < len; i++)
		if (!lower(name[i]) && !digit(name[i]))
			return false;
	/* "/zookeeper" is ZooKeeper's own node: our nodes would lie among its quotas and configuration */
	return strcmp(name, "zookeeper") != 0;
}

bool pgs_set_name_ok(const char *name)
{
	size_t len = strnlen(name, NAME_MAX_BYTES + 1);

	if (!lower(name[0]) || len > NAME_MAX_BYTES || name[len - 1] == '_')
		return false;
	for (size_t i = 1; i < len; i++)
		if (name[i] == '_' ? name[i - 1] == '_' : !lower(name[i]) && !digit(name[i]))
			return false;
	return true;
}

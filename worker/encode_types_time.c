/*
 * worker/encode_types_time.c
 *    Dates, times, timestamps and intervals, from the text of DateStyle ISO and IntervalStyle postgres.
 *
 * Everything that has an offset is moved to UTC. The calendar is the proleptic Gregorian one, as in
 * PostgreSQL and java.time. Does not choose between the modes: encode_types.c does.
 */
#include "worker/encode_part.h"

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY    INT64_C(86400000000)

/* What Debezium's stream shows for the infinities. */
#define DATE_INFINITY         INT64_C(2146033979)
#define DATE_MINUS_INFINITY   INT64_C(-2147472691)
#define TIMESTAMP_MS_INFINITY INT64_C(9223372036825200000)
#define TIMESTAMP_MS_MINUS    INT64_C(-9223372036832400000)

enum infinite { FINITE, PLUS_INFINITY, MINUS_INFINITY };

struct moment {
	enum infinite infinite;
	int64_t day; /* since 1970 */
	int64_t us; /* of the day; may be 24 h */
	int64_t zone_us; /* east of UTC */
};

struct reader {
	const char *at;
	const char *end;
};

static bool take(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* Between min and max digits. */
static bool take_number(struct reader *r, int min, int max, int64_t *ret)
{
	int n = 0;
	int64_t value = 0;
	for (; r->at < r->end && *r->at >= '0' && *r->at <= '9' && n < max; n++)
		value = value * 10 + (*r->at++ - '0');
	*ret = value;
	return n >= min;
}

static bool text_is(struct event_text text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.text, word, text.len) == 0;
}

/* Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year. */
static int64_t day_of(int64_t year, int64_t month, int64_t day)
{
	const int64_t y = year - (month <= 2);
	const int64_t cycle = (y >= 0 ? y : y - 399) / 400;
	const int64_t of_cycle = y - cycle * 400;
	const int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return cycle * 146097 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - 719468;
}

static void date_of(int64_t day, int64_t *ret_year, int *ret_month, int *ret_day)
{
	const int64_t shifted = day + 719468;
	const int64_t cycle = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	const int64_t d = shifted - cycle * 146097;
	const int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	const int64_t of_year = d - (365 * y + y / 4 - y / 100);
	const int64_t m = (5 * of_year + 2) / 153;
	*ret_day = (int)(of_year - (153 * m + 2) / 5 + 1);
	*ret_month = (int)(m < 10 ? m + 3 : m - 9);
	*ret_year = y + cycle * 400 + (*ret_month <= 2);
}

static bool take_date(struct reader *r, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day)
{
	return take_number(r, 4, 7, ret_year) && take(r, '-') && take_number(r, 2, 2, ret_month) &&
	       take(r, '-') && take_number(r, 2, 2, ret_day) && *ret_month >= 1 &&
	       *ret_month <= 12 && *ret_day >= 1 && *ret_day <= 31;
}

/* HH:MM:SS[.ffffff] */
static bool take_clock(struct reader *r, int64_t *ret_us)
{
	int64_t h;
	int64_t m;
	int64_t s;
	if (!take_number(r, 2, 2, &h) || !take(r, ':') || !take_number(r, 2, 2, &m) ||
	    !take(r, ':') || !take_number(r, 2, 2, &s) || h > 24 || m > 59 || s > 60)
		return false;
	int64_t fraction = 0;
	if (take(r, '.')) {
		const char *const first = r->at;
		if (!take_number(r, 1, 6, &fraction))
			return false;
		for (long n = r->at - first; n < 6; n++)
			fraction *= 10;
	}
	*ret_us = (h * 3600 + m * 60 + s) * US_PER_SECOND + fraction;
	return true;
}

/* +HH[:MM[:SS]] */
static bool take_zone(struct reader *r, int64_t *ret_us)
{
	const bool west = take(r, '-');
	int64_t h;
	int64_t m = 0;
	int64_t s = 0;
	if ((!west && !take(r, '+')) || !take_number(r, 2, 2, &h))
		return false;
	if (take(r, ':') && !take_number(r, 2, 2, &m))
		return false;
	if (take(r, ':') && !take_number(r, 2, 2, &s))
		return false;
	const int64_t seconds = h * 3600 + m * 60 + s;
	*ret_us = (west ? -seconds : seconds) * US_PER_SECOND;
	return true;
}

static bool read_moment(struct event_text text, bool with_clock, bool with_zone, struct moment *ret)
{
	*ret = (struct moment){ .infinite = text_is(text, "infinity")    ? PLUS_INFINITY
					    : text_is(text, "-infinity") ? MINUS_INFINITY
									 : FINITE };
	if (ret->infinite != FINITE)
		return true;
	struct reader r = { .at = text.text, .end = text.text + text.len };
	int64_t year;
	int64_t month;
	int64_t day;
	if (!take_date(&r, &year, &month, &day))
		return false;
	if (with_clock && (!take(&r, ' ') || !take_clock(&r, &ret->us)))
		return false;
	if (with_zone && !take_zone(&r, &ret->zone_us))
		return false;
	if (r.end - r.at == 3 && memcmp(r.at, " BC", 3) == 0)
		year = 1 - year;
	else if (r.at != r.end)
		return false;
	ret->day = day_of(year, month, day);
	return true;
}

/* Microseconds since 1970; beyond the 64-bit range the nearest number in it. */
static int64_t saturated_us(const struct moment *m)
{
	int64_t us;
	if (__builtin_mul_overflow(m->day, US_PER_DAY, &us) ||
	    __builtin_add_overflow(us, m->us, &us))
		return m->day < 0 ? INT64_MIN : INT64_MAX;
	return us;
}

static void put_year(struct pgs_buf *out, int64_t year)
{
	if (year > 9999)
		pgs_buf_putc(out, '+');
	else if (year < 0)
		pgs_buf_putc(out, '-');
	encode_json_padded(out, (uint64_t)(year < 0 ? -year : year), 4);
}

static void put_two(struct pgs_buf *out, char before, int n)
{
	const char text[3] = { before, (char)('0' + n / 10), (char)('0' + n % 10) };
	pgs_buf_put(out, text, sizeof(text));
}

static void put_date(struct pgs_buf *out, int64_t day)
{
	int64_t year;
	int month;
	int dom;
	date_of(day, &year, &month, &dom);
	put_year(out, year);
	put_two(out, '-', month);
	put_two(out, '-', dom);
}

/* HH:MM:SS and the fraction: exactly `digits` of it, or with -1 as many as it takes. */
static void put_clock(struct pgs_buf *out, int64_t us, int digits)
{
	const int64_t seconds = us / US_PER_SECOND;
	uint64_t fraction = (uint64_t)(us % US_PER_SECOND);
	char first[2] = { (char)('0' + seconds / 36000), (char)('0' + seconds / 3600 % 10) };
	pgs_buf_put(out, first, sizeof(first));
	put_two(out, ':', (int)(seconds / 60 % 60));
	put_two(out, ':', (int)(seconds % 60));
	if (digits < 0) {
		if (fraction == 0)
			return;
		digits = 6;
		for (; fraction % 10 == 0; fraction /= 10)
			digits--;
	} else {
		for (int i = digits; i < 6; i++)
			fraction /= 10;
	}
	if (digits == 0)
		return;
	pgs_buf_putc(out, '.');
	encode_json_padded(out, fraction, digits);
}

static bool read_date(struct event_text text, int64_t *ret_day)
{
	struct moment m;
	if (!read_moment(text, false, false, &m))
		return false;
	*ret_day = m.infinite == PLUS_INFINITY    ? DATE_INFINITY
		   : m.infinite == MINUS_INFINITY ? DATE_MINUS_INFINITY
						  : m.day;
	return true;
}

bool encode_value_date_days(const struct value_encoder *ve, struct value_scratch *scratch,
			    struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	int64_t day;
	if (!read_date(text, &day))
		return false;
	encode_json_i64(out, day);
	return true;
}

bool encode_value_date_iso(const struct value_encoder *ve, struct value_scratch *scratch,
			   struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	int64_t day;
	if (!read_date(text, &day))
		return false;
	pgs_buf_putc(out, '"');
	put_date(out, day);
	pgs_buf_lit(out, "Z\"");
	return true;
}

static bool read_time(struct event_text text, int64_t *ret_us)
{
	struct reader r = { .at = text.text, .end = text.text + text.len };
	return take_clock(&r, ret_us) && r.at == r.end;
}

bool encode_value_time_ms(const struct value_encoder *ve, struct value_scratch *scratch,
			  struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	int64_t us;
	if (!read_time(text, &us))
		return false;
	encode_json_i64(out, us / 1000);
	return true;
}

bool encode_value_time_us(const struct value_encoder *ve, struct value_scratch *scratch,
			  struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	int64_t us;
	if (!read_time(text, &us))
		return false;
	encode_json_i64(out, us);
	return true;
}

/* java.time knows no 24:00:00: it becomes 00:00:00, as in Debezium. */
bool encode_value_time_iso(const struct value_encoder *ve, struct value_scratch *scratch,
			   struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	int64_t us;
	if (!read_time(text, &us))
		return false;
	pgs_buf_putc(out, '"');
	put_clock(out, us % US_PER_DAY, -1);
	pgs_buf_lit(out, "Z\"");
	return true;
}

bool encode_value_timetz(const struct value_encoder *ve, struct value_scratch *scratch,
			 struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	struct reader r = { .at = text.text, .end = text.text + text.len };
	int64_t us;
	int64_t zone_us;
	if (!take_clock(&r, &us) || !take_zone(&r, &zone_us) || r.at != r.end)
		return false;
	if (zone_us != 0)
		us = ((us - zone_us) % US_PER_DAY + US_PER_DAY) % US_PER_DAY;
	pgs_buf_putc(out, '"');
	put_clock(out, us, -1);
	pgs_buf_lit(out, "Z\"");
	return true;
}

bool encode_value_timestamp_ms(const struct value_encoder *ve, struct value_scratch *scratch,
			       struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	struct moment m;
	if (!read_moment(text, true, false, &m))
		return false;
	int64_t ms = m.day * (US_PER_DAY / 1000) + m.us / 1000;
	if (m.infinite == PLUS_INFINITY)
		ms = TIMESTAMP_MS_INFINITY;
	else if (m.infinite == MINUS_INFINITY)
		ms = TIMESTAMP_MS_MINUS;
	encode_json_i64(out, ms);
	return true;
}

bool encode_value_timestamp_us(const struct value_encoder *ve, struct value_scratch *scratch,
			       struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	struct moment m;
	if (!read_moment(text, true, false, &m))
		return false;
	int64_t us = saturated_us(&m);
	if (m.infinite == PLUS_INFINITY)
		us = INT64_MAX;
	else if (m.infinite == MINUS_INFINITY)
		us = INT64_MIN;
	encode_json_i64(out, us);
	return true;
}

/* Quoted, in UTC; `us` may lie outside of the day. */
static void put_timestamp(struct pgs_buf *out, int64_t day, int64_t us, int digits)
{
	if (us < 0) {
		day--;
		us += US_PER_DAY;
	} else if (us >= US_PER_DAY) {
		day++;
		us -= US_PER_DAY;
	}
	pgs_buf_putc(out, '"');
	put_date(out, day);
	pgs_buf_putc(out, 'T');
	put_clock(out, us, digits);
	pgs_buf_lit(out, "Z\"");
}

bool encode_value_timestamp_iso(const struct value_encoder *ve, struct value_scratch *scratch,
				struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	struct moment m;
	if (!read_moment(text, true, false, &m))
		return false;
	if (m.infinite == PLUS_INFINITY)
		pgs_buf_lit(out, "\"+292278994-08-16T23:00:00Z\"");
	else if (m.infinite == MINUS_INFINITY)
		pgs_buf_lit(out, "\"-292275055-05-16T23:00:00Z\"");
	else
		put_timestamp(out, m.day, m.us, -1);
	return true;
}

/*
 * "2026-11-24 19:18:27.123456+00": already in UTC, so that the text only wants a T, a Z and zeros. False:
 * something else, nothing was written.
 */
static bool put_utc_text(struct event_text text, int digits, struct pgs_buf *out)
{
	static const char shape[] = "dddd-dd-dd dd:dd:dd";
	static const char zeros[] = "000000";
	enum { CLOCK_END = sizeof(shape) - 1 };
	if (text.len < CLOCK_END + 3 || memcmp(text.text + text.len - 3, "+00", 3) != 0)
		return false;
	for (int i = 0; i < CLOCK_END; i++) {
		const char c = text.text[i];
		if (shape[i] == 'd' ? (c < '0' || c > '9') : c != shape[i])
			return false;
	}
	const int fraction = (int)text.len - CLOCK_END - 3; /* the point included */
	if (fraction == 1 || fraction > digits + 1 || (fraction > 0 && text.text[CLOCK_END] != '.'))
		return false;
	for (int i = 1; i < fraction; i++)
		if (text.text[CLOCK_END + i] < '0' || text.text[CLOCK_END + i] > '9')
			return false;
	pgs_buf_putc(out, '"');
	pgs_buf_put(out, text.text, 10);
	pgs_buf_putc(out, 'T');
	pgs_buf_put(out, text.text + 11, (size_t)(CLOCK_END - 11 + fraction));
	if (digits > 0) {
		if (fraction == 0)
			pgs_buf_putc(out, '.');
		pgs_buf_put(out, zeros, (size_t)(digits - (fraction > 0 ? fraction - 1 : 0)));
	}
	pgs_buf_lit(out, "Z\"");
	return true;
}

bool encode_value_timestamptz(const struct value_encoder *ve, struct value_scratch *scratch,
			      struct event_text text, struct pgs_buf *out)
{
	(void)scratch;
	if (put_utc_text(text, ve->digits, out))
		return true;
	struct moment m;
	if (!read_moment(text, true, true, &m))
		return false;
	if (m.infinite != FINITE)
		encode_json_string(out, text.text, text.len);
	else
		put_timestamp(out, m.day, m.us - m.zone_us, ve->digits);
	return true;
}

struct interval {
	int64_t years;
	int64_t months;
	int64_t days;
	int64_t hours;
	int64_t minutes;
	int64_t us; /* seconds and fraction */
	bool negative_clock;
};

/* [-]HH:MM:SS[.ffffff]; hours may have many digits. */
static bool take_interval_clock(struct reader *r, bool negative, struct interval *ret)
{
	int64_t seconds;
	if (!take(r, ':') || !take_number(r, 2, 2, &ret->minutes) || !take(r, ':') ||
	    !take_number(r, 2, 2, &seconds))
		return false;
	int64_t fraction = 0;
	if (take(r, '.')) {
		const char *const first = r->at;
		if (!take_number(r, 1, 6, &fraction))
			return false;
		for (long n = r->at - first; n < 6; n++)
			fraction *= 10;
	}
	ret->us = seconds * US_PER_SECOND + fraction;
	ret->negative_clock = negative;
	return true;
}

static bool take_word(struct reader *r, const char *word)
{
	const size_t n = strlen(word);
	if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
		return false;
	r->at += n;
	(void)take(r, 's');
	return true;
}

/* "1 year 2 mons -3 days +04:05:06.78" */
static bool read_interval(struct event_text text, struct interval *ret)
{
	struct reader r = { .at = text.text, .end = text.text + text.len };
	*ret = (struct interval){ 0 };
	while (r.at < r.end) {
		int64_t n;
		const bool negative = take(&r, '-');
		if (!negative)
			(void)take(&r, '+');
		if (!take_number(&r, 1, 12, &n))
			return false;
		if (r.at < r.end && *r.at == ':') {
			ret->hours = n;
			return take_interval_clock(&r, negative, ret) && r.at == r.end;
		}
		if (!take(&r, ' '))
			return false;
		if (take_word(&r, "year"))
			ret->years = negative ? -n : n;
		else if (take_word(&r, "mon"))
			ret->months = negative ? -n : n;
		else if (take_word(&r, "day"))
			ret->days = negative ? -n : n;
		else
			return false;
		if (r.at < r.end && !take(&r, ' '))
			return false;
	}
	return text.len > 0;
}

/* A year is 365.25 days, a month a twelfth of it. Saturates. */
bool encode_value_interval_us(const struct value_encoder *ve, struct value_scratch *scratch,
			      struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	struct interval i;
	if (!read_interval(text, &i))
		return false;
	const int64_t clock_us = (i.hours * 3600 + i.minutes * 60) * US_PER_SECOND + i.us;
	__int128 us = (__int128)(i.years * 12 + i.months) * INT64_C(2629800000000);
	us += (__int128)i.days * US_PER_DAY;
	us += i.negative_clock ? -clock_us : clock_us;
	if (us > INT64_MAX)
		us = INT64_MAX;
	if (us < INT64_MIN)
		us = INT64_MIN;
	encode_json_i64(out, (int64_t)us);
	return true;
}

static void put_part(struct pgs_buf *out, bool negative, int64_t n, char unit)
{
	if (negative && n != 0)
		pgs_buf_putc(out, '-');
	encode_json_i64(out, n);
	pgs_buf_putc(out, unit);
}

bool encode_value_interval_iso(const struct value_encoder *ve, struct value_scratch *scratch,
			       struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	struct interval i;
	if (!read_interval(text, &i))
		return false;
	pgs_buf_lit(out, "\"P");
	put_part(out, false, i.years, 'Y');
	put_part(out, false, i.months, 'M');
	put_part(out, false, i.days, 'D');
	pgs_buf_putc(out, 'T');
	put_part(out, i.negative_clock, i.hours, 'H');
	put_part(out, i.negative_clock, i.minutes, 'M');
	if (i.negative_clock && i.us != 0)
		pgs_buf_putc(out, '-');
	encode_json_i64(out, i.us / US_PER_SECOND);
	uint64_t fraction = (uint64_t)(i.us % US_PER_SECOND);
	if (fraction > 0) {
		int digits = 6;
		for (; fraction % 10 == 0; fraction /= 10)
			digits--;
		pgs_buf_putc(out, '.');
		encode_json_padded(out, fraction, digits);
	}
	pgs_buf_lit(out, "S\"");
	return true;
}

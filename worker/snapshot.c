/*
 * worker/snapshot.c
 *    See worker/snapshot.h.
 */
#include "worker/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool take_xid(const char **at, uint64_t *ret)
{
	char *end;
	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*ret = strtoull(*at, &end, 10);
	*at = end;
	return errno == 0;
}

static size_t count_xips(const char *text)
{
	size_t n = *text ? 1 : 0;
	for (; *text; text++)
		n += *text == ',';
	return n;
}

int snapshot_parse(const char *text, struct snapshot *ret, struct pgs_err *reterr)
{
	struct snapshot s = { .xmin = 0 };
	const char *at = text;

	if (!take_xid(&at, &s.xmin) || *at++ != ':' || !take_xid(&at, &s.xmax) || *at++ != ':' ||
	    s.xmin > s.xmax)
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "\"%.80s\" is not a snapshot", text);
	const size_t n = count_xips(at);
	if (n > SNAPSHOT_MAX_XIP)
		return pgs_err_set(reterr, PGS_ERR_BUG, "",
				   "a snapshot names %zu transactions, more than %d", n,
				   SNAPSHOT_MAX_XIP);
	PGS_CLEANUP(pgs_freep) uint64_t *xip = n ? malloc(n * sizeof(*xip)) : NULL;
	if (n && !xip)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < n; i++) {
		if ((i && *at++ != ',') || !take_xid(&at, &xip[i]) || xip[i] < s.xmin ||
		    xip[i] >= s.xmax || (i && xip[i] <= xip[i - 1]))
			return pgs_err_set(reterr, PGS_ERR_BUG, "", "\"%.80s\" is not a snapshot",
					   text);
	}
	if (*at)
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "\"%.80s\" is not a snapshot", text);
	s.xip = PGS_STEAL(xip);
	s.n_xip = n;
	snapshot_done(ret);
	*ret = s;
	return 0;
}

void snapshot_done(struct snapshot *s)
{
	free(s->xip);
	*s = (struct snapshot){ .xmin = 0 };
}

static bool in_progress(const struct snapshot *s, uint64_t txid)
{
	size_t low = 0;
	size_t high = s->n_xip;
	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		if (s->xip[mid] == txid)
			return true;
		if (s->xip[mid] < txid)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

bool snapshot_visible(const struct snapshot *s, uint64_t txid)
{
	return txid < s->xmin || (txid < s->xmax && !in_progress(s, txid));
}

bool snapshot_contains(const struct snapshot *a, const struct snapshot *b)
{
	/* What a does not show: its xip, and everything from its xmax on. b must not show it either. */
	for (size_t i = 0; i < a->n_xip; i++)
		if (snapshot_visible(b, a->xip[i]))
			return false;
	if (a->xmax >= b->xmax)
		return true;
	/* All of [a.xmax, b.xmax) must be in progress in b: as many members as the range is long. */
	uint64_t n = 0;
	for (size_t i = 0; i < b->n_xip; i++)
		n += b->xip[i] >= a->xmax;
	return n == b->xmax - a->xmax;
}

void snapshot_put(const struct snapshot *s, struct pgs_buf *out)
{
	pgs_buf_u64(out, s->xmin);
	pgs_buf_putc(out, ':');
	pgs_buf_u64(out, s->xmax);
	pgs_buf_putc(out, ':');
	for (size_t i = 0; i < s->n_xip; i++) {
		if (i)
			pgs_buf_putc(out, ',');
		pgs_buf_u64(out, s->xip[i]);
	}
}

void snapshot_put_xip_array(const struct snapshot *s, struct pgs_buf *out)
{
	pgs_buf_putc(out, '{');
	for (size_t i = 0; i < s->n_xip; i++) {
		if (i)
			pgs_buf_putc(out, ',');
		pgs_buf_u64(out, s->xip[i]);
	}
	pgs_buf_putc(out, '}');
}

/* Those of from's xip that are in [at_least, below) and, with `shown` given, visible there. */
static size_t put_xips(const struct snapshot *from, uint64_t at_least, uint64_t below,
		       const struct snapshot *shown, const char *before, const char *after,
		       struct pgs_buf *out)
{
	size_t n = 0;
	for (size_t i = 0; i < from->n_xip; i++) {
		const uint64_t x = from->xip[i];
		if (x < at_least || x >= below || (shown && !snapshot_visible(shown, x)))
			continue;
		pgs_buf_puts(out, n++ ? "," : before);
		pgs_buf_u64(out, x);
	}
	if (n)
		pgs_buf_puts(out, after);
	return n;
}

void snapshot_put_window_sql(const struct snapshot *lower, const struct snapshot *upper,
			     const char *table, const char *columns, const char *condition,
			     struct pgs_buf *out)
{
	pgs_buf_printf(out, "SELECT %s FROM %s WHERE ev_txid >= %llu AND ev_txid < %llu", columns,
		       table, (unsigned long long)lower->xmax, (unsigned long long)upper->xmax);
	(void)put_xips(upper, lower->xmax, upper->xmax, NULL, " AND ev_txid NOT IN (", ")", out);
	if (condition)
		pgs_buf_printf(out, " AND %s", condition);

	/* Transactions that were open in `lower` and have ended since: named one by one. */
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf ended = PGS_BUF_INIT(out->max);
	if (put_xips(lower, 0, UINT64_MAX, upper, "(", ")", &ended)) {
		pgs_buf_printf(out, " UNION ALL SELECT %s FROM %s WHERE ev_txid IN ", columns,
			       table);
		pgs_buf_put(out, ended.data, ended.len);
		if (condition)
			pgs_buf_printf(out, " AND %s", condition);
	}
	if (pgs_buf_failed(&ended))
		out->failed = true;
}

/*
 * worker/refusal.c
 *    See worker/refusal.h.
 */
#include "worker/refusal.h"

#include <stdio.h>

static bool is_suspect(const struct refusal *r, int64_t event_id)
{
	return r->n && event_id >= r->first && event_id <= r->last;
}

int refusal_note(struct refusal *r, const struct sink_refusal *what, const struct pgs_err *err,
		 struct pgs_err *reterr)
{
	r->in_group = 0;
	if (what->first != what->last) {
		r->first = what->first;
		r->last = what->last;
		r->n = what->n;
		r->group = what->n / REFUSAL_GROUPS + 1;
		return 0;
	}
	r->n = 0;
	if (refusal_of(r, what->first))
		return pgs_err_set(reterr, PGS_ERR_BUG, "",
				   "event %lld is refused although it was left out",
				   (long long)what->first);
	if (r->n_found == REFUSAL_MAX)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "kafka refuses more than %d events of one window: %s",
				   REFUSAL_MAX, err->msg);
	struct refusal_event *e = &r->found[r->n_found++];
	e->id = what->first;
	e->used = false;
	(void)snprintf(e->reason, sizeof(e->reason), "%s", err->msg); /* cut when too long */
	return 0;
}

const char *refusal_of(struct refusal *r, int64_t event_id)
{
	for (size_t i = 0; i < r->n_found; i++)
		if (r->found[i].id == event_id) {
			r->found[i].used = true;
			return r->found[i].reason;
		}
	return NULL;
}

bool refusal_settle_before(const struct refusal *r, int64_t event_id)
{
	return is_suspect(r, event_id) && r->in_group == 0;
}

bool refusal_settle_after(struct refusal *r, int64_t event_id)
{
	if (!is_suspect(r, event_id))
		return false;
	if (++r->in_group < r->group && event_id != r->last)
		return false;
	r->in_group = 0;
	return true;
}

void refusal_committed(struct refusal *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->n_found; i++)
		if (!r->found[i].used)
			r->found[n++] = r->found[i];
	r->n_found = n;
	r->n = 0;
	r->in_group = 0;
}

void refusal_forget(struct refusal *r)
{
	r->n = 0;
	r->n_found = 0;
	r->in_group = 0;
}

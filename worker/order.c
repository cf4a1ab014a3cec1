/*
 * worker/order.c
 *    See worker/order.h. Sorting; order_chain.c follows the chains.
 */
#include "worker/order.h"

#include <string.h>

struct item {
	int64_t major;
	int64_t minor;
	uint32_t index;
};

static bool before(const struct item *a, const struct item *b)
{
	return a->major != b->major ? a->major < b->major : a->minor < b->minor;
}

enum { RUN = 24 };

static void insertion_sort(struct item *items, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct item item = items[i];
		size_t k = i;
		for (; k > 0 && before(&item, &items[k - 1]); k--)
			items[k] = items[k - 1];
		items[k] = item;
	}
}

static void merge(const struct item *a, size_t n_a, const struct item *b, size_t n_b,
		  struct item *out)
{
	/* Heap order is nearly ev_id order: most neighbouring runs need no merging at all. */
	if (!n_b || !before(&b[0], &a[n_a - 1])) {
		memcpy(out, a, n_a * sizeof(*a));
		memcpy(out + n_a, b, n_b * sizeof(*b));
		return;
	}
	const struct item *const end_a = a + n_a;
	const struct item *const end_b = b + n_b;
	while (a < end_a && b < end_b)
		*out++ = before(b, a) ? *b++ : *a++;
	memcpy(out, a, (size_t)(end_a - a) * sizeof(*a));
	out += end_a - a;
	memcpy(out, b, (size_t)(end_b - b) * sizeof(*b));
}

/* Bottom-up merge sort; `items` and `spare` swap roles. Returns the one that holds the result. */
static struct item *sort_items(struct item *items, struct item *spare, size_t n)
{
	for (size_t at = 0; at < n; at += RUN)
		insertion_sort(items + at, n - at < RUN ? n - at : RUN);
	for (size_t width = RUN; width < n; width *= 2) {
		for (size_t at = 0; at < n; at += 2 * width) {
			const size_t n_a = n - at < width ? n - at : width;
			const size_t n_b = n - at - n_a < width ? n - at - n_a : width;
			merge(items + at, n_a, items + at + n_a, n_b, spare + at);
		}
		struct item *const swap = items;
		items = spare;
		spare = swap;
	}
	return items;
}

static int sort_by(const struct event *events, size_t n, const int64_t *majors, uint32_t *ret_order,
		   struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) struct item *items = malloc(2 * n * sizeof(*items));
	if (!items)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < n; i++)
		items[i] = (struct item){ .major = majors ? majors[i] : 0,
					  .minor = events[i].id,
					  .index = (uint32_t)i };
	const struct item *sorted = sort_items(items, items + n, n);
	for (size_t i = 0; i < n; i++)
		ret_order[i] = sorted[i].index;
	return 0;
}

int order_by_id(const struct event *events, size_t n, uint32_t *ret_order, struct pgs_err *reterr)
{
	bool sorted = true;
	for (size_t i = 0; i < n; i++) {
		ret_order[i] = (uint32_t)i;
		sorted = sorted && (i == 0 || events[i - 1].id <= events[i].id);
	}
	return sorted ? 0 : sort_by(events, n, NULL, ret_order, reterr);
}

int order_by_transaction(const struct event *events, size_t n, uint32_t *ret_order,
			 int64_t *ret_last, struct pgs_err *reterr)
{
	if (!n)
		return 0;
	PGS_CLEANUP(pgs_freep) struct item *items = malloc(2 * n * sizeof(*items));
	PGS_CLEANUP(pgs_freep) int64_t *own_last = ret_last ? NULL : malloc(n * sizeof(*own_last));
	int64_t *last = ret_last ? ret_last : own_last;
	if (!items || !last)
		return pgs_err_nomem(reterr);

	for (size_t i = 0; i < n; i++)
		items[i] = (struct item){ .major = events[i].txid,
					  .minor = events[i].id,
					  .index = (uint32_t)i };
	const struct item *by_txid = sort_items(items, items + n, n);
	for (size_t end = n; end > 0;) {
		const int64_t largest = by_txid[end - 1].minor;
		const int64_t txid = by_txid[end - 1].major;
		for (; end > 0 && by_txid[end - 1].major == txid; end--)
			last[by_txid[end - 1].index] = largest;
	}
	return sort_by(events, n, last, ret_order, reterr);
}

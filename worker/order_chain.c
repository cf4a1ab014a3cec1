/*
 * worker/order_chain.c
 *    Nested writes: the events of one row inside one transaction, in the order of its life.
 *
 * User triggers that write the captured table again make events appear inner-first. The row versions tell the
 * truth: an event whose OLD.ctid is another's NEW.ctid comes after it. Part of worker/order.h.
 */
#include <string.h>

#include "worker/order.h"

/* One chained event of the transaction at hand. */
struct node {
	uint32_t event; /* index in events */
	uint32_t place; /* where order[] had it */
	uint32_t group; /* union-find parent: events that share a key */
	uint32_t next; /* the event that continues this row's life, or NONE */
	bool continues; /* it continues another one of this transaction */
};

/* A row version or a key, as a text that is looked for. */
struct named {
	uint64_t hash;
	uint32_t offset; /* in the key buffer, or of nothing for ctids */
	uint32_t len;
	uint32_t node;
};

#define NONE UINT32_MAX

static bool has_ctid(const struct event *ev)
{
	return !ev->foreign && (ev->old_ctid.text || ev->new_ctid.text);
}

static bool text_same(struct event_text a, struct event_text b)
{
	return a.text && b.text && a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

static uint32_t find(struct node *nodes, uint32_t i)
{
	while (nodes[i].group != i) {
		nodes[i].group = nodes[nodes[i].group].group;
		i = nodes[i].group;
	}
	return i;
}

static void unite(struct node *nodes, uint32_t a, uint32_t b)
{
	const uint32_t ra = find(nodes, a);
	const uint32_t rb = find(nodes, b);
	if (ra != rb)
		nodes[ra > rb ? ra : rb].group = ra < rb ? ra : rb;
}

static uint64_t hash_bytes(uint64_t h, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
	return h;
}

static int by_hash(const void *a, const void *b)
{
	const struct named *x = a;
	const struct named *y = b;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

/* Link row versions: the newest earlier event (in ev_id order) is not needed, ctids are unique here. */
static void link_versions(const struct event *events, struct node *nodes, size_t n,
			  struct named *names)
{
	for (size_t i = 0; i < n; i++) {
		const struct event *ev = &events[nodes[i].event];
		const struct event_text c = ev->new_ctid;
		uint64_t h =
			hash_bytes(UINT64_C(14695981039346656037), c.text ? c.text : "", c.len);
		h = hash_bytes(h, (const char *)&ev->relation, sizeof(ev->relation));
		names[i] = (struct named){ .hash = h, .node = (uint32_t)i };
	}
	qsort(names, n, sizeof(*names), by_hash);
	for (size_t i = 0; i < n; i++) {
		const struct event *ev = &events[nodes[i].event];
		if (!ev->old_ctid.text)
			continue;
		uint64_t h = hash_bytes(UINT64_C(14695981039346656037), ev->old_ctid.text,
					ev->old_ctid.len);
		h = hash_bytes(h, (const char *)&ev->relation, sizeof(ev->relation));
		size_t low = 0;
		for (size_t high = n; low < high;) {
			const size_t mid = low + (high - low) / 2;
			if (names[mid].hash < h)
				low = mid + 1;
			else
				high = mid;
		}
		for (; low < n && names[low].hash == h; low++) {
			struct node *from = &nodes[names[low].node];
			if (names[low].node == i || from->next != NONE ||
			    events[from->event].relation != ev->relation ||
			    !text_same(events[from->event].new_ctid, ev->old_ctid))
				continue;
			from->next = (uint32_t)i;
			nodes[i].continues = true;
			break;
		}
	}
}

static int add_key(const struct event *events, const struct node *nodes, uint32_t i, bool old,
		   order_key_fn *key, void *ctx, struct pgs_buf *buf, struct named *ret,
		   struct pgs_err *reterr)
{
	const struct event *ev = &events[nodes[i].event];
	const size_t start = buf->len;
	pgs_buf_put(buf, &ev->relation, sizeof(ev->relation));
	if (key(ctx, ev, old, buf, reterr))
		return -1;
	if (pgs_buf_failed(buf))
		return pgs_err_nomem(reterr);
	*ret = (struct named){ .offset = (uint32_t)start,
			       .len = (uint32_t)(buf->len - start),
			       .node = i };
	ret->hash = hash_bytes(UINT64_C(14695981039346656037), buf->data + start, ret->len);
	return 0;
}

/* Events with an equal key belong together; so do the two keys of a key change. */
static int unite_keys(const struct event *events, struct node *nodes, size_t n, struct named *names,
		      order_key_fn *key, void *ctx, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf buf = PGS_BUF_INIT(1U << 30);
	size_t n_names = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct event *ev = &events[nodes[i].event];
		if (ev->new_row.text &&
		    add_key(events, nodes, i, false, key, ctx, &buf, &names[n_names++], reterr))
			return -1;
		if (ev->old_row.text &&
		    add_key(events, nodes, i, true, key, ctx, &buf, &names[n_names++], reterr))
			return -1;
	}
	qsort(names, n_names, sizeof(*names), by_hash);
	for (size_t i = 1; i < n_names; i++) {
		const struct named *a = &names[i - 1];
		const struct named *b = &names[i];
		if (a->hash == b->hash && a->len == b->len &&
		    memcmp(buf.data + a->offset, buf.data + b->offset, a->len) == 0)
			unite(nodes, a->node, b->node);
	}
	return 0;
}

/* Members are in ev_id order; fill the group's places chain by chain: old rows first, then born ones. */
static void place_group(const struct event *events, const struct node *nodes,
			const uint32_t *members, size_t n, uint32_t *order, uint32_t *chain)
{
	size_t n_out = 0;
	for (int born = 0; born < 2; born++)
		for (size_t i = 0; i < n; i++) {
			const struct node *first = &nodes[members[i]];
			if (first->continues ||
			    (events[first->event].old_ctid.text == NULL) != (born == 1))
				continue;
			for (uint32_t k = members[i]; k != NONE && n_out < n; k = nodes[k].next)
				chain[n_out++] = k;
		}
	/* A ring of ctids cannot come from PostgreSQL; if it did, ev_id order stands. */
	if (n_out < n)
		return;
	for (size_t i = 0; i < n; i++)
		order[nodes[members[i]].place] = nodes[chain[i]].event;
}

static int chain_transaction(const struct event *events, struct node *nodes, size_t n,
			     uint32_t *order, order_key_fn *key, void *ctx, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) struct named *names = malloc(2 * n * sizeof(*names));
	PGS_CLEANUP(pgs_freep) uint32_t *chain = malloc(n * sizeof(*chain));
	PGS_CLEANUP(pgs_freep) uint32_t *members = malloc(n * sizeof(*members));
	PGS_CLEANUP(pgs_freep) uint32_t *end = calloc(n + 1, sizeof(*end));
	if (!names || !chain || !members || !end)
		return pgs_err_nomem(reterr);
	link_versions(events, nodes, n, names);
	if (unite_keys(events, nodes, n, names, key, ctx, reterr))
		return -1;
	for (uint32_t i = 0; i < n; i++)
		if (nodes[i].next != NONE)
			unite(nodes, i, nodes[i].next);

	/* Counting sort by group: end[g] is where group g starts, and after filling where it ends. */
	for (uint32_t i = 0; i < n; i++)
		end[find(nodes, i) + 1]++;
	for (size_t g = 0; g < n; g++)
		end[g + 1] += end[g];
	for (uint32_t i = 0; i < n; i++)
		members[end[find(nodes, i)]++] = i;
	for (size_t g = 0, start = 0; g < n; start = end[g++])
		if (end[g] - start > 1)
			place_group(events, nodes, members + start, end[g] - start, order, chain);
	return 0;
}

struct member {
	int64_t txid;
	uint32_t place;
};

static int by_txid(const void *a, const void *b)
{
	const struct member *x = a;
	const struct member *y = b;
	if (x->txid != y->txid)
		return x->txid < y->txid ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

int order_chain(const struct event *events, size_t n, uint32_t *order, order_key_fn *key, void *ctx,
		struct pgs_err *reterr)
{
	size_t n_members = 0;
	for (size_t i = 0; i < n; i++)
		n_members += has_ctid(&events[order[i]]);
	if (n_members < 2)
		return 0;
	PGS_CLEANUP(pgs_freep) struct member *members = malloc(n_members * sizeof(*members));
	PGS_CLEANUP(pgs_freep) struct node *nodes = malloc(n_members * sizeof(*nodes));
	if (!members || !nodes)
		return pgs_err_nomem(reterr);
	for (size_t i = 0, k = 0; i < n; i++)
		if (has_ctid(&events[order[i]]))
			members[k++] = (struct member){ .txid = events[order[i]].txid,
							.place = (uint32_t)i };
	qsort(members, n_members, sizeof(*members), by_txid);

	for (size_t start = 0, end; start < n_members; start = end) {
		for (end = start + 1; end < n_members && members[end].txid == members[start].txid;
		     end++)
			;
		if (end - start < 2)
			continue;
		for (size_t i = start; i < end; i++)
			nodes[i - start] = (struct node){ .event = order[members[i].place],
							  .place = members[i].place,
							  .group = (uint32_t)(i - start),
							  .next = NONE };
		if (chain_transaction(events, nodes, end - start, order, key, ctx, reterr))
			return -1;
	}
	return 0;
}

/*
 * worker/order.h
 *    The order in which the events of one window are sent.
 *
 * Pure. By ev_id: right wherever no user trigger writes the captured table again. Chained relations carry
 * ctids, by which the events of one row inside one transaction are put into the order of its life. Whole
 * transactions, on request, by their largest ev_id.
 */
#ifndef PGSHOVEL_WORKER_ORDER_H
#define PGSHOVEL_WORKER_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "worker/event.h"

/* ret_order: n indexes into events, ascending by ev_id. Class RETRY: no memory. */
int order_by_id(const struct event *events, size_t n, uint32_t *ret_order,
		struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * The same, but each transaction in one piece, transactions by their largest ev_id. ret_last (n, may be
 * NULL): for each event, by its index in `events`, the largest ev_id of its transaction.
 */
int order_by_transaction(const struct event *events, size_t n, uint32_t *ret_order,
			 int64_t *ret_last, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Append the key of an event's row (old: the one before). Same contract as encode_key(). */
typedef int order_key_fn(void *ctx, const struct event *ev, bool old, struct pgs_buf *out,
			 struct pgs_err *reterr);

/*
 * Correct `order` in place for events with ctids: inside a transaction, events that share a key (through
 * key changes too) are sent chain by chain, each chain along OLD.ctid = NEW.ctid of its predecessor; chains
 * that begin with a row older than the transaction come first. Only the places that these events had are
 * filled anew, and only where the order differs. Events without ctids are not looked at.
 */
int order_chain(const struct event *events, size_t n, uint32_t *order, order_key_fn *key, void *ctx,
		struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

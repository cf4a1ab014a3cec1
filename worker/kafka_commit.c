/*
 * worker/kafka_commit.c
 *    The end of a transaction: here, or in a thread of its own while the caller reads on.
 *
 * librdkafka's callbacks run in whoever waits for the commit; until kafka_commit_wait() or kafka_commit_end()
 * the caller leaves the handle and what callbacks write alone. Does not begin transactions and never aborts.
 */
#include <pthread.h>

#include "common/clock.h"
#include "worker/kafka_internal.h"
#include "worker/wait.h"

enum {
	COMMIT_SLICE_MS = 2000, /* a refused message shows only in the second call */
	COMMIT_MARGIN_US = 15 * 1000 * 1000,
	STOP_GRACE_US = 8 * 1000 * 1000, /* for an open commit, once stop is asked */
};

int kafka_flush(struct kafka_sink *k, struct pgs_err *reterr)
{
	const uint64_t give_up = pgs_now_us() + k->transaction_timeout_us;
	while (rd_kafka_flush(k->rk, COMMIT_SLICE_MS)) {
		if (kafka_check_deliveries(k, reterr))
			return -1;
		if (pgs_now_us() >= give_up || wait_event_is_set(k->config.stop_fd))
			return kafka_fail(k, RD_KAFKA_RESP_ERR__TIMED_OUT, "could not deliver",
					  NULL, reterr);
	}
	return kafka_check_deliveries(k, reterr);
}

static int commit_transaction(struct kafka_sink *k, struct pgs_err *reterr)
{
	const uint64_t give_up = pgs_now_us() + k->transaction_timeout_us + COMMIT_MARGIN_US;
	uint64_t stop_at = 0;
	for (;;) {
		rd_kafka_error_t *error = rd_kafka_commit_transaction(k->rk, COMMIT_SLICE_MS);
		(void)rd_kafka_poll(k->rk, 0);
		if (!error)
			return 0;
		const uint64_t now = pgs_now_us();
		if (!stop_at && wait_event_is_set(k->config.stop_fd))
			stop_at = now + STOP_GRACE_US;
		const bool again = rd_kafka_error_is_retriable(error) && !k->delivery_error &&
				   now < give_up && (!stop_at || now < stop_at);
		if (again) {
			rd_kafka_error_destroy(error);
			continue;
		}
		/* What a broker said about a record explains more than what the commit says. */
		if (k->delivery_error && kafka_code_is_permanent(k->delivery_error)) {
			rd_kafka_error_destroy(error);
			return kafka_check_deliveries(k, reterr);
		}
		return kafka_fail_error(k, error, "could not commit", reterr);
	}
}

static int commit_here(struct kafka_sink *k, struct pgs_err *reterr)
{
	if (k->transactional ? commit_transaction(k, reterr) : kafka_flush(k, reterr))
		return -1;
	k->committed_at_us = pgs_now_us();
	return 0;
}

static void *commit_main(void *arg)
{
	struct kafka_sink *k = arg;
	k->commit_err = (struct pgs_err){ .cls = PGS_ERR_NONE };
	k->commit_rc = commit_here(k, &k->commit_err);
	return NULL;
}

void kafka_commit_begin(struct kafka_sink *k)
{
	/* Without a thread kafka_commit_end() does all of it. */
	if (pthread_create(&k->committer, NULL, commit_main, k) == 0)
		k->committing = KAFKA_COMMIT_RUNS;
}

void kafka_commit_wait(struct kafka_sink *k)
{
	if (k->committing != KAFKA_COMMIT_RUNS)
		return;
	(void)pthread_join(k->committer, NULL); /* cannot fail: it is ours and was not joined yet */
	k->committing = KAFKA_COMMIT_ENDED;
}

int kafka_commit_end(struct kafka_sink *k, struct pgs_err *reterr)
{
	kafka_commit_wait(k);
	if (k->committing == KAFKA_COMMIT_NONE)
		return commit_here(k, reterr);
	k->committing = KAFKA_COMMIT_NONE;
	if (k->commit_rc && reterr)
		*reterr = k->commit_err;
	return k->commit_rc;
}

/*
 * admin/recover.h
 *    Ends a rollout: finds out what was decided, carries it out everywhere, cleans up, removes the intent.
 *
 * The same path ends a rollout that went well (txn.c), one that failed, and one that another admin left
 * behind. Needs the /admin lock, except that the decision itself is safe against anybody.
 */
#ifndef PGSHOVEL_ADMIN_RECOVER_H
#define PGSHOVEL_ADMIN_RECOVER_H

#include "admin/admin.h"
#include "admin/session.h"

/* What /decisions/ID says. */
enum recover_decision { RECOVER_UNDECIDED, RECOVER_DECIDED_COMMIT, RECOVER_DECIDED_ABORT };

/* Everything that the verdict depends on. */
struct recover_facts {
	enum recover_decision decision;
	bool in_set_header; /* a /sets/NAME header names the rollout */
	size_t n_committed; /* databases that say: committed */
	size_t n_unreachable; /* databases that could not be asked */
	bool never_asked; /* the caller is the rollout itself and has not sent the deciding request */
	bool force; /* the operator says that unreachable databases are gone for good */
};

enum recover_verdict {
	RECOVER_COMMIT,
	RECOVER_ABORT,
	RECOVER_ASK, /* try to create /decisions/ID = abort, then obey what stands there */
	RECOVER_WAIT, /* a database that may know better cannot be reached */
};

/* Pure. */
enum recover_verdict recover_decide(const struct recover_facts *facts);

/* What the caller knows already. */
enum recover_known { RECOVER_KNOW_NOTHING, RECOVER_KNOW_COMMIT, RECOVER_KNOW_NEVER_ASKED };

/* How a rollout ended. */
struct recover_result {
	bool decided;
	bool committed;
	bool complete; /* nothing is left, the intent is gone */
};

/*
 * Close one rollout. `sessions` has one entry for each database of the intent, open or not. `wait_us`: for
 * locks, older transactions and relays. -1 with *ret filled as far as it went; the intent stays then and
 * the next admin goes on from there.
 */
int recover_close(struct admin *a, const struct zkdoc_intent *intent, struct session *sessions,
		  enum recover_known known, uint64_t wait_us, struct recover_result *ret,
		  struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Every rollout that ZooKeeper knows of, before a command does its own work. What cannot be closed and
 * concerns `set` (or, with set NULL, anything) is an error; what concerns others is a warning.
 */
int recover_first(struct admin *a, const char *set, struct pgs_err *reterr) PGS_MUST_CHECK;

/* `txn recover`: intents, then prepared transactions of all databases. id NULL: all. Says each result. */
int recover_all(struct admin *a, const char *id, struct pgs_err *reterr) PGS_MUST_CHECK;

/* What a database holds of a rollout. */
enum recover_part {
	RECOVER_PART_AWAY, /* it could not be asked */
	RECOVER_PART_NOTHING,
	RECOVER_PART_PREPARED,
	RECOVER_PART_COMMITTED,
	RECOVER_PART_ABORTED,
};

/*
 * What recover would base its verdict on, without changing anything: *ret for recover_decide(), ret_parts one
 * for each database of the intent. Sessions as for recover_close().
 */
int recover_look(struct admin *a, const struct zkdoc_intent *intent, struct session *sessions,
		 struct recover_facts *ret, enum recover_part *ret_parts,
		 struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * Prepared transactions of the cluster that no intent names, in the databases of all sets. `at` is among the n
 * sessions; committed: the rollout is committed in one of them. The first error is given, the others are tried.
 */
typedef int recover_orphan_fn(struct admin *a, const struct session *at, const char *gid,
			      const char *id, bool committed, void *ctx, struct pgs_err *reterr);
int recover_orphans(struct admin *a, const char *only, recover_orphan_fn *fn, void *ctx,
		    struct pgs_err *first, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Read one intent; NULL with 0 returned when it is gone. ret_made_ms (ZooKeeper's clock) may be NULL. */
int recover_read_intent(struct admin *a, const char *id, struct zkdoc_intent **ret,
			int64_t *ret_made_ms, struct pgs_err *reterr) PGS_MUST_CHECK;
int recover_read_decision(struct admin *a, const char *id, enum recover_decision *ret,
			  struct pgs_err *reterr) PGS_MUST_CHECK;

void recover_intent_freep(struct zkdoc_intent **intent);

#endif

/*
 * admin/verify.h
 *    What does not agree: ZooKeeper, the databases of the sets, their live catalogs.
 *
 * verify.c and verify_database.c look and change nothing; repair.c cures what is safe to cure.
 */
#ifndef PGSHOVEL_ADMIN_VERIFY_H
#define PGSHOVEL_ADMIN_VERIFY_H

#include "admin/session.h"
#include "admin/store.h"
#include "common/arena.h"

/* What --repair does about a finding. None of them can lose, double or skip an event by itself. */
enum cure {
	CURE_NONE, /* a person has to decide or to do something */
	CURE_RECOVER, /* close open rollouts, as "txn recover" */
	CURE_INSTALL, /* the schema of this program's version once more */
	CURE_CONSUMER, /* register the consumer at the oldest tick that is left */
	CURE_CLEAN, /* drop what belongs to no set */
	CURE_FIT, /* triggers and functions as the relations say, in this database alone */
	CURE_UPGRADE, /* roll the document that ZooKeeper has out again */
};

/* Text lives in the arena of the findings, or is static. */
struct finding {
	const char *set; /* "": none */
	const char *database; /* "": ZooKeeper itself */
	const char *conninfo; /* of the database; NULL: none */
	const char *kind; /* one word for programs, docs/operations.md lists them */
	const char *problem;
	enum cure cure;
};

struct findings {
	struct pgs_arena arena;
	struct finding *list;
	size_t n;
	size_t cap;
	bool away; /* something could not be looked at */
	bool failed; /* no memory */
	char (*nodes)[40]; /* databases that were looked at as a whole */
	size_t n_nodes;
};

/* Which database of which set is looked at. */
struct verify_place {
	struct findings *f;
	struct session *s;
	const struct stored_set *set;
	struct stored_set *const *sets; /* all of the cluster */
	size_t n_sets;
	bool rollouts_open; /* what a rollout has begun belongs to it */
};

/* All of the cluster. Databases that are away are findings. */
int verify_cluster(struct admin *a, struct stored_set *const *sets, size_t n_sets,
		   struct findings *ret, struct pgs_err *reterr) PGS_MUST_CHECK;

/* One database for one set; the database as a whole the first time that it is met. */
int verify_database(const struct verify_place *place, struct pgs_err *reterr) PGS_MUST_CHECK;

/* printf-like: one more finding. place NULL: about ZooKeeper. */
void finding_add(struct findings *f, const struct verify_place *place, const char *kind,
		 enum cure cure, const char *fmt, ...) PGS_PRINTF(5, 6);
void findings_done(struct findings *f);

/*
 * Under the /admin lock: cure what can be cured. What cannot is said as a warning and is found again by
 * the next look. -1 only when nothing more should be tried (a signal).
 */
int repair_all(struct admin *a, const struct findings *f, struct pgs_err *reterr) PGS_MUST_CHECK;

/* "recover", "install", …; NULL for CURE_NONE. */
const char *cure_name(enum cure cure);

#endif

/*
 * tests/model/rollout.h
 *    The rollout protocol as a state machine: three admins, two databases, ZooKeeper, and what may go wrong.
 *
 * Steps are named as in admin/steps.h, and the verdict over an abandoned rollout is the program's own
 * (admin/recover_decide.c). Left out: contents of documents, Kafka, several sets, time.
 */
#ifndef PGSHOVEL_TESTS_MODEL_ROLLOUT_H
#define PGSHOVEL_TESTS_MODEL_ROLLOUT_H

#include "tests/model/explore.h"

/* What is broken on purpose: the explorer has to find it. */
enum model_defect {
	DEFECT_NONE,
	DEFECT_RECOVER_BY_READING, /* no decision there is taken for "abort", and none is written */
	DEFECT_MULTI_WITHOUT_DECISION, /* the deciding request looks at the set's node only */
	DEFECT_NO_FENCE, /* an admin that lost its lock goes on in the databases */
	DEFECT_AWAY_IS_UNCOMMITTED, /* a database that cannot be asked is taken to know nothing */
	DEFECT_HEADER_IGNORED, /* neither the set's node nor the other databases are looked at */
	DEFECT_CLEAN_BESIDE_PREPARED, /* triggers go although a prepared transaction may need them */
	N_DEFECTS,
};

/* How often each misfortune may happen in one history, and all together. */
struct model_budget {
	unsigned char all, crash, expiry, lost_answer, down, by_hand, failover, restore;
};

/* Every history within the budget; `max` states at most. */
void model_rollout(enum model_defect defect, const struct model_budget *budget, size_t max,
		   struct explore_result *ret);

#endif

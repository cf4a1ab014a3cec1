/*
 * admin/recover_decide.c
 *    The verdict over a rollout, from facts. Pure.
 *
 * The order is the rule: what is committed anywhere stands, whatever else is missing; then what was decided;
 * only then may a decision be asked for.
 */
#include "admin/recover.h"

enum recover_verdict recover_decide(const struct recover_facts *facts)
{
	/* ZooKeeper may have been restored from before the decision; a database that committed cannot. */
	if (facts->n_committed > 0 || facts->in_set_header)
		return RECOVER_COMMIT;
	switch (facts->decision) {
	case RECOVER_DECIDED_COMMIT:
		return RECOVER_COMMIT;
	case RECOVER_DECIDED_ABORT:
		return RECOVER_ABORT;
	case RECOVER_UNDECIDED:
		break;
	}
	if (facts->n_unreachable > 0 && !facts->never_asked && !facts->force)
		return RECOVER_WAIT;
	return RECOVER_ASK;
}

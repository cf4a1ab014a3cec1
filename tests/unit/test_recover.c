/*
 * tests/unit/test_recover.c
 *    admin/recover_decide.c: the verdict over an interrupted rollout, every combination of facts.
 *
 * What carries a verdict out is tested with real servers (tests/integration/40-admin.sh).
 */
#include <check.h>
#include <stdlib.h>

#include "admin/recover.h"
#include "tests/unit/runner.h"

/* The rule, written a second time and differently: by cases, not by order. */
static enum recover_verdict expected(const struct recover_facts *f)
{
	bool somebody_committed =
		f->n_committed > 0 || f->in_set_header || f->decision == RECOVER_DECIDED_COMMIT;
	bool all_asked = f->n_unreachable == 0 || f->never_asked || f->force;

	if (somebody_committed)
		return RECOVER_COMMIT;
	if (f->decision == RECOVER_DECIDED_ABORT)
		return RECOVER_ABORT;
	return all_asked ? RECOVER_ASK : RECOVER_WAIT;
}

START_TEST(every_combination)
{
	int n = 0;

	for (int decision = RECOVER_UNDECIDED; decision <= RECOVER_DECIDED_ABORT; decision++)
		for (int bits = 0; bits < 8; bits++)
			for (size_t committed = 0; committed < 3; committed++)
				for (size_t away = 0; away < 3; away++, n++) {
					const struct recover_facts f = {
						.decision = (enum recover_decision)decision,
						.in_set_header = bits & 1,
						.never_asked = bits & 2,
						.force = bits & 4,
						.n_committed = committed,
						.n_unreachable = away,
					};
					ck_assert_int_eq(recover_decide(&f), expected(&f));
				}
	ck_assert_int_eq(n, 3 * 8 * 3 * 3);
}
END_TEST

START_TEST(a_committed_database_overrules_an_abort)
{
	const struct recover_facts f = { .decision = RECOVER_DECIDED_ABORT, .n_committed = 1 };

	ck_assert_int_eq(recover_decide(&f), RECOVER_COMMIT);
}
END_TEST

START_TEST(a_decision_needs_no_database)
{
	const struct recover_facts commit = { .decision = RECOVER_DECIDED_COMMIT,
					      .n_unreachable = 3 };
	const struct recover_facts abort = { .decision = RECOVER_DECIDED_ABORT,
					     .n_unreachable = 3 };

	ck_assert_int_eq(recover_decide(&commit), RECOVER_COMMIT);
	ck_assert_int_eq(recover_decide(&abort), RECOVER_ABORT);
}
END_TEST

START_TEST(nothing_is_decided_behind_the_back_of_a_database)
{
	struct recover_facts f = { .n_unreachable = 1 };

	ck_assert_int_eq(recover_decide(&f), RECOVER_WAIT);
	f.force = true;
	ck_assert_int_eq(recover_decide(&f), RECOVER_ASK);
	f.force = false;
	f.never_asked = true;
	ck_assert_int_eq(recover_decide(&f), RECOVER_ASK);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("recover");

	tcase_add_test(tc, every_combination);
	tcase_add_test(tc, a_committed_database_overrules_an_abort);
	tcase_add_test(tc, a_decision_needs_no_database);
	tcase_add_test(tc, nothing_is_decided_behind_the_back_of_a_database);
	return runner_run("recover", tc);
}

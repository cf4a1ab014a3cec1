/*
 * tests/unit/test_model_rollout.c
 *    The rollout protocol holds in every state that can be reached, and each of its rules is needed.
 *
 * The model is tests/model/rollout.c; it is compared with the program by the names of its steps only.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base.h"
#include "tests/model/rollout.h"

enum { MAX_STATES = 2 * 1000 * 1000 };

static void must_hold(const char *name, struct model_budget budget)
{
	struct explore_result r;

	model_rollout(DEFECT_NONE, &budget, MAX_STATES, &r);
	printf("# %s: %zu states, %zu steps\n", name, r.states, r.transitions);
	ck_assert_msg(!r.bad, "%s: \"%s\" does not hold after\n%s", name, r.invariant, r.trace);
	ck_assert_msg(!r.full, "%s: more than %d states", name, MAX_STATES);
	ck_assert_uint_gt(r.states, 1000);
}

static void must_break(const char *name, enum model_defect defect, struct model_budget budget)
{
	struct explore_result r;

	model_rollout(defect, &budget, MAX_STATES, &r);
	printf("# %s: found after %zu states: \"%s\" does not hold after\n%s", name, r.states,
	       r.bad ? r.invariant : "", r.bad ? r.trace : "");
	ck_assert_msg(r.bad, "%s: not found among %zu states", name, r.states);
	free(r.trace);
}

START_TEST(test_deaths)
{
	must_hold("deaths", (struct model_budget){ .all = 2, .crash = 2, .expiry = 2 });
}
END_TEST

START_TEST(test_answers)
{
	must_hold("lost answers, late requests",
		  (struct model_budget){ .all = 2, .crash = 1, .lost_answer = 1, .by_hand = 1 });
}
END_TEST

START_TEST(test_databases)
{
	must_hold("databases down, prepared transactions gone",
		  (struct model_budget){ .all = 2, .crash = 1, .down = 1, .by_hand = 1 });
	must_hold("failover",
		  (struct model_budget){
			  .all = 2, .crash = 1, .expiry = 1, .down = 1, .failover = 1 });
}
END_TEST

START_TEST(test_restored)
{
	must_hold("ZooKeeper restored",
		  (struct model_budget){ .all = 3, .crash = 1, .down = 1, .restore = 1 });
}
END_TEST

static const struct {
	const char *name;
	enum model_defect defect;
	struct model_budget budget;
} defects[] = {
	{ "recover that only reads",
	  DEFECT_RECOVER_BY_READING,
	  { .all = 3, .crash = 1, .lost_answer = 1, .expiry = 1, .by_hand = 1 } },
	{ "request without a decision",
	  DEFECT_MULTI_WITHOUT_DECISION,
	  { .all = 3, .crash = 1, .lost_answer = 1, .expiry = 1, .by_hand = 1 } },
	{ "no fence in the databases", DEFECT_NO_FENCE, { .all = 2, .crash = 1, .expiry = 1 } },
	{ "a database that is away counts as uncommitted",
	  DEFECT_AWAY_IS_UNCOMMITTED,
	  { .all = 3, .crash = 1, .down = 1, .restore = 1 } },
	{ "neither set node nor other databases are asked",
	  DEFECT_HEADER_IGNORED,
	  { .all = 1, .failover = 1 } },
	{ "triggers dropped beside a prepared transaction",
	  DEFECT_CLEAN_BESIDE_PREPARED,
	  { .all = 2, .failover = 1, .expiry = 1 } },
};

START_TEST(test_defects)
{
	must_break(defects[_i].name, defects[_i].defect, defects[_i].budget);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("model_rollout");
	TCase *hold = tcase_create("holds"), *broken = tcase_create("defects");

	tcase_set_timeout(hold, 240);
	tcase_set_timeout(broken, 240);
	tcase_add_test(hold, test_deaths);
	tcase_add_test(hold, test_answers);
	tcase_add_test(hold, test_databases);
	tcase_add_test(hold, test_restored);
	tcase_add_loop_test(broken, test_defects, 0, (int)PGS_ARRAY_LEN(defects));
	suite_add_tcase(suite, hold);
	suite_add_tcase(suite, broken);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

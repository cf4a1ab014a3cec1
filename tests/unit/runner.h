/*
 * tests/unit/runner.h
 *    The end of a unit test's main(): runs its tests and says how the process ends.
 *
 * One test case each program; CK_VERBOSITY and the other variables of check are obeyed.
 */
#ifndef PGSHOVEL_TESTS_UNIT_RUNNER_H
#define PGSHOVEL_TESTS_UNIT_RUNNER_H

#include <check.h>
#include <stdlib.h>

/* Consumes the test case. Returns an exit status. */
static inline int runner_run(const char *name, TCase *tests)
{
	Suite *suite = suite_create(name);

	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif

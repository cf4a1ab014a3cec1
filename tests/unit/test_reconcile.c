/*
 * tests/unit/test_reconcile.c
 *    Every row of the supervisor's table: state × want × due × stale × touched × may start; every kind of exit.
 *
 * No clock, no process.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/exitcode.h"
#include "supervisor/reconcile.h"
#include "tests/unit/runner.h"

/*
 * One letter for each combination, bit 0 of the position = due, 1 = stale, 2 = touched, 3 = may start.
 * . nothing  S spawn  T ask to stop  E escalate  K kill  P park  R rest  F forget
 */
static const struct row {
	enum slot_state state;
	enum slot_want want;
	const char *expected;
} rows[] = {
	{ SLOT_IDLE, WANT_RUN, "........SSSSSSSS" },
	{ SLOT_IDLE, WANT_PARK, "PPPPPPPPPPPPPPPP" },
	{ SLOT_IDLE, WANT_REST, "................" },
	{ SLOT_IDLE, WANT_GONE, "FFFFFFFFFFFFFFFF" },
	{ SLOT_STARTING, WANT_RUN, ".KTKTKTK.KTKTKTK" },
	{ SLOT_STARTING, WANT_PARK, "TKTKTKTKTKTKTKTK" },
	{ SLOT_STARTING, WANT_REST, "TKTKTKTKTKTKTKTK" },
	{ SLOT_STARTING, WANT_GONE, "TKTKTKTKTKTKTKTK" },
	{ SLOT_UP, WANT_RUN, ".KTKTKTK.KTKTKTK" },
	{ SLOT_UP, WANT_PARK, "TKTKTKTKTKTKTKTK" },
	{ SLOT_UP, WANT_REST, "TKTKTKTKTKTKTKTK" },
	{ SLOT_UP, WANT_GONE, "TKTKTKTKTKTKTKTK" },
	{ SLOT_STOPPING, WANT_RUN, ".E.E.E.E.E.E.E.E" },
	{ SLOT_STOPPING, WANT_PARK, ".E.E.E.E.E.E.E.E" },
	{ SLOT_STOPPING, WANT_REST, ".E.E.E.E.E.E.E.E" },
	{ SLOT_STOPPING, WANT_GONE, ".E.E.E.E.E.E.E.E" },
	{ SLOT_BACKOFF, WANT_RUN, ".........SSSSSSS" },
	{ SLOT_BACKOFF, WANT_PARK, "PPPPPPPPPPPPPPPP" },
	{ SLOT_BACKOFF, WANT_REST, "RRRRRRRRRRRRRRRR" },
	{ SLOT_BACKOFF, WANT_GONE, "FFFFFFFFFFFFFFFF" },
	{ SLOT_PARKED, WANT_RUN, ".........SSSSSSS" },
	{ SLOT_PARKED, WANT_PARK, "................" },
	{ SLOT_PARKED, WANT_REST, "RRRRRRRRRRRRRRRR" },
	{ SLOT_PARKED, WANT_GONE, "FFFFFFFFFFFFFFFF" },
};

static char letter(enum slot_action action)
{
	switch (action) {
	case ACT_NONE:
		return '.';
	case ACT_SPAWN:
		return 'S';
	case ACT_STOP:
		return 'T';
	case ACT_ESCALATE:
		return 'E';
	case ACT_KILL:
		return 'K';
	case ACT_PARK:
		return 'P';
	case ACT_REST:
		return 'R';
	case ACT_FORGET:
		return 'F';
	}
	return '?';
}

START_TEST(every_row)
{
	const struct row *row = &rows[_i];
	char got[17] = "";

	for (unsigned bits = 0; bits < 16; bits++) {
		struct slot_view view = {
			.state = row->state,
			.want = row->want,
			.deadline_us = 1000,
			.stale = bits & 2,
			.touched = bits & 4,
			.may_start = bits & 8,
		};
		got[bits] = letter(reconcile_step(&view, bits & 1 ? 1000 : 999));
	}
	ck_assert_msg(strcmp(got, row->expected) == 0, "state %d want %d: got %s, expected %s",
		      (int)row->state, (int)row->want, got, row->expected);
}
END_TEST

START_TEST(every_pair_is_in_the_table)
{
	bool seen[N_SLOT_STATES][N_SLOT_WANTS] = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert(!seen[rows[i].state][rows[i].want]);
		ck_assert_uint_eq(strlen(rows[i].expected), 16);
		seen[rows[i].state][rows[i].want] = true;
	}
	for (int state = 0; state < N_SLOT_STATES; state++)
		for (int want = 0; want < N_SLOT_WANTS; want++)
			ck_assert_msg(seen[state][want], "no row for state %d want %d", state,
				      want);
}
END_TEST

START_TEST(exits)
{
	static const struct {
		struct exit_view view;
		enum exit_verdict expected;
	} cases[] = {
		{ { .code = PGS_EXIT_OK }, EXIT_RESTART }, /* nobody had asked */
		{ { .code = 1 }, EXIT_RESTART },
		{ { .code = PGS_EXIT_USAGE }, EXIT_PARK },
		{ { .code = PGS_EXIT_BUG }, EXIT_RESTART },
		{ { .code = PGS_EXIT_RETRY }, EXIT_RESTART },
		{ { .code = PGS_EXIT_CONFIG }, EXIT_PARK },
		{ { .code = PGS_EXIT_FENCED }, EXIT_LOOK_AGAIN },
		{ { .code = 127 }, EXIT_RESTART },
		{ { .code = 255 }, EXIT_RESTART },
		{ { .signalled = true, .code = 9 }, EXIT_RESTART },
		{ { .signalled = true, .code = 11 }, EXIT_RESTART },
		/* A signal whose number equals an exit code is no exit code. */
		{ { .signalled = true, .code = PGS_EXIT_CONFIG }, EXIT_RESTART },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exit_view view = cases[i].view;
		ck_assert_msg(reconcile_exit(&view) == cases[i].expected, "case %zu", i);
		view.intended = true;
		ck_assert_msg(reconcile_exit(&view) == EXIT_EXPECTED, "case %zu, intended", i);
	}
}
END_TEST

START_TEST(only_reading_and_encoding_are_killed)
{
	for (int phase = CTL_PHASE_IDLE; phase <= CTL_PHASE_BACKOFF; phase++) {
		struct phase_limit limit = reconcile_phase_limit((enum ctl_phase)phase);
		bool may_kill = phase == CTL_PHASE_WINDOW || phase == CTL_PHASE_ENCODE;
		bool waits = phase == CTL_PHASE_IDLE || phase == CTL_PHASE_BACKOFF;
		ck_assert_msg((limit.killed_us != 0) == may_kill, "phase %d", phase);
		ck_assert_msg((limit.named_us == 0) == waits, "phase %d", phase);
		ck_assert(limit.killed_us == 0 || limit.killed_us > limit.named_us);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("table");

	tcase_add_loop_test(tcase, every_row, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tcase, every_pair_is_in_the_table);
	tcase_add_test(tcase, exits);
	tcase_add_test(tcase, only_reading_and_encoding_are_killed);
	return runner_run("reconcile", tcase);
}

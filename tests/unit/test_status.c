/*
 * tests/unit/test_status.c
 *    worker/status.c: when a source that works is said to be stalled. No clock is moved: the last commit is put into the past.
 */
#include <check.h>
#include <string.h>

#include "common/clock.h"
#include "tests/unit/runner.h"
#include "worker/status.h"

static const uint64_t minute_us = 60 * 1000 * 1000;

static enum ctl_state state_after(struct status *st, uint64_t us)
{
	struct ctl_msg m;
	st->moved_us = pgs_now_us() - us;
	status_beat(st, &m);
	return (enum ctl_state)m.u.beat.state;
}

START_TEST(stalled_while_events_wait)
{
	struct status st;
	status_init(&st, -1);
	status_state(&st, CTL_STATE_WORKING, "");
	status_phase(&st, CTL_PHASE_IDLE);
	ck_assert_int_eq(state_after(&st, 10 * minute_us), CTL_STATE_WORKING); /* nothing to do */
	status_queue(&st, 5, 0, false);
	ck_assert_int_eq(state_after(&st, minute_us / 2), CTL_STATE_WORKING);
	ck_assert_int_eq(state_after(&st, minute_us + 1), CTL_STATE_STALLED);
	status_queue(&st, 0, 0, false);
	status_phase(&st, CTL_PHASE_COMMIT); /* a window in hand */
	ck_assert_int_eq(state_after(&st, minute_us + 1), CTL_STATE_STALLED);
}
END_TEST

START_TEST(a_commit_or_an_error_ends_it)
{
	const struct pgs_err err = { .cls = PGS_ERR_RETRY, .msg = "away" };
	struct ctl_msg m;
	struct status st;
	status_init(&st, -1);
	status_state(&st, CTL_STATE_WORKING, "");
	status_phase(&st, CTL_PHASE_COMMIT);
	ck_assert_int_eq(state_after(&st, minute_us + 1), CTL_STATE_STALLED);
	status_sent(&st, &(struct status_window){ .events = 1 });
	status_beat(&st, &m);
	ck_assert_int_eq(m.u.beat.state, CTL_STATE_WORKING);
	ck_assert_int_eq(state_after(&st, minute_us + 1), CTL_STATE_STALLED);
	status_failed(&st, &err);
	ck_assert_int_eq(state_after(&st, minute_us + 1), CTL_STATE_RETRYING);
	ck_assert_str_eq(st.text, "away");
	/* START may take its time: the minute begins with the work. */
	status_state(&st, CTL_STATE_WORKING, "");
	status_phase(&st, CTL_PHASE_COMMIT);
	status_beat(&st, &m);
	ck_assert_int_eq(m.u.beat.state, CTL_STATE_WORKING);
}
END_TEST

START_TEST(four_clocks)
{
	struct ctl_msg m;
	struct status st;
	status_init(&st, -1);
	status_sent(&st, &(struct status_window){ .events = 3,
						  .ev_time_us = 1000,
						  .asked_us = 1500,
						  .read_us = 1700,
						  .acknowledged_us = 2600 });
	status_beat(&st, &m);
	ck_assert_uint_eq(m.u.beat.lag_us[CTL_LAG_ASKED], 500);
	ck_assert_uint_eq(m.u.beat.lag_us[CTL_LAG_READ], 200);
	ck_assert_uint_eq(m.u.beat.lag_us[CTL_LAG_ACKNOWLEDGED], 900);
	ck_assert_uint_eq(m.u.beat.lag_us[CTL_LAG_END_TO_END], 1600);
	ck_assert_uint_eq(m.u.beat.events, 3);
	/* The database's clock is ahead: no lag, rather than half a million years. */
	status_sent(&st, &(struct status_window){ .ev_time_us = 5000,
						  .asked_us = 1500,
						  .read_us = 1700,
						  .acknowledged_us = 2600 });
	status_beat(&st, &m);
	ck_assert_uint_eq(m.u.beat.lag_us[CTL_LAG_ASKED], 0);
	ck_assert_uint_eq(m.u.beat.lag_us[CTL_LAG_END_TO_END], 0);
}
END_TEST

START_TEST(a_position_is_short)
{
	struct ctl_msg m;
	struct status st;
	status_init(&st, -1);
	status_beat(&st, &m);
	ck_assert_str_eq(m.u.beat.snapshot, "");
	status_position(&st, "730:741:732,733,735", 0x1234, -1);
	status_beat(&st, &m);
	ck_assert_str_eq(m.u.beat.snapshot, "730:741");
	ck_assert_uint_eq(m.u.beat.lsn, 0x1234);
	ck_assert_uint_eq(m.u.beat.tick, 0);
	status_position(&st, "9223372036854775806:9223372036854775807:", 1, 7);
	status_beat(&st, &m);
	ck_assert_str_eq(m.u.beat.snapshot, "9223372036854775806:9223372036854775807");
	ck_assert_uint_eq(m.u.beat.tick, 7);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("status");

	tcase_add_test(tc, stalled_while_events_wait);
	tcase_add_test(tc, a_commit_or_an_error_ends_it);
	tcase_add_test(tc, four_clocks);
	tcase_add_test(tc, a_position_is_short);
	return runner_run("status", tc);
}

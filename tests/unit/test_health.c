/*
 * tests/unit/test_health.c
 *    supervisor/health.c and supervisor/metrics.c over slots that are filled in by hand, with a clock that stands still.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/health.h"
#include "supervisor/http.h"
#include "supervisor/metrics.h"
#include "tests/unit/runner.h"

enum { NOW_US = 1000 * 1000 * 1000 };

static struct supervisor sup;
static struct slot_source source;
static struct slot *shop;
static char cluster[] = "c";

/* A set that works, with one source. */
static void begin(void)
{
	sup = (struct supervisor){ .ready = true, .zk_seen_us = NOW_US, .host = "h" };
	sup.config.cluster = cluster;
	shop = slots_add(&sup.slots, "shop");
	ck_assert_ptr_nonnull(shop);
	shop->exists = shop->owned = shop->placed = true;
	shop->state = SLOT_UP;
	shop->pid = 42;
	shop->spawned_us = NOW_US - HEALTH_DOWN_US;
	shop->heard_us = shop->well_us = NOW_US;
	source = (struct slot_source){ .known = true,
				       .state = CTL_STATE_WORKING,
				       .phase = CTL_PHASE_IDLE,
				       .working_us = NOW_US,
				       .moved_us = NOW_US,
				       .database = "main" };
	shop->sources = &source;
	shop->n_sources = 1;
}

static void end(void)
{
	shop->pid = 0;
	shop->sources = NULL;
	slots_done(&sup.slots);
}

/* What /healthz says; one buffer for all. */
static const char *says(bool well)
{
	static struct pgs_buf text = PGS_BUF_INIT(HEALTH_MAX_BYTES);
	pgs_buf_reset(&text);
	ck_assert_int_eq(health_check(&sup, NOW_US, &text), well);
	ck_assert(!pgs_buf_failed(&text));
	return pgs_buf_str(&text);
}

static bool contains(const char *text, const char *part)
{
	if (strstr(text, part))
		return true;
	(void)fprintf(stderr, "\"%s\" is not in: %s\n", part, text);
	return false;
}

START_TEST(well)
{
	ck_assert_str_eq(says(true), "ok\n");
	sup.ready = false;
	ck_assert(contains(says(false), "no complete look at ZooKeeper yet"));
	sup.ready = true;
	sup.stopping = true;
	ck_assert_str_eq(says(false), "unhealthy\nthe supervisor is stopping\n");
	sup.stopping = false;
	/* ZooKeeper's absence stops no relay. */
	sup.zk_seen_us = NOW_US - 600 * 1000000ULL;
	ck_assert_str_eq(says(true), "ok\nnote: no connection to ZooKeeper for 600 s; what runs "
				     "goes on\n");
}
END_TEST

START_TEST(down)
{
	(void)snprintf(shop->last_text, sizeof(shop->last_text), "position is gone");
	shop->state = SLOT_PARKED;
	shop->pid = 0;
	ck_assert_str_eq(says(false), "unhealthy\nset \"shop\": parked: position is gone\n");
	shop->state = SLOT_BACKOFF;
	ck_assert_str_eq(says(true), "ok\n"); /* a crash is repaired within seconds */
	shop->well_us = NOW_US - HEALTH_DOWN_US;
	ck_assert_str_eq(says(false),
			 "unhealthy\nset \"shop\": not up for 60 s (backoff): position is gone\n");
	/* Up for an instant between two crashes is not up. */
	shop->failures = 3;
	shop->state = SLOT_UP;
	shop->spawned_us = NOW_US - 1000;
	health_note(&sup, NOW_US);
	ck_assert_uint_eq(shop->well_us, NOW_US - HEALTH_DOWN_US);
	shop->spawned_us = NOW_US - HEALTH_SETTLED_US;
	health_note(&sup, NOW_US);
	ck_assert_uint_eq(shop->well_us, NOW_US);
	(void)snprintf(shop->document_error, sizeof(shop->document_error), "unknown format");
	ck_assert(contains(says(false), "its document cannot be used: unknown format"));
	/* Another host's affair, or nobody's any more. */
	shop->owned = false;
	shop->lock = LOCK_ELSEWHERE;
	ck_assert_str_eq(says(true), "ok\n");
	shop->lock = LOCK_NONE;
	ck_assert(contains(says(false), "set \"shop\""));
	shop->placed = false;
	ck_assert_str_eq(says(true), "ok\n");
}
END_TEST

START_TEST(silent_or_stuck)
{
	shop->heard_us = NOW_US - HEALTH_SILENT_US;
	ck_assert_str_eq(says(false), "unhealthy\nset \"shop\": its worker (pid 42) has said "
				      "nothing for 15 s\n");
	shop->heard_us = NOW_US + 5000000; /* forgiven */
	ck_assert_str_eq(says(true), "ok\n");
	source.state = CTL_STATE_RETRYING;
	(void)snprintf(source.text, sizeof(source.text), "no route");
	ck_assert_str_eq(says(true), "ok\n");
	source.working_us = NOW_US - HEALTH_STUCK_US;
	ck_assert_str_eq(says(false),
			 "unhealthy\nset \"shop\": database \"main\" is retrying for 60 s: no "
			 "route\n");
	source.state = CTL_STATE_STALLED;
	ck_assert(contains(says(false), "is stalled"));
	source.state = CTL_STATE_PARKED;
	ck_assert(contains(says(false), "database \"main\" is parked: no route"));
	source.state = CTL_STATE_WORKING;
	source.queue_events = 7;
	source.queue_age_us = HEALTH_STUCK_US;
	ck_assert_str_eq(says(true), "ok\n");
	source.moved_us = NOW_US - HEALTH_STUCK_US;
	ck_assert_str_eq(says(false), "unhealthy\nset \"shop\": database \"main\": 7 events wait, "
				      "and none was delivered for 60 s\n");
	source.queue_age_us = 0;
	ck_assert_str_eq(says(true), "ok\n");
}
END_TEST

START_TEST(many_reasons_are_cut)
{
	char name[16];

	for (int i = 0; i < 4000; i++) {
		(void)snprintf(name, sizeof(name), "x%d", i);
		struct slot *slot = slots_add(&sup.slots, name);
		slot->exists = slot->owned = true;
		slot->state = SLOT_PARKED;
		memset(slot->last_text, 'y', sizeof(slot->last_text) - 1);
	}
	const char *text = says(false);
	ck_assert(contains(text, "and 3900 more\n"));
}
END_TEST

START_TEST(page)
{
	struct pgs_buf out = PGS_BUF_INIT(METRICS_MAX_BYTES);

	(void)snprintf(source.database, sizeof(source.database), "a\"b\\c\nd\xff");
	source.events = 18446744073709551615ULL;
	source.lag_us[CTL_LAG_END_TO_END] = 1234567;
	source.queue_age_us = 5;
	metrics_page(&sup, NOW_US, &out);
	ck_assert(!pgs_buf_failed(&out));
	const char *text = pgs_buf_str(&out);
	ck_assert(
		contains(text, "# TYPE pgshovel_set_up gauge\npgshovel_set_up{set=\"shop\"} 1\n"));
	ck_assert(contains(text, "pgshovel_source_events_total{set=\"shop\",database=\"a\\\"b\\\\"
				 "c\\nd?\"} 18446744073709551615\n"));
	ck_assert(contains(text, ",clock=\"end_to_end\"} 1.234567\n"));
	ck_assert(contains(text, "d?\"} 0.000005\n"));
	ck_assert(contains(text, "pgshovel_supervisor_sets{state=\"up\"} 1\n"));
	ck_assert(contains(text, "pgshovel_supervisor_healthy 1\n"));
	/* Without a worker there are no sources, but the set is there. */
	shop->pid = 0;
	shop->state = SLOT_PARKED;
	pgs_buf_reset(&out);
	metrics_page(&sup, NOW_US, &out);
	ck_assert(!strstr(pgs_buf_str(&out), "pgshovel_source_events_total{"));
	ck_assert(contains(pgs_buf_str(&out), "pgshovel_set_state{set=\"shop\",state=\"parked\"} "
					      "1\n"));
	ck_assert(contains(pgs_buf_str(&out), "pgshovel_set_healthy{set=\"shop\"} 0\n"));
	/* Another host's set is told by that one. */
	shop->owned = shop->placed = false;
	pgs_buf_reset(&out);
	metrics_page(&sup, NOW_US, &out);
	ck_assert(!strstr(pgs_buf_str(&out), "set=\"shop\""));
	pgs_buf_done(&out);
}
END_TEST

START_TEST(addresses)
{
	static const char *const good[] = { "0",         "9187",     "127.0.0.1:9187",
					    "0.0.0.0:0", "[::1]:80", "/run/pgshovel/metrics",
					    "[::]:65535" };
	static const char *const bad[] = { "",          ":9187",   "host:9187",    "127.0.0.1:",
					   "127.0.0.1", "1:65536", "::1:9187",     "[::1]",
					   "[]:1",      "x",       "[1.2.3.4]:80", "-1" };
	struct http_address address;
	struct pgs_err err;
	char path[200];

	for (size_t i = 0; i < PGS_ARRAY_LEN(good); i++)
		ck_assert_msg(http_address_parse(good[i], &address, &err) == 0, "%s", good[i]);
	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++)
		ck_assert_msg(http_address_parse(bad[i], &address, &err) < 0, "%s", bad[i]);
	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_lt(http_address_parse(path, &address, &err), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("health");

	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, well);
	tcase_add_test(tc, down);
	tcase_add_test(tc, silent_or_stuck);
	tcase_add_test(tc, many_reasons_are_cut);
	tcase_add_test(tc, page);
	tcase_add_test(tc, addresses);
	return runner_run("health", tc);
}

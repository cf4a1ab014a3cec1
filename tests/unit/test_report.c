/*
 * tests/unit/test_report.c
 *    supervisor/report.c: the status document fits its node whatever the number of sets, and leaves out in the right order.
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/report.h"
#include "tests/unit/runner.h"

static struct supervisor sup;
static char cluster[] = "c";

/* n sets that work, each with two sources; the first is parked. */
static void begin(int n)
{
	char name[16];

	sup = (struct supervisor){ .ready = true, .host = "h" };
	sup.config.cluster = cluster;
	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "set%d", i);
		struct slot *slot = slots_add(&sup.slots, name);
		ck_assert_ptr_nonnull(slot);
		slot->exists = slot->owned = slot->placed = true;
		slot->pid = i ? 1000 + i : 0;
		slot->state = i ? SLOT_UP : SLOT_PARKED;
		memset(slot->version, 'a', sizeof(slot->version) - 1);
		memset(slot->run_version, 'a', sizeof(slot->run_version) - 1);
		slot->sources = calloc(2, sizeof(*slot->sources));
		ck_assert_ptr_nonnull(slot->sources);
		slot->n_sources = 2;
		for (size_t k = 0; k < 2; k++) {
			struct slot_source *source = &slot->sources[k];
			source->known = true;
			source->state = CTL_STATE_WORKING;
			source->phase = CTL_PHASE_IDLE;
			source->queue_events = 7;
			source->queue_age_us = 10 * (uint64_t)(k + 1);
			source->lag_us[CTL_LAG_END_TO_END] = 100 * (uint64_t)(k + 1);
			(void)snprintf(source->database, sizeof(source->database), "d%zu", k);
			(void)snprintf(source->snapshot, sizeof(source->snapshot), "7:9");
		}
		if (i == 0)
			(void)snprintf(slot->last_text, sizeof(slot->last_text), "it is gone");
	}
}

static void end(void)
{
	for (size_t i = 0; i < sup.slots.n; i++)
		sup.slots.list[i]->pid = 0;
	slots_done(&sup.slots);
}

static json_t *written(void)
{
	struct pgs_buf out = PGS_BUF_INIT(60 * 1024);

	report_json(&sup, &out);
	ck_assert(!pgs_buf_failed(&out));
	json_t *doc = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(doc != NULL, "%s", pgs_buf_str(&out));
	pgs_buf_done(&out);
	return doc;
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

START_TEST(few_are_told_whole)
{
	begin(3);
	(void)snprintf(sup.slots.list[1]->sources[0].last_error, SLOT_TEXT_MAX, "was away");
	json_t *doc = written();
	ck_assert(json_is_true(json_object_get(doc, "complete")));
	const json_t *sets = json_object_get(doc, "sets");
	ck_assert_uint_eq(json_array_size(sets), 3);
	ck_assert_str_eq(text(json_array_get(sets, 0), "state"), "parked");
	ck_assert_str_eq(text(json_array_get(sets, 0), "error"), "it is gone");
	const json_t *source =
		json_array_get(json_object_get(json_array_get(sets, 1), "sources"), 0);
	ck_assert_str_eq(text(json_object_get(source, "position"), "snapshot"), "7:9");
	ck_assert_str_eq(text(json_object_get(source, "last_error"), "text"), "was away");
	ck_assert_uint_eq(json_array_size(json_object_get(source, "lag_us")), CTL_N_LAGS);
	json_decref(doc);
	end();
}
END_TEST

START_TEST(many_are_told_short)
{
	begin(256); /* the default of max-sets */
	json_t *doc = written();
	ck_assert(json_is_false(json_object_get(doc, "complete")));
	const json_t *sets = json_object_get(doc, "sets");
	ck_assert_uint_eq(json_array_size(sets), 256);
	/* What does not work keeps its reason and its last exit. */
	ck_assert_str_eq(text(json_array_get(sets, 0), "error"), "it is gone");
	ck_assert_ptr_nonnull(json_object_get(json_array_get(sets, 0), "sources"));
	const json_t *other = json_array_get(sets, 100);
	ck_assert_ptr_null(json_object_get(other, "sources"));
	ck_assert_int_eq(json_integer_value(json_object_get(other, "queue_events")), 14);
	ck_assert_int_eq(json_integer_value(json_object_get(other, "queue_age_us")), 20);
	ck_assert_int_eq(json_integer_value(json_object_get(other, "lag_us")), 200);
	ck_assert(json_is_true(json_object_get(other, "owned")));
	json_decref(doc);
	end();
}
END_TEST

START_TEST(too_many_are_counted)
{
	begin(4096);
	json_t *doc = written();
	ck_assert_uint_eq(json_array_size(json_object_get(doc, "sets")), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(doc, "n_sets")), 4096);
	json_decref(doc);
	end();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("report");

	tcase_add_test(tc, few_are_told_whole);
	tcase_add_test(tc, many_are_told_short);
	tcase_add_test(tc, too_many_are_counted);
	return runner_run("report", tc);
}

/*
 * admin/plan_print.c
 *    The plan for people and as JSON.
 *
 * Decides nothing.
 */
#include <string.h>

#include "admin/plan.h"

const char *plan_locks(const struct plan_step *step)
{
	switch (step->action) {
	case PLAN_INSTALL:
	case PLAN_REINSTALL:
		return "advisory";
	case PLAN_STUB:
	case PLAN_NARROW:
		return step->writes_locked ? "ShareRowExclusive on the table" : "none";
	case PLAN_ROLLOUT_OPEN:
		return "advisory, of the set";
	case PLAN_SET_CREATE:
		return "ShareUpdateExclusive on pgq.event_template";
	case PLAN_SET_CHANGE:
	case PLAN_SET_RETIRE:
		return "row of the set";
	case PLAN_RELATION_ADD:
	case PLAN_RELATION_RETIRE:
		return "none on the table";
	case PLAN_CAPTURE_DROP:
		return "AccessExclusive on the table";
	case PLAN_SET_FORGET:
		return "AccessExclusive on the queue";
	}
	return "";
}

static void columns_text(const struct plan_step *step, struct pgs_buf *out)
{
	pgs_buf_puts(out, step->columns ? step->columns : "all columns");
}

void plan_describe(const struct plan_request *request, const struct plan_step *step,
		   struct pgs_buf *out)
{
	const char *set = request->set ? request->set : "";

	switch (step->action) {
	case PLAN_INSTALL:
	case PLAN_REINSTALL:
		pgs_buf_printf(out, "install schema pgshovel_%s", request->cluster);
		return;
	case PLAN_STUB:
		pgs_buf_printf(out, "%s capture triggers on %s",
			       step->writes_locked ? "make" : "look at", step->label);
		return;
	case PLAN_ROLLOUT_OPEN:
		pgs_buf_puts(out, "open the rollout");
		return;
	case PLAN_SET_CREATE:
		pgs_buf_printf(out, "create queue pgshovel:%s:%s, its consumer and the set",
			       request->cluster, set);
		return;
	case PLAN_SET_CHANGE:
		pgs_buf_puts(out, "change the set's version");
		return;
	case PLAN_SET_RETIRE:
		pgs_buf_puts(out, "mark the set dropped, stop its capture functions");
		return;
	case PLAN_RELATION_ADD:
		pgs_buf_printf(out, "capture %s: ", step->label);
		columns_text(step, out);
		if (step->key)
			pgs_buf_printf(out, " by key %s", step->key);
		return;
	case PLAN_RELATION_RETIRE:
		pgs_buf_printf(out, "stop capturing %s", step->label);
		return;
	case PLAN_NARROW:
		pgs_buf_printf(out, "let go of columns of %s that are not captured any more",
			       step->label);
		return;
	case PLAN_CAPTURE_DROP:
		pgs_buf_printf(out, "drop capture triggers of %s", step->label);
		return;
	case PLAN_SET_FORGET:
		pgs_buf_printf(out, "drop queue pgshovel:%s:%s and forget the set",
			       request->cluster, set);
		return;
	}
}

static const char *const phase_titles[] = {
	[PLAN_BEFORE] = "before, in short transactions of their own",
	[PLAN_PREPARED] = "in one prepared transaction for each database",
	[PLAN_AFTER] = "after the decision, in short transactions of their own",
};

void plan_print(const struct plan_request *request, const struct plan *plan, bool kafka, FILE *out)
{
	int phase = -1;

	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct plan_step *step = &plan->steps[i];
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(SESSION_MAX_SQL);
		if ((int)plan_phase_of(step->action) != phase) {
			phase = (int)plan_phase_of(step->action);
			fprintf(out, "%s:\n", phase_titles[phase]);
		}
		plan_describe(request, step, &text);
		fprintf(out, "  %s: %s  [lock: %s", request->databases[step->database].name,
			pgs_buf_str(&text), plan_locks(step));
		if (step->writes_locked)
			fprintf(out, ", at most %u ms at a time", request->lock_timeout_ms);
		fprintf(out, "]\n");
	}
	if (kafka)
		fprintf(out, "in Kafka:\n  %s\n",
			request->kind == PLAN_DROP
				? "delete the positions of the set; data topics stay"
				: "check the properties and the brokers, make missing topics");
}

void plan_print_json(const struct plan_request *request, const struct plan *plan, FILE *out)
{
	static const char *const phases[] = { "before", "prepared", "after" };

	fprintf(out, "{\"steps\":[");
	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct plan_step *step = &plan->steps[i];
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(SESSION_MAX_SQL);
		PGS_CLEANUP(pgs_buf_done) struct pgs_buf json = PGS_BUF_INIT(2 * SESSION_MAX_SQL);
		plan_describe(request, step, &text);
		pgs_buf_printf(&json, "%s{\"phase\":\"%s\",\"database\":", i ? "," : "",
			       phases[plan_phase_of(step->action)]);
		zkdoc_put_json_string(&json, request->databases[step->database].name);
		pgs_buf_lit(&json, ",\"step\":");
		zkdoc_put_json_string(&json, pgs_buf_str(&text));
		pgs_buf_lit(&json, ",\"lock\":");
		zkdoc_put_json_string(&json, plan_locks(step));
		pgs_buf_lit(&json, "}");
		fputs(pgs_buf_str(&json), out);
	}
	fprintf(out, "]}\n");
}

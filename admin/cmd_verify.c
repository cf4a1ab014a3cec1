/*
 * admin/cmd_verify.c
 *    cluster verify [--repair]: what does not agree, and what was cured.
 *
 * What is compared is in verify.c, what is cured in repair.c.
 */
#include <stdio.h>
#include <string.h>

#include "admin/commands.h"
#include "admin/render.h"
#include "admin/verify.h"
#include "common/log.h"

static int look(struct admin *a, struct findings *ret, struct pgs_err *reterr)
{
	struct stored_set **sets;
	size_t n;

	if (store_list(a, &sets, &n, reterr) < 0)
		return -1;
	int r = verify_cluster(a, sets, n, ret, reterr);
	store_list_free(sets, n);
	return r;
}

static bool has(const struct findings *f, const struct finding *finding)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->list[i].set, finding->set) == 0 &&
		    strcmp(f->list[i].database, finding->database) == 0 &&
		    strcmp(f->list[i].problem, finding->problem) == 0)
			return true;
	return false;
}

static void print_line(const char *before, const struct finding *finding)
{
	printf("%s%s%s%s%s%s\n", before, finding->set, finding->set[0] ? ": " : "",
	       finding->database, finding->database[0] ? ": " : "", finding->problem);
}

static void put_json(struct pgs_buf *out, const struct finding *finding, const char *repaired)
{
	const char *repair = cure_name(finding->cure);

	pgs_buf_puts(out, out->len > 1 ? ",{\"set\":" : "{\"set\":");
	zkdoc_put_json_string(out, finding->set);
	pgs_buf_lit(out, ",\"database\":");
	zkdoc_put_json_string(out, finding->database);
	pgs_buf_printf(out, ",\"kind\":\"%s\",\"problem\":", finding->kind);
	zkdoc_put_json_string(out, finding->problem);
	pgs_buf_printf(out, ",\"repair\":%s%s%s", repair ? "\"" : "", repair ? repair : "null",
		       repair ? "\"" : "");
	if (repaired)
		pgs_buf_printf(out, ",\"repaired\":%s", repaired);
	pgs_buf_putc(out, '}');
}

/* `after` is what the second look found; NULL: nothing was repaired. Lines of what is cured come first. */
static int print(struct admin *a, const struct findings *before, const struct findings *after,
		 struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf json = PGS_BUF_INIT(RENDER_MAX_BYTES);
	const struct findings *left = after ? after : before;
	const bool plan = !after && a->options.repair;

	pgs_buf_putc(&json, '[');
	for (size_t i = 0; after && i < before->n; i++) {
		if (has(after, &before->list[i]))
			continue;
		put_json(&json, &before->list[i], "true");
		if (!a->options.json)
			print_line("repaired: ", &before->list[i]);
	}
	for (size_t i = 0; i < left->n; i++) {
		const struct finding *finding = &left->list[i];
		put_json(&json, finding, after ? "false" : NULL);
		if (!a->options.json)
			print_line(plan && finding->cure != CURE_NONE ? "would repair: " : "",
				   finding);
	}
	pgs_buf_lit(&json, "]\n");
	if (pgs_buf_failed(&json))
		return pgs_err_nomem(reterr);
	if (a->options.json)
		fputs(pgs_buf_str(&json), stdout);
	return 0;
}

/* The exit status: nothing, --repair is enough, somebody must do something, something is away. */
static int judge(struct admin *a, const struct findings *f, struct pgs_err *reterr)
{
	size_t n_curable = 0;

	for (size_t i = 0; i < f->n; i++)
		n_curable += f->list[i].cure != CURE_NONE;
	if (f->n == 0)
		return 0;
	const char *things = f->n == 1 ? "thing is" : "things are";
	if (n_curable == f->n && !f->away) {
		pgs_log(PGS_LOG_ERR, NULL,
			"cluster \"%s\": %zu %s not as the sets say; --repair cures %s",
			a->options.cluster, f->n, things, f->n == 1 ? "it" : "all");
		a->result = PGS_EXIT_DIFFERS;
		return 0;
	}
	return pgs_err_set(reterr, f->away ? PGS_ERR_RETRY : PGS_ERR_CONFIG, "",
			   "cluster \"%s\": %zu %s not as the sets say; --repair cures %zu of them",
			   a->options.cluster, f->n, things, n_curable);
}

/* What repair left is for a person, also what it should have cured. */
static int judge_rest(struct admin *a, const struct findings *f, struct pgs_err *reterr)
{
	if (f->n == 0)
		return 0;
	return pgs_err_set(reterr, f->away ? PGS_ERR_RETRY : PGS_ERR_CONFIG, "",
			   "cluster \"%s\": %zu %s still not as the sets say; see above",
			   a->options.cluster, f->n, f->n == 1 ? "thing is" : "things are");
}

int cmd_cluster_verify(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	PGS_CLEANUP(findings_done) struct findings before = { .n = 0 };
	PGS_CLEANUP(findings_done) struct findings after = { .n = 0 };
	bool repair = a->options.repair && !a->options.dry_run;

	(void)arguments;
	(void)n;
	if (admin_open_cluster(a, reterr) < 0)
		return -1;
	if (repair && (admin_check_software(a, reterr) < 0 ||
		       admin_lock(a, "cluster verify --repair", reterr) < 0))
		return -1;
	if (look(a, &before, reterr) < 0)
		return -1;
	if (!repair || before.n == 0)
		return print(a, &before, NULL, reterr) < 0 ? -1 : judge(a, &before, reterr);
	if (repair_all(a, &before, reterr) < 0 || look(a, &after, reterr) < 0)
		return -1;
	return print(a, &before, &after, reterr) < 0 ? -1 : judge_rest(a, &after, reterr);
}

/*
 * admin/cmd_set.c
 *    set create, upgrade, drop, diff.
 *
 * What shows sets is in cmd_show.c; how a rollout goes in rollout.c.
 */
#include <stdio.h>
#include <string.h>

#include "admin/changes.h"
#include "admin/cli.h"
#include "admin/commands.h"
#include "admin/diff.h"
#include "admin/recover.h"
#include "admin/rollout.h"
#include "admin/steps.h"
#include "common/log.h"
#include "common/parse.h"

enum { MIN_VERSION_HEX = SETDOC_SHOWN_HEX };

/* "NAME" or "NAME@VERSION". */
struct set_argument {
	char name[64];
	char version[SETDOC_DIGEST_HEX + 1]; /* "": any */
};

static int check_name(const char *name, struct pgs_err *reterr)
{
	if (pgs_set_name_ok(name))
		return 0;
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
			   "set name \"%s\" is not allowed: a lower-case letter, then up to 23 "
			   "letters, digits or \"_\", without \"__\" and without \"_\" at the end",
			   name);
}

static int parse_argument(const char *text, bool with_version, struct set_argument *ret,
			  struct pgs_err *reterr)
{
	const char *at = with_version ? strchr(text, '@') : NULL;
	size_t len = at ? (size_t)(at - text) : strlen(text);

	*ret = (struct set_argument){ 0 };
	if (len >= sizeof(ret->name))
		return check_name(text, reterr);
	memcpy(ret->name, text, len);
	if (check_name(ret->name, reterr) < 0)
		return -1;
	if (!at)
		return 0;
	size_t digits = strspn(at + 1, "0123456789abcdef");
	if (at[1 + digits] || digits < MIN_VERSION_HEX || digits > SETDOC_DIGEST_HEX)
		return cli_usage(
			reterr,
			"version \"%s\" must be %d to %d hex digits, as \"set list\" shows them",
			at + 1, MIN_VERSION_HEX, SETDOC_DIGEST_HEX);
	memcpy(ret->version, at + 1, digits);
	return 0;
}

static int check_version(const struct set_argument *argument, const struct stored_set *stored,
			 struct pgs_err *reterr)
{
	if (strncmp(argument->version, stored->version, strlen(argument->version)) == 0)
		return 0;
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
			   "set \"%s\" is at version %.*s, not %s; nothing was changed",
			   stored->name, SETDOC_SHOWN_HEX, stored->version, argument->version);
}

static int check_document_name(const struct setdoc *doc, const char *set, struct pgs_err *reterr)
{
	if (!doc->name || strcmp(doc->name, set) == 0)
		return 0;
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
			   "%s: name = \"%s\" but the set is \"%s\"; a set cannot be renamed: "
			   "correct the name, or create the new one and drop the old",
			   doc->filename, doc->name, set);
}

static int check_topics(struct admin *a, const char *set, const struct setdoc *doc,
			struct pgs_err *reterr)
{
	struct stored_set **sets;
	size_t n;
	const char *cluster = a->options.cluster;

	if (plan_check_topics(cluster, set, doc, set, doc, reterr) < 0 ||
	    store_list(a, &sets, &n, reterr) < 0)
		return -1;
	int r = 0;
	for (size_t i = 0; i < n && r == 0; i++)
		if (strcmp(sets[i]->name, set) != 0)
			r = plan_check_topics(cluster, set, doc, sets[i]->name, sets[i]->doc,
					      reterr);
	store_list_free(sets, n);
	return r;
}

/* Connect, lock, finish what others left. A dry run neither locks nor touches anything. */
static int begin(struct admin *a, const char *command, const char *set, struct pgs_err *reterr)
{
	char text[128];

	if (admin_open_cluster(a, reterr) < 0 || admin_check_software(a, reterr) < 0)
		return -1;
	if (a->options.dry_run)
		return 0;
	snprintf(text, sizeof(text), "%s %s", command, set);
	if (admin_lock(a, text, reterr) < 0)
		return -1;
	ADMIN_STEP(LOCKED);
	return recover_first(a, set, reterr);
}

static void print_version(const struct setdoc *doc)
{
	printf("%.*s\n", SETDOC_SHOWN_HEX, doc->version);
}

int cmd_set_create(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	PGS_CLEANUP(setdoc_freep) struct setdoc *doc = NULL;
	PGS_CLEANUP(stored_set_freep) struct stored_set *stored = NULL;
	struct set_argument set;
	struct pgs_err err = { 0 };

	if (parse_argument(arguments[0], false, &set, reterr) < 0 ||
	    setdoc_load(n > 1 ? arguments[1] : "-", &doc, reterr) < 0 ||
	    check_document_name(doc, set.name, reterr) < 0 ||
	    begin(a, "set create", set.name, reterr) < 0)
		return -1;
	if (store_read(a, set.name, &stored, &err) == 0)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "ZNODEEXISTS",
			"set \"%s\" already exists at version %.*s; use \"pgshovel set upgrade\"",
			set.name, SETDOC_SHOWN_HEX, stored->version);
	if (strcmp(err.code, "ZNONODE") != 0) {
		*reterr = err;
		return -1;
	}
	if (check_topics(a, set.name, doc, reterr) < 0)
		return -1;
	PGS_CLEANUP(rollout_done)
	struct rollout r = {
		.a = a, .kind = PLAN_CREATE, .set = set.name, .doc = doc, .adopt = a->options.force
	};
	if (rollout_run(&r, reterr) < 0)
		return pgs_err_prefix(reterr, "could not create set \"%s\"", set.name);
	if (!a->options.dry_run)
		print_version(doc);
	return 0;
}

/* One argument: the file, which says the name. Two: the name, the file. */
static int upgrade_arguments(char **arguments, int n, struct set_argument *set,
			     struct setdoc **ret_doc, struct pgs_err *reterr)
{
	PGS_CLEANUP(setdoc_freep) struct setdoc *doc = NULL;

	if (n == 2 && parse_argument(arguments[0], true, set, reterr) < 0)
		return -1;
	if (setdoc_load(arguments[n - 1], &doc, reterr) < 0)
		return -1;
	if (n == 1 && !doc->name)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "%s does not say name = \"...\"; name the set: pgshovel set "
				   "upgrade NAME FILE",
				   doc->filename);
	if (n == 1 && parse_argument(doc->name, false, set, reterr) < 0)
		return -1;
	if (check_document_name(doc, set->name, reterr) < 0)
		return -1;
	*ret_doc = PGS_STEAL(doc);
	return 0;
}

static int check_partitions(const struct setdoc *doc, const struct stored_set *stored,
			    struct pgs_err *reterr)
{
	if (doc->topics.partitions == stored->partitions)
		return 0;
	return pgs_err_set(
		reterr, PGS_ERR_CONFIG, "",
		"%s: topics.partitions is %d but set \"%s\" was created with %d; changing it would "
		"move keys between partitions: keep %d, or create another set",
		doc->filename, doc->topics.partitions, stored->name, stored->partitions,
		stored->partitions);
}

int cmd_set_upgrade(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	PGS_CLEANUP(setdoc_freep) struct setdoc *doc = NULL;
	PGS_CLEANUP(stored_set_freep) struct stored_set *stored = NULL;
	struct set_argument set;

	if (upgrade_arguments(arguments, n, &set, &doc, reterr) < 0 ||
	    begin(a, "set upgrade", set.name, reterr) < 0 ||
	    store_read(a, set.name, &stored, reterr) < 0 ||
	    check_version(&set, stored, reterr) < 0 || check_partitions(doc, stored, reterr) < 0 ||
	    check_topics(a, set.name, doc, reterr) < 0)
		return -1;
	PGS_CLEANUP(rollout_done)
	struct rollout r = {
		.a = a, .kind = PLAN_UPGRADE, .set = set.name, .stored = stored, .doc = doc
	};
	changes_report(a, stored, false); /* who is away is said by the rollout */
	if (rollout_run(&r, reterr) < 0)
		return pgs_err_prefix(reterr, "could not upgrade set \"%s\"", set.name);
	/* A set that is parked tries again: what was wrong may be cured. */
	if (r.unchanged && !a->options.dry_run && store_touch(a, set.name, reterr) < 0)
		return -1;
	if (r.unchanged)
		printf("unchanged\n");
	else if (!a->options.dry_run)
		print_version(doc);
	return 0;
}

/* Documents only: what the databases say is left to "set upgrade --dry-run". */
int cmd_set_diff(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	PGS_CLEANUP(setdoc_freep) struct setdoc *doc = NULL;
	PGS_CLEANUP(stored_set_freep) struct stored_set *stored = NULL;
	PGS_CLEANUP(diff_done) struct diff diff = { .n_changes = 0 };
	struct set_argument set;

	if (upgrade_arguments(arguments, n, &set, &doc, reterr) < 0 ||
	    admin_open_cluster(a, reterr) < 0 || store_read(a, set.name, &stored, reterr) < 0 ||
	    check_version(&set, stored, reterr) < 0 || check_partitions(doc, stored, reterr) < 0 ||
	    check_topics(a, set.name, doc, reterr) < 0 ||
	    diff_make(stored->doc, doc, &diff, reterr) < 0)
		return -1;
	if (a->options.json)
		diff_print_json(&diff, set.name, stored->doc, doc, stdout);
	else
		diff_print(&diff, stdout);
	if (diff.n_changes > 0 || diff.respelled)
		a->result = PGS_EXIT_DIFFERS;
	return 0;
}

int cmd_set_drop(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	PGS_CLEANUP(stored_set_freep) struct stored_set *stored = NULL;
	struct set_argument set;

	(void)n;
	if (parse_argument(arguments[0], true, &set, reterr) < 0 ||
	    begin(a, "set drop", set.name, reterr) < 0 ||
	    store_read(a, set.name, &stored, reterr) < 0 || check_version(&set, stored, reterr) < 0)
		return -1;
	PGS_CLEANUP(rollout_done)
	struct rollout r = { .a = a, .kind = PLAN_DROP, .set = set.name, .stored = stored };
	if (rollout_run(&r, reterr) < 0)
		return pgs_err_prefix(reterr, "could not drop set \"%s\" completely", set.name);
	return 0;
}

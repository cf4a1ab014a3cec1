/*
 * admin/seen.c
 *    What the supervisors last wrote, put together. See admin/seen.h.
 */
#include "admin/seen.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/zpath.h"

const char *seen_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int64_t seen_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* ---- Reading. ---- */

struct names {
	char **list;
	size_t n;
};

static void names_done(struct names *names)
{
	zk_names_free(names->list, names->n);
}

static int read_names(struct admin *a, struct zpath path, struct names *ret, struct pgs_err *reterr)
{
	return zk_wait_list(a->zk, path.text, admin_deadline(a), &ret->list, &ret->n, reterr);
}

static bool has_name(const struct names *names, const char *name, const char *suffix)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < names->n; i++)
		if (strncmp(names->list[i], name, length) == 0 &&
		    strcmp(names->list[i] + length, suffix) == 0)
			return true;
	return false;
}

/* A missing or broken status is no error: the host has written none, or is going. */
static int read_status(struct admin *a, const char *leaf, struct seen *seen, struct seen_host *host,
		       struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf data = PGS_BUF_INIT(ZK_NODE_MAX_BYTES);
	struct pgs_err err = { 0 };

	if (zk_wait_get(a->zk, zpath_status(a->options.cluster, leaf).text, admin_deadline(a),
			&data, NULL, &err) < 0) {
		if (strcmp(err.code, "ZNONODE") == 0)
			return 0;
		*reterr = err;
		return -1;
	}
	host->doc = json_loadb(pgs_buf_str(&data), data.len, 0, NULL);
	if (host->doc && !json_is_integer(json_object_get(host->doc, "at_us"))) {
		json_decref(host->doc);
		host->doc = NULL;
	}
	int64_t age_us = seen->at_us - seen_number(host->doc, "at_us");
	host->age_us = age_us > 0 ? age_us : 0;
	return 0;
}

static int add_host(struct admin *a, struct seen *seen, const struct names *nodes, const char *leaf,
		    bool has_status, struct pgs_err *reterr)
{
	struct seen_host *host = &seen->hosts[seen->n_hosts];
	const char *mark = strchr(leaf, ZPATH_STATUS_SET);
	size_t length = mark ? (size_t)(mark - leaf) : strlen(leaf);

	*host = (struct seen_host){ 0 };
	snprintf(host->name, sizeof(host->name), "%.*s", (int)length, leaf);
	if (mark)
		snprintf(host->only, sizeof(host->only), "%s", mark + 1);
	/* A status of a single set goes with its session. */
	host->present = mark || has_name(nodes, host->name, "");
	host->drained = !mark && has_name(nodes, host->name, ZPATH_DRAINED);
	seen->n_hosts++;
	return has_status ? read_status(a, leaf, seen, host, reterr) : 0;
}

static int compare_hosts(const void *left, const void *right)
{
	const struct seen_host *a = left, *b = right;
	int order = (a->only[0] != '\0') - (b->only[0] != '\0');

	order = order ? order : strcmp(a->name, b->name);
	return order ? order : strcmp(a->only, b->only);
}

static int read_hosts(struct admin *a, struct seen *seen, struct pgs_err *reterr)
{
	PGS_CLEANUP(names_done) struct names nodes = { 0 };
	PGS_CLEANUP(names_done) struct names statuses = { 0 };

	if (read_names(a, zpath_hosts(a->options.cluster), &nodes, reterr) < 0 ||
	    read_names(a, zpath_statuses(a->options.cluster), &statuses, reterr) < 0)
		return -1;
	seen->hosts = calloc(nodes.n + statuses.n + 1, sizeof(*seen->hosts));
	if (!seen->hosts)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < statuses.n; i++)
		if (add_host(a, seen, &nodes, statuses.list[i], true, reterr) < 0)
			return -1;
	for (size_t i = 0; i < nodes.n; i++)
		if (!strchr(nodes.list[i], ZPATH_DRAINED[0]) &&
		    !has_name(&statuses, nodes.list[i], "") &&
		    add_host(a, seen, &nodes, nodes.list[i], false, reterr) < 0)
			return -1;
	qsort(seen->hosts, seen->n_hosts, sizeof(*seen->hosts), compare_hosts);
	return 0;
}

/* ---- Sets. ---- */

/* A host's word about a set: one that is there and owns it counts most. */
static int weight(const struct seen_host *host, const json_t *doc)
{
	return 2 * json_is_true(json_object_get(doc, "owned")) + host->present;
}

static int compare_sets(const void *left, const void *right)
{
	return strcmp(((const struct seen_set *)left)->name,
		      ((const struct seen_set *)right)->name);
}

struct word {
	const struct seen_host *host;
	const json_t *doc;
	const char *name;
};

static int compare_words(const void *left, const void *right)
{
	const struct word *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	order = order ? order : weight(b->host, b->doc) - weight(a->host, a->doc);
	return order ? order
		     : (a->host->age_us > b->host->age_us) - (a->host->age_us < b->host->age_us);
}

/* All that is said of sets, sorted by set, the word that counts first. */
static int collect_words(const struct seen *seen, struct word **ret, size_t *ret_n,
			 struct pgs_err *reterr)
{
	size_t n = 0, i;
	const json_t *set;

	for (size_t h = 0; h < seen->n_hosts; h++)
		n += json_array_size(json_object_get(seen->hosts[h].doc, "sets"));
	struct word *words = calloc(n + 1, sizeof(*words));
	if (!words)
		return pgs_err_nomem(reterr);
	n = 0;
	for (size_t h = 0; h < seen->n_hosts; h++)
		json_array_foreach(json_object_get(seen->hosts[h].doc, "sets"), i, set) words[n++] =
			(struct word){ .host = &seen->hosts[h],
				       .doc = set,
				       .name = seen_text(set, "set") };
	qsort(words, n, sizeof(*words), compare_words);
	*ret = words;
	*ret_n = n;
	return 0;
}

static int read_sets(struct admin *a, struct seen *seen, struct pgs_err *reterr)
{
	PGS_CLEANUP(names_done) struct names names = { 0 };
	PGS_CLEANUP(pgs_freep) struct word *words = NULL;
	size_t n_words = 0, w = 0;

	if (read_names(a, zpath_sets(a->options.cluster), &names, reterr) < 0 ||
	    collect_words(seen, &words, &n_words, reterr) < 0)
		return -1;
	seen->sets = calloc(names.n + n_words + 1, sizeof(*seen->sets));
	if (!seen->sets)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < names.n; i++) {
		struct seen_set *set = &seen->sets[seen->n_sets++];
		snprintf(set->name, sizeof(set->name), "%s", names.list[i]);
		set->listed = true;
		while (w < n_words && strcmp(words[w].name, names.list[i]) < 0)
			w++;
		if (w < n_words && strcmp(words[w].name, names.list[i]) == 0) {
			set->host = words[w].host;
			set->doc = words[w].doc;
		}
	}
	/* A set that was dropped while its relay still stops. */
	for (w = 0; w < n_words; w++) {
		struct seen_set set = { .host = words[w].host, .doc = words[w].doc };
		snprintf(set.name, sizeof(set.name), "%s", words[w].name);
		if ((w > 0 && strcmp(words[w - 1].name, words[w].name) == 0) ||
		    !json_is_integer(json_object_get(set.doc, "pid")) || !set.host->present ||
		    bsearch(&set, seen->sets, names.n, sizeof(set), compare_sets))
			continue;
		seen->sets[seen->n_sets++] = set;
	}
	qsort(seen->sets, seen->n_sets, sizeof(*seen->sets), compare_sets);
	return 0;
}

static int read_work(struct admin *a, struct seen *seen, struct pgs_err *reterr)
{
	PGS_CLEANUP(names_done) struct names rollouts = { 0 };
	PGS_CLEANUP(names_done) struct names left = { 0 };
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf holder = PGS_BUF_INIT(1024);
	struct pgs_err err = { 0 };

	if (read_names(a, zpath_rollouts(a->options.cluster), &rollouts, reterr) < 0)
		return -1;
	seen->n_rollouts = rollouts.n;
	/* Both nodes are there only when there is something to say. */
	if (read_names(a, zpath_lefts(a->options.cluster), &left, &err) == 0)
		seen->n_left = left.n;
	if (zk_wait_get(a->zk, zpath_admin(a->options.cluster).text, admin_deadline(a), &holder,
			NULL, &err) == 0)
		snprintf(seen->admin, sizeof(seen->admin), "%s", pgs_buf_str(&holder));
	return 0;
}

int seen_read(struct admin *a, struct seen *ret, struct pgs_err *reterr)
{
	struct seen seen = { .at_us = pgs_wall_us() };

	if (read_hosts(a, &seen, reterr) == 0 && read_sets(a, &seen, reterr) == 0 &&
	    read_work(a, &seen, reterr) == 0) {
		*ret = seen;
		return 0;
	}
	seen_done(&seen);
	return -1;
}

void seen_done(struct seen *seen)
{
	for (size_t i = 0; i < seen->n_hosts; i++)
		json_decref(seen->hosts[i].doc);
	free(seen->hosts);
	free(seen->sets);
	*seen = (struct seen){ 0 };
}

/* ---- What it comes to. ---- */

static void worst(int64_t *to, int64_t value)
{
	*to = value > *to ? value : *to;
}

struct seen_figures seen_figures(const json_t *set)
{
	struct seen_figures f = { 0 };
	const json_t *sources = json_object_get(set, "sources"), *source;
	size_t i;

	/* A short status has the sums themselves. */
	f.known = json_array_size(sources) > 0 || json_is_integer(json_object_get(set, "lag_us"));
	f.queue_events = seen_number(set, "queue_events");
	f.queue_age_us = seen_number(set, "queue_age_us");
	f.lag_us = seen_number(set, "lag_us");
	json_array_foreach(sources, i, source)
	{
		const json_t *lags = json_object_get(source, "lag_us");
		f.queue_events += seen_number(source, "queue_events");
		worst(&f.queue_age_us, seen_number(source, "queue_age_us"));
		worst(&f.lag_us,
		      json_integer_value(json_array_get(lags, json_array_size(lags) - 1)));
		f.rate += json_number_value(json_object_get(source, "rate"));
	}
	return f;
}

static bool owned(const struct seen_set *set)
{
	return json_is_true(json_object_get(set->doc, "owned"));
}

const char *seen_state(const struct seen_set *set)
{
	if (!set->doc || (!owned(set) && set->host->present))
		return "unowned";
	if (!set->host->present)
		return "unknown";
	return seen_text(set->doc, "state");
}

bool seen_works(const struct seen_set *set)
{
	const json_t *source;
	size_t i;

	if (strcmp(seen_state(set), "up") != 0)
		return false;
	json_array_foreach(json_object_get(set->doc, "sources"), i,
			   source) if (strcmp(seen_text(source, "state"), "working") !=
				       0) return false;
	return true;
}

void seen_error(const struct seen_set *set, struct pgs_buf *out)
{
	const json_t *source;
	size_t i;

	if (!set->doc) {
		pgs_buf_lit(out, "no supervisor speaks of it");
		return;
	}
	if (!set->host->present) {
		pgs_buf_printf(out, "host \"%s\" is away; it was %s when last seen",
			       set->host->name, seen_text(set->doc, "state"));
		return;
	}
	pgs_buf_puts(out, seen_text(set->doc, "error"));
	if (!owned(set) && !out->len) {
		const char *owner = seen_text(set->doc, "owner");
		pgs_buf_printf(out, "host \"%s\" waits for its lock%s%s", set->host->name,
			       owner[0] ? ", which has " : "", owner);
	}
	json_array_foreach(json_object_get(set->doc, "sources"), i, source)
	{
		const char *text = seen_text(source, "text");
		if (text[0])
			pgs_buf_printf(out, "%s%s: %s", out->len ? "; " : "",
				       seen_text(source, "database"), text);
	}
}

/*
 * tests/bench/sim_fleet.c
 *    make sim: many supervisors and their sets in one process, with the supervisor's own code: everything but the event
 *    loop, the ZooKeeper client and the workers. Those are played here, in virtual time.
 *
 *    sim_fleet [HOSTS [SETS]]       100 hosts and 10,000 sets: about 2 GB of memory, half a minute
 *
 * Prints what the servers would have to bear: watches, requests, bytes of names; how many sets move; how long a pass takes.
 * Nothing is asserted but what must not happen: a lock with two owners, a set without one at the end.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/setdoc.h"
#include "common/zkdoc.h"
#include "supervisor/desired.h"
#include "supervisor/hosts.h"
#include "supervisor/locks.h"
#include "supervisor/loop.h"
#include "supervisor/pass.h"
#include "supervisor/spawn.h"
#include "supervisor/spread.h"
#include "supervisor/stop.h"

enum {
	MAX_HOSTS = 128,
	WATCH_WORDS = MAX_HOSTS / 64,
	ROUND_US = 1000, /* a request is answered in the next round */
	NONE = -1,
};

#define CLUSTER "/sim"

struct zk {
	int host;
};

struct host {
	struct supervisor sup;
	struct zk zk;
	bool alive;
	bool woken;
	uint64_t next_us;
	size_t n_watches, n_list_watches, watch_bytes;
	char name[16];
};

struct node {
	bool exists;
	int owner; /* host of an ephemeral one, else NONE */
	int64_t czxid;
	uint64_t watches[WATCH_WORDS];
	char *data;
};

enum kind { CLUSTER_NODE, SET_LIST, HOST_LIST, SET, LOCK, HOST, OTHER };

enum verb { GET, LIST, EXISTS, CREATE, PUT, DELETE, UNWATCH, SYNC, N_VERBS };
static const char *const verb_names[N_VERBS] = { "get", "list",   "exists",  "create",
						 "set", "delete", "unwatch", "sync" };

struct request {
	enum verb verb;
	int host;
	bool watch;
	char path[96];
	char *data;
	void *done;
	void *ctx;
};

static struct host *hosts;
static int n_hosts, n_sets, n_set_nodes;
static struct node cluster_node, set_list, host_list, *sets, *locks, *host_nodes, *other;
static char **set_names; /* as a list request gives them */
static char *set_text;
static size_t set_text_len;
static struct request *queue;
static size_t n_queued, queue_cap;
static int64_t zxid;
static uint64_t now_us = 1000 * 1000;
static size_t n_requests[N_VERBS], name_bytes, n_lock_changes;
static double pass_total_ms, pass_max_ms;
static size_t n_passes;

static PGS_NORETURN void die(const char *what)
{
	fprintf(stderr, "sim_fleet: %s\n", what);
	exit(1);
}

static void *need(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

static int host_of(const struct supervisor *sup)
{
	for (int i = 0; i < n_hosts + 1; i++)
		if (&hosts[i].sup == sup)
			return i;
	die("whose supervisor is this?");
}

/* ---- What the supervisor's own parts would do: the loop and the workers ---- */

void loop_wake(struct supervisor *sup)
{
	hosts[host_of(sup)].woken = true;
}

void loop_tokens_changed(struct supervisor *sup)
{
	(void)sup; /* the generation never changes here */
}

void loop_finish(struct supervisor *sup, int exit_code)
{
	(void)sup;
	(void)exit_code;
	die("a supervisor wants to end");
}

int spawn_open_relay(struct supervisor *sup, struct pgs_err *reterr)
{
	(void)sup;
	(void)reterr;
	return 0;
}

int spawn_worker(struct supervisor *sup, struct slot *slot, struct pgs_err *reterr)
{
	(void)reterr;
	slot->pid = INT_MAX; /* nobody's */
	slot->state = SLOT_UP;
	slot->hello = true;
	slot->spawn = ++sup->n_spawns;
	slot->heard_us = UINT64_MAX / 4;
	memcpy(slot->run_version, slot->version, sizeof(slot->run_version));
	memcpy(slot->run_rollout, slot->rollout, sizeof(slot->run_rollout));
	slot->run_mzxid = slot->mzxid;
	return 0;
}

void spawn_forget(struct slot *slot)
{
	slot->pid = 0;
}

void stop_begin(struct supervisor *sup, struct slot *slot, const char *reason)
{
	(void)reason;
	slot->pid = 0;
	slot->state = SLOT_IDLE;
	loop_wake(sup);
}

void stop_escalate(struct supervisor *sup, struct slot *slot)
{
	stop_begin(sup, slot, "");
}

void stop_kill(struct supervisor *sup, struct slot *slot, const char *why)
{
	(void)sup;
	(void)slot;
	die(why);
}

void stop_hurry(struct supervisor *sup, struct slot *slot)
{
	(void)sup;
	(void)slot;
}

/* ---- ZooKeeper ---- */

static struct node *node_of(const char *path, enum kind *ret)
{
	const char *rest = path + sizeof(CLUSTER) - 1;
	const char *slash = strrchr(path, '/');
	int number = (int)strtol(slash + 2, NULL, 10); /* names are a letter and a number */

	if (!*rest) {
		*ret = CLUSTER_NODE;
		return &cluster_node;
	}
	if (strcmp(rest, "/sets") == 0) {
		*ret = SET_LIST;
		return &set_list;
	}
	if (strcmp(rest, "/hosts") == 0) {
		*ret = HOST_LIST;
		return &host_list;
	}
	if (strncmp(rest, "/sets/", 6) == 0) {
		*ret = SET;
		return &sets[number];
	}
	if (strncmp(rest, "/locks/", 7) == 0) {
		*ret = LOCK;
		return &locks[number];
	}
	if (strncmp(rest, "/hosts/", 7) == 0) {
		*ret = HOST;
		return &host_nodes[number];
	}
	*ret = OTHER;
	return other;
}

static bool is_watched(const struct node *node, int host)
{
	return node->watches[host / 64] >> (host % 64) & 1;
}

static void watch_set(struct node *node, int host, const char *path, bool list)
{
	struct host *h = &hosts[host];

	if (node == other || is_watched(node, host))
		return;
	node->watches[host / 64] |= UINT64_C(1) << (host % 64);
	h->n_watches++;
	h->n_list_watches += list;
	h->watch_bytes += strlen(path) + 4;
}

static void watch_clear(struct node *node, int host, const char *path, bool list)
{
	struct host *h = &hosts[host];

	if (!is_watched(node, host))
		return;
	node->watches[host / 64] &= ~(UINT64_C(1) << (host % 64));
	h->n_watches--;
	h->n_list_watches -= list;
	h->watch_bytes -= strlen(path) + 4;
}

static void fire(struct node *node, const char *path, bool list)
{
	for (int i = 0; i <= n_hosts; i++) {
		struct supervisor *sup = &hosts[i].sup;
		if (!is_watched(node, i))
			continue;
		watch_clear(node, i, path, list);
		if (!hosts[i].alive)
			continue;
		if (!desired_on_watch(sup, path) && !locks_on_watch(sup, path) &&
		    !spread_on_watch(sup, path))
			(void)hosts_on_watch(sup, path);
	}
}

static void changed(struct node *node, enum kind kind, const char *path)
{
	fire(node, path, false);
	if (kind == HOST)
		fire(&host_list, CLUSTER "/hosts", true);
	if (kind == SET)
		fire(&set_list, CLUSTER "/sets", true);
}

static void node_make(struct node *node, enum kind kind, const char *path, int owner, char *data)
{
	*node = (struct node){ .exists = true,
			       .owner = owner,
			       .czxid = ++zxid,
			       .watches = { node->watches[0], node->watches[1] },
			       .data = data };
	n_lock_changes += kind == LOCK;
	changed(node, kind, path);
}

static void node_drop(struct node *node, enum kind kind, const char *path)
{
	free(node->data);
	node->data = NULL;
	node->exists = false;
	changed(node, kind, path);
}

static int put(struct zk *zk, enum verb verb, const char *path, bool watch, const void *data,
	       size_t len, void *done, void *ctx)
{
	if (n_queued == queue_cap) {
		queue_cap = queue_cap ? 2 * queue_cap : 4096;
		queue = need(reallocarray(queue, queue_cap, sizeof(*queue)));
	}
	struct request *r = &queue[n_queued++];
	*r = (struct request){
		.verb = verb, .host = zk->host, .watch = watch, .done = done, .ctx = ctx
	};
	(void)snprintf(r->path, sizeof(r->path), "%s", path);
	if (data)
		r->data = need(strndup(data, len));
	return 0;
}

int zk_get(struct zk *zk, const char *path, bool watch, zk_data_fn *done, void *ctx,
	   struct pgs_err *reterr)
{
	(void)reterr;
	return put(zk, GET, path, watch, NULL, 0, (void *)done, ctx);
}

int zk_list(struct zk *zk, const char *path, bool watch, zk_names_fn *done, void *ctx,
	    struct pgs_err *reterr)
{
	(void)reterr;
	return put(zk, LIST, path, watch, NULL, 0, (void *)done, ctx);
}

int zk_exists(struct zk *zk, const char *path, bool watch, zk_done_fn *done, void *ctx,
	      struct pgs_err *reterr)
{
	(void)reterr;
	return put(zk, EXISTS, path, watch, NULL, 0, (void *)done, ctx);
}

int zk_sync(struct zk *zk, const char *path, zk_done_fn *done, void *ctx, struct pgs_err *reterr)
{
	(void)reterr;
	return put(zk, SYNC, path, false, NULL, 0, (void *)done, ctx);
}

void zk_unwatch(struct zk *zk, const char *path)
{
	(void)put(zk, UNWATCH, path, false, NULL, 0, NULL, NULL);
}

int zk_create(struct zk *zk, const char *path, const void *data, size_t len, bool ephemeral,
	      zk_done_fn *done, void *ctx, struct pgs_err *reterr)
{
	(void)ephemeral;
	(void)reterr;
	return put(zk, CREATE, path, false, data, len, (void *)done, ctx);
}

int zk_set(struct zk *zk, const char *path, const void *data, size_t len, int32_t version,
	   zk_done_fn *done, void *ctx, struct pgs_err *reterr)
{
	(void)version;
	(void)reterr;
	return put(zk, PUT, path, false, data, len, (void *)done, ctx);
}

int zk_delete(struct zk *zk, const char *path, int32_t version, zk_done_fn *done, void *ctx,
	      struct pgs_err *reterr)
{
	(void)version;
	(void)reterr;
	return put(zk, DELETE, path, false, NULL, 0, (void *)done, ctx);
}

enum zk_state zk_state(const struct zk *zk)
{
	(void)zk;
	return ZK_CONNECTED;
}

int64_t zk_session_id(const struct zk *zk)
{
	return zk->host + 1;
}

const char *zk_trouble(const struct zk *zk)
{
	(void)zk;
	return "";
}

int zk_names_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void answer_names(const struct request *r, struct zk *zk, enum kind kind)
{
	zk_names_fn *done = (zk_names_fn *)r->done;
	struct zk_stat stat = { 0 };
	char *names[MAX_HOSTS];
	size_t n = 0;

	if (kind == SET_LIST) {
		for (int i = 0; i < n_set_nodes; i++)
			name_bytes += strlen(set_names[i]) + 4;
		done(zk, NULL, set_names, (size_t)n_set_nodes, &stat, r->ctx);
		return;
	}
	for (int i = 0; kind == HOST_LIST && i <= n_hosts; i++)
		if (host_nodes[i].exists)
			names[n++] = hosts[i].name;
	for (size_t i = 0; i < n; i++)
		name_bytes += strlen(names[i]) + 4;
	done(zk, NULL, names, n, &stat, r->ctx);
}

static void serve(struct request *r)
{
	static const struct pgs_err no_node = { .cls = PGS_ERR_CONFIG, .code = "ZNONODE" };
	static const struct pgs_err exists = { .cls = PGS_ERR_CONFIG, .code = "ZNODEEXISTS" };
	enum kind kind;
	struct node *node = node_of(r->path, &kind);
	struct zk *zk = &hosts[r->host].zk;
	bool list = r->verb == LIST;
	const struct pgs_err *err = NULL;

	n_requests[r->verb]++;
	if (!hosts[r->host].alive)
		return;
	if (r->watch && (node->exists || r->verb == EXISTS))
		watch_set(node, r->host, r->path, list);
	if (r->verb == UNWATCH) {
		watch_clear(node, r->host, r->path, false);
		return;
	}
	if (r->verb == CREATE && kind != OTHER) {
		if (node->exists)
			err = &exists;
		else
			node_make(node, kind, r->path, r->host, PGS_STEAL(r->data));
	} else if (r->verb == DELETE && node->exists) {
		node_drop(node, kind, r->path);
	} else if (kind != OTHER && !node->exists) {
		err = &no_node;
	} else if (kind == OTHER && (r->verb == GET || r->verb == EXISTS)) {
		err = &no_node;
	}
	struct zk_stat stat = { .czxid = node->czxid,
				.mzxid = node->czxid,
				.ephemeral_owner = node->owner == NONE ? 0 : node->owner + 1 };
	if (list) {
		answer_names(r, zk, kind);
	} else if (r->verb == GET && r->done) {
		const char *data = kind == SET ? set_text : node->data ? node->data : "";
		((zk_data_fn *)r->done)(zk, err, data, kind == SET ? set_text_len : strlen(data),
					&stat, r->ctx);
	} else if (r->done) {
		((zk_done_fn *)r->done)(zk, err, &stat, r->ctx);
	}
}

/* ---- Time ---- */

static double clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void pass(struct host *h)
{
	double begin = clock_ms();

	h->woken = false;
	h->next_us = pass_run(&h->sup);
	double took = clock_ms() - begin;
	pass_total_ms += took;
	n_passes++;
	if (took > pass_max_ms)
		pass_max_ms = took;
}

static void run_for(double seconds)
{
	const uint64_t end_us = now_us + (uint64_t)(seconds * 1e6);

	while (now_us < end_us) {
		uint64_t next_us = end_us;
		pgs_clock_set_fake(now_us, (int64_t)now_us);
		for (int i = 0; i <= n_hosts; i++)
			if (hosts[i].alive && (hosts[i].woken || hosts[i].next_us <= now_us))
				pass(&hosts[i]);
		/* Answers make new requests: they are served in the next round. */
		size_t n = n_queued;
		struct request *batch = PGS_STEAL(queue);
		n_queued = queue_cap = 0;
		for (size_t k = 0; k < n; k++) {
			serve(&batch[k]);
			free(batch[k].data);
		}
		free(batch);
		for (int i = 0; i <= n_hosts; i++)
			if (hosts[i].alive) {
				uint64_t at = hosts[i].woken || n_queued ? now_us + ROUND_US
									 : hosts[i].next_us;
				if (at < next_us)
					next_us = at;
			}
		now_us = next_us > now_us ? next_us : now_us + ROUND_US;
	}
}

/* ---- The story ---- */

static void host_begin(int i)
{
	struct host *h = &hosts[i];

	h->zk.host = i;
	h->alive = true;
	h->sup.zk = &h->zk;
	h->sup.config.cluster = (char *)"sim";
	h->sup.config.zookeeper_hosts = (char *)"played";
	h->sup.config.max_sets = n_sets + 1;
	h->sup.config.heartbeat_timeout_us = 15 * 1000 * 1000;
	h->sup.relay_fd = -1;
	(void)snprintf(h->sup.host, sizeof(h->sup.host), "%s", h->name);
	desired_forget(&h->sup);
	locks_forget(&h->sup);
	hosts_forget(&h->sup);
	spread_forget(&h->sup);
}

static void host_dies(int i)
{
	char path[64];

	hosts[i].alive = false;
	for (int k = 0; k < n_sets + 1; k++)
		if (locks[k].exists && locks[k].owner == i) {
			(void)snprintf(path, sizeof(path), CLUSTER "/locks/s%d", k);
			node_drop(&locks[k], LOCK, path);
		}
	(void)snprintf(path, sizeof(path), CLUSTER "/hosts/h%d", i);
	node_drop(&host_nodes[i], HOST, path);
}

static void set_add(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), CLUSTER "/sets/s%d", n_set_nodes);
	node_make(&sets[n_set_nodes], SET, path, NONE, NULL);
	n_set_nodes++;
	fire(&set_list, CLUSTER "/sets", true);
}

static size_t owned_by(int host)
{
	size_t n = 0;

	for (int k = 0; k < n_set_nodes; k++)
		n += locks[k].exists && locks[k].owner == host;
	return n;
}

static void figure(const char *name, double value, const char *unit)
{
	printf("%-74s %12.*f %s\n", name, value == (double)(long)value ? 0 : 2, value, unit);
}

static void forget_counts(void)
{
	memset(n_requests, 0, sizeof(n_requests));
	name_bytes = n_lock_changes = n_passes = 0;
	pass_total_ms = pass_max_ms = 0;
}

static void report(const char *what, size_t ideal)
{
	char name[128];
	size_t total = 0, unowned = 0, most = 0;

	for (int k = 0; k < n_set_nodes; k++)
		unowned += !locks[k].exists;
	for (int i = 0; i <= n_hosts; i++) {
		size_t n = owned_by(i);
		most = n > most ? n : most;
	}
	for (int v = 0; v < N_VERBS; v++) {
		if (v != PUT)
			total += n_requests[v];
		if (v == PUT || n_requests[v] == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s: requests \"%s\"", what, verb_names[v]);
		figure(name, (double)n_requests[v], "");
	}
	(void)snprintf(name, sizeof(name), "%s: requests but for status", what);
	figure(name, (double)total, "");
	(void)snprintf(name, sizeof(name), "%s: names in answers", what);
	figure(name, (double)name_bytes / 1e6, "MB");
	(void)snprintf(name, sizeof(name), "%s: sets that got an owner", what);
	figure(name, (double)n_lock_changes, "");
	if (ideal) {
		(void)snprintf(name, sizeof(name), "%s: as a multiple of the smallest number",
			       what);
		figure(name, (double)n_lock_changes / (double)ideal, "");
	}
	(void)snprintf(name, sizeof(name), "%s: sets of the host with the most", what);
	figure(name, (double)most, "");
	if (unowned)
		die("a set has no owner");
	forget_counts();
}

static void report_watches(void)
{
	size_t most = 0, lists = 0, bytes = 0, beyond = 0;

	for (int i = 0; i <= n_hosts; i++) {
		const struct host *h = &hosts[i];
		size_t own = 2 * owned_by(i);
		if (!h->alive)
			continue;
		most = h->n_watches > most ? h->n_watches : most;
		lists = h->n_list_watches > lists ? h->n_list_watches : lists;
		bytes = h->watch_bytes > bytes ? h->watch_bytes : bytes;
		beyond = h->n_watches > own + beyond ? h->n_watches - own : beyond;
	}
	figure("watches of a host, at most", (double)most, "");
	figure("of these on lists, at most", (double)lists, "");
	figure("beyond two for each of its own sets, at most", (double)beyond, "");
	figure("bytes of all its watches in one SetWatches, at most", (double)bytes, "");
}

static void document(void)
{
	static const char text[] =
		"databases = ( { name = \"main\"; conninfo = \"host=nowhere\"; } );\n"
		"tables = ( { name = \"a\"; } );\nkafka = [ \"bootstrap.servers=nowhere:9\" ];\n";
	struct setdoc *doc;
	struct pgs_err err;
	struct zkdoc_set node = { .partitions = 1 };
	struct pgs_buf out = PGS_BUF_INIT(65536);
	struct zkdoc_cluster cluster = { .generation = 1 };
	struct pgs_buf cluster_out = PGS_BUF_INIT(1024);

	if (setdoc_parse(text, sizeof(text) - 1, "document", &doc, &err) < 0)
		die(err.msg);
	memcpy(node.version, doc->version, sizeof(node.version));
	memset(node.rollout, '0', sizeof(node.rollout) - 1);
	node.document = doc->canonical;
	node.document_len = doc->canonical_len;
	zkdoc_set_write(&node, &out);
	set_text = need(strndup(pgs_buf_str(&out), out.len));
	set_text_len = out.len;
	(void)snprintf(cluster.software, sizeof(cluster.software), "%s", PGSHOVEL_VERSION);
	zkdoc_cluster_write(&cluster, &cluster_out);
	cluster_node.data = need(strdup(pgs_buf_str(&cluster_out)));
	cluster_node.exists = true;
	pgs_buf_done(&out);
	pgs_buf_done(&cluster_out);
	setdoc_free(doc);
}

static void make_all(void)
{
	hosts = need(calloc((size_t)n_hosts + 1, sizeof(*hosts)));
	host_nodes = need(calloc((size_t)n_hosts + 1, sizeof(*host_nodes)));
	sets = need(calloc((size_t)n_sets + 1, sizeof(*sets)));
	locks = need(calloc((size_t)n_sets + 1, sizeof(*locks)));
	other = need(calloc(1, sizeof(*other)));
	set_names = need(calloc((size_t)n_sets + 1, sizeof(*set_names)));
	for (int i = 0; i <= n_hosts; i++)
		(void)snprintf(hosts[i].name, sizeof(hosts[i].name), "h%d", i);
	for (int k = 0; k <= n_sets; k++) {
		if (asprintf(&set_names[k], "s%d", k) < 0)
			die("out of memory");
		sets[k] = (struct node){ .exists = k < n_sets, .owner = NONE, .czxid = ++zxid };
	}
	n_set_nodes = n_sets;
	set_list.exists = host_list.exists = true;
	document();
}

int main(int argc, char **argv)
{
	n_hosts = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 100;
	n_sets = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 10000;
	if (n_hosts < 1 || n_hosts >= MAX_HOSTS || n_sets < n_hosts)
		die("from 1 to 127 hosts, and at least as many sets");
	pgs_log_set_level(PGS_LOG_ERR);
	make_all();
	printf("%d hosts, %d sets\n", n_hosts, n_sets);

	for (int i = 0; i < n_hosts; i++)
		host_begin(i);
	run_for(70); /* sets move when their place has been the same for 30 s */
	report("cold start", 0);
	report_watches();

	run_for(20);
	figure("20 quiet seconds: requests of all hosts but for status",
	       (double)(n_requests[GET] + n_requests[LIST] + n_requests[EXISTS]), "");
	figure("a pass with nothing to do", pass_total_ms / (double)n_passes, "ms");
	figure("the longest of them", pass_max_ms, "ms");
	forget_counts();

	host_begin(n_hosts);
	run_for(70);
	report("a host joins", (size_t)n_sets / ((size_t)n_hosts + 1));
	report_watches();

	size_t own = owned_by(n_hosts);
	host_dies(n_hosts);
	run_for(70);
	report("a host dies", own);

	set_add();
	run_for(70);
	report("a set is added", 0);
	report_watches();
	return 0;
}

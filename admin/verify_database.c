/*
 * admin/verify_database.c
 *    One database beside what ZooKeeper says: server, schema, set, capture, queue, what is left over.
 *
 * Reads only.
 */
#include <stdio.h>
#include <string.h>

#include "admin/catalog.h"
#include "admin/install.h"
#include "admin/plan.h"
#include "admin/verify.h"

enum { MAX_NODES = 64 * 1024 };

/* ---- the schema ---- */

/* *ret: the software version of the schema, "" when there is none. */
static int read_software(struct session *s, char *ret, size_t size, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *there = NULL, *res = NULL;
	char text[160];

	ret[0] = '\0';
	snprintf(text, sizeof(text), "%s.node", s->a->schema);
	if (session_query(s, "select to_regclass($1) is not null", 1, (const char *const[]){ text },
			  &there, reterr) < 0)
		return -1;
	if (PQgetvalue(there, 0, 0)[0] != 't')
		return 0;
	snprintf(text, sizeof(text), "select software from %s.node", s->a->schema);
	if (session_query(s, text, 0, NULL, &res, reterr) < 0)
		return -1;
	if (PQntuples(res) == 1)
		snprintf(ret, size, "%s", PQgetvalue(res, 0, 0));
	return 0;
}

/* Our own functions are those of this program. *ret: all are there, so that they can be called. */
static int verify_functions(const struct verify_place *place, bool *ret, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	struct session *s = place->s;
	struct install_function *wanted;
	size_t n;

	*ret = true;
	if (session_query(s,
			  "select proname, prosrc from pg_proc where pronamespace = "
			  "to_regnamespace($1)",
			  1, (const char *const[]){ s->a->schema }, &res, reterr) < 0 ||
	    install_functions(s->a, &wanted, &n, reterr) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int row = 0;
		while (row < PQntuples(res) && strcmp(PQgetvalue(res, row, 0), wanted[i].name) != 0)
			row++;
		bool missing = row == PQntuples(res);
		if (!missing && strcmp(PQgetvalue(res, row, 1), wanted[i].source) == 0)
			continue;
		*ret = *ret && !missing;
		finding_add(place->f, place, "schema", CURE_INSTALL, "function %s.%s %s",
			    s->a->schema, wanted[i].name,
			    missing ? "is missing" : "was changed by hand");
	}
	install_functions_free(wanted, n);
	return 0;
}

/* ---- the database as a whole, once ---- */

static bool seen_before(struct findings *f, const char *node)
{
	for (size_t i = 0; i < f->n_nodes; i++)
		if (strcmp(f->nodes[i], node) == 0)
			return true;
	char(*grown)[40] = f->n_nodes < MAX_NODES
				   ? realloc(f->nodes, (f->n_nodes + 1) * sizeof(*f->nodes))
				   : NULL;
	if (!grown) {
		f->failed = true;
		return true;
	}
	f->nodes = grown;
	snprintf(f->nodes[f->n_nodes++], sizeof(*f->nodes), "%s", node);
	return false;
}

static int verify_prepared(const struct verify_place *place, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	struct session *s = place->s;
	char prefix[64];

	if (place->rollouts_open)
		return 0;
	snprintf(prefix, sizeof(prefix), "pgshovel:%s:", s->a->options.cluster);
	if (session_query(s,
			  "select gid from pg_prepared_xacts where database = current_database() "
			  "and starts_with(gid, $1) order by 1",
			  1, (const char *const[]){ prefix }, &res, reterr) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++)
		finding_add(place->f, place, "prepared", CURE_RECOVER,
			    "prepared transaction \"%s\" is left and no rollout is open; run "
			    "pgshovel txn recover",
			    PQgetvalue(res, i, 0));
	return 0;
}

static bool in_zookeeper(const struct verify_place *place, const char *set)
{
	for (size_t i = 0; i < place->n_sets; i++)
		if (strcmp(place->sets[i]->name, set) == 0)
			return true;
	return false;
}

/* Sets that only the database knows. */
static int verify_unknown(const struct verify_place *place, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[160];

	if (place->rollouts_open)
		return 0;
	snprintf(sql, sizeof(sql), "select name, state from %s.set order by 1",
		 place->s->a->schema);
	if (session_query(place->s, sql, 0, NULL, &res, reterr) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++) {
		const char *name = PQgetvalue(res, i, 0);
		if (strcmp(PQgetvalue(res, i, 1), "dropped") == 0)
			finding_add(place->f, place, "stub", CURE_CLEAN,
				    "set \"%s\" was dropped and is still here", name);
		else if (!in_zookeeper(place, name))
			finding_add(place->f, place, "unknown", CURE_NONE,
				    "set \"%s\" is here and ZooKeeper does not know it; take it "
				    "over: pgshovel set create %s FILE --force",
				    name, name);
	}
	return 0;
}

/* Capture functions, with their triggers, of tables that no set captures: an interrupted command left them. */
static int verify_stubs(const struct verify_place *place, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	const char *schema = place->s->a->schema;
	char sql[1024];

	if (place->rollouts_open)
		return 0;
	snprintf(sql, sizeof(sql),
		 "select x.set_name, %s.relation_label(x.rel) from (select substring(p.proname "
		 "from '^capture_(.*)_[0-9]+$') as set_name, substring(p.proname from "
		 "'_([0-9]+)$')::oid as rel from pg_proc p where p.pronamespace = "
		 "'%s'::regnamespace "
		 "and p.proname ~ '^capture_[a-z][a-z0-9_]*_[0-9]+$') x where not exists (select "
		 "from %s.relation r join %s.set s on s.name = r.set_name and s.state = 'active' "
		 "where r.current and r.set_name = x.set_name and r.reloid = x.rel) and not exists "
		 "(select from %s.set s where s.name = x.set_name and s.state = 'dropped') order "
		 "by 1, 2",
		 schema, schema, schema, schema, schema);
	if (session_query(place->s, sql, 0, NULL, &res, reterr) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++)
		finding_add(
			place->f, place, "stub", CURE_CLEAN,
			"table %s has capture triggers of set \"%s\", which does not capture it",
			PQgetvalue(res, i, 1), PQgetvalue(res, i, 0));
	return 0;
}

/* ---- the set in the database ---- */

/* Events wait and nobody has ticked for a minute: PgQ can't rotate, and no relay works either. */
static int verify_ticker(const struct verify_place *place, const char *queue,
			 struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

	if (session_query(place->s,
			  "select extract(epoch from clock_timestamp() - t.tick_time)::int8 "
			  "from pgq.queue q cross join lateral (select x.tick_time, "
			  "x.tick_event_seq from pgq.tick x where x.tick_queue = q.queue_id order "
			  "by x.tick_id desc limit 1) t where q.queue_name = $1 and "
			  "pgq.seq_getval(q.queue_event_seq) > t.tick_event_seq and t.tick_time < "
			  "clock_timestamp() - interval '1 minute'",
			  1, &queue, &res, reterr) < 0)
		return -1;
	if (PQntuples(res) > 0)
		finding_add(place->f, place, "ticker", CURE_NONE,
			    "events wait and the last tick of queue \"%s\" is %s s old: neither "
			    "pgqd nor a relay is at work here; start one",
			    queue, PQgetvalue(res, 0, 0));
	return 0;
}

/* *ret: the queue is there. */
static int verify_queue(const struct verify_place *place, const char *queue, bool *ret,
			struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;

	if (session_query(place->s,
			  "select exists (select from pgq.subscription s join pgq.consumer c on "
			  "c.co_id = s.sub_consumer where s.sub_queue = q.queue_id and c.co_name = "
			  "'relay') from pgq.queue q where q.queue_name = $1",
			  1, &queue, &res, reterr) < 0)
		return -1;
	*ret = PQntuples(res) > 0;
	if (!*ret) {
		finding_add(place->f, place, "queue", CURE_NONE,
			    "queue \"%s\" is missing, and with it what had not been relayed; drop "
			    "the set and create it again",
			    queue);
		return 0;
	}
	if (PQgetvalue(res, 0, 0)[0] != 't')
		finding_add(place->f, place, "consumer", CURE_CONSUMER,
			    "consumer \"relay\" of queue \"%s\" is missing", queue);
	return verify_ticker(place, queue, reterr);
}

/* Triggers and functions are made again on the spot; what has changed in a table takes a rollout, where that helps. */
static enum cure capture_cure(const char *problem)
{
	if (!strstr(problem, "run pgshovel set upgrade"))
		return CURE_NONE;
	return strncmp(problem, "capture ", 8) == 0 ||
			       strncmp(problem, "its capture function", 20) == 0
		       ? CURE_FIT
		       : CURE_UPGRADE;
}

/* What the relay asks once a minute. */
static int verify_captures(const struct verify_place *place, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	const char *set = place->set->name;
	char sql[192];

	snprintf(sql, sizeof(sql),
		 "select schema_name, table_name, problem from %s.capture_check($1)",
		 place->s->a->schema);
	if (session_query(place->s, sql, 1, &set, &res, reterr) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++) {
		const char *problem = PQgetvalue(res, i, 2);
		/* What concerns the set as a whole has been looked at already. */
		if (PQgetisnull(res, i, 1))
			continue;
		finding_add(place->f, place, "capture", capture_cure(problem),
			    "table \"%s.%s\": %s", PQgetvalue(res, i, 0), PQgetvalue(res, i, 1),
			    problem);
	}
	return 0;
}

static int verify_set_here(const struct verify_place *place, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	const struct stored_set *set = place->set;
	const char *name = set->name;
	char sql[160], queue[96];
	bool has_queue = false;

	snprintf(sql, sizeof(sql),
		 "select version from %s.set where name = $1 and state = 'active'",
		 place->s->a->schema);
	if (session_query(place->s, sql, 1, &name, &res, reterr) < 0)
		return -1;
	if (PQntuples(res) == 0) {
		finding_add(place->f, place, "missing", CURE_NONE,
			    "the set is missing; run pgshovel set upgrade (what was changed "
			    "meanwhile was not captured)");
		return 0;
	}
	if (strcmp(PQgetvalue(res, 0, 0), set->version) != 0)
		finding_add(place->f, place, "version", CURE_UPGRADE,
			    "the set is at version %.12s here and %.12s in ZooKeeper; run pgshovel "
			    "set upgrade",
			    PQgetvalue(res, 0, 0), set->version);
	snprintf(queue, sizeof(queue), "pgshovel:%s:%s", place->s->a->options.cluster, name);
	if (verify_queue(place, queue, &has_queue, reterr) < 0)
		return -1;
	return has_queue ? verify_captures(place, reterr) : 0;
}

static int verify_whole(const struct verify_place *place, struct pgs_err *reterr)
{
	if (verify_prepared(place, reterr) < 0 || verify_unknown(place, reterr) < 0 ||
	    verify_stubs(place, reterr) < 0)
		return -1;
	return 0;
}

int verify_database(const struct verify_place *place, struct pgs_err *reterr)
{
	PGS_CLEANUP(catalog_freep) struct catalog *c = NULL;
	struct session *s = place->s;
	struct pgs_err err = { 0 };
	char software[64];
	bool callable;

	if (session_open(s, reterr) < 0 || read_software(s, software, sizeof(software), reterr) < 0)
		return -1;
	bool ours = strcmp(software, PGSHOVEL_VERSION) == 0;
	if (software[0] && !ours) {
		finding_add(place->f, place, "software", CURE_NONE,
			    "the schema is at version %s, this program at %s; run pgshovel cluster "
			    "upgrade",
			    software, PGSHOVEL_VERSION);
		return 0;
	}
	if (ours) {
		if (verify_functions(place, &callable, reterr) < 0)
			return -1;
		if (!callable)
			return 0;
	}
	if (catalog_read(s, NULL, NULL, &c, reterr) < 0)
		return -1;
	c->open_gid = NULL; /* looked at below, and no fault of the server */
	const struct plan_database db = { .name = s->name, .catalog = c };
	if (plan_check_server(&db, s->a->options.cluster, &err) < 0)
		finding_add(place->f, place, "server", CURE_NONE, "%s", err.msg);
	if (!ours) {
		finding_add(place->f, place, "missing", CURE_NONE,
			    "the set is missing; run pgshovel set upgrade");
		return 0;
	}
	if (!seen_before(place->f, c->node) && verify_whole(place, reterr) < 0)
		return -1;
	return verify_set_here(place, reterr);
}

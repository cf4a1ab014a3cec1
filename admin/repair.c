/*
 * admin/repair.c
 *    cluster verify --repair: what is safe to cure is cured.
 *
 * Everything here can be done any number of times, and by a second command after a crash. Nothing brings back
 * what was not captured while something was wrong.
 */
#include <stdio.h>
#include <string.h>

#include "admin/cleanup.h"
#include "admin/install.h"
#include "admin/recover.h"
#include "admin/rollout.h"
#include "admin/verify.h"
#include "common/clock.h"
#include "common/log.h"

const char *cure_name(enum cure cure)
{
	switch (cure) {
	case CURE_NONE:
		return NULL;
	case CURE_RECOVER:
		return "recover";
	case CURE_INSTALL:
		return "install";
	case CURE_CONSUMER:
		return "consumer";
	case CURE_CLEAN:
		return "clean";
	case CURE_FIT:
		return "fit";
	case CURE_UPGRADE:
		return "upgrade";
	}
	return NULL;
}

/* The oldest tick: whatever the queue still holds stays until the relay has moved the mark on. */
static int add_consumer(struct session *s, const char *set, struct pgs_err *reterr)
{
	char queue[96];

	snprintf(queue, sizeof(queue), "pgshovel:%s:%s", s->a->options.cluster, set);
	return session_exec(s,
			    "select pgq.register_consumer_at(q.queue_name, 'relay', (select "
			    "min(t.tick_id) from pgq.tick t where t.tick_queue = q.queue_id)) from "
			    "pgq.queue q where q.queue_name = $1",
			    1, (const char *const[]){ queue }, reterr);
}

/* Sets whose capture functions are in the database, known or not: each is cleaned of what it does not capture. */
static int clean(struct session *s, uint64_t deadline_us, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "select distinct substring(proname from '^capture_(.*)_[0-9]+$') from pg_proc "
		 "where "
		 "pronamespace = '%s'::regnamespace and proname ~ "
		 "'^capture_[a-z][a-z0-9_]*_[0-9]+$' "
		 "union select name from %s.set where state = 'dropped'",
		 s->a->schema, s->a->schema);
	if (session_query(s, sql, 0, NULL, &res, reterr) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++)
		if (cleanup_database(s, PQgetvalue(res, i, 0), deadline_us, reterr) < 0)
			return -1;
	return 0;
}

/* Triggers of every table and leaf, then the functions: as in a rollout, but of the relations that there are. */
static int fit(struct session *s, const char *set, uint64_t deadline_us, struct pgs_err *reterr)
{
	PGS_CLEANUP(pg_clearp) PGresult *res = NULL;
	const char *schema = s->a->schema;
	char sql[1024];

	snprintf(sql, sizeof(sql),
		 "select l.rel, case when l.rel = r.reloid and not r.all_columns then (select "
		 "array_agg(c->>'name') from jsonb_array_elements(r.columns) c) end, r.mode, "
		 "%s.relation_label(l.rel) from %s.relation r join pg_class k on k.oid = r.reloid "
		 "cross join lateral (select r.reloid as rel union select x::oid from "
		 "%s.capture_leaves(r.reloid) x) l where r.set_name = $1 and r.current order by "
		 "l.rel",
		 schema, schema, schema);
	if (session_query(s, sql, 1, &set, &res, reterr) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++)
		if (cleanup_fit_table(s, set, res, i, "make", deadline_us, reterr) < 0)
			return -1;
	snprintf(
		sql, sizeof(sql),
		"select %s.capture_replace(r.set_name, r.id) from %s.relation r join pg_class k on "
		"k.oid = r.reloid where r.set_name = $1 and r.current",
		schema, schema);
	return session_exec(s, sql, 1, &set, reterr);
}

static int cure_database(struct admin *a, const struct finding *finding, struct pgs_err *reterr)
{
	struct session s = { .a = a, .name = finding->database, .conninfo = finding->conninfo };
	int r = session_open(&s, reterr);

	if (r == 0 && finding->cure == CURE_INSTALL)
		r = install_schema(&s, reterr);
	else if (r == 0 && finding->cure == CURE_CONSUMER)
		r = add_consumer(&s, finding->set, reterr);
	else if (r == 0 && finding->cure == CURE_CLEAN)
		r = clean(&s, pgs_now_us() + a->options.wait_us, reterr);
	else if (r == 0 && finding->cure == CURE_FIT)
		r = fit(&s, finding->set, pgs_now_us() + a->options.wait_us, reterr);
	session_close(&s);
	/* A relay that has parked for it tries at once. */
	return r < 0 ? -1 : store_touch(a, finding->set, reterr);
}

static int upgrade_set(struct admin *a, const char *set, struct pgs_err *reterr)
{
	PGS_CLEANUP(stored_set_freep) struct stored_set *stored = NULL;

	if (store_read(a, set, &stored, reterr) < 0)
		return -1;
	PGS_CLEANUP(rollout_done)
	struct rollout r = {
		.a = a, .kind = PLAN_UPGRADE, .set = set, .stored = stored, .doc = stored->doc
	};
	/* The document is the old one: there is nothing new to ask of Kafka, which may be away just now. */
	bool skip_kafka = a->options.skip_kafka;
	a->options.skip_kafka = true;
	int result = rollout_run(&r, reterr);
	a->options.skip_kafka = skip_kafka;
	return result;
}

static int apply(struct admin *a, const struct finding *finding, struct pgs_err *reterr)
{
	switch (finding->cure) {
	case CURE_NONE:
		return 0;
	case CURE_RECOVER:
		return recover_all(a, NULL, reterr);
	case CURE_INSTALL:
	case CURE_CONSUMER:
	case CURE_CLEAN:
	case CURE_FIT:
		return cure_database(a, finding, reterr);
	case CURE_UPGRADE:
		return upgrade_set(a, finding->set, reterr);
	}
	return 0;
}

/* Has the same work been done for a finding before this one? */
static bool done_before(const struct findings *f, size_t at)
{
	const struct finding *now = &f->list[at];

	for (size_t i = 0; i < at; i++) {
		const struct finding *before = &f->list[i];
		if (before->cure != now->cure)
			continue;
		bool same_set = strcmp(before->set, now->set) == 0;
		bool same_database = strcmp(before->database, now->database) == 0;
		if (now->cure == CURE_RECOVER || (now->cure == CURE_UPGRADE && same_set) ||
		    (same_set && same_database))
			return true;
	}
	return false;
}

int repair_all(struct admin *a, const struct findings *f, struct pgs_err *reterr)
{
	/* In the order of the enum: each may rely on those before. */
	for (int cure = CURE_RECOVER; cure <= CURE_UPGRADE; cure++)
		for (size_t i = 0; i < f->n; i++) {
			struct pgs_err err = { 0 };
			if ((int)f->list[i].cure != cure || done_before(f, i) ||
			    apply(a, &f->list[i], &err) == 0)
				continue;
			a->interrupt_fd = a->signal_fd; /* a rollout that was given up held them */
			if (strcmp(err.code, "interrupt") == 0 || strcmp(err.code, "locked") == 0) {
				*reterr = err;
				return -1;
			}
			pgs_log(PGS_LOG_WARNING, NULL, "could not repair: %s", err.msg);
		}
	a->interrupt_fd = a->signal_fd;
	return 0;
}

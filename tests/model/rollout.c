/*
 * tests/model/rollout.c
 *    See rollout.h.
 *
 * An admin is a program counter and what it knows; admin_step() is one step of one admin, world_steps() what
 * happens to them. After every state the same question is asked: when everybody dies here and one more admin
 * recovers, undisturbed, is everything at one version? That is kill -9 at every step, at once.
 */
#include "tests/model/rollout.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "admin/recover.h"
#include "common/base.h"
#include "tests/model/rollout_state.h"

/* What a step that begins at this place is called in a trace: the labels of admin/steps.h where there is one. */
static const char *const pc_names[N_PCS] = {
	"lock",        "locked",  "plan",       "intent", "stub", "prepare", "prepared",
	"decide",      "answer",  "lock again", "look",   "read", "verdict", "committed",
	"rolled-back", "aborted", "cleaned",    "closed", "done", "dead",
};

static enum model_defect defect;

static bool spend(struct state *s, unsigned char *kind)
{
	if (s->left.all == 0 || *kind == 0)
		return false;
	s->left.all--;
	(*kind)--;
	return true;
}

/* ---- databases ---- */

static uint8_t bit(int i)
{
	return (uint8_t)(1 << i);
}

static void disconnect(struct state *s, int a, int d)
{
	s->admin[a].connected &= (uint8_t)~bit(d);
	for (int id = 0; id < ROLLOUTS; id++)
		if (s->database[d].row[id] == ROW_OPEN && s->database[d].opener[id] == a) {
			s->database[d].row[id] = ROW_NONE;
			s->database[d].opener[id] = 0;
		}
}

/* session_open() and fence_take(): older sessions end, a newer one turns us away. */
static bool connect_to(struct state *s, int a, int d)
{
	if (!s->database[d].up)
		return false;
	if (s->admin[a].connected & bit(d))
		return true;
	for (int b = 0; b < ADMINS && defect != DEFECT_NO_FENCE; b++) {
		if (b == a || !(s->admin[b].connected & bit(d)))
			continue;
		if (s->admin[b].token > s->admin[a].token)
			return false;
		disconnect(s, b, d);
	}
	s->admin[a].connected |= bit(d);
	return true;
}

/* The rollout lock of the set moves into the prepared transaction. */
static bool rollout_locked(const struct database *db, int id)
{
	for (int i = 0; i < ROLLOUTS; i++)
		if (i != id && (db->row[i] == ROW_OPEN || db->row[i] == ROW_PREPARED))
			return true;
	return false;
}

static void make_committed(struct state *s, int d, int id)
{
	struct database *db = &s->database[d];

	db->row[id] = ROW_COMMITTED;
	db->former = db->version;
	db->version = (uint8_t)(id + 1);
	db->lost |= !db->trigger;
	s->committed |= bit(id);
}

/* ---- the end of a rollout: admin/recover.c ---- */

static void finish(struct state *s, int a, bool failed)
{
	struct admin_state *me = &s->admin[a];

	for (int d = 0; d < DATABASES; d++)
		disconnect(s, a, d);
	if (s->lock == a + 1)
		s->lock = 0;
	*me = (struct admin_state){ .pc = PC_DONE, .failed = failed };
}

static void begin_close(struct admin_state *me, int id, enum recover_known known)
{
	me->pc = PC_LOOK;
	me->at = 0;
	me->closing = (uint8_t)(id + 1);
	me->known = (uint8_t)known;
	me->reached = me->committed = me->decision = me->in_header = me->commit = me->failed = 0;
	me->request = REQUEST_NONE;
}

static void step_look(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];
	int d = me->at++, id = me->closing - 1;

	if (connect_to(s, a, d)) {
		me->reached |= bit(d);
		if (s->database[d].row[id] == ROW_COMMITTED)
			me->committed |= bit(d);
	}
	if (me->at < DATABASES)
		return;
	me->at = 0;
	me->commit = me->known == RECOVER_KNOW_COMMIT;
	me->pc = me->commit ? PC_COMMIT : PC_READ;
}

static void step_read(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];

	me->decision = s->decision[me->closing - 1];
	me->in_header = s->header == me->closing;
	me->pc = PC_VERDICT;
}

static void step_verdict(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];
	struct recover_facts facts = { .decision = me->decision,
				       .in_set_header = me->in_header,
				       .never_asked = me->known == RECOVER_KNOW_NEVER_ASKED };

	for (int d = 0; d < DATABASES; d++) {
		facts.n_unreachable += !(me->reached & bit(d));
		facts.n_committed += (me->committed & bit(d)) != 0;
	}
	if (defect == DEFECT_AWAY_IS_UNCOMMITTED)
		facts.n_unreachable = 0;
	if (defect == DEFECT_HEADER_IGNORED) {
		facts.n_committed = 0;
		facts.in_set_header = false;
	}
	switch (recover_decide(&facts)) {
	case RECOVER_COMMIT:
		me->commit = 1;
		break;
	case RECOVER_ABORT:
		me->commit = 0;
		break;
	case RECOVER_ASK:
		me->commit = s->decision[me->closing - 1] == RECOVER_DECIDED_COMMIT;
		if (defect == DEFECT_RECOVER_BY_READING)
			me->commit = me->decision == RECOVER_DECIDED_COMMIT;
		else if (s->decision[me->closing - 1] == RECOVER_UNDECIDED)
			s->decision[me->closing - 1] = RECOVER_DECIDED_ABORT;
		break;
	case RECOVER_WAIT:
		finish(s, a, true);
		return;
	}
	me->decision = me->in_header = 0;
	me->pc = me->commit ? PC_COMMIT : PC_ROLL_BACK;
}

/* The prepared transaction is gone and nothing of it is there: rollout_redo(). */
static bool redo(struct state *s, int d, int id)
{
	struct database *db = &s->database[d];

	if (s->header != id + 1 || db->row[id] != ROW_NONE || rollout_locked(db, id))
		return false;
	db->trigger = 1;
	make_committed(s, d, id);
	return true;
}

static void step_commit(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];
	int d = me->at++, id = me->closing - 1;
	struct database *db = &s->database[d];

	if (!(me->reached & bit(d)) || !(me->connected & bit(d)))
		me->failed = 1;
	else if (db->row[id] == ROW_PREPARED)
		make_committed(s, d, id);
	else if (db->row[id] != ROW_COMMITTED && !redo(s, d, id))
		me->failed = 1;
	if (me->at < DATABASES)
		return;
	me->at = 0;
	me->pc = PC_CLEAN;
	if (me->failed)
		finish(s, a, true);
}

static void next_abort(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];

	me->pc = PC_ROLL_BACK;
	if (++me->at < DATABASES)
		return;
	me->at = 0;
	me->pc = PC_CLEAN;
	if (me->failed)
		finish(s, a, true);
}

static void step_roll_back(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];
	int d = me->at, id = me->closing - 1;

	if (!(me->reached & bit(d)) || !(me->connected & bit(d))) {
		me->failed = 1;
		next_abort(s, a);
		return;
	}
	if (s->database[d].row[id] == ROW_PREPARED) {
		s->database[d].row[id] = ROW_NONE;
		s->aborted |= bit(id);
	}
	me->pc = PC_RECORD;
}

static void step_record(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];
	int d = me->at, id = me->closing - 1;
	struct database *db = &s->database[d];

	if (!(me->connected & bit(d))) {
		me->failed = 1;
		next_abort(s, a);
		return;
	}
	switch (db->row[id]) {
	case ROW_PREPARED:
		me->pc = PC_ROLL_BACK; /* prepared since: list the gids again */
		return;
	case ROW_NONE:
		db->row[id] = ROW_ABORTED;
		s->aborted |= bit(id);
		break;
	case ROW_ABORTED:
		break;
	default: /* open: the wait for its end times out; committed: a contradiction that is reported */
		me->failed = 1;
		break;
	}
	next_abort(s, a);
}

static bool any_prepared(const struct database *db)
{
	for (int id = 0; id < ROLLOUTS; id++)
		if (db->row[id] == ROW_PREPARED)
			return true;
	return false;
}

static void step_clean(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];
	int d = me->at++;
	struct database *db = &s->database[d];

	if (!connect_to(s, a, d))
		me->failed = 1;
	else if (db->version == 0 && (!any_prepared(db) || defect == DEFECT_CLEAN_BESIDE_PREPARED))
		db->trigger = 0;
	if (me->at < DATABASES)
		return;
	me->at = 0;
	me->pc = PC_CLOSE;
	if (me->failed)
		finish(s, a, true);
}

static void step_close(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];
	bool own = me->closing == a + 1;

	s->intent[me->closing - 1] = 0;
	begin_close(me, -1, RECOVER_KNOW_NOTHING);
	me->pc = PC_LOCKED;
	if (own)
		finish(s, a, false);
}

/* ---- a command: admin/cmd_set.c, rollout.c, txn.c; `txn recover`: recover_all.c ---- */

/* A prepared transaction without an intent; false: there is none. */
static bool close_orphan(struct state *s, int a)
{
	for (int id = 0; id < ROLLOUTS; id++)
		for (int d = 0; d < DATABASES; d++) {
			bool committed = false;
			if (s->intent[id] || s->database[d].row[id] != ROW_PREPARED ||
			    !s->database[d].up)
				continue;
			for (int e = 0; e < DATABASES && defect != DEFECT_HEADER_IGNORED; e++)
				committed |= s->database[e].up &&
					     s->database[e].row[id] == ROW_COMMITTED;
			begin_close(&s->admin[a], id,
				    committed ? RECOVER_KNOW_COMMIT : RECOVER_KNOW_NOTHING);
			return true;
		}
	return false;
}

static void step_locked(struct state *s, int a)
{
	/* Orphans first: one that a failover brought back holds the rollout lock. */
	if (a == RECOVERER && close_orphan(s, a))
		return;
	for (int id = 0; id < ROLLOUTS; id++)
		if (s->intent[id]) {
			begin_close(&s->admin[a], id, RECOVER_KNOW_NOTHING);
			return;
		}
	if (a == RECOVERER)
		finish(s, a, false);
	else
		s->admin[a].pc = PC_PLAN;
}

static void step_plan(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];

	for (int d = 0; d < DATABASES; d++)
		if (!connect_to(s, a, d) || any_prepared(&s->database[d])) {
			finish(s, a, true);
			return;
		}
	me->header = s->header;
	me->pc = PC_INTENT;
}

/* Before the decision was asked for: txn_abort(). */
static void give_up(struct state *s, int a)
{
	begin_close(&s->admin[a], a, RECOVER_KNOW_NEVER_ASKED);
}

static void step_stub(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];
	int d = me->at++;

	if (!(me->connected & bit(d))) {
		give_up(s, a);
		return;
	}
	s->database[d].trigger = 1;
	if (me->at == DATABASES) {
		me->at = 0;
		me->pc = PC_PREPARE;
	}
}

static void step_prepare(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];
	struct database *db = &s->database[me->at];

	if (!(me->connected & bit(me->at)) || db->row[a] != ROW_NONE || rollout_locked(db, a)) {
		give_up(s, a);
		return;
	}
	db->row[a] = ROW_OPEN;
	db->opener[a] = (uint8_t)a;
	me->pc = PC_PREPARED;
}

static void step_prepared(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];
	struct database *db = &s->database[me->at];

	if (!(me->connected & bit(me->at)) || db->row[a] != ROW_OPEN) {
		give_up(s, a);
		return;
	}
	db->row[a] = ROW_PREPARED;
	db->opener[a] = 0;
	me->at++;
	me->pc = me->at < DATABASES ? PC_PREPARE : PC_DECIDE;
	me->at %= DATABASES;
}

static void step_answer(struct state *s, int a)
{
	if (s->admin[a].request == REQUEST_OK)
		begin_close(&s->admin[a], a, RECOVER_KNOW_COMMIT);
	else
		give_up(s, a);
}

static void take_lock(struct state *s, int a)
{
	s->lock = (uint8_t)(a + 1);
	s->admin[a].session = 1;
	s->admin[a].token = ++s->tokens;
	/* Sessions in databases keep the name that they were opened with; none is open yet or they are the older's. */
}

static void step_relock(struct state *s, int a)
{
	if (s->lock != 0) {
		finish(s, a, true); /* another admin was faster, and ends it */
		return;
	}
	take_lock(s, a);
	begin_close(&s->admin[a], a, RECOVER_KNOW_NOTHING);
}

/* One step of one admin; false: it has none now. */
static bool admin_step(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];

	switch ((enum pc)me->pc) {
	case PC_BEGIN:
		if (s->lock != 0)
			return false;
		take_lock(s, a);
		me->pc = PC_LOCKED;
		return true;
	case PC_LOCKED:
		step_locked(s, a);
		return true;
	case PC_PLAN:
		step_plan(s, a);
		return true;
	case PC_INTENT:
		s->intent[a] = 1;
		me->at = 0;
		me->pc = PC_STUB;
		return true;
	case PC_STUB:
		step_stub(s, a);
		return true;
	case PC_PREPARE:
		step_prepare(s, a);
		return true;
	case PC_PREPARED:
		step_prepared(s, a);
		return true;
	case PC_DECIDE:
		/* Without a session it is never delivered: the client says so, and that is no answer. */
		me->request = me->session ? REQUEST_SENT : REQUEST_NONE;
		me->pc = me->session ? PC_ASKED : PC_RELOCK;
		return true;
	case PC_ASKED:
		if (me->request == REQUEST_NONE) {
			me->pc = PC_RELOCK;
			return true;
		}
		if (me->request == REQUEST_SENT)
			return false;
		step_answer(s, a);
		return true;
	case PC_RELOCK:
		if (me->session)
			return false; /* waits for its old session to end */
		step_relock(s, a);
		return true;
	case PC_LOOK:
		step_look(s, a);
		return true;
	case PC_READ:
		step_read(s, a);
		return true;
	case PC_VERDICT:
		step_verdict(s, a);
		return true;
	case PC_COMMIT:
		step_commit(s, a);
		return true;
	case PC_ROLL_BACK:
		step_roll_back(s, a);
		return true;
	case PC_RECORD:
		step_record(s, a);
		return true;
	case PC_CLEAN:
		step_clean(s, a);
		return true;
	case PC_CLOSE:
		step_close(s, a);
		return true;
	case PC_DONE:
	case PC_DEAD:
	case N_PCS:
		return false;
	}
	return false;
}

/* ---- the world ---- */

/* The deciding request arrives: all or nothing. */
static void deliver(struct state *s, int a)
{
	bool yes = s->header == s->admin[a].header && s->intent[a] &&
		   s->decision[a] == RECOVER_UNDECIDED;

	if (defect == DEFECT_MULTI_WITHOUT_DECISION)
		yes = s->header == s->admin[a].header;
	s->admin[a].request = yes ? REQUEST_OK : REQUEST_REFUSED;
	if (!yes)
		return;
	s->former_header = s->header;
	s->header = (uint8_t)(a + 1);
	if (defect != DEFECT_MULTI_WITHOUT_DECISION)
		s->decision[a] = RECOVER_DECIDED_COMMIT;
}

static void end_session(struct state *s, int a)
{
	s->admin[a].session = 0;
	if (s->lock == a + 1)
		s->lock = 0;
	if (s->admin[a].request == REQUEST_SENT)
		s->admin[a].request = REQUEST_NONE;
}

static void kill_admin(struct state *s, int a)
{
	struct admin_state *me = &s->admin[a];

	for (int d = 0; d < DATABASES; d++)
		disconnect(s, a, d);
	/* A request that was sent may still arrive while the session lives. */
	*me = (struct admin_state){ .pc = PC_DEAD,
				    .session = me->session,
				    .header = me->header,
				    .request = me->request == REQUEST_SENT ? REQUEST_SENT
									   : REQUEST_NONE };
}

static void put(struct explorer *x, const struct state *s, const char *who, int number,
		const char *what)
{
	char step[48];

	(void)snprintf(step, sizeof(step), "%s %d%s", who, number, what);
	explore_put(x, s, step);
}

static void admin_events(struct explorer *x, const struct state *now, int a)
{
	const struct admin_state *me = &now->admin[a];
	struct state s = *now;

	if (me->request == REQUEST_SENT && me->session) {
		deliver(&s, a);
		if (me->pc == PC_DEAD)
			s.admin[a].request = REQUEST_NONE;
		put(x, &s, "ZooKeeper: the request of admin", a, " arrives");
	}
	s = *now;
	if (me->pc == PC_ASKED && me->session && spend(&s, &s.left.lost_answer)) {
		s.admin[a].pc = PC_RELOCK;
		put(x, &s, "admin", a, ": connection lost");
	}
	s = *now;
	if (me->session && (me->pc == PC_DEAD || me->pc == PC_RELOCK ||
			    (me->pc != PC_BEGIN && spend(&s, &s.left.expiry)))) {
		end_session(&s, a);
		put(x, &s, "ZooKeeper: the session of admin", a, " ends");
	}
	s = *now;
	if (me->pc != PC_BEGIN && me->pc != PC_DONE && me->pc != PC_DEAD &&
	    spend(&s, &s.left.crash)) {
		kill_admin(&s, a);
		put(x, &s, "admin", a, ": killed");
	}
}

static void database_events(struct explorer *x, const struct state *now, int d)
{
	struct state s = *now;

	if (!s.database[d].up) {
		s.database[d].up = 1;
		put(x, &s, "database", d, ": up");
	} else if (spend(&s, &s.left.down)) {
		for (int a = 0; a < ADMINS; a++)
			disconnect(&s, a, d);
		s.database[d].up = 0;
		put(x, &s, "database", d, ": down");
	}
	for (int id = 0; id < ROLLOUTS; id++) {
		s = *now;
		if (s.database[d].row[id] == ROW_PREPARED && s.intent[id] && !s.restored &&
		    s.database[d].up && spend(&s, &s.left.by_hand)) {
			s.database[d].row[id] = ROW_NONE;
			put(x, &s, "database", d, ": rolled back by hand");
		}
		s = *now;
		if (s.database[d].row[id] == ROW_COMMITTED && s.database[d].version == id + 1 &&
		    s.header == id + 1 && spend(&s, &s.left.failover)) {
			for (int a = 0; a < ADMINS; a++)
				disconnect(&s, a, d);
			for (int other = 0; other < ROLLOUTS; other++)
				if (s.database[d].row[other] != ROW_COMMITTED)
					s.database[d].row[other] = ROW_NONE; /* came later */
			s.database[d].row[id] = ROW_PREPARED;
			s.database[d].version = s.database[d].former;
			if (!s.intent[id])
				s.decision[id] = RECOVER_UNDECIDED; /* a day later */
			put(x, &s, "database", d, ": failover, prepared again");
		}
	}
}

static void world_steps(struct explorer *x, const struct state *now)
{
	struct state s = *now;
	bool nobody = true;

	for (int a = 0; a < ADMINS; a++) {
		admin_events(x, now, a);
		nobody &= now->admin[a].pc == PC_DONE || now->admin[a].pc == PC_BEGIN ||
			  (now->admin[a].pc == PC_DEAD && !now->admin[a].session);
	}
	for (int d = 0; d < DATABASES; d++)
		database_events(x, now, d);
	if (s.lock != 0 && spend(&s, &s.left.by_hand)) {
		s.lock = 0; /* its owner lives on, and what it sent may still arrive */
		explore_put(x, &s, "ZooKeeper: lock deleted by hand");
	}
	s = *now;
	if (nobody && s.header != 0 && s.decision[s.header - 1] == RECOVER_DECIDED_COMMIT &&
	    spend(&s, &s.left.restore)) {
		s.decision[s.header - 1] = RECOVER_UNDECIDED;
		s.intent[s.header - 1] = 1;
		s.header = s.former_header;
		s.restored = 1;
		explore_put(x, &s, "ZooKeeper: restored from before");
	}
}

/* ---- what must hold ---- */

static const char *broken_now(const struct state *s)
{
	for (int id = 0; id < ROLLOUTS; id++) {
		bool committed = (s->committed & bit(id)) || s->header == id + 1;
		if (committed && (s->aborted & bit(id)))
			return "a rollout is never committed here and rolled back there";
		if (committed && s->decision[id] == RECOVER_DECIDED_ABORT)
			return "a decision is never contradicted";
	}
	for (int d = 0; d < DATABASES; d++)
		if (s->database[d].lost)
			return "a table is never captured without a trigger";
	return NULL;
}

/* Everybody dies, one more admin recovers. */
static const char *broken_after_recovery(const struct state *now)
{
	struct state s = *now;

	for (int a = 0; a < ADMINS; a++) {
		kill_admin(&s, a);
		end_session(&s, a);
	}
	s.lock = 0;
	for (int d = 0; d < DATABASES; d++)
		s.database[d].up = 1;
	s.admin[RECOVERER] = (struct admin_state){ .pc = PC_BEGIN };
	while (admin_step(&s, RECOVERER))
		;
	const char *broken = broken_now(&s);
	if (broken)
		return broken;
	if (s.admin[RECOVERER].failed || s.lock)
		return "recover ends";
	for (int id = 0; id < ROLLOUTS; id++) {
		if (s.intent[id])
			return "recover leaves no intent";
		for (int d = 0; d < DATABASES; d++)
			if (s.database[d].row[id] == ROW_PREPARED)
				return "recover leaves no prepared transaction";
	}
	for (int d = 0; d < DATABASES; d++)
		if (s.database[d].version != s.database[0].version ||
		    (!s.restored && s.database[d].version != s.header))
			return "after recovery everything is at one version";
	return NULL;
}

static void steps(struct explorer *x, const void *state)
{
	const struct state *now = state;
	const char *broken = broken_now(now);

	if (!broken)
		broken = broken_after_recovery(now);
	if (broken) {
		explore_bad(x, broken);
		return;
	}
	for (int a = 0; a < ADMINS; a++) {
		struct state s = *now;
		char step[48];
		if (!admin_step(&s, a))
			continue;
		(void)snprintf(step, sizeof(step), "admin %d: %s", a, pc_names[now->admin[a].pc]);
		explore_put(x, &s, step);
	}
	world_steps(x, now);
}

void model_rollout(enum model_defect wanted, const struct model_budget *budget, size_t max,
		   struct explore_result *ret)
{
	struct state first = { .left = *budget };

	defect = wanted;
	for (int d = 0; d < DATABASES; d++)
		first.database[d].up = 1;
	explore(&first, sizeof(first), max, steps, ret);
}

/*
 * tests/chaos/deeds.c
 *    What the sessions of the load do: the statements of one transaction, drawn from a stream of random numbers.
 *
 * All sessions write the same few rows, so that they wait for one another, deadlock and fail to serialise.
 * Order of locks is left to chance on purpose.
 */
#include "tests/chaos/deeds.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	ACCOUNTS = 300,
	HOT = 20,
	ORDERS = 4000, /* what lies further back is deleted */
	BULK = 200,
};

static void say(struct deed *deed, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct deed *deed, const char *fmt, ...)
{
	va_list args;

	if (deed->n == DEED_STATEMENTS)
		return;
	deed->statements[deed->n].pause_ms = 0;
	va_start(args, fmt);
	(void)vsnprintf(deed->statements[deed->n].text, DEED_TEXT, fmt, args);
	va_end(args);
	deed->n++;
}

static void pause_here(struct deed *deed, int ms)
{
	deed->statements[deed->n - 1].pause_ms = ms;
}

static bool one_of(struct chaos_random *random, int n)
{
	return chaos_between(random, 1, n) == 1;
}

static int account(struct chaos_random *random)
{
	return chaos_between(random, 1, one_of(random, 3) ? ACCOUNTS : HOT);
}

/* An order that was made lately, which may be gone. */
static void lately(struct chaos_random *random, char *ret, size_t size)
{
	(void)snprintf(ret, size, "(select last_value - %d from ord_id)",
		       chaos_between(random, 0, 300));
}

/* ---- single statements ---- */

/* The balance always changes: an owner alone would be lost on a set that does not list it. */
static void change_account(struct chaos_random *random, struct deed *deed)
{
	int d = one_of(random, 2) ? chaos_between(random, 1, 100) : chaos_between(random, -100, -1);

	say(deed,
	    "update acc set bal = bal + %d, owner = 'owner %d \"q\\' || chr(10), secret = 's' "
	    "where id = %d",
	    d, chaos_between(random, 1, 999), account(random));
}

static void put_account(struct chaos_random *random, struct deed *deed)
{
	say(deed,
	    "insert into acc values (%d, %d, 'put', null) on conflict (id) do update set bal = "
	    "excluded.bal",
	    account(random), chaos_between(random, 0, 9));
}

static void add_order(struct chaos_random *random, struct deed *deed)
{
	say(deed, "insert into ord (id, acc, amount) values (nextval('ord_id'), %d, %d.%02d)",
	    account(random), chaos_between(random, -9, 99), chaos_between(random, 0, 99));
}

static void change_part(struct chaos_random *random, struct deed *deed)
{
	static const char *const regions[] = { "north", "south", "east", "west" };
	int id = chaos_between(random, 1, 60);
	const char *region = regions[chaos_between(random, 0, 3)];

	switch (chaos_between(random, 1, 4)) {
	case 1:
		say(deed,
		    "insert into part (id, region, v) values (%d, '%s', 'new') on conflict (id, "
		    "region) do update set v = 'again ' || part.id",
		    id, region);
		break;
	case 2: /* rows move between partitions, which changes their key */
		say(deed,
		    "update part p set region = '%s', v = 'moved' where id = %d and not exists "
		    "(select from part q where q.id = %d and q.region = '%s')",
		    region, id, id, region);
		break;
	case 3:
		say(deed, "update part set v = coalesce(v, '') || '.' where id = %d", id);
		break;
	default:
		say(deed, "delete from part where id = %d and region = '%s'", id, region);
	}
}

static void any_write(struct chaos_random *random, struct deed *deed)
{
	switch (chaos_between(random, 1, 5)) {
	case 1:
		add_order(random, deed);
		break;
	case 2:
		change_part(random, deed);
		break;
	case 3:
		put_account(random, deed);
		break;
	default:
		change_account(random, deed);
	}
}

static void finish(struct chaos_random *random, struct deed *deed)
{
	say(deed, "%s", one_of(random, 8) ? "rollback" : "commit");
}

/* ---- transactions ---- */

static void deed_single(struct chaos_random *random, int session, struct deed *deed)
{
	(void)session;
	if (one_of(random, 6))
		say(deed, "update acc set secret = 'alone %d' where id = %d",
		    chaos_between(random, 1, 999), account(random));
	else
		any_write(random, deed);
}

static void deed_several(struct chaos_random *random, int session, struct deed *deed)
{
	(void)session;
	say(deed, "begin");
	for (int i = chaos_between(random, 2, 5); i > 0; i--)
		any_write(random, deed);
	finish(random, deed);
}

static void deed_savepoints(struct chaos_random *random, int session, struct deed *deed)
{
	char order[64];

	(void)session;
	lately(random, order, sizeof(order));
	say(deed, "begin");
	any_write(random, deed);
	say(deed, "savepoint a");
	say(deed, "update ord set amount = null where id = %s", order);
	any_write(random, deed);
	say(deed, "savepoint b");
	say(deed, "delete from acc where id = %d", account(random));
	say(deed, "rollback to savepoint %s", one_of(random, 2) ? "a" : "b");
	say(deed, "update ord set amount = amount + 1 where id = %s", order);
	if (one_of(random, 2))
		say(deed, "release savepoint a");
	any_write(random, deed);
	finish(random, deed);
}

static void deed_keys(struct chaos_random *random, int session, struct deed *deed)
{
	char order[64];

	(void)session;
	lately(random, order, sizeof(order));
	say(deed, "begin");
	if (one_of(random, 2)) {
		say(deed, "update ord set id = nextval('ord_id'), amount = 7 where id = %s", order);
	} else { /* two rows change their keys with one another */
		int a = account(random);
		int b = account(random);

		say(deed, "update acc set id = -%d where id = %d", session, a);
		say(deed, "update acc set id = %d where id = %d", a, b);
		say(deed, "update acc set id = %d where id = -%d", a == b ? a : b, session);
	}
	finish(random, deed);
}

static void deed_again(struct chaos_random *random, int session, struct deed *deed)
{
	int id = account(random);

	(void)session;
	say(deed, "begin");
	say(deed, "delete from acc where id = %d", id);
	if (one_of(random, 3))
		any_write(random, deed);
	if (!one_of(random, 4))
		say(deed,
		    "insert into acc values (%d, 0, 'again', null) on conflict (id) do nothing",
		    id);
	if (one_of(random, 3)) {
		say(deed, "delete from acc where id = %d", id);
		say(deed, "insert into acc values (%d, 1, 'third', 's')", id);
	}
	finish(random, deed);
}

static void deed_nested(struct chaos_random *random, int session, struct deed *deed)
{
	(void)session;
	say(deed, "begin");
	say(deed, "update nested set v = 'v%d', n = 0 where id %% %d = 0",
	    chaos_between(random, 1, 999), chaos_between(random, 1, 3));
	if (one_of(random, 2)) {
		say(deed, "delete from nested where id = %d", chaos_between(random, 1, 5));
		say(deed, "insert into nested select i, 'again', 0 from generate_series(1, 5) i on "
			  "conflict (id) do nothing");
	}
	finish(random, deed);
}

static void deed_bulk(struct chaos_random *random, int session, struct deed *deed)
{
	(void)session;
	switch (chaos_between(random, 1, 4)) {
	case 1:
		say(deed,
		    "insert into ord (id, acc, amount) select nextval('ord_id'), i, i from "
		    "generate_series(1, %d) i",
		    chaos_between(random, 10, BULK));
		break;
	case 2:
		say(deed, "update ord set amount = amount + 1 where id %% 16 = %d",
		    chaos_between(random, 0, 15));
		break;
	case 3:
		say(deed, "update acc set bal = bal + 1");
		break;
	default:
		say(deed, "delete from ord where id < (select last_value from ord_id) - %d",
		    ORDERS);
	}
}

/* Everything that it locks is this session's own: the transaction may stay prepared for long. */
static void deed_prepared(struct chaos_random *random, int session, struct deed *deed)
{
	int own = 100000 * session + chaos_between(random, 1, 9);

	say(deed, "begin");
	say(deed,
	    "insert into acc values (%d, 0, 'prepared', null) on conflict (id) do update set bal = "
	    "acc.bal + 1",
	    own);
	add_order(random, deed);
	if (one_of(random, 3))
		say(deed, "delete from acc where id = %d", own);
	say(deed, "prepare transaction 'chaos-%d-%d'", session, chaos_between(random, 1, 999999));
}

static void deed_old_snapshot(struct chaos_random *random, int session, struct deed *deed)
{
	(void)session;
	say(deed, "begin isolation level %s",
	    one_of(random, 2) ? "repeatable read" : "serializable");
	say(deed, "select count(*) from acc");
	pause_here(deed, chaos_between(random, 10, 3000));
	any_write(random, deed);
	any_write(random, deed);
	finish(random, deed);
}

static void deed_long(struct chaos_random *random, int session, struct deed *deed)
{
	int own = 100000 * session + 10 + chaos_between(random, 1, 9);

	say(deed, "begin");
	say(deed,
	    "insert into acc values (%d, 0, 'long', null) on conflict (id) do update set bal = "
	    "acc.bal + 1",
	    own);
	pause_here(deed, chaos_between(random, 500, 8000));
	say(deed, "update acc set bal = bal + 1 where id = %d", own);
	finish(random, deed);
}

typedef void deed_fn(struct chaos_random *random, int session, struct deed *deed);

static const struct {
	const char *name;
	deed_fn *draw;
	int weight;
} DEEDS[] = {
	{ "single", deed_single, 60 },
	{ "several", deed_several, 40 },
	{ "savepoints", deed_savepoints, 30 },
	{ "keys", deed_keys, 20 },
	{ "again", deed_again, 20 },
	{ "nested", deed_nested, 10 },
	{ "prepared", deed_prepared, 12 },
	{ "bulk", deed_bulk, 3 },
	{ "old snapshot", deed_old_snapshot, 3 },
	{ "long", deed_long, 1 },
};

enum { N_DEEDS = sizeof(DEEDS) / sizeof(DEEDS[0]) };

void deed_draw(struct chaos_random *random, int session, struct deed *ret)
{
	int sum = 0;
	int drawn;
	int i;

	for (i = 0; i < N_DEEDS; i++)
		sum += DEEDS[i].weight;
	drawn = chaos_between(random, 1, sum);
	for (i = 0; i < N_DEEDS - 1 && drawn > DEEDS[i].weight; i++)
		drawn -= DEEDS[i].weight;
	ret->n = 0;
	ret->name = DEEDS[i].name;
	DEEDS[i].draw(random, session, ret);
}

/* The extra column of a table, whatever it is called by now; none: one is added. */
static void extra_column(struct deed *deed, const char *table, const char *what, int n)
{
	say(deed,
	    "do $$ declare c name; begin select attname into c from pg_attribute "
	    "where attrelid = '%s'::regclass and attname like 'x\\_%%' and not attisdropped; "
	    "if c is null then alter table %s add x_%d text default 'd'; "
	    "else execute format('alter table %s %s', c); end if; end $$",
	    table, table, n, table, what);
}

void deed_ddl(struct chaos_random *random, int n, struct deed *ret)
{
	const char *table = one_of(random, 3) ? "part" : "ord";
	char what[64];

	ret->n = 0;
	ret->name = "ddl";
	say(ret, "begin");
	if (one_of(random, 2))
		add_order(random, ret);
	switch (chaos_between(random, 1, 6)) {
	case 1:
		extra_column(ret, table, "drop %I", n);
		break;
	case 2:
		(void)snprintf(what, sizeof(what), "rename %%I to x_%d", n);
		extra_column(ret, table, what, n);
		break;
	case 3:
		extra_column(ret, table,
			     one_of(random, 2) ? "alter %I type varchar(40)" : "alter %I type text",
			     n);
		break;
	case 4:
		say(ret, "alter table ord alter acc type %s", one_of(random, 2) ? "bigint" : "int");
		break;
	case 5:
		say(ret, "alter table acc alter secret type %s",
		    one_of(random, 2) ? "varchar(60)" : "text");
		break;
	default:
		say(ret, one_of(random, 3) ? "truncate part" : "truncate nested");
		say(ret, "insert into nested select i, 'new', 0 from generate_series(1, 5) i on "
			 "conflict (id) do nothing");
	}
	if (one_of(random, 2)) {
		add_order(random, ret);
		say(ret, "update ord set amount = amount + 1 where id %% 64 = %d",
		    chaos_between(random, 0, 63));
	}
	finish(random, ret);
}

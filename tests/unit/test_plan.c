/*
 * tests/unit/test_plan.c
 *    admin/plan.c, plan_check.c, plan_print.c: steps and refusals from made-up catalogs.
 *
 * Whether a real catalog is read rightly is tested in tests/integration/40-admin.sh.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/plan.h"
#include "tests/unit/runner.h"

static const char two_tables[] =
	"databases = ( { name = \"main\"; conninfo = \"host=h dbname=d\"; } );\n"
	"tables = (\n"
	"  { name = \"public.a\"; columns = [ \"id\", \"x\" ]; key = [ \"id\" ]; },\n"
	"  { name = \"public.b\"; }\n"
	");\n"
	"kafka = [ \"bootstrap.servers=h:9\" ];\n";

static struct setdoc *parse(const char *text)
{
	struct setdoc *doc;
	struct pgs_err err = { 0 };

	ck_assert_msg(setdoc_parse(text, strlen(text), "f", &doc, &err) == 0, "%s", err.msg);
	return doc;
}

/* A database in which everything is right; tests spoil what they look at. */
struct world {
	struct catalog_column columns[3];
	const char *id[1];
	struct catalog_index index;
	struct catalog_leaf leaves[2];
	struct catalog_table tables[2];
	const char *captured[2];
	struct catalog_relation relations[2];
	struct catalog catalog;
	struct plan_database db;
};

static void world_make(struct world *w)
{
	*w = (struct world){ 0 };
	w->columns[0] = (struct catalog_column){ "id", true };
	w->columns[1] = (struct catalog_column){ "x", false };
	w->columns[2] = (struct catalog_column){ "y", true };
	w->id[0] = "id";
	w->index = (struct catalog_index){ .oid = "9",
					   .primary = true,
					   .immediate = true,
					   .plain = true,
					   .columns = w->id,
					   .n_columns = 1 };
	w->leaves[0] = (struct catalog_leaf){ "1", "public.a" };
	w->leaves[1] = (struct catalog_leaf){ "2", "public.b" };
	for (int i = 0; i < 2; i++)
		w->tables[i] = (struct catalog_table){ .oid = w->leaves[i].oid,
						       .label = w->leaves[i].label,
						       .kind = 'r',
						       .persistence = 'p',
						       .may_use = true,
						       .may_trigger = true,
						       .columns = w->columns,
						       .n_columns = 3,
						       .indexes = &w->index,
						       .n_indexes = 1,
						       .leaves = &w->leaves[i],
						       .n_leaves = 1 };
	w->captured[0] = "id";
	w->captured[1] = "x";
	w->catalog = (struct catalog){ .server_version = 150000,
				       .encoding = "UTF8",
				       .max_prepared = 10,
				       .role = "app",
				       .database = "d",
				       .system_identifier = "77",
				       .database_oid = "5",
				       .may_create = true,
				       .has_pgq = true,
				       .pgq_admin = true,
				       .read_all_stats = true,
				       .tables = w->tables,
				       .n_tables = 2,
				       .relations = w->relations };
	w->db = (struct plan_database){ .name = "main", .catalog = &w->catalog };
}

/* The set is there, capturing public.a (id, x). */
static void world_install(struct world *w)
{
	w->catalog.has_schema = true;
	w->catalog.node = "node-1";
	w->catalog.node_system = "77";
	w->catalog.node_database = "5";
	w->catalog.software = PGSHOVEL_VERSION;
	w->catalog.set_version = "old";
	w->catalog.set_state = "active";
	w->relations[0] = (struct catalog_relation){
		.id = "1", .oid = "1", .label = "public.a", .columns = w->captured, .n_columns = 2
	};
	w->catalog.n_relations = 1;
}

/* "action:table ..." of a plan; writers that wait are marked with "!". */
static char *steps_of(const struct plan_request *request)
{
	static const char *const names[] = {
		[PLAN_INSTALL] = "install",        [PLAN_STUB] = "stub",
		[PLAN_ROLLOUT_OPEN] = "open",      [PLAN_REINSTALL] = "reinstall",
		[PLAN_SET_CREATE] = "create",      [PLAN_SET_CHANGE] = "change",
		[PLAN_SET_RETIRE] = "retire-set",  [PLAN_RELATION_ADD] = "add",
		[PLAN_RELATION_RETIRE] = "retire", [PLAN_NARROW] = "narrow",
		[PLAN_CAPTURE_DROP] = "drop",      [PLAN_SET_FORGET] = "forget",
	};
	struct pgs_buf out = PGS_BUF_INIT(64 * 1024);
	struct plan plan;

	ck_assert_int_eq(plan_make(request, &plan, NULL), 0);
	for (size_t i = 0; i < plan.n_steps; i++)
		pgs_buf_printf(&out, "%s%zu.%s%s%s%s", i ? " " : "", plan.steps[i].database,
			       names[plan.steps[i].action], plan.steps[i].label ? ":" : "",
			       plan.steps[i].label ? plan.steps[i].label : "",
			       plan.steps[i].writes_locked ? "!" : "");
	plan_done(&plan);
	return pgs_buf_steal(&out);
}

static void steps_are(const struct plan_request *request, const char *want)
{
	char *got = steps_of(request);

	ck_assert_str_eq(got, want);
	free(got);
}

static struct plan_request request_of(enum plan_kind kind, const struct setdoc *doc,
				      const struct plan_database *dbs, size_t n)
{
	return (struct plan_request){ .kind = kind,
				      .cluster = "c",
				      .set = "s",
				      .doc = doc,
				      .databases = dbs,
				      .n_databases = n,
				      .lock_timeout_ms = 200 };
}

START_TEST(create_makes_triggers_before_and_functions_inside)
{
	struct setdoc *doc = parse(two_tables);
	struct world w[2];
	world_make(&w[0]);
	world_make(&w[1]);
	w[1].catalog.has_schema = true;
	struct plan_database dbs[] = { w[0].db, w[1].db };
	struct plan_request request = request_of(PLAN_CREATE, doc, dbs, 2);

	steps_are(&request,
		  "0.install 0.stub:public.a! 0.stub:public.b! 1.stub:public.a! 1.stub:public.b! "
		  "0.open 0.create 0.add:public.a 0.add:public.b "
		  "1.open 1.create 1.add:public.a 1.add:public.b");
	setdoc_free(doc);
}
END_TEST

START_TEST(partitions_get_their_own_triggers)
{
	struct setdoc *doc = parse(two_tables);
	struct world w;
	struct catalog_leaf leaves[] = { { "11", "public.a_1" }, { "12", "public.a_2" } };
	world_make(&w);
	w.tables[0].kind = 'p';
	w.tables[0].leaves = leaves;
	w.tables[0].n_leaves = 2;
	w.catalog.has_schema = true;
	struct plan_request request = request_of(PLAN_CREATE, doc, &w.db, 1);

	steps_are(&request,
		  "0.stub:public.a! 0.stub:public.a_1! 0.stub:public.a_2! 0.stub:public.b! "
		  "0.open 0.create 0.add:public.a 0.add:public.b");
	setdoc_free(doc);
}
END_TEST

START_TEST(upgrade_adds_narrows_and_drops)
{
	struct setdoc *doc = parse(two_tables);
	struct world w;
	const char *wide[] = { "id", "x", "y" };
	world_make(&w);
	world_install(&w);
	w.relations[0].columns = wide;
	w.relations[0].n_columns = 3;
	w.relations[1] = (struct catalog_relation){ .id = "2", .oid = "8", .label = "public.gone" };
	w.catalog.n_relations = 2;
	struct plan_request request = request_of(PLAN_UPGRADE, doc, &w.db, 1);

	/* the first table lets go of y, the second is new, the third goes */
	steps_are(&request, "0.stub:public.a 0.stub:public.b! 0.open 0.change 0.retire:public.gone "
			    "0.add:public.a 0.add:public.b 0.drop:public.gone! 0.narrow:public.a!");
	struct plan plan;
	ck_assert_int_eq(plan_make(&request, &plan, NULL), 0);
	/* until the decision triggers hold the columns of both versions */
	ck_assert_str_eq(plan.steps[0].columns, "{\"id\",\"x\",\"y\"}");
	ck_assert_str_eq(plan.steps[5].columns, "{\"id\",\"x\"}");
	ck_assert_str_eq(plan.steps[5].key, "{\"id\"}");
	ck_assert_ptr_null(plan.steps[6].columns);
	ck_assert_ptr_null(plan.steps[6].key);
	plan_done(&plan);
	/* where an event trigger follows DDL, triggers hold no columns: only the new table is locked */
	w.catalog.ddl_followed = true;
	steps_are(&request, "0.stub:public.a 0.stub:public.b! 0.open 0.change 0.retire:public.gone "
			    "0.add:public.a 0.add:public.b 0.drop:public.gone!");
	w.catalog.ddl_followed = false;
	w.relations[0].n_columns = 1;
	steps_are(&request,
		  "0.stub:public.a! 0.stub:public.b! 0.open 0.change 0.retire:public.gone "
		  "0.add:public.a 0.add:public.b 0.drop:public.gone!");
	setdoc_free(doc);
}
END_TEST

START_TEST(a_database_that_is_not_listed_is_retired)
{
	struct setdoc *doc = parse(two_tables);
	struct world w[2];
	world_make(&w[0]);
	world_make(&w[1]);
	world_install(&w[1]);
	w[1].db.removed = true;
	w[0].catalog.has_schema = true;
	struct plan_database dbs[] = { w[0].db, w[1].db };
	struct plan_request request = request_of(PLAN_UPGRADE, doc, dbs, 2);

	steps_are(&request, "0.stub:public.a! 0.stub:public.b! 0.open 0.create 0.add:public.a "
			    "0.add:public.b 1.open 1.retire-set 1.drop:public.a! 1.forget");
	setdoc_free(doc);
}
END_TEST

START_TEST(drop_locks_nothing_inside)
{
	struct world w;
	world_make(&w);
	world_install(&w);
	struct plan_request request = request_of(PLAN_DROP, NULL, &w.db, 1);

	steps_are(&request, "0.open 0.retire-set 0.drop:public.a! 0.forget");
	w.catalog.set_state = "dropped";
	w.catalog.n_relations = 0;
	steps_are(&request, "0.open 0.forget");
}
END_TEST

START_TEST(no_user_table_is_locked_in_the_prepared_part)
{
	for (int action = PLAN_INSTALL; action <= PLAN_SET_FORGET; action++) {
		const struct plan_step step = { .action = (enum plan_action)action,
						.writes_locked = true };
		if (plan_phase_of(step.action) == PLAN_PREPARED)
			ck_assert_ptr_null(strstr(plan_locks(&step), "on the table")
						   ? strstr(plan_locks(&step), "Exclusive")
						   : NULL);
	}
}
END_TEST

/* ---- refusals ---- */

static void server_refused(const struct world *w, enum pgs_err_class cls, const char *word)
{
	struct pgs_err err = { 0 };

	ck_assert_int_eq(plan_check_server(&w->db, "c", &err), -1);
	ck_assert_int_eq(err.cls, cls);
	ck_assert_msg(strstr(err.msg, word) != NULL, "\"%s\" lacks \"%s\"", err.msg, word);
	ck_assert_ptr_nonnull(strstr(err.msg, "\"main\""));
}

START_TEST(servers_that_will_not_do)
{
	struct world w;

	world_make(&w);
	ck_assert_int_eq(plan_check_server(&w.db, "c", NULL), 0);
	world_install(&w);
	ck_assert_int_eq(plan_check_server(&w.db, "c", NULL), 0);

#define SPOIL(field, value, cls, word)                                                             \
	do {                                                                                       \
		world_make(&w);                                                                    \
		world_install(&w);                                                                 \
		w.catalog.field = value;                                                           \
		server_refused(&w, cls, word);                                                     \
	} while (0)
	SPOIL(server_version, 130000, PGS_ERR_CONFIG, "too old");
	SPOIL(standby, true, PGS_ERR_CONFIG, "standby");
	SPOIL(encoding, "SQL_ASCII", PGS_ERR_CONFIG, "SQL_ASCII");
	SPOIL(encoding, "LATIN1", PGS_ERR_CONFIG, "UTF8");
	SPOIL(max_prepared, 0, PGS_ERR_CONFIG, "restart");
	SPOIL(has_pgq, false, PGS_ERR_CONFIG, "CREATE EXTENSION pgq");
	SPOIL(pgq_admin, false, PGS_ERR_CONFIG, "GRANT pgq_admin TO \"app\"");
	SPOIL(read_all_stats, false, PGS_ERR_CONFIG, "pg_read_all_stats");
	SPOIL(system_identifier, "78", PGS_ERR_CONFIG, "is a copy");
	SPOIL(database_oid, "6", PGS_ERR_CONFIG, "DROP SCHEMA pgshovel_c CASCADE");
	SPOIL(open_gid, "pgshovel:c:x:0", PGS_ERR_RETRY, "txn recover");
#undef SPOIL
	world_make(&w);
	w.catalog.may_create = false;
	server_refused(&w, PGS_ERR_CONFIG, "GRANT CREATE ON DATABASE \"d\"");
}
END_TEST

START_TEST(connections_run_short)
{
	struct world v[2];
	struct setdoc *doc = parse(two_tables);
	struct plan_database databases[2];
	struct plan_request request = {
		.kind = PLAN_CREATE, .doc = doc, .databases = databases, .n_databases = 2
	};
	char text[512];

	for (int i = 0; i < 2; i++) {
		world_make(&v[i]);
		v[i].catalog.max_connections = 97;
		v[i].catalog.connections = 60;
		v[i].catalog.relays = 23;
		databases[i] = v[i].db;
	}
	/* 60 + 23 + 2 * 2 of 97 is within nine tenths; one more is not. */
	ck_assert(!plan_connections_short(&request, 0, text, sizeof(text)));
	v[0].catalog.relays++;
	ck_assert(plan_connections_short(&request, 0, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "takes 97 connections, 60 are in use, and relays may "
					   "need 28 more"));
	/* The same server is named once, another one by itself. */
	v[1].catalog.relays = 50;
	ck_assert(!plan_connections_short(&request, 1, text, sizeof(text)));
	v[1].catalog.system_identifier = "78";
	ck_assert(plan_connections_short(&request, 1, text, sizeof(text)));
	/* Relays that run hold their first connections already. */
	ck_assert(!plan_connections_short(&request, 0, text, sizeof(text)));
	v[0].catalog.set_version = "v";
	v[0].catalog.relays = 27;
	ck_assert(!plan_connections_short(&request, 0, text, sizeof(text)));
	v[0].catalog.relays = 28;
	ck_assert(plan_connections_short(&request, 0, text, sizeof(text)));
	setdoc_free(doc);
}
END_TEST

static void tables_refused(const struct world *w, const char *text, const char *word)
{
	struct setdoc *doc = parse(text);
	struct pgs_err err = { 0 };

	ck_assert_int_eq(plan_check_tables(&w->db, doc, &err), -1);
	ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
	ck_assert_msg(strstr(err.msg, word) != NULL, "\"%s\" lacks \"%s\"", err.msg, word);
	ck_assert_msg(strncmp(err.msg, "f:", 2) == 0 && strchr("34", err.msg[2]),
		      "no file and line: %s", err.msg);
	setdoc_free(doc);
}

START_TEST(tables_that_will_not_do)
{
	struct setdoc *doc = parse(two_tables);
	struct world w;

	world_make(&w);
	ck_assert_int_eq(plan_check_tables(&w.db, doc, NULL), 0);
	setdoc_free(doc);

#define SPOIL(change, word)                                                                        \
	do {                                                                                       \
		world_make(&w);                                                                    \
		w.change;                                                                          \
		tables_refused(&w, two_tables, word);                                              \
	} while (0)
	SPOIL(tables[0].oid = NULL, "\"public.a\" does not exist");
	SPOIL(tables[1].oid = NULL, "\"public.b\" does not exist");
	SPOIL(tables[0].kind = 'v', "is not a table");
	SPOIL(tables[0].is_partition = true, "partition");
	SPOIL(tables[0].persistence = 'u', "unlogged");
	SPOIL(tables[0].foreign_or_unlogged_leaf = "x", "unlogged");
	SPOIL(tables[0].may_trigger = false, "TRIGGER");
	SPOIL(tables[0].may_use = false, "USAGE ON SCHEMA");
	SPOIL(tables[0].n_columns = 1, "no column \"x\"");
	SPOIL(columns[0].not_null = false, "may have null in key column \"id\"");
	SPOIL(index.immediate = false, "deferrable");
	SPOIL(index.plain = false, "partial");
	SPOIL(tables[0].n_indexes = 0, "no unique index");
	SPOIL(tables[1].n_indexes = 0, "no primary key");
	SPOIL(index.n_columns = 0, "no unique index");
#undef SPOIL
	world_make(&w);
	const char *other[] = { "y" };
	w.index.columns = other;
	tables_refused(&w,
		       "databases = ( { name = \"main\"; conninfo = \"host=h\"; } );\n"
		       "tables = (\n  { name = \"public.a\"; columns = [ \"id\" ]; } );\n"
		       "kafka = [ \"bootstrap.servers=h:9\" ];\n",
		       "key column \"y\"");
}
END_TEST

/* What a table's keys in the file become for the database. */
START_TEST(modes_of_a_table)
{
	static const char text[] =
		"databases = ( { name = \"main\"; conninfo = \"host=h\"; } );\n"
		"tables = (\n"
		"  { name = \"public.a\"; key = [ ]; on_capture_error = \"count\"; },\n"
		"  { name = \"public.b\"; partitions = \"leaf\"; } );\n"
		"kafka = [ \"bootstrap.servers=h:9\" ];\n";
	struct setdoc *doc = parse(text);
	struct world w;
	struct plan plan;

	world_make(&w);
	w.catalog.has_schema = true;
	w.tables[0].n_indexes = 0;
	tables_refused(&w, text, "is not partitioned");
	w.tables[1].kind = 'p';
	ck_assert_int_eq(plan_check_tables(&w.db, doc, NULL), 0);
	struct plan_request request = request_of(PLAN_CREATE, doc, &w.db, 1);
	ck_assert_int_eq(plan_make(&request, &plan, NULL), 0);
	const struct plan_step *adds = &plan.steps[plan.n_steps - 2];
	ck_assert_str_eq(adds[0].key, "{}");
	ck_assert_str_eq(adds[0].mode, "row");
	ck_assert_str_eq(adds[0].on_error, "count");
	ck_assert_ptr_null(adds[1].key);
	ck_assert_str_eq(adds[1].mode, "leaf");
	ck_assert_str_eq(adds[1].on_error, "fail");
	plan_done(&plan);
	setdoc_free(doc);
}
END_TEST

START_TEST(one_database_twice)
{
	struct world a, b;
	struct pgs_err err = { 0 };

	world_make(&a);
	world_make(&b);
	world_install(&a);
	world_install(&b);
	b.db.name = "other";
	struct plan_database dbs[] = { a.db, b.db };
	ck_assert_int_eq(plan_check_distinct(dbs, 2, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "\"main\" and \"other\" are the same"));
	b.catalog.system_identifier = "78";
	ck_assert_int_eq(plan_check_distinct(dbs, 2, &err), -1); /* by the node */
	b.catalog.node = "node-2";
	ck_assert_int_eq(plan_check_distinct(dbs, 2, &err), 0);
	b.catalog.system_identifier = "77";
	a.catalog.node = b.catalog.node = NULL;
	ck_assert_int_eq(plan_check_distinct(dbs, 2, &err), -1); /* before anything is installed */
}
END_TEST

static struct setdoc *with_prefix(const char *prefix, const char *table)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "databases = ( { name = \"main\"; conninfo = \"host=h\"; } );\n"
		 "tables = ( { name = \"%s\"; } );\ntopics = { prefix = \"%s\"; };\n"
		 "kafka = [ \"bootstrap.servers=h:9\" ];\n",
		 table, prefix);
	return parse(text);
}

static int topics(const char *set, const char *prefix, const char *table, const char *other_set,
		  const char *other_prefix, const char *other_table, struct pgs_err *err)
{
	struct setdoc *doc = with_prefix(prefix, table);
	struct setdoc *other = with_prefix(other_prefix, other_table);
	int r = plan_check_topics("c", set, doc, other_set, other, err);

	setdoc_free(doc);
	setdoc_free(other);
	return r;
}

START_TEST(topics_of_other_sets)
{
	struct pgs_err err = { 0 };

	ck_assert_int_eq(topics("s", "x", "public.a", "o", "y", "public.a", &err), 0);
	ck_assert_int_eq(topics("s", "x", "public.a", "o", "x", "public.a", &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "\"x.public.a\" is also written by set \"o\""));
	/* side topics, and "." and "_" are one to Kafka */
	ck_assert_int_eq(topics("s", "x", "public.a", "o", "x", "public.b", &err), -1);
	ck_assert_int_eq(topics("s", "x.y", "public.a", "o", "x_y", "public.a", &err), -1);
	/* the other set's positions, our positions, our own positions */
	ck_assert_int_eq(topics("s", "c", "o.positions", "o", "y", "public.a", &err), -1);
	ck_assert_int_eq(topics("s", "x", "public.a", "o", "c", "s.positions", &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "positions topic"));
	ck_assert_int_eq(topics("s", "c", "s.positions", "s", "c", "s.positions", &err), -1);
	ck_assert_int_eq(topics("s", "x", "public.a", "s", "x", "public.a", &err), 0);
}
END_TEST

/* ---- for people ---- */

START_TEST(the_plan_is_printed_by_phase)
{
	struct setdoc *doc = parse(two_tables);
	struct world w;
	world_make(&w);
	world_install(&w);
	w.catalog.set_version = NULL;
	w.catalog.n_relations = 0;
	struct plan_request request = request_of(PLAN_CREATE, doc, &w.db, 1);
	struct plan plan;
	ck_assert_int_eq(plan_make(&request, &plan, NULL), 0);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	plan_print(&request, &plan, true, out);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_str_eq(text, "before, in short transactions of their own:\n"
			       "  main: make capture triggers on public.a  [lock: "
			       "ShareRowExclusive on the table, at most 200 ms at a time]\n"
			       "  main: make capture triggers on public.b  [lock: "
			       "ShareRowExclusive on the table, at most 200 ms at a time]\n"
			       "in one prepared transaction for each database:\n"
			       "  main: open the rollout  [lock: advisory, of the set]\n"
			       "  main: create queue pgshovel:c:s, its consumer and the set  "
			       "[lock: ShareUpdateExclusive on pgq.event_template]\n"
			       "  main: capture public.a: {\"id\",\"x\"} by key {\"id\"}  [lock: "
			       "none on the table]\n"
			       "  main: capture public.b: all columns  [lock: none on the table]\n"
			       "in Kafka:\n"
			       "  check the properties and the brokers, make missing topics\n");
	free(text);
	plan_done(&plan);
	setdoc_free(doc);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("plan");

	tcase_add_test(tc, create_makes_triggers_before_and_functions_inside);
	tcase_add_test(tc, partitions_get_their_own_triggers);
	tcase_add_test(tc, upgrade_adds_narrows_and_drops);
	tcase_add_test(tc, connections_run_short);
	tcase_add_test(tc, a_database_that_is_not_listed_is_retired);
	tcase_add_test(tc, drop_locks_nothing_inside);
	tcase_add_test(tc, no_user_table_is_locked_in_the_prepared_part);
	tcase_add_test(tc, servers_that_will_not_do);
	tcase_add_test(tc, tables_that_will_not_do);
	tcase_add_test(tc, modes_of_a_table);
	tcase_add_test(tc, one_database_twice);
	tcase_add_test(tc, topics_of_other_sets);
	tcase_add_test(tc, the_plan_is_printed_by_phase);
	return runner_run("plan", tc);
}

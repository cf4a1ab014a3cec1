/*
 * tests/unit/test_setdoc.c
 *    What a set file may say: values, defaults, canonical text, version, topics, the table of keys.
 *
 * What is refused is in test_setdoc_refused.c.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/setdoc.h"
#include "tests/unit/runner.h"

#define DB "databases = ( { name = \"main\"; conninfo = \"host=db1\"; } );\n"
#define TB "tables = ( { name = \"a\"; } );\n"
#define KF "kafka = [ \"bootstrap.servers=h:9\" ];\n"

/* The example of the design and of the manual. */
static const char example[] =
	"// shop.pgshovel\n"
	"name = \"shop\";                 // optional: lets `set upgrade FILE` do without a name\n"
	"databases = (                  /* one or more; same tables in each */\n"
	"  { name = \"main\"; conninfo = \"host=db1 dbname=shop user=pgshovel\"; }\n"
	");\n"
	"tables = (\n"
	"  { name = \"public.accounts\"; columns = [ \"id\", \"owner\", \"balance\" ]; key = [ "
	"\"id\" ]; },\n"
	"  { name = \"public.audit\"; }   # all columns, also later ones; key = the primary key\n"
	");\n"
	"topics = { prefix = \"shop\"; partitions = 4; replication = 1; };\n"
	"format = { envelope = \"debezium-json\"; decimal = \"string\"; tombstones = true; };\n"
	"kafka  = [ \"bootstrap.servers=127.0.0.1:9092\", \"compression.type=zstd\" ];\n"
	"relay  = { delivery = \"exactly-once\"; poll = \"5ms\"; batch_events = 20000; batch_bytes "
	"= \"16MB\"; };";

static struct setdoc *parse(const char *text)
{
	struct setdoc *doc = NULL;
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	ck_assert_msg(setdoc_parse(text, strlen(text), "t", &doc, &err) == 0, "%s", err.msg);
	return doc;
}

START_TEST(example_values)
{
	struct setdoc *doc = parse(example);

	ck_assert_str_eq(doc->name, "shop");
	ck_assert_uint_eq(doc->n_databases, 1);
	ck_assert_str_eq(doc->databases[0].name, "main");
	ck_assert_str_eq(doc->databases[0].conninfo, "host=db1 dbname=shop user=pgshovel");
	ck_assert_int_eq(doc->databases[0].line, 4);
	ck_assert_uint_eq(doc->n_tables, 2);
	ck_assert_str_eq(doc->tables[0].schema, "public");
	ck_assert_str_eq(doc->tables[0].table, "accounts");
	ck_assert_uint_eq(doc->tables[0].n_columns, 3);
	ck_assert_str_eq(doc->tables[0].columns[2], "balance");
	ck_assert_uint_eq(doc->tables[0].n_key, 1);
	ck_assert_str_eq(doc->tables[0].key[0], "id");
	ck_assert_int_eq(doc->tables[0].line, 7);
	ck_assert_str_eq(doc->tables[1].table, "audit");
	ck_assert_ptr_null(doc->tables[1].columns);
	ck_assert_ptr_null(doc->tables[1].key);
	ck_assert_int_eq(doc->tables[1].line, 8);
	ck_assert_str_eq(doc->topics.prefix, "shop");
	ck_assert_int_eq(doc->topics.partitions, 4);
	ck_assert_int_eq(doc->topics.replication, 1);
	ck_assert_uint_eq(doc->n_kafka, 2);
	ck_assert_str_eq(doc->kafka[1].name, "compression.type");
	ck_assert_str_eq(doc->kafka[1].value, "zstd");
	setdoc_free(doc);
}
END_TEST

START_TEST(defaults)
{
	struct setdoc *doc = parse(DB TB KF);

	ck_assert_ptr_null(doc->name);
	ck_assert_ptr_null(doc->topics.prefix);
	ck_assert_int_eq(doc->topics.partitions, 1);
	ck_assert_int_eq(doc->topics.replication, -1);
	ck_assert_int_eq(doc->topics.layout, SETDOC_LAYOUT_PER_TABLE);
	ck_assert_int_eq(doc->format.envelope, SETDOC_ENVELOPE_DEBEZIUM_JSON);
	ck_assert_int_eq(doc->format.decimal, SETDOC_DECIMAL_STRING);
	ck_assert_int_eq(doc->format.time, SETDOC_TIME_ADAPTIVE);
	ck_assert_int_eq(doc->format.interval, SETDOC_INTERVAL_NUMERIC);
	ck_assert_int_eq(doc->format.binary, SETDOC_BINARY_BYTES);
	ck_assert(doc->format.tombstones);
	ck_assert(!doc->format.transactions);
	ck_assert_int_eq(doc->relay.delivery, SETDOC_DELIVERY_EXACTLY_ONCE);
	ck_assert_int_eq(doc->relay.on_poison, SETDOC_POISON_STOP);
	ck_assert(!doc->relay.sync_standbys);
	ck_assert_uint_eq(doc->relay.poll_us, 5000);
	ck_assert_int_eq(doc->relay.batch_events, 20000);
	ck_assert_uint_eq(doc->relay.batch_bytes, 16 * 1024 * 1024);
	ck_assert_uint_eq(doc->relay.window_memory_bytes, 32 * 1024 * 1024);
	ck_assert_int_eq(doc->tables[0].capture, SETDOC_CAPTURE_ROW);
	setdoc_free(doc);
}
END_TEST

START_TEST(every_choice)
{
	struct setdoc *doc = parse(
		DB KF
		"tables = ( { name = \"a\"; capture = \"statement\"; } );"
		"topics = { layout = \"single\"; partitions = 1; };"
		"format = { envelope = \"flat\", decimal = \"precise\", time = \"isostring\",\n"
		"interval = \"string\" binary = \"hex\" tombstones = False; transactions : TRUE }\n"
		"relay = { delivery = \"at-least-once\"; on_poison = \"quarantine\"; sync_standbys "
		"= true;"
		"poll = \"10s\"; window_memory = \"4GB\"; batch_bytes = \"65536\"; batch_events = "
		"1; };");

	ck_assert_int_eq(doc->tables[0].capture, SETDOC_CAPTURE_STATEMENT);
	ck_assert_int_eq(doc->topics.layout, SETDOC_LAYOUT_SINGLE);
	ck_assert_int_eq(doc->format.envelope, SETDOC_ENVELOPE_FLAT);
	ck_assert_int_eq(doc->format.decimal, SETDOC_DECIMAL_PRECISE);
	ck_assert_int_eq(doc->format.time, SETDOC_TIME_ISOSTRING);
	ck_assert_int_eq(doc->format.interval, SETDOC_INTERVAL_STRING);
	ck_assert_int_eq(doc->format.binary, SETDOC_BINARY_HEX);
	ck_assert(!doc->format.tombstones);
	ck_assert(doc->format.transactions);
	ck_assert_int_eq(doc->relay.delivery, SETDOC_DELIVERY_AT_LEAST_ONCE);
	ck_assert_int_eq(doc->relay.on_poison, SETDOC_POISON_QUARANTINE);
	ck_assert(doc->relay.sync_standbys);
	ck_assert_uint_eq(doc->relay.poll_us, 10 * 1000 * 1000);
	ck_assert_uint_eq(doc->relay.window_memory_bytes, 4ULL << 30);
	ck_assert_uint_eq(doc->relay.batch_bytes, 65536);
	ck_assert_int_eq(doc->relay.batch_events, 1);
	setdoc_free(doc);
}
END_TEST

/* The texts that clusters hold: a digest that changes would make every set differ from its file. */
START_TEST(golden_digests)
{
	static const char minimal[] = "databases = (\n"
				      "  { name = \"main\"; conninfo = \"host=db1\"; }\n"
				      ");\n"
				      "tables = (\n"
				      "  { name = \"public.a\"; }\n"
				      ");\n"
				      "kafka = [\n"
				      "  \"bootstrap.servers=h:9\"\n"
				      "];\n";
	struct setdoc *doc = parse(example);

	ck_assert_str_eq(doc->version,
			 "9a531bf8835d99a6498421822123422bb781415d52ac9675bcb651cd7a953857");
	setdoc_free(doc);
	doc = parse(DB TB KF);
	ck_assert_str_eq(doc->canonical, minimal);
	ck_assert_uint_eq(doc->canonical_len, sizeof(minimal) - 1);
	ck_assert_str_eq(doc->version,
			 "96ee69cc44157bdf4abca4493de415e9ca39c88d2091a9a05c00a7210b8130ec");
	setdoc_free(doc);
}
END_TEST

/* Pairs of one meaning in two spellings. */
START_TEST(one_spelling)
{
	static const char *const pairs[][2] = {
		{ DB TB KF, KF "# kafka first\n" TB DB "topics = { }; relay : {},\n" },
		{ DB TB KF,
		  "databases : ( { conninfo = \"host\" \"=db1\", name = \"main\" } )" TB KF },
		{ DB KF TB, DB KF "tables = ( { name = \"public.a\" } );" },
		{ DB KF TB, DB KF "tables = ( { name = \"\\\"public\\\".\\\"a\\\"\" } );" },
		{ DB TB KF "relay = { poll = \"2s\"; };",
		  DB TB KF "relay = { poll = \"2000ms\"; };" },
		{ DB TB KF "relay = { poll = \"1500us\"; };", DB TB KF "relay={poll=\"1500us\"};" },
		{ DB TB KF "relay = { batch_bytes = \"1MB\"; };",
		  DB TB KF "relay = { batch_bytes = \"1024kB\"; };" },
		{ DB TB KF "relay = { batch_bytes = \"1GB\"; };",
		  DB TB KF "relay = { batch_bytes = \"1073741824\"; };" },
		{ DB TB KF "format = { tombstones = TRUE; };",
		  DB TB KF "format = { tombstones = true; };" },
	};
	static const char *const different[] = {
		DB TB KF,
		DB TB KF "name = \"a\";",
		DB TB KF "relay = { poll = \"5ms\"; };", /* the default, but written */
		DB TB KF "relay = { poll = \"6ms\"; };",
		DB KF "tables = ( { name = \"A\"; } );",
		DB KF "tables = ( { name = \"a\"; columns = [ \"x\", \"y\" ]; } );",
		DB KF "tables = ( { name = \"a\"; columns = [ \"y\", \"x\" ]; } );",
	};

	for (size_t i = 0; i < PGS_ARRAY_LEN(pairs); i++) {
		struct setdoc *a = parse(pairs[i][0]);
		struct setdoc *b = parse(pairs[i][1]);

		ck_assert_str_eq(a->canonical, b->canonical);
		ck_assert_str_eq(a->version, b->version);
		setdoc_free(a);
		setdoc_free(b);
	}
	for (size_t i = 0; i < PGS_ARRAY_LEN(different); i++) {
		for (size_t j = 0; j < i; j++) {
			struct setdoc *a = parse(different[i]);
			struct setdoc *b = parse(different[j]);

			ck_assert_str_ne(a->version, b->version);
			setdoc_free(a);
			setdoc_free(b);
		}
	}
}
END_TEST

/* A text with every key, in a shuffled order, with awkward values; the canonical text parses to itself. */
START_TEST(canonical_round_trip)
{
	static const char *const groups[] = {
		"name = \"s1_x\";",
		"databases = ( { name = \"d-1\"; conninfo = \"options='-c a=\\\"b\\\\\\\\c\\\"'\"; "
		"},"
		"{ conninfo = \"postgresql://u@[::1]:5433,h2/d%20b?connect_timeout=5&ssl=true\"; "
		"name = \"D_2\" } );",
		"tables = ( { name = \"Größe.\\\"a.b\\\"\"; key = [ \"ü\\\\\", \"b\\\"\" ]; },"
		"{ name = \"\\\"x\\\"\\\"y\\\".z z\"; capture = \"row\"; columns = [ \"c\", \"k\" "
		"]; key = [ \"k\" ] },"
		"{ name = \"nokey\"; on_capture_error = \"count\"; partitions = \"leaf\"; key = [ "
		"] "
		"} );",
		"topics = { layout = \"per-table\", replication = 3; prefix = \"p.{database}-q\"; "
		"partitions = 7 };",
		"format = { transactions = true; binary = \"base64\"; interval = \"string\"; time "
		"= \"connect\";"
		"decimal = \"double\"; envelope = \"debezium-json-schema\"; tombstones = false };",
		"kafka = [ \"client.id=a=\\\"b\\\\\", \"bootstrap.servers=h:9,i:9\" ];",
		"relay = { window_memory = \"100MB\"; batch_bytes = \"100000B\"; batch_events = 9; "
		"poll = \"70ms\";"
		"sync_standbys = false; on_poison = \"stop\"; delivery = \"at-least-once\" };",
	};
	enum { N = PGS_ARRAY_LEN(groups) };
	char version[SETDOC_DIGEST_HEX + 1] = "";

	for (size_t turn = 0; turn < N; turn++) {
		struct pgs_buf text = PGS_BUF_INIT(SETDOC_MAX_BYTES);
		struct setdoc *doc;
		struct setdoc *again;

		for (size_t i = 0; i < N; i++)
			pgs_buf_puts(&text, groups[(i * 3 + turn) % N]);
		doc = parse(text.data);
		again = parse(doc->canonical);
		ck_assert_str_eq(again->canonical, doc->canonical);
		ck_assert_str_eq(again->version, doc->version);
		ck_assert_str_eq(again->tables[0].key[0], "ü\\");
		ck_assert_str_eq(again->tables[0].table, "a.b");
		ck_assert_str_eq(again->tables[1].schema, "x\"y");
		ck_assert_ptr_nonnull(again->tables[2].key);
		ck_assert_uint_eq(again->tables[2].n_key, 0);
		ck_assert_int_eq(again->tables[2].partitions, SETDOC_PARTITIONS_LEAF);
		ck_assert_int_eq(again->tables[2].on_capture_error, SETDOC_ON_ERROR_COUNT);
		ck_assert_ptr_nonnull(
			strstr(doc->canonical,
			       "{ name = \"public.nokey\"; key = [ ]; partitions = \"leaf\"; "
			       "on_capture_error = \"count\"; }"));
		ck_assert_str_eq(again->kafka[0].value, "a=\"b\\");
		ck_assert_str_eq(again->databases[0].conninfo, "options='-c a=\"b\\\\c\"'");
		if (turn > 0)
			ck_assert_str_eq(doc->version, version);
		memcpy(version, doc->version, sizeof(version));
		setdoc_free(doc);
		setdoc_free(again);
		pgs_buf_done(&text);
	}
}
END_TEST

START_TEST(topics_of_set)
{
	struct setdoc *doc = parse("databases = ( { name = \"eu\"; conninfo = \"host=a\"; },"
				   "{ name = \"us\"; conninfo = \"host=b\"; } );"
				   "tables = ( { name = \"a\"; }, { name = \"s.Käse x\"; } );" KF
				   "topics = { prefix = \"p.{database}\"; };");
	static const char *const names[] = {
		"p.eu.public.a",    "p.eu.s.K__se_x",  "p.eu.truncate",  "p.eu.transaction",
		"p.eu.quarantine",  "p.us.public.a",   "p.us.s.K__se_x", "p.us.truncate",
		"p.us.transaction", "p.us.quarantine",
	};
	struct setdoc_topic *topics;
	struct pgs_err err;
	size_t n;
	char *prefix;

	ck_assert_int_eq(setdoc_topics(doc, "set", &topics, &n, &err), 0);
	ck_assert_uint_eq(n, PGS_ARRAY_LEN(names));
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(topics[i].name, names[i]);
	ck_assert_str_eq(topics[6].collision, "p_us_s_K__se_x");
	ck_assert_ptr_eq(topics[6].table, &doc->tables[1]);
	ck_assert_ptr_eq(topics[6].database, &doc->databases[1]);
	ck_assert_int_eq(topics[9].kind, SETDOC_TOPIC_QUARANTINE);
	setdoc_topics_free(topics, n);
	ck_assert_int_eq(setdoc_topic_prefix(doc, "set", &doc->databases[0], &prefix, &err), 0);
	ck_assert_str_eq(prefix, "p.eu");
	free(prefix);
	setdoc_free(doc);

	doc = parse(DB TB KF "topics = { layout = \"single\"; };");
	ck_assert_int_eq(setdoc_topics(doc, "set", &topics, &n, &err), 0);
	ck_assert_uint_eq(n, 4);
	ck_assert_str_eq(topics[0].name, "set");
	ck_assert_int_eq(topics[0].kind, SETDOC_TOPIC_SINGLE);
	setdoc_topics_free(topics, n);
	setdoc_free(doc);
}
END_TEST

static const struct setdoc_key *find(const char *group, const char *name)
{
	size_t n;
	const struct setdoc_key *keys = setdoc_keys(&n);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(keys[i].group, group) == 0 && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

/* Every key with the value that its row calls the default is accepted, and changes nothing. */
START_TEST(keys_parse_their_defaults)
{
	size_t n;
	const struct setdoc_key *keys = setdoc_keys(&n);
	struct setdoc *plain = parse(DB TB KF);
	size_t n_tried = 0;

	for (size_t i = 0; i < n; i++) {
		const struct setdoc_key *key = &keys[i];
		bool bare = strcmp(key->type, "number") == 0 || strcmp(key->type, "boolean") == 0;
		char text[512];
		struct setdoc *doc;

		ck_assert(key->help[0] && key->range[0] && key->fallback[0] && key->type[0]);
		if (key->group[0])
			ck_assert_ptr_nonnull(find("", key->group));
		if (strcmp(key->group, "topics") != 0 && strcmp(key->group, "format") != 0 &&
		    strcmp(key->group, "relay") != 0)
			continue;
		if (strchr(key->fallback, ' '))
			continue; /* words */
		(void)snprintf(text, sizeof(text), DB TB KF "%s = { %s = %s%s%s; };", key->group,
			       key->name, bare ? "" : "\"", key->fallback, bare ? "" : "\"");
		doc = parse(text);
		ck_assert_mem_eq(&doc->format, &plain->format, sizeof(doc->format));
		ck_assert_mem_eq(&doc->relay, &plain->relay, sizeof(doc->relay));
		ck_assert_int_eq(doc->topics.partitions, plain->topics.partitions);
		ck_assert_int_eq(doc->topics.layout, plain->topics.layout);
		setdoc_free(doc);
		n_tried++;
	}
	ck_assert_uint_eq(n_tried, 16);
	setdoc_free(plain);
}
END_TEST

/* The ends of each range "A to B" in the table are accepted, so the manual says what the parser does. */
START_TEST(keys_parse_their_ranges)
{
	size_t n;
	const struct setdoc_key *keys = setdoc_keys(&n);
	size_t n_tried = 0;

	for (size_t i = 0; i < n; i++) {
		const struct setdoc_key *key = &keys[i];
		bool bare = strcmp(key->type, "number") == 0;
		bool amount = strcmp(key->type, "duration") == 0 || strcmp(key->type, "size") == 0;
		char ends[2][32];

		if (!bare && !amount)
			continue;
		ck_assert_int_eq(sscanf(key->range, "%31s to %31s", ends[0], ends[1]), 2);
		for (size_t j = 0; j < 2; j++) {
			char text[512];

			(void)snprintf(text, sizeof(text), DB TB KF "%s = { %s = %s%s%s; };",
				       key->group, key->name, bare ? "" : "\"", ends[j],
				       bare ? "" : "\"");
			setdoc_free(parse(text));
		}
		n_tried++;
	}
	ck_assert_uint_eq(n_tried, 6);
}
END_TEST

START_TEST(lock_key)
{
	char hex[SETDOC_DIGEST_HEX + 1];

	setdoc_sha256_hex("default/example", strlen("default/example"), hex);
	hex[8] = '\0';
	ck_assert_int_eq(setdoc_lock_key("default", "example"), (int32_t)strtoul(hex, NULL, 16));
	setdoc_sha256_hex("abc", 3, hex);
	ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

START_TEST(load_file)
{
	char path[] = "/tmp/test_setdoc.XXXXXX";
	int fd = mkstemp(path);
	struct setdoc *doc = NULL;
	struct pgs_err err;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, example, sizeof(example) - 1), sizeof(example) - 1);
	close(fd);
	ck_assert_int_eq(setdoc_load(path, &doc, &err), 0);
	ck_assert_str_eq(doc->name, "shop");
	ck_assert_str_eq(doc->filename, path);
	setdoc_free(doc);
	unlink(path);
}
END_TEST

/* The manual has every key of the table. The test runs in the project's folder. */
START_TEST(manual_has_every_key)
{
	FILE *file = fopen("common/pgshovel.conf.5", "r");
	static char manual[128 * 1024];
	size_t len;
	size_t n;
	const struct setdoc_key *keys = setdoc_keys(&n);

	ck_assert_msg(file != NULL, "run me in the project's folder");
	len = fread(manual, 1, sizeof(manual) - 1, file);
	fclose(file);
	manual[len] = '\0';
	for (size_t i = 0; i < n; i++) {
		char item[256];
		char values[256];
		char fallback[256];
		const char *at;
		const char *end;

		(void)snprintf(item, sizeof(item), "\n.It Ic %s%s%s Pq %s\n", keys[i].group,
			       keys[i].group[0] ? "." : "", keys[i].name, keys[i].type);
		(void)snprintf(values, sizeof(values), "\nValues: %s.\n", keys[i].range);
		(void)snprintf(fallback, sizeof(fallback), "\nDefault: %s.\n", keys[i].fallback);
		at = strstr(manual, item);
		ck_assert_msg(at != NULL, "the manual lacks%s", item);
		end = at ? strstr(at + 1, "\n.") : NULL;
		ck_assert_ptr_nonnull(end);
		if (strcmp(keys[i].type, "group") == 0 || strcmp(keys[i].type, "boolean") == 0)
			continue;
		ck_assert_msg(memmem(at, (size_t)(end - at) + 1, values, strlen(values)) != NULL,
			      "the manual lacks%s", values);
		if (strcmp(keys[i].fallback, "required") == 0)
			memcpy(fallback, "\nRequired.\n", sizeof("\nRequired.\n"));
		ck_assert_msg(memmem(at, (size_t)(end - at) + 1, fallback, strlen(fallback)) !=
				      NULL,
			      "the manual lacks%s at %s", fallback, keys[i].name);
	}
	/* and no other */
	for (const char *at = strstr(manual, "\n.It Ic "); at; at = strstr(at + 1, "\n.It Ic "))
		n--;
	ck_assert_uint_eq(n, 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("setdoc");

	tcase_add_test(tcase, example_values);
	tcase_add_test(tcase, defaults);
	tcase_add_test(tcase, every_choice);
	tcase_add_test(tcase, golden_digests);
	tcase_add_test(tcase, one_spelling);
	tcase_add_test(tcase, canonical_round_trip);
	tcase_add_test(tcase, topics_of_set);
	tcase_add_test(tcase, keys_parse_their_defaults);
	tcase_add_test(tcase, keys_parse_their_ranges);
	tcase_add_test(tcase, lock_key);
	tcase_add_test(tcase, load_file);
	tcase_add_test(tcase, manual_has_every_key);
	return runner_run("setdoc", tcase);
}

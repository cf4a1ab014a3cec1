/*
 * tests/unit/test_zkdoc.c
 *    Documents of ZooKeeper: their very text, there and back, and what is refused.
 */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/zkdoc.h"
#include "tests/unit/runner.h"

#define ID     "0123456789abcdef0123456789abcdef"
#define DIGEST "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" /* of "foo" */
#define DAMAGED(what)                                                                              \
	"the " what                                                                                \
	" in ZooKeeper is damaged or was not written by pgshovel; restore it or create it anew"

START_TEST(cluster_there_and_back)
{
	struct zkdoc_cluster doc = { .software = "0.1.0", .generation = 7 };
	struct zkdoc_cluster read;
	struct pgs_buf out = PGS_BUF_INIT(1024);
	struct pgs_err err;

	zkdoc_cluster_write(&doc, &out);
	ck_assert_str_eq(out.data, "pgshovel-cluster 1\nsoftware 0.1.0\ngeneration 7\n");
	ck_assert_int_eq(zkdoc_cluster_read(out.data, out.len, &read, &err), 0);
	ck_assert_str_eq(read.software, "0.1.0");
	ck_assert_int_eq(read.generation, 7);
	pgs_buf_done(&out);
}
END_TEST

START_TEST(cluster_refused)
{
	static const char *const texts[] = {
		"",
		"pgshovel-cluster",
		"pgshovel-cluster 1",
		"pgshovel-cluster x\n",
		"pgshovel-cluster 1\n",
		"pgshovel-cluster 1\nsoftware 0.1.0\n",
		"pgshovel-cluster 1\nsoftware \ngeneration 1\n",
		"pgshovel-cluster 1\nsoftware 0.1.0\ngeneration -1\n",
		"pgshovel-cluster 1\nsoftware 0.1.0\ngeneration 99999999999999999999\n",
		"pgshovel-cluster 1\nsoftware 0.1.0\ngeneration 1\nmore\n",
		"pgshovel-cluster 1\nsoftware 0123456789012345678901234567890123456789\ngeneration "
		"1\n",
		"pgshovel 1 " DIGEST " " ID " 4\nfoo",
	};
	struct zkdoc_cluster doc;
	struct pgs_err err;

	for (size_t i = 0; i < PGS_ARRAY_LEN(texts); i++) {
		ck_assert_msg(zkdoc_cluster_read(texts[i], strlen(texts[i]), &doc, &err) == -1,
			      "accepted: %s", texts[i]);
		ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
		ck_assert_str_eq(err.msg, DAMAGED("cluster node"));
	}
	ck_assert_int_eq(zkdoc_cluster_read("pgshovel-cluster 12\n", 20, &doc, &err), -1);
	ck_assert_str_eq(
		err.msg,
		"the cluster node in ZooKeeper has format 12, this pgshovel knows format 1; use "
		"the version that wrote it or a later one");
}
END_TEST

START_TEST(set_there_and_back)
{
	struct zkdoc_set doc = {
		.version = DIGEST,
		.rollout = ID,
		.partitions = 4,
		.document = "foo",
		.document_len = 3,
	};
	struct zkdoc_set read;
	struct pgs_buf out = PGS_BUF_INIT(1024);
	struct pgs_err err;

	zkdoc_set_write(&doc, &out);
	ck_assert_str_eq(out.data, "pgshovel 1 " DIGEST " " ID " 4\nfoo");
	ck_assert_int_eq(zkdoc_set_read(out.data, out.len, &read, &err), 0);
	ck_assert_str_eq(read.version, DIGEST);
	ck_assert_str_eq(read.rollout, ID);
	ck_assert_int_eq(read.partitions, 4);
	ck_assert_uint_eq(read.document_len, 3);
	ck_assert_mem_eq(read.document, "foo", 3);
	pgs_buf_done(&out);
}
END_TEST

START_TEST(set_refused)
{
	static const char *const texts[] = {
		"",
		"foo",
		"pgshovel 1\n",
		"pgshovel 1 " DIGEST "\nfoo",
		"pgshovel 1 " DIGEST " " ID "\nfoo",
		"pgshovel 1 " DIGEST " " ID " 0\nfoo",
		"pgshovel 1 " DIGEST " " ID " 10001\nfoo",
		"pgshovel 1 " DIGEST " " ID " 4 4\nfoo",
		"pgshovel 1 " DIGEST "0 " ID " 4\nfoo",
		"pgshovel 1 " ID " " ID " 4\nfoo",
		"pgshovel 1 " DIGEST " 0123456789ABCDEF0123456789ABCDEF 4\nfoo",
	};
	struct zkdoc_set doc;
	struct pgs_err err;
	char *large = calloc(1, SETDOC_MAX_BYTES + 1);

	for (size_t i = 0; i < PGS_ARRAY_LEN(texts); i++) {
		ck_assert_msg(zkdoc_set_read(texts[i], strlen(texts[i]), &doc, &err) == -1,
			      "accepted: %s", texts[i]);
		ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
		ck_assert_str_eq(err.msg, DAMAGED("set node"));
	}
	ck_assert_int_eq(zkdoc_set_read("pgshovel 2 x", 12, &doc, &err), -1);
	ck_assert_str_eq(
		err.msg,
		"the set node in ZooKeeper has format 2, this pgshovel knows format 1; use the "
		"version that wrote it or a later one");
	ck_assert_int_eq(zkdoc_set_read("pgshovel 1 " DIGEST " " ID " 4\nbar", 114, &doc, &err),
			 -1);
	ck_assert_str_eq(err.msg,
			 "the set node in ZooKeeper says version 2c26b46b68ff, but its text has "
			 "fcde2b2edba5: somebody edited it; run \"pgshovel set upgrade\" with the "
			 "set's file");
	ck_assert_int_eq(zkdoc_set_read(large, SETDOC_MAX_BYTES + 1, &doc, &err), -1);
	free(large);
}
END_TEST

static const char intent_text[] =
	"{\"v\":1,\"id\":\"" ID
	"\",\"kind\":\"upgrade\",\"set\":\"shop\",\"from\":null,\"to\":\"" DIGEST
	"\",\"databases\":[{\"name\":\"main\",\"conninfo\":\"host='a\\\"b'\","
	"\"node\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\",\"gid\":\"pgshovel:default:" ID ":0\"},"
	"{\"name\":\"two\",\"conninfo\":\"\",\"node\":\"\",\"gid\":\"pgshovel:default:" ID ":1\"}],"
	"\"at\":\"2026-01-31T12:00:00Z\",\"by\":\"host 17\"}";

START_TEST(intent_there_and_back)
{
	struct zkdoc_intent_database databases[] = {
		{ .name = (char[]){ "main" },
		  .conninfo = (char[]){ "host='a\"b'" },
		  .node = (char[]){ "6ba7b810-9dad-11d1-80b4-00c04fd430c8" },
		  .gid = (char[]){ "pgshovel:default:" ID ":0" } },
		{ .name = (char[]){ "two" },
		  .conninfo = (char[]){ "" },
		  .node = (char[]){ "" },
		  .gid = (char[]){ "pgshovel:default:" ID ":1" } },
	};
	struct zkdoc_intent doc = {
		.id = ID,
		.kind = (char[]){ "upgrade" },
		.set = (char[]){ "shop" },
		.to = (char[]){ DIGEST },
		.at = (char[]){ "2026-01-31T12:00:00Z" },
		.by = (char[]){ "host 17" },
		.databases = databases,
		.n_databases = 2,
	};
	struct zkdoc_intent *read = NULL;
	struct pgs_buf out = PGS_BUF_INIT(4096);
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	zkdoc_intent_write(&doc, &out);
	ck_assert_str_eq(out.data, intent_text);
	ck_assert_msg(zkdoc_intent_read(out.data, out.len, &read, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(read->id, ID);
	ck_assert_str_eq(read->kind, "upgrade");
	ck_assert_str_eq(read->set, "shop");
	ck_assert_ptr_null(read->from);
	ck_assert_str_eq(read->to, DIGEST);
	ck_assert_str_eq(read->at, "2026-01-31T12:00:00Z");
	ck_assert_str_eq(read->by, "host 17");
	ck_assert_uint_eq(read->n_databases, 2);
	ck_assert_str_eq(read->databases[0].conninfo, "host='a\"b'");
	ck_assert_str_eq(read->databases[1].gid, "pgshovel:default:" ID ":1");
	ck_assert_str_eq(read->databases[1].node, "");
	zkdoc_intent_free(read);
	pgs_buf_done(&out);
}
END_TEST

/* A database that was left out stands there only when there is one. */
START_TEST(intent_with_a_database_left_out)
{
	static const char with[] = "{\"name\":\"gone\",\"conninfo\":\"host=g\"}";
	struct pgs_buf text = PGS_BUF_INIT(8192), out = PGS_BUF_INIT(8192);
	const char *at = strstr(intent_text, "\"at\"");
	struct zkdoc_intent *doc = NULL;
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	pgs_buf_put(&text, intent_text, (size_t)(at - intent_text));
	pgs_buf_printf(&text, "\"left\":[%s],%s", with, at);
	ck_assert_msg(zkdoc_intent_read(text.data, text.len, &doc, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(doc->n_left, 1);
	ck_assert_str_eq(doc->left[0].name, "gone");
	ck_assert_str_eq(doc->left[0].conninfo, "host=g");
	zkdoc_intent_write(doc, &out);
	ck_assert_str_eq(out.data, text.data);
	zkdoc_intent_free(doc);
	pgs_buf_done(&text);
	pgs_buf_done(&out);
}
END_TEST

/* The text with one part replaced. */
static int read_changed(const char *part, const char *by, struct pgs_err *err)
{
	struct pgs_buf text = PGS_BUF_INIT(8192);
	struct zkdoc_intent *doc = NULL;
	const char *at = strstr(intent_text, part);
	int rc;

	ck_assert_ptr_nonnull(at);
	pgs_buf_put(&text, intent_text, (size_t)(at - intent_text));
	pgs_buf_puts(&text, by);
	pgs_buf_puts(&text, at + strlen(part));
	rc = zkdoc_intent_read(text.data, text.len, &doc, err);
	zkdoc_intent_free(doc);
	pgs_buf_done(&text);
	return rc;
}

START_TEST(intent_refused)
{
	static const char *const changes[][2] = {
		{ "{", "" },
		{ "\"v\":1,", "" },
		{ "\"v\":1,", "\"v\":1,\"v\":1," },
		{ "\"v\":1,", "\"v\":1,\"new\":1," },
		{ "\"id\":\"" ID "\"", "\"id\":\"0123\"" },
		{ "upgrade", "downgrade" },
		{ "shop", "Shop" },
		{ "\"to\":\"" DIGEST, "\"to\":\"x" },
		{ "\"to\"", "\"too\"" },
		{ "\"set\":\"shop\"", "\"set\":5" },
		{ "\"name\":\"main\"", "\"name\":\"\"" },
		{ "6ba7b810-", "6ba7b8100" },
		{ ":" ID ":0", ":" ID ":" },
		{ ":" ID ":0", ":" ID ":0x" },
		{ ":" ID ":0", ":00000000000000000000000000000000:0" },
		{ "pgshovel:default:", "pgshovel:" },
		{ "pgshovel:default:", "x:default:" },
		{ "\"at\":\"2026-01-31T12:00:00Z\",", "" },
		{ "host 17\"}", "host 17\"}x" },
		{ "\"at\"", "\"left\":[],\"at\"" },
		{ "\"at\"", "\"left\":[{\"name\":\"x\"}],\"at\"" },
	};
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	ck_assert_int_eq(read_changed("shop", "other", &err), 0);
	ck_assert_int_eq(read_changed("\"set\":\"shop\"", "\"set\":null", &err), 0);
	for (size_t i = 0; i < PGS_ARRAY_LEN(changes); i++) {
		err.cls = PGS_ERR_NONE;
		ck_assert_msg(read_changed(changes[i][0], changes[i][1], &err) == -1,
			      "accepted: %s -> %s", changes[i][0], changes[i][1]);
		ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
		ck_assert_ptr_nonnull(strstr(err.msg, "is damaged"));
	}
	ck_assert_int_eq(read_changed("\"v\":1", "\"v\":2", &err), -1);
	ck_assert_str_eq(
		err.msg,
		"the intent of a rollout in ZooKeeper has format 2, this pgshovel knows format "
		"1; use the version that wrote it or a later one");
}
END_TEST

START_TEST(new_ids)
{
	char a[ZKDOC_ID_HEX + 1];
	char b[ZKDOC_ID_HEX + 1];
	struct pgs_err err;

	ck_assert_int_eq(zkdoc_new_id(a, &err), 0);
	ck_assert_int_eq(zkdoc_new_id(b, &err), 0);
	ck_assert_uint_eq(strspn(a, "0123456789abcdef"), ZKDOC_ID_HEX);
	ck_assert_uint_eq(strlen(a), ZKDOC_ID_HEX);
	ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(json_strings)
{
	static const char *const cases[][2] = {
		{ "", "\"\"" },
		{ "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
		{ "\n\t\x01\x7f", "\"\\u000a\\u0009\\u0001\\u007f\"" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98",
		  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98\"" },
		{ "a\xff"
		  "b\xc3",
		  "\"a\xef\xbf\xbd"
		  "b\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	for (size_t i = 0; i < PGS_ARRAY_LEN(cases); i++) {
		struct pgs_buf out = PGS_BUF_INIT(1024);
		json_t *json;

		zkdoc_put_json_string(&out, cases[i][0]);
		ck_assert_str_eq(out.data, cases[i][1]);
		json = json_loadb(out.data, out.len, JSON_DECODE_ANY, NULL);
		ck_assert(json_is_string(json));
		json_decref(json);
		pgs_buf_done(&out);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("zkdoc");

	tcase_add_test(tcase, cluster_there_and_back);
	tcase_add_test(tcase, cluster_refused);
	tcase_add_test(tcase, set_there_and_back);
	tcase_add_test(tcase, set_refused);
	tcase_add_test(tcase, intent_there_and_back);
	tcase_add_test(tcase, intent_with_a_database_left_out);
	tcase_add_test(tcase, intent_refused);
	tcase_add_test(tcase, new_ids);
	tcase_add_test(tcase, json_strings);
	return runner_run("zkdoc", tcase);
}

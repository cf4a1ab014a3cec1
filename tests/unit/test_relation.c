/*
 * tests/unit/test_relation.c
 *    The column list of a relation, as the database writes it and as it must not.
 */
#include <check.h>
#include <string.h>

#include "tests/unit/runner.h"
#include "worker/relation.h"

static struct relation *make(const char *columns, struct pgs_err *err)
{
	struct relation *rel = NULL;
	if (relation_from_row(5, 16999, "public", "t", "abc", true, columns, &rel, err) < 0)
		return NULL;
	return rel;
}

START_TEST(test_good)
{
	struct pgs_err err;
	struct relation *rel =
		make("[{\"name\":\"b\",\"attnum\":2,\"type\":\"public.mood\",\"typid\":20001,"
		     "\"typmod\":-1,\"typtype\":\"e\","
		     "\"base\":\"public.mood\",\"baseid\":20001,\"basemod\":-1,\"elemid\":null,"
		     "\"notnull\":true,"
		     "\"generated\":false,\"key\":2,\"default\":\"'sad'::mood\",\"labels\":["
		     "\"sad\",\"very happy\"]},"
		     "{\"name\":\"a\",\"attnum\":1,\"type\":\"ty.cash\",\"typid\":4294967295,"
		     "\"typmod\":-1,\"typtype\":\"d\","
		     "\"base\":\"numeric(10,2)\",\"baseid\":1700,\"basemod\":655366,\"elemid\":"
		     "null,\"notnull\":true,"
		     "\"generated\":true,\"key\":1,\"default\":null,\"something\":\"newer\"}]",
		     &err);
	ck_assert_ptr_nonnull(rel);
	ck_assert_int_eq(rel->id, 5);
	ck_assert_str_eq(rel->version, "abc");
	ck_assert(rel->chained);
	ck_assert_uint_eq(rel->n_columns, 2);
	ck_assert_uint_eq(rel->n_key, 2);
	ck_assert_uint_eq(rel->key[0], 1);
	ck_assert_uint_eq(rel->key[1], 0);
	ck_assert_str_eq(rel->columns[0].labels, "sad,very happy");
	ck_assert_str_eq(rel->columns[0].fallback, "'sad'::mood");
	ck_assert_int_eq(rel->columns[0].typtype, 'e');
	ck_assert_uint_eq(rel->columns[1].typid, 4294967295u);
	ck_assert_int_eq(rel->columns[1].basemod, 655366);
	ck_assert(rel->columns[1].generated);
	ck_assert_ptr_null(rel->columns[1].fallback);
	relation_freep(&rel);
	ck_assert_ptr_null(rel);
}
END_TEST

START_TEST(test_without_key)
{
	struct pgs_err err;
	struct relation *rel = make("[{\"name\":\"a\",\"type\":\"text\",\"typid\":25}]", &err);
	ck_assert_ptr_nonnull(rel);
	ck_assert_uint_eq(rel->n_key, 0);
	ck_assert_str_eq(rel->columns[0].base, "text");
	ck_assert_uint_eq(rel->columns[0].baseid, 25);
	relation_free(rel);
}
END_TEST

START_TEST(test_bad)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"[1]",
		"[{}]",
		"[{\"name\":\"a\"}]",
		"[{\"name\":1,\"type\":\"text\"}]",
		"[{\"name\":\"a\",\"type\":\"text\",\"typid\":\"25\"}]",
		"[{\"name\":\"a\",\"type\":\"text\",\"typid\":-1}]",
		"[{\"name\":\"a\",\"type\":\"text\",\"notnull\":1}]",
		"[{\"name\":\"a\",\"type\":\"text\",\"key\":0}]",
		"[{\"name\":\"a\",\"type\":\"text\",\"key\":2}]",
		"[{\"name\":\"a\",\"type\":\"text\",\"key\":1},{\"name\":\"b\",\"type\":\"text\","
		"\"key\":1}]",
		"[{\"name\":\"a\",\"type\":\"text\",\"labels\":\"x\"}]",
		"[{\"name\":\"a\",\"type\":\"text\",\"labels\":[1]}]",
		"[{\"name\":\"a\",\"name\":\"b\",\"type\":\"text\"}]",
	};
	for (size_t i = 0; i < PGS_ARRAY_LEN(bad); i++) {
		struct pgs_err err = { .cls = PGS_ERR_NONE };
		ck_assert_msg(make(bad[i], &err) == NULL, "%s", bad[i]);
		ck_assert_int_eq(err.cls, PGS_ERR_BUG);
	}
}
END_TEST

START_TEST(test_leaf)
{
	static const struct {
		const char *leaf;
		const char *schema; /* NULL: refused */
		const char *table;
	} cases[] = {
		{ "public.p_1", "public", "p_1" },
		{ "\"a.b\".\"c\"\"d\"", "a.b", "c\"d" },
		{ "\"x\".y", "x", "y" },
		{ "\"\"\"\".y", "\"", "y" },
		{ "", NULL, NULL },
		{ "a", NULL, NULL },
		{ "a.", NULL, NULL },
		{ ".a", NULL, NULL },
		{ "a.b.c", NULL, NULL },
		{ "\"a.b", NULL, NULL },
		{ "\"a\"x.b", NULL, NULL },
		{ "a.\"b", NULL, NULL },
		{ "\"\".b", NULL, NULL },
	};
	for (size_t i = 0; i < PGS_ARRAY_LEN(cases); i++) {
		struct pgs_err err = { .cls = PGS_ERR_NONE };
		struct relation *rel = make("[{\"name\":\"a\",\"type\":\"text\"}]", &err);
		/* From the heap and exactly as long, so that a read behind the end is seen. */
		const size_t len = strlen(cases[i].leaf);
		char *leaf = malloc(len + (len == 0));
		ck_assert_ptr_nonnull(rel);
		memcpy(leaf, cases[i].leaf, len);
		const int rc = relation_set_leaf(rel, leaf, len, &err);
		ck_assert_msg(rc == (cases[i].schema ? 0 : -1), "%s", cases[i].leaf);
		ck_assert_str_eq(rel->schema, cases[i].schema ? cases[i].schema : "public");
		ck_assert_str_eq(rel->table, cases[i].table ? cases[i].table : "t");
		if (rc < 0)
			ck_assert_str_eq(err.code, "relation");
		else
			ck_assert_str_eq(rel->leaf, cases[i].leaf);
		relation_free(rel);
		free(leaf);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("relation");

	tcase_add_test(tc, test_good);
	tcase_add_test(tc, test_without_key);
	tcase_add_test(tc, test_bad);
	tcase_add_test(tc, test_leaf);
	return runner_run("relation", tc);
}

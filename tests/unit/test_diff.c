/*
 * tests/unit/test_diff.c
 *    admin/diff.c: differences between documents, against tests/golden/diff.txt and diff.json.
 *
 * PGSHOVEL_TEST_UPDATE=1 rewrites the golden files.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "admin/diff.h"
#include "tests/unit/runner.h"

static const char before[] =
	"databases = ( { name = \"main\"; conninfo = \"host=h dbname=d\"; },"
	" { name = \"moved\"; conninfo = \"host=old dbname=m\"; },"
	" { name = \"gone\"; conninfo = \"host=g dbname=g\"; } );\n"
	"tables = ( { name = \"public.narrow\"; columns = [ \"id\", \"x\", \"y\" ]; key = [ \"id\" "
	"]; },"
	" { name = \"public.wide\"; columns = [ \"id\", \"x\" ]; },"
	" { name = \"public.all\"; },"
	" { name = \"public.\\\"Odd.Name\\\"\"; } );\n"
	"topics = { prefix = \"p.{database}\"; };\n"
	"format = { decimal = \"string\"; };\n"
	"kafka = [ \"bootstrap.servers=h:9\", \"linger.ms=5\", \"compression.type=lz4\", "
	"\"batch.size=9999\" ];\n";

static const char after[] =
	"databases = ( { name = \"moved\"; conninfo = \"host=new dbname=m\"; },"
	" { name = \"main\"; conninfo = \"host=h dbname=d\"; },"
	" { name = \"come\"; conninfo = \"host=c dbname=c\"; } );\n"
	"tables = ( { name = \"public.wide\"; },"
	" { name = \"public.all\"; capture = \"statement\"; key = [ \"id\", \"part\" ]; },"
	" { name = \"public.narrow\"; columns = [ \"z\", \"x\", \"id\" ]; key = [ \"id\" ]; },"
	" { name = \"sales.added\"; columns = [ \"id\", \"Größe\" ]; } );\n"
	"topics = { prefix = \"q.{database}\"; replication = 2; };\n"
	"format = { decimal = \"precise\"; transactions = true; };\n"
	"relay = { batch_bytes = \"32MB\"; poll = \"1s\"; };\n"
	"kafka = [ \"compression.type=zstd\", \"bootstrap.servers=h:9\", \"linger.ms=5\", "
	"\"client.id=x\" ];\n";

static struct setdoc *parse(const char *text)
{
	struct setdoc *doc;
	struct pgs_err err = { 0 };

	ck_assert_msg(setdoc_parse(text, strlen(text), "f", &doc, &err) == 0, "%s", err.msg);
	return doc;
}

static void same_as_golden(const char *path, const char *got)
{
	char want[64 * 1024] = "";

	if (getenv("PGSHOVEL_TEST_UPDATE")) {
		FILE *f = fopen(path, "we");
		ck_assert_ptr_nonnull(f);
		fputs(got, f);
		ck_assert_int_eq(fclose(f), 0);
	}
	FILE *f = fopen(path, "re");
	ck_assert_msg(f != NULL, "no %s: run from the root of the source", path);
	ck_assert_uint_lt(fread(want, 1, sizeof(want) - 1, f), sizeof(want) - 1);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_msg(strcmp(got, want) == 0, "%s differs; \"make golden\" rewrites it:\n%s", path,
		      got);
}

static char *printed(const char *from_text, const char *to_text, bool json)
{
	struct setdoc *from = parse(from_text), *to = parse(to_text);
	struct diff diff;
	struct pgs_err err = { 0 };
	char *text = NULL;
	size_t len;

	ck_assert_msg(diff_make(from, to, &diff, &err) == 0, "%s", err.msg);
	FILE *out = open_memstream(&text, &len);
	if (json)
		diff_print_json(&diff, "shop", from, to, out);
	else
		diff_print(&diff, out);
	ck_assert_int_eq(fclose(out), 0);
	diff_done(&diff);
	setdoc_free(from);
	setdoc_free(to);
	return text;
}

START_TEST(every_difference_has_a_line)
{
	char *text = printed(before, after, false);

	same_as_golden("tests/golden/diff.txt", text);
	free(text);
}
END_TEST

START_TEST(as_json)
{
	char *text = printed(before, after, true);

	same_as_golden("tests/golden/diff.json", text);
	free(text);
}
END_TEST

START_TEST(equal_documents)
{
	char *text = printed(before, before, false);

	ck_assert_str_eq(text, "");
	free(text);
}
END_TEST

/* A default that is written, another order: another version, the same meaning. */
START_TEST(other_words_for_the_same)
{
	static const char words[] =
		"databases = ( { name = \"a\"; conninfo = \"host=h dbname=d\"; } );\n"
		"tables = ( { name = \"t\"; columns = [ \"id\", \"x\" ]; } );\n"
		"kafka = [ \"bootstrap.servers=h:9\" ];\n";
	static const char others[] =
		"databases = ( { name = \"a\"; conninfo = \"host=h dbname=d\"; } );\n"
		"tables = ( { name = \"public.t\"; columns = [ \"x\", \"id\" ]; capture = \"row\"; "
		"} );\n"
		"format = { tombstones = true; };\n"
		"kafka = [ \"bootstrap.servers=h:9\" ];\n";
	char *text = printed(words, others, false);

	ck_assert_str_eq(text, "~ text: another version that means the same\n");
	free(text);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("diff");

	tcase_add_test(tc, every_difference_has_a_line);
	tcase_add_test(tc, as_json);
	tcase_add_test(tc, equal_documents);
	tcase_add_test(tc, other_words_for_the_same);
	return runner_run("diff", tc);
}

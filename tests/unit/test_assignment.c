/*
 * tests/unit/test_assignment.c
 *    The assignment's very text, there and back, and everything that is refused.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/assignment.h"
#include "tests/unit/runner.h"

#define ID     "0123456789abcdef0123456789abcdef"
#define DIGEST "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" /* of "foo" */

static const char kafka_text[] = "pgshovel-assignment 1\n"
				 "cluster=default\n"
				 "set=shop\n"
				 "rollout=" ID "\n"
				 "version=" DIGEST "\n"
				 "partitions=4\n"
				 "host=db-1\n"
				 "token=1.4294967297.3\n"
				 "output=kafka\n"
				 "output_path=\n"
				 "from=\n"
				 "commit_path=\n"
				 "confine=files,calls\n"
				 "ports=9094\n"
				 "paths=\n"
				 "memory=1073741824\n"
				 "document 3\n"
				 "foo\n"
				 "credential:pgpass 13\n"
				 "h:5432:*:u:p\n\n"
				 "credential:kafka 0\n"
				 "\n";

START_TEST(there_and_back)
{
	struct assignment *a = NULL;
	struct pgs_buf out = PGS_BUF_INIT(ASSIGNMENT_MAX_BYTES);
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	ck_assert_msg(assignment_read(kafka_text, sizeof(kafka_text) - 1, &a, &err) == 0, "%s",
		      err.msg);
	ck_assert_str_eq(a->cluster, "default");
	ck_assert_str_eq(a->set, "shop");
	ck_assert_str_eq(a->rollout, ID);
	ck_assert_str_eq(a->version, DIGEST);
	ck_assert_int_eq(a->partitions, 4);
	ck_assert_str_eq(a->host, "db-1");
	ck_assert_str_eq(a->token, "1.4294967297.3");
	ck_assert_int_eq(a->output, ASSIGNMENT_KAFKA);
	ck_assert_ptr_null(a->output_path);
	ck_assert_ptr_null(a->from);
	ck_assert_ptr_null(a->commit_path);
	ck_assert_str_eq(a->confine, "files,calls");
	ck_assert_str_eq(a->ports, "9094");
	ck_assert_ptr_null(a->paths);
	ck_assert_uint_eq(a->memory, 1073741824);
	ck_assert_str_eq(a->document, "foo");
	ck_assert_uint_eq(a->document_len, 3);
	ck_assert_uint_eq(a->n_credentials, 2);
	ck_assert_str_eq(assignment_credential(a, "pgpass")->data, "h:5432:*:u:p\n");
	ck_assert_uint_eq(assignment_credential(a, "kafka")->len, 0);
	ck_assert_ptr_null(assignment_credential(a, "zookeeper"));
	assignment_write(a, &out);
	ck_assert_str_eq(out.data, kafka_text);
	assignment_free(a);
	pgs_buf_done(&out);
}
END_TEST

/* The text with one part replaced. */
static int read_changed(const char *part, const char *by, struct assignment **ret,
			struct pgs_err *err)
{
	struct pgs_buf text = PGS_BUF_INIT(8192);
	const char *at = strstr(kafka_text, part);
	int rc;

	ck_assert_ptr_nonnull(at);
	pgs_buf_put(&text, kafka_text, (size_t)(at - kafka_text));
	pgs_buf_puts(&text, by);
	pgs_buf_puts(&text, at + strlen(part));
	rc = assignment_read(text.data, text.len, ret, err);
	pgs_buf_done(&text);
	return rc;
}

START_TEST(other_outputs)
{
	struct assignment *a = NULL;
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	ck_assert_int_eq(
		read_changed(
			"token=1.4294967297.3\noutput=kafka\noutput_path=\nfrom=\ncommit_path=\n",
			"token=\noutput=file\noutput_path=/tmp/o\nfrom=1:1:\ncommit_path=/tmp/c\n",
			&a, &err),
		0);
	ck_assert_int_eq(a->output, ASSIGNMENT_FILE);
	ck_assert_ptr_null(a->token);
	ck_assert_str_eq(a->output_path, "/tmp/o");
	ck_assert_str_eq(a->from, "1:1:");
	ck_assert_str_eq(a->commit_path, "/tmp/c");
	assignment_freep(&a);
	ck_assert_int_eq(read_changed("output=kafka", "output=stdout", &a, &err), 0);
	ck_assert_int_eq(a->output, ASSIGNMENT_STDOUT);
	assignment_freep(&a);
}
END_TEST

START_TEST(refused)
{
	static const char *const changes[][3] = {
		{ "assignment 1", "assignment 2",
		  "the first line; supervisor and relay are of different versions" },
		{ "cluster=default", "cluster=Default", "cluster" },
		{ "cluster=default\n", "", "cluster" },
		{ "cluster=default\n", "cluster=\n", "cluster" },
		{ "cluster=default\n", "cluster=default\nnew=1\n", "set" },
		{ "set=shop", "set=shop_", "set" },
		{ "rollout=0", "rollout=", "rollout" },
		{ "version=2", "version=A", "version" },
		{ "version=2", "version=3", "the document does not have its version" },
		{ "partitions=4", "partitions=0", "partitions" },
		{ "partitions=4", "partitions=", "partitions" },
		{ "partitions=4", "partitions=10001", "partitions" },
		{ "host=db-1", "host=", "host" },
		{ "token=1.4294967297.3", "token=", "token" },
		{ "token=1.4294967297.3", "token=1.2", "token" },
		{ "token=1.4294967297.3", "token=1.2.3.4", "token" },
		{ "token=1.4294967297.3", "token=1.-2.3", "token" },
		{ "output=kafka", "output=Kafka", "output" },
		{ "output=kafka", "output=file", "output_path" },
		{ "output_path=", "output_path=/x", "output_path" },
		{ "from=", "from=1:1:", "from or commit_path together with Kafka" },
		{ "commit_path=", "commit_path=/x", "from or commit_path together with Kafka" },
		{ "document 3", "document 4", "the size of a section" },
		{ "document 3", "document 2", "the size of a section" },
		{ "document 3", "document 9999999", "the size of a section" },
		{ "document 3", "document -1", "the size of a section" },
		{ "document 3", "documents 3", "document" },
		{ "credential:pgpass 13", "credential: 13", "an unknown section" },
		{ "credential:pgpass 13", "secret:pgpass 13", "an unknown section" },
		{ "credential:kafka 0", "credential:pgpass 0", "a credential given twice" },
		{ "credential:kafka 0", "credential:kafka 1", "the size of a section" },
		{ "credential:kafka 0", "credential:kafka", "a section" },
	};

	for (size_t i = 0; i < PGS_ARRAY_LEN(changes); i++) {
		static const char before[] =
			"the assignment from the supervisor is not as it should be: ";
		struct assignment *a = NULL;
		struct pgs_err err = { .cls = PGS_ERR_NONE };

		ck_assert_msg(read_changed(changes[i][0], changes[i][1], &a, &err) == -1,
			      "accepted: %s -> %s", changes[i][0], changes[i][1]);
		ck_assert_int_eq(err.cls, PGS_ERR_BUG);
		ck_assert_int_eq(strncmp(err.msg, before, sizeof(before) - 1), 0);
		ck_assert_str_eq(err.msg + sizeof(before) - 1, changes[i][2]);
		ck_assert_ptr_null(a);
	}
}
END_TEST

/* Cut anywhere it is refused, and nothing behind the end is read (ASan looks at the exact allocation). */
START_TEST(cut_anywhere)
{
	for (size_t len = 0; len < sizeof(kafka_text) - 1; len++) {
		char *text = malloc(len ? len : 1);
		struct assignment *a = NULL;
		struct pgs_err err = { .cls = PGS_ERR_NONE };
		bool whole = false;

		ck_assert_ptr_nonnull(text);
		memcpy(text, kafka_text, len);
		/* between two sections it is a shorter assignment */
		for (const char *p = strstr(kafka_text, "credential:"); p;
		     p = strstr(p + 1, "credential:"))
			whole = whole || (size_t)(p - kafka_text) == len;
		ck_assert_int_eq(assignment_read(text, len, &a, &err), whole ? 0 : -1);
		assignment_free(a);
		free(text);
	}
}
END_TEST

/* A line break in a value would forge a line. */
START_TEST(newline_in_value)
{
	struct assignment *a = NULL;
	struct pgs_buf out = PGS_BUF_INIT(ASSIGNMENT_MAX_BYTES);
	struct pgs_err err;
	char *host;
	char forged[] = "a\nb=c";

	ck_assert_int_eq(assignment_read(kafka_text, sizeof(kafka_text) - 1, &a, &err), 0);
	host = a->host;
	a->host = forged;
	assignment_write(a, &out);
	ck_assert(pgs_buf_failed(&out));
	a->host = host;
	assignment_free(a);
	pgs_buf_done(&out);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("assignment");

	tcase_add_test(tcase, there_and_back);
	tcase_add_test(tcase, other_outputs);
	tcase_add_test(tcase, refused);
	tcase_add_test(tcase, cut_anywhere);
	tcase_add_test(tcase, newline_in_value);
	return runner_run("assignment", tcase);
}

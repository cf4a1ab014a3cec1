/*
 * tests/unit/test_step.c
 *    A process stops at the step that it was told, in the pass that it was told, and writes a note first.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/step.h"
#include "tests/unit/runner.h"

/* How often the child got past step "b" before it stopped or ended. */
struct outcome {
	bool stopped;
	int passed;
	char note[128];
};

static void child(const char *stop_at, const char *note, int out)
{
	if (stop_at)
		(void)setenv("PGSHOVEL_STOP_AT", stop_at, 1);
	else
		(void)unsetenv("PGSHOVEL_STOP_AT");
	(void)setenv("PGSHOVEL_STOP_FILE", note, 1);
	for (int i = 0; i < 3; i++) {
		PGS_STEP("a");
		PGS_STEP("bb");
		PGS_STEP("b");
		(void)!write(out, "b", 1); /* what does not arrive is missed below */
	}
	_exit(0);
}

static struct outcome run(const char *stop_at)
{
	struct outcome ret = { .stopped = false };
	char note[] = "/tmp/pgshovel-step.XXXXXX";
	char expected[32], passes[8];
	int fd = mkstemp(note), out[2], status;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pipe(out), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		child(stop_at, note, out[1]);
	(void)close(out[1]);
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ret.stopped = WIFSTOPPED(status);
	if (ret.stopped) {
		ck_assert_int_eq(WSTOPSIG(status), SIGSTOP);
		ssize_t n = read(fd, ret.note, sizeof(ret.note) - 1);
		ck_assert_int_gt(n, 0);
		(void)snprintf(expected, sizeof(expected), " %ld\n", (long)pid);
		ck_assert_ptr_nonnull(strstr(ret.note, expected));
		*strstr(ret.note, expected) = '\0';
		(void)fcntl(out[0], F_SETFL, O_NONBLOCK);
		n = read(out[0], passes, sizeof(passes));
		ret.passed = n > 0 ? (int)n : 0;
		/* It stops once: continued, it runs to its end. */
		ck_assert_int_eq(kill(pid, SIGCONT), 0);
		ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	}
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	(void)close(out[0]);
	(void)close(fd);
	(void)unlink(note);
	return ret;
}

START_TEST(stops_at_its_label)
{
	struct outcome o = run("b");

	ck_assert(o.stopped);
	ck_assert_str_eq(o.note, "b");
	ck_assert_int_eq(o.passed, 0);
}
END_TEST

START_TEST(stops_in_the_nth_pass)
{
	struct outcome o = run("b:3");

	ck_assert(o.stopped);
	ck_assert_str_eq(o.note, "b");
	ck_assert_int_eq(o.passed, 2);
	ck_assert(!run("b:4").stopped);
	o = run("c,b:2,a:9");
	ck_assert(o.stopped);
	ck_assert_str_eq(o.note, "b");
	ck_assert_int_eq(o.passed, 1);
}
END_TEST

START_TEST(other_labels_do_nothing)
{
	static const char *const others[] = { NULL, "", "c", "bbb", "B", ":1", ",", "c,bbb" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_msg(!run(others[i]).stopped, "stopped for \"%s\"",
			      others[i] ? others[i] : "nothing");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("step");

#ifdef PGSHOVEL_TEST_HOOKS
	tcase_add_test(tc, stops_at_its_label);
	tcase_add_test(tc, stops_in_the_nth_pass);
#else
	(void)stops_at_its_label;
	(void)stops_in_the_nth_pass;
#endif
	tcase_add_test(tc, other_labels_do_nothing);
	return runner_run("step", tc);
}

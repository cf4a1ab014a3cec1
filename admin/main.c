/*
 * admin/main.c
 *    pgshovel: options, the command, the exit code.
 *
 * Everything else is done by the commands; see cli.c for the table of them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "admin/admin.h"
#include "admin/cli.h"
#include "admin/completion.h"
#include "admin/steps.h"
#include "common/credentials.h"
#include "common/log.h"
#include "common/parse.h"

/* A command's messages are for people and scripts; priorities only help when the journal reads them. */
static void say(enum pgs_log_level level, const char *prefix, const char *line, void *ctx)
{
	(void)level;
	(void)ctx;
	fprintf(stderr, "pgshovel: %s%s%s\n", prefix ? prefix : "", prefix ? " " : "", line);
}

static void open_log(enum pgs_log_level level)
{
	pgs_log_open("pgshovel", level);
	if (!getenv("JOURNAL_STREAM"))
		pgs_log_set_sink(say, NULL);
}

/* SIGINT and SIGTERM are read from a descriptor, so that no call is cut in the middle by chance. */
static int open_signals(struct admin *a, struct pgs_err *reterr)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "cannot block signals: %m");
	a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a->signal_fd < 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not open a signalfd: %m");
	a->interrupt_fd = a->signal_fd;
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	if (sigaction(SIGPIPE, &ignore, NULL) < 0)
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "cannot ignore SIGPIPE: %m");
	return 0;
}

static int check_globals(struct admin *a, struct pgs_err *reterr)
{
	enum pgs_log_level level;
	struct pgs_err err;

	if (pgs_log_level_parse(a->options.log_level, &level, &err) < 0)
		return cli_usage(reterr, "%s", err.msg);
	open_log(level);
	if (!pgs_cluster_name_ok(a->options.cluster))
		return cli_usage(reterr,
				 "cluster name \"%s\" must be a lower-case letter and up to 23 "
				 "more letters or digits, not \"zookeeper\"",
				 a->options.cluster);
	snprintf(a->schema, sizeof(a->schema), "pgshovel_%s", a->options.cluster);
	return credentials_folder(&a->options.credentials_dir, reterr);
}

static int finish_output(struct pgs_err *reterr)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return pgs_err_set(reterr, PGS_ERR_RETRY, "EIO", "could not write to standard output: %m");
}

static int run(struct admin *a, struct options *options, int argc, char **argv,
	       struct pgs_err *reterr)
{
	struct cli_choice choice;
	int n_words;
	struct pgs_err err = { 0 };

	if (options_init(options, admin_option_specs, admin_n_option_specs, &a->options, reterr) <
	    0)
		return -1;
	if (options_environment(options, &err) < 0 ||
	    options_argv(options, argc, argv, &n_words, &err) < 0)
		return err.cls == PGS_ERR_CONFIG ? cli_usage(reterr, "%s", err.msg)
						 : (*reterr = err, -1);
	if (a->options.version) {
		printf("pgshovel %s\n", PGSHOVEL_VERSION);
		return finish_output(reterr);
	}
	if (a->options.print_completion)
		return completion_print(a->options.print_completion, stdout, reterr) < 0
			       ? -1
			       : finish_output(reterr);
	if (a->options.mdoc_options) {
		options_mdoc(admin_option_specs, admin_n_option_specs, stdout);
		return finish_output(reterr);
	}
	if (a->options.list_steps) {
		for (size_t i = 0; i < ADMIN_N_STEPS; i++)
			printf("%s %s\n", admin_steps[i].label, admin_steps[i].kinds);
		return finish_output(reterr);
	}
	if (cli_find(argv + 1, n_words, &choice, reterr) < 0)
		return -1;
	if (a->options.help) {
		cli_help(&choice, stdout);
		return finish_output(reterr);
	}
	if (!choice.command)
		return cli_missing(&choice, reterr);
	if (cli_check(choice.command, n_words - choice.used, options, reterr) < 0 ||
	    check_globals(a, reterr) < 0 || open_signals(a, reterr) < 0)
		return -1;
	if (choice.command->run(a, argv + 1 + choice.used, n_words - choice.used, reterr) < 0)
		return -1;
	return finish_output(reterr);
}

int main(int argc, char **argv)
{
	struct admin a = { .signal_fd = -1, .interrupt_fd = -1 };
	struct options options = { 0 };
	struct pgs_err err = { 0 };
	enum pgs_exit code;

	open_log(PGS_LOG_NOTICE);
	if (run(&a, &options, argc, argv, &err) == 0) {
		code = a.result;
	} else {
		(void)fflush(stdout);
		code = strcmp(err.code, "usage") == 0 ? PGS_EXIT_USAGE : pgs_err_exit(err.cls);
		if (err.msg[0])
			pgs_log(PGS_LOG_ERR, NULL, "%s", err.msg);
	}
	admin_done(&a);
	options_done(&options);
	return code;
}

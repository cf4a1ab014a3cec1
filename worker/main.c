/*
 * worker/main.c
 *    pgshovel-kafka-relay: options, and which of its three lives it has.
 *
 * By hand (NAME): execs pgshoveld for that one set; there is no second way to run a relay. --supervised: a
 * worker of pgshoveld, see worker.c. --task: a piece of work for the admin program, see task.c.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "common/exitcode.h"
#include "common/journal.h"
#include "common/log.h"
#include "common/options_rows.h"
#include "common/parse.h"
#include "worker/steps.h"
#include "worker/worker.h"

struct flags {
	char *zookeeper_hosts;
	char *cluster;
	char *credentials_dir;
	char *log_level;
	bool to_stdout;
	char *file;
	char *from;
	char *commit;
	bool supervised;
	char *task;
	bool steps;
	bool version;
	bool help;
	bool mdoc_options;
};

#define FIELD(name) offsetof(struct flags, name)

static const struct option_spec specs[] = {
	OPTION_ROW_ZOOKEEPER_HOSTS(
		struct flags,
		"ZooKeeper servers, HOST:PORT,... with an optional /chroot behind the last"),
	OPTION_ROW_CLUSTER(struct flags, "the cluster to which the set belongs"),
	OPTION_ROW_CREDENTIALS_DIR(struct flags, "FOLDER", " (default: $CREDENTIALS_DIRECTORY)"),
	OPTION_ROW_STDOUT(struct flags, "write JSON lines to standard output instead of Kafka; "
					"takes no lock and moves no position"),
	OPTION_ROW_FILE(struct flags, "the same, appended to a file"),
	OPTION_ROW_FROM(struct flags),
	OPTION_ROW_COMMIT(struct flags),
	OPTION_ROW_LOG_LEVEL(struct flags, "info", 0),
	{ .name = "supervised",
	  .type = OPTION_FLAG,
	  .offset = FIELD(supervised),
	  .flags = OPTION_ACTION | OPTION_HIDDEN,
	  .help = "started by pgshoveld: control socket on descriptor 3, assignment on 4" },
	{ .name = "task",
	  .type = OPTION_STRING,
	  .offset = FIELD(task),
	  .argument = "NAME",
	  .flags = OPTION_ACTION | OPTION_HIDDEN,
	  .help = "started by pgshovel: check, topics or forget; assignment on descriptor 4" },
	{ .name = "steps",
	  .type = OPTION_FLAG,
	  .offset = FIELD(steps),
	  .flags = OPTION_ACTION | OPTION_HIDDEN,
	  .help = "list the steps at which a crash test can hold a relay" },
	OPTION_ROW_VERSION(struct flags, '\0', "print the version and exit"),
	OPTION_ROW_HELP(struct flags, "print this help and exit"),
	OPTION_ROW_MDOC_OPTIONS(struct flags),
};

static int usage(const char *text)
{
	pgs_log(PGS_LOG_ERR, NULL, "%s", text);
	return PGS_EXIT_USAGE;
}

/* pgshoveld lies beside this program, else in PATH. Returns only when it could not be run. */
static int exec_supervisor(const struct options *o, const struct flags *f, const char *set)
{
	char path[4096];
	char values[PGS_ARRAY_LEN(specs)][4096];
	char *argv[PGS_ARRAY_LEN(specs) + 4] = { (char *)"pgshoveld", (char *)"--set",
						 (char *)set };
	size_t n = 3;
	for (size_t i = 0; i < PGS_ARRAY_LEN(specs); i++) {
		int len = 0;
		if (!options_given(o, specs[i].name))
			continue;
		const char *field = (const char *)f + specs[i].offset;
		if (specs[i].type == OPTION_FLAG)
			len = snprintf(values[i], sizeof(values[i]), "--%s", specs[i].name);
		else
			len = snprintf(values[i], sizeof(values[i]), "--%s=%s", specs[i].name,
				       *(char *const *)field);
		if (len < 0 || (size_t)len >= sizeof(values[i]))
			return usage("an option is too long");
		argv[n++] = values[i];
	}
	const ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof("pgshoveld"));
	if (len > 0) {
		path[len] = '\0';
		char *slash = strrchr(path, '/');
		if (slash) {
			memcpy(slash + 1, "pgshoveld", sizeof("pgshoveld"));
			if (access(path, X_OK) == 0)
				(void)execv(path, argv);
		}
	}
	(void)execvp("pgshoveld", argv);
	pgs_log(PGS_LOG_ERR, NULL,
		"could not run \"pgshoveld\": %m; it is installed beside this program");
	return PGS_EXIT_CONFIG;
}

static void help(void)
{
	(void)printf("Usage: pgshovel-kafka-relay [OPTION]... SET\n"
		     "Relay one replication set to Kafka, supervised, in the foreground.\n\n");
	options_help(specs, PGS_ARRAY_LEN(specs), stdout);
}

static void list_steps(void)
{
#define STEP_LINE(name, where) (void)printf("%s\t%s\n", #name, where);
	RELAY_STEPS(STEP_LINE)
#undef STEP_LINE
}

static int run(struct options *o, struct flags *f, int argc, char **argv)
{
	struct pgs_err err;
	enum pgs_log_level level;
	int n_words = 0;
	if (options_init(o, specs, PGS_ARRAY_LEN(specs), f, &err) || options_environment(o, &err) ||
	    options_argv(o, argc, argv, &n_words, &err))
		return usage(err.msg);
	if (f->help)
		help();
	else if (f->version)
		(void)printf("pgshovel-kafka-relay %s\n", PGSHOVEL_VERSION);
	else if (f->mdoc_options)
		options_mdoc(specs, PGS_ARRAY_LEN(specs), stdout);
	else if (f->steps)
		list_steps();
	if (f->help || f->version || f->mdoc_options || f->steps)
		return PGS_EXIT_OK;
	if (pgs_log_level_parse(f->log_level, &level, &err))
		return usage(err.msg);
	pgs_log_set_level(level);
	/* Arenas of many threads would keep what one large window needed. */
	(void)mallopt(M_ARENA_MAX, 2);
	if (f->supervised)
		return worker_run();
	if (f->task)
		return task_run(f->task, n_words ? argv[1] : NULL);
	if (n_words != 1)
		return usage("name one set: pgshovel-kafka-relay [OPTION]... SET");
	if (!pgs_set_name_ok(argv[1]))
		return usage("a set's name is [a-z][a-z0-9_]{0,23}, without \"__\" and without "
			     "\"_\" at its end");
	return exec_supervisor(o, f, argv[1]);
}

int main(int argc, char **argv)
{
	struct flags flags = { .help = false };
	struct options options = { .n_specs = 0 };
	pgs_log_open("pgshovel-kafka-relay", PGS_LOG_INFO);
	journal_open("pgshovel-kafka-relay");
	const int code = run(&options, &flags, argc, argv);
	options_done(&options);
	return code;
}

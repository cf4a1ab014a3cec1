/*
 * supervisor/main.c
 *    pgshoveld: reads its options and credentials and runs the loop.
 *
 * Does nothing else. Workers are separate programs (spawn.c); databases and Kafka are theirs alone.
 */
#include <linux/close_range.h>
#include <stdio.h>
#include <unistd.h>

#include "common/exitcode.h"
#include "common/journal.h"
#include "common/log.h"
#include "supervisor/config.h"
#include "supervisor/credentials.h"
#include "supervisor/loop.h"
#include "supervisor/metrics.h"
#include "supervisor/supervisor.h"

static int run(struct supervisor *sup)
{
	struct pgs_err err;
	bool usage = false;

	if (config_read(sup->argc, sup->argv, &sup->config, &usage, &err) < 0) {
		pgs_log(PGS_LOG_ERR, NULL, "%s", err.msg);
		return usage && err.cls == PGS_ERR_CONFIG ? PGS_EXIT_USAGE
							  : (int)pgs_err_exit(err.cls);
	}
	if (sup->config.help) {
		config_help(stdout);
		return PGS_EXIT_OK;
	}
	if (sup->config.version) {
		(void)printf("pgshoveld %s\n", PGSHOVEL_VERSION);
		return PGS_EXIT_OK;
	}
	if (sup->config.mdoc_options) {
		config_mdoc(stdout);
		return PGS_EXIT_OK;
	}
	if (sup->config.list_metrics) {
		metrics_list(stdout);
		return PGS_EXIT_OK;
	}
	pgs_log_set_level(config_log_level(&sup->config));
	if (credentials_load(sup->config.credentials_dir, &sup->credentials, &err) < 0) {
		pgs_log(PGS_LOG_ERR, NULL, "%s", err.msg);
		return PGS_EXIT_CONFIG;
	}
	return loop_run(sup);
}

int main(int argc, char **argv)
{
	struct supervisor sup = { .argc = argc, .argv = argv, .relay_fd = -1, .cgroup.fd = -1 };

	loop_block_signals();
	/* What our parent left open must not reach a worker. */
	(void)close_range(STDERR_FILENO + 1, ~0U,
			  CLOSE_RANGE_CLOEXEC); /* an old kernel: they leak, no more */
	pgs_log_open("pgshoveld", PGS_LOG_INFO);
	journal_open("pgshoveld");
	int code = run(&sup);
	credentials_done(&sup.credentials);
	config_done(&sup.config);
	return code;
}

/*
 * supervisor/config.h
 *    The options of pgshoveld: one table, read from flags, variables and the configuration file.
 *
 * Does not act on any of them.
 */
#ifndef PGSHOVEL_SUPERVISOR_CONFIG_H
#define PGSHOVEL_SUPERVISOR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"
#include "common/log.h"
#include "common/options.h"

#define CONFIG_DEFAULT_PATH "/etc/pgshovel/pgshoveld.conf"

struct config {
	char *zookeeper_hosts;
	char *cluster;
	char *host; /* NULL: the machine's name */
	char *set; /* NULL: every set of this host */
	uint64_t session_timeout_us;
	char *config_path;
	char *credentials_dir;
	char *relay; /* NULL: beside our own binary, else in PATH */
	uint64_t stop_grace_us;
	uint64_t heartbeat_timeout_us;
	uint64_t recover_after_us; /* 0: never */
	int64_t max_sets;
	char *confine;
	uint64_t worker_memory; /* for each database of a set */
	int64_t worker_tasks; /* the same */
	char *worker_ports; /* NULL: none beside the set's own */
	char *worker_paths;
	char *log_level;
	char *metrics_listen; /* NULL: nobody may look */
	bool to_stdout; /* the last four only with --set */
	char *file;
	char *from;
	char *commit;
	bool version;
	bool help;
	bool mdoc_options;
	bool list_metrics;
	struct options options; /* owns the strings above */
};

/*
 * Read everything. argv is not changed, so that a reload can read it again. On -1 *ret is empty and *ret_usage
 * says whether the command line or a variable is wrong (exit 64) rather than the file (exit 78).
 */
int config_read(int argc, char **argv, struct config *ret, bool *ret_usage,
		struct pgs_err *reterr) PGS_MUST_CHECK;

/* Copy what SIGHUP may change (the options marked so in the table) from `from` into `into`. */
int config_take_reloadable(struct config *into, const struct config *from,
			   struct pgs_err *reterr) PGS_MUST_CHECK;

enum pgs_log_level config_log_level(const struct config *config);

void config_help(FILE *out);
void config_mdoc(FILE *out);
void config_done(struct config *config);

#endif

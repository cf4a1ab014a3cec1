/*
 * supervisor/config.c
 *    The option table of pgshoveld and the rules between options.
 *
 * Does not read credentials and does not open the worker's binary.
 */
#include <string.h>

#include "common/confine.h"
#include "common/credentials.h"
#include "common/options_rows.h"
#include "common/parse.h"
#include "supervisor/config.h"
#include "supervisor/http.h"

#define FIELD(name) offsetof(struct config, name)

static const struct option_spec specs[] = {
	OPTION_ROW_ZOOKEEPER_HOSTS(
		struct config,
		"ZooKeeper servers, HOST:PORT,... with an optional /chroot behind the last"),
	OPTION_ROW_CLUSTER(struct config, "the cluster whose sets are relayed"),
	{ .name = "host",
	  .type = OPTION_STRING,
	  .offset = FIELD(host),
	  .argument = "NAME",
	  .help = "name of this supervisor, unique in the cluster (default: the machine's name)" },
	{ .name = "set",
	  .type = OPTION_STRING,
	  .offset = FIELD(set),
	  .argument = "NAME",
	  .flags = OPTION_ACTION,
	  .help = "supervise this set only, in the foreground" },
	{ .name = "session-timeout",
	  .type = OPTION_DURATION,
	  .offset = FIELD(session_timeout_us),
	  .fallback = "15s",
	  .min = 400 * 1000,
	  .max = 300LL * 1000 * 1000,
	  .argument = "TIME",
	  .help = "after this long without a word from us ZooKeeper gives our sets to another "
		  "host" },
	{ .name = "config",
	  .type = OPTION_STRING,
	  .offset = FIELD(config_path),
	  .argument = "FILE",
	  .flags = OPTION_ACTION,
	  .help = "configuration file (default: " CONFIG_DEFAULT_PATH " when it exists)" },
	OPTION_ROW_CREDENTIALS_DIR(struct config, "FOLDER", " (default: $CREDENTIALS_DIRECTORY)"),
	{ .name = "relay",
	  .type = OPTION_STRING,
	  .offset = FIELD(relay),
	  .argument = "PATH",
	  .flags = OPTION_RELOAD,
	  .help = "the worker's binary (default: pgshovel-kafka-relay beside pgshoveld, else in "
		  "PATH)" },
	{ .name = "stop-grace",
	  .type = OPTION_DURATION,
	  .offset = FIELD(stop_grace_us),
	  .fallback = "20s",
	  .min = 100 * 1000,
	  .max = 600LL * 1000 * 1000,
	  .argument = "TIME",
	  .flags = OPTION_RELOAD,
	  .help = "how long a worker may take to finish its transaction before it is terminated" },
	{ .name = "heartbeat-timeout",
	  .type = OPTION_DURATION,
	  .offset = FIELD(heartbeat_timeout_us),
	  .fallback = "60s",
	  .min = 1000 * 1000,
	  .max = 3600LL * 1000 * 1000,
	  .argument = "TIME",
	  .flags = OPTION_RELOAD,
	  .help = "a worker that says nothing for this long is killed and started again" },
	{ .name = "recover-after",
	  .type = OPTION_DURATION,
	  .offset = FIELD(recover_after_us),
	  .fallback = "60s",
	  .min = 0,
	  .max = 24LL * 3600 * 1000 * 1000,
	  .argument = "TIME",
	  .flags = OPTION_RELOAD,
	  .help = "a rollout that is open for this long while no admin is at work is ended by "
		  "\"pgshovel txn recover\"; 0: never" },
	{ .name = "max-sets",
	  .type = OPTION_INT,
	  .offset = FIELD(max_sets),
	  .fallback = "10000",
	  .min = 1,
	  .max = 10000,
	  .argument = "N",
	  .flags = OPTION_RELOAD,
	  .help = "sets of the cluster beyond this number are not looked after; the same on every "
		  "host" },
	{ .name = "confine",
	  .type = OPTION_STRING,
	  .offset = FIELD(confine),
	  .fallback = "all",
	  .argument = "PIECES",
	  .flags = OPTION_RELOAD,
	  .help = "what workers are kept from: all, none or some of "
		  "files,network,calls,limits" },
	{ .name = "worker-memory",
	  .type = OPTION_SIZE,
	  .offset = FIELD(worker_memory),
	  .fallback = "1GB",
	  .min = 64LL << 20,
	  .max = 1LL << 40,
	  .argument = "SIZE",
	  .flags = OPTION_RELOAD,
	  .help = "most memory of a worker, for each database of its set" },
	{ .name = "worker-tasks",
	  .type = OPTION_INT,
	  .offset = FIELD(worker_tasks),
	  .fallback = "512",
	  .min = 16,
	  .max = 65536,
	  .argument = "N",
	  .flags = OPTION_RELOAD,
	  .help = "most threads of a worker, for each database of its set; needs a delegated "
		  "cgroup" },
	{ .name = "worker-ports",
	  .type = OPTION_STRING,
	  .offset = FIELD(worker_ports),
	  .argument = "PORTS",
	  .flags = OPTION_RELOAD,
	  .help = "TCP ports that workers may reach beside those of their databases and "
		  "bootstrap servers: 9094,9100-9199" },
	{ .name = "worker-paths",
	  .type = OPTION_STRING,
	  .offset = FIELD(worker_paths),
	  .argument = "PATHS",
	  .flags = OPTION_RELOAD,
	  .help = "files and folders, with colons, that workers may read beside what they need" },
	OPTION_ROW_LOG_LEVEL(struct config, "info", OPTION_RELOAD),
	{ .name = "metrics-listen",
	  .type = OPTION_STRING,
	  .offset = FIELD(metrics_listen),
	  .argument = "ADDRESS",
	  .help = "serve /metrics and /healthz over HTTP: PORT on 127.0.0.1, ADDRESS:PORT, or "
		  "/PATH of a socket (default: not at all)" },
	OPTION_ROW_STDOUT(struct config,
			  "with --set: write JSON lines to standard output instead of Kafka"),
	OPTION_ROW_FILE(struct config,
			"with --set: append JSON lines to this file instead of sending to Kafka"),
	OPTION_ROW_FROM(struct config),
	OPTION_ROW_COMMIT(struct config),
	OPTION_ROW_VERSION(struct config, '\0', "print the version and exit"),
	OPTION_ROW_HELP(struct config, "print this and exit"),
	OPTION_ROW_MDOC_OPTIONS(struct config),
	{ .name = "list-metrics",
	  .type = OPTION_FLAG,
	  .offset = FIELD(list_metrics),
	  .flags = OPTION_ACTION | OPTION_HIDDEN,
	  .help = "print name, type and meaning of every metric" },
};

static int check_confine(const struct config *c, struct pgs_err *reterr)
{
	struct confine_ports ports = { .n = 0 };
	unsigned pieces;

	if (confine_parse(c->confine, &pieces, reterr) < 0)
		return pgs_err_prefix(reterr, "option \"confine\"");
	if (confine_ports_parse(c->worker_ports, &ports, reterr) < 0)
		return pgs_err_prefix(reterr, "option \"worker-ports\"");
	if (confine_paths_check(c->worker_paths, reterr) < 0)
		return pgs_err_prefix(reterr, "option \"worker-paths\"");
	return 0;
}

static int check(const struct config *c, struct pgs_err *reterr)
{
	enum pgs_log_level level;

	if (!pgs_cluster_name_ok(c->cluster))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "cluster name \"%s\" is not valid; it is [a-z][a-z0-9]{0,23}, "
				   "not \"zookeeper\"",
				   c->cluster);
	if (c->set && !pgs_set_name_ok(c->set))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "set name \"%s\" is not valid; it is [a-z][a-z0-9_]{0,23}, "
				   "without \"__\" and an edge \"_\"",
				   c->set);
	if (pgs_log_level_parse(c->log_level, &level, reterr) < 0)
		return -1;
	struct http_address unused;
	if (c->metrics_listen && http_address_parse(c->metrics_listen, &unused, reterr) < 0)
		return pgs_err_prefix(reterr, "option \"metrics-listen\"");
	if (check_confine(c, reterr) < 0)
		return -1;
	if (c->to_stdout && c->file)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "--stdout and --file cannot be given together");
	if ((c->to_stdout || c->file) && !c->set)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "--stdout and --file need --set NAME");
	if ((c->from || c->commit) && !c->to_stdout && !c->file)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "--from and --commit need --stdout or --file");
	return 0;
}

static int read_all(int argc, char **argv, struct config *ret, bool *ret_usage,
		    struct pgs_err *reterr)
{
	/* options_argv permutes what it is given; a reload wants the words as they were. */
	PGS_CLEANUP(pgs_freep) char **copy = calloc((size_t)argc + 1, sizeof(char *));
	int n_words = 0;

	if (!copy)
		return pgs_err_nomem(reterr);
	memcpy(copy, argv, (size_t)argc * sizeof(char *));
	*ret_usage = true;
	if (options_init(&ret->options, specs, PGS_ARRAY_LEN(specs), ret, reterr) < 0 ||
	    options_argv(&ret->options, argc, copy, &n_words, reterr) < 0)
		return -1;
	/* --help must not fail because of a variable or a file. */
	if (ret->help || ret->version || ret->mdoc_options || ret->list_metrics)
		return 0;
	if (n_words > 1)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "unexpected argument \"%s\"; try --help", copy[1]);
	if (options_environment(&ret->options, reterr) < 0)
		return -1;
	*ret_usage = false;
	const char *path = ret->config_path;
	if (!path && access(CONFIG_DEFAULT_PATH, F_OK) == 0)
		path = CONFIG_DEFAULT_PATH;
	if (path && options_file(&ret->options, path, reterr) < 0)
		return -1;
	*ret_usage = true;
	if (credentials_folder(&ret->credentials_dir, reterr) < 0)
		return -1;
	return check(ret, reterr);
}

int config_read(int argc, char **argv, struct config *ret, bool *ret_usage, struct pgs_err *reterr)
{
	*ret = (struct config){ 0 };
	if (read_all(argc, argv, ret, ret_usage, reterr) == 0)
		return 0;
	config_done(ret);
	return -1;
}

int config_take_reloadable(struct config *into, const struct config *from, struct pgs_err *reterr)
{
	char **const old[] = { &into->log_level, &into->relay, &into->confine, &into->worker_ports,
			       &into->worker_paths };
	const char *const fresh[] = { from->log_level, from->relay, from->confine,
				      from->worker_ports, from->worker_paths };
	char *copies[PGS_ARRAY_LEN(fresh)] = { NULL };

	for (size_t i = 0; i < PGS_ARRAY_LEN(fresh); i++) {
		copies[i] = fresh[i] ? strdup(fresh[i]) : NULL;
		if (!fresh[i] || copies[i])
			continue;
		while (i > 0)
			free(copies[--i]);
		return pgs_err_nomem(reterr);
	}
	for (size_t i = 0; i < PGS_ARRAY_LEN(fresh); i++) {
		free(*old[i]);
		*old[i] = copies[i];
	}
	into->stop_grace_us = from->stop_grace_us;
	into->heartbeat_timeout_us = from->heartbeat_timeout_us;
	into->recover_after_us = from->recover_after_us;
	into->max_sets = from->max_sets;
	into->worker_memory = from->worker_memory;
	into->worker_tasks = from->worker_tasks;
	return 0;
}

enum pgs_log_level config_log_level(const struct config *config)
{
	enum pgs_log_level level;

	/* config_read() has parsed it before. */
	return pgs_log_level_parse(config->log_level, &level, NULL) == 0 ? level : PGS_LOG_INFO;
}

void config_help(FILE *out)
{
	(void)fputs("Usage: pgshoveld [OPTION]...\n"
		    "       pgshoveld --set NAME [OPTION]...\n"
		    "\n"
		    "Runs a relay for every set of the cluster that falls to this host, and "
		    "restarts it\n"
		    "when it fails or when the set gets a new version.\n"
		    "\n"
		    "Options:\n",
		    out);
	options_help(specs, PGS_ARRAY_LEN(specs), out);
}

void config_mdoc(FILE *out)
{
	options_mdoc(specs, PGS_ARRAY_LEN(specs), out);
}

void config_done(struct config *config)
{
	if (config->options.specs)
		options_done(&config->options);
	*config = (struct config){ 0 };
}

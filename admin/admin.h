/*
 * admin/admin.h
 *    What every command works with: options, the ZooKeeper client, the interrupt, the lock.
 *
 * One struct admin per process, made by main.c. Nothing here knows what a command does.
 */
#ifndef PGSHOVEL_ADMIN_ADMIN_H
#define PGSHOVEL_ADMIN_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"
#include "common/exitcode.h"
#include "common/options.h"
#include "common/pg.h"
#include "common/zk.h"
#include "common/zkdoc.h"

struct admin_options {
	char *zookeeper_hosts;
	char *cluster;
	char *credentials_dir;
	char *log_level;
	char *relay; /* path of pgshovel-kafka-relay, NULL: found beside this program */
	uint64_t connect_timeout_us;
	uint64_t session_timeout_us;
	uint64_t lock_timeout_us;
	uint64_t wait_us;
	bool json;
	bool dry_run;
	bool force;
	bool skip_kafka;
	bool accept;
	bool reset;
	bool yes;
	bool repair;
	bool watch;
	char *from;
	char *database;
	bool help;
	bool version;
	bool mdoc_options;
	bool list_steps;
	char *print_completion;
};

/* The table, of which cli.c says what belongs to which command. */
extern const struct option_spec admin_option_specs[];
extern const size_t admin_n_option_specs;

struct admin {
	struct admin_options options;
	struct zk *zk;
	char *digest; /* from the credentials folder, wiped at the end; NULL: none */
	int signal_fd; /* readable after SIGINT or SIGTERM; owned */
	int interrupt_fd; /* = signal_fd, or -1 when an interrupt must not stop the work any more */
	char schema[64]; /* "pgshovel_CLUSTER", needs no quoting */
	struct zkdoc_cluster cluster;
	int32_t cluster_node_version;
	char lock_text[256]; /* what /admin says: host, pid, command */
	int64_t now_ms; /* ZooKeeper's wall clock when the lock was taken */
	enum pgs_exit result; /* of a command that did what was asked: OK, or DIFFERS */
	bool locked; /* the /admin lock is ours; a session that expires takes it away */
	int64_t lock_czxid; /* of the lock that was taken last, lost or not; 0: none. See fence.c */
};

/* Wait for ZooKeeper at most the connect timeout. Errors of class RETRY name the servers. */
int admin_connect(struct admin *a, struct pgs_err *reterr) PGS_MUST_CHECK;

/* A session of its own after an answer was lost: the outcome must be asked for in a new one. */
int admin_reconnect(struct admin *a, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Connect and read /CLUSTER. Class CONFIG when it does not exist. */
int admin_open_cluster(struct admin *a, struct pgs_err *reterr) PGS_MUST_CHECK;

/* CONFIG when the cluster is at another software version than this program. */
int admin_check_software(const struct admin *a, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Take /CLUSTER/admin for `command`. Class RETRY, naming the holder, when another admin runs. */
int admin_lock(struct admin *a, const char *command, struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * After admin_reconnect(): the lock once more, for the same command. Waits for the session that held it to
 * expire; class RETRY when another admin was faster.
 */
int admin_lock_again(struct admin *a, struct pgs_err *reterr) PGS_MUST_CHECK;

/* End of one request to ZooKeeper that is made now. */
uint64_t admin_deadline(const struct admin *a);

/* Limit of one call to a database: the connect timeout, or `timeout_us`. */
struct pg_limit admin_limit(const struct admin *a, uint64_t timeout_us);

/* From here on the work is finished whatever signal comes. */
void admin_hold_interrupts(struct admin *a);
bool admin_interrupted(const struct admin *a);

/*
 * The ZooKeeper session lives only while its client is given time: called before each statement, so that the
 * lock survives work in databases that takes longer than the session timeout.
 */
void admin_breathe(struct admin *a);

/* The pump: the only place that waits for time; ZooKeeper is kept alive meanwhile. -1 with code "interrupt" when a signal ends it. */
int admin_pause(struct admin *a, uint64_t us, struct pgs_err *reterr) PGS_MUST_CHECK;

/* 0 equal, < 0 older, > 0 newer: dotted numbers. */
int admin_compare_software(const char *left, const char *right);

void admin_done(struct admin *a);

#endif

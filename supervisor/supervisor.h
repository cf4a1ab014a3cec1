/*
 * supervisor/supervisor.h
 *    The one object of the process: what every part of the supervisor is handed.
 *
 * Holds the parts together and nothing else; each part's functions are in its own header.
 */
#ifndef PGSHOVEL_SUPERVISOR_SUPERVISOR_H
#define PGSHOVEL_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/log.h"
#include "common/zk.h"
#include "supervisor/abandoned.h"
#include "supervisor/cgroup.h"
#include "supervisor/config.h"
#include "supervisor/credentials.h"
#include "supervisor/leftover.h"
#include "supervisor/resolver.h"
#include "supervisor/restart.h"
#include "supervisor/session.h"
#include "supervisor/slots.h"

/* sd-event priorities: what a worker said is read before its end, and both before anything is decided. */
enum {
	PRIORITY_SIGNAL = -20,
	PRIORITY_ZK = -10,
	PRIORITY_CHANNEL = 0,
	PRIORITY_CHILD = 10,
	PRIORITY_PASS = 50,
	PRIORITY_HTTP = 60,
};

enum { STATUS_TEXT_MAX = 512 };

struct http;
struct zk_event;

struct supervisor {
	struct config config;
	int argc; /* for a reload */
	char **argv;
	sd_event *event;
	struct zk *zk;
	struct zk_event *zk_event;
	struct resolver resolver;
	struct session session;
	struct restart restart;
	struct leftover leftover;
	struct slots slots;
	struct credentials credentials;
	char host[64];
	char boot_id[40];
	int relay_fd; /* the worker's binary, held open; -1: not found */
	char relay_path[512];
	struct cgroup cgroup; /* below which workers get theirs */

	/* What ZooKeeper says of the cluster (desired.c). */
	bool cluster_known; /* its generation was read at least once */
	int64_t generation;
	char cluster_error[SLOT_TEXT_MAX]; /* why there is no usable cluster, "" when there is */
	bool cluster_missing;
	bool cluster_dirty, cluster_asked;
	bool list_dirty, list_asked;
	bool list_known; /* the list of sets was read once */
	uint64_t look_at_us; /* full look again at this time, whatever the watches say */
	uint64_t
		retry_at_us; /* no request before: the last one failed for no reason of the connection */
	unsigned n_requests;
	size_t n_ignored_sets;

	/* Our own host node (hosts.c). */
	bool host_known, host_dirty, host_asked;
	bool host_draining; /* as written */

	struct abandoned abandoned; /* rollouts (abandoned.c) */

	/* The hosts that sets are spread over (spread.c). */
	bool hosts_known, hosts_dirty, hosts_asked;
	bool place_dirty; /* one of the two lists has changed */
	bool drained; /* an operator wants no sets here */
	bool watches_full; /* no more than one a set fits into one packet */
	char **hosts; /* the active ones */
	size_t n_hosts;

	/* Health and metrics (health.c, http.c). */
	uint64_t zk_seen_us; /* ZooKeeper was connected */
	struct http *http; /* NULL: not asked for, or its address is taken just now */
	uint64_t http_retry_at_us;
	uint64_t
		loop_lag_us; /* how late the loop's timer was at worst, in this minute or the last */
	uint64_t loop_lag_before_us, loop_lag_from_us;

	/* Status (report.c). */
	bool status_asked;
	bool status_dirty;
	uint64_t status_at_us;
	char status_text[STATUS_TEXT_MAX];

	/* The loop (loop.c, pass.c). */
	sd_event_source *pass;
	sd_event_source *timer;
	uint64_t last_pass_us;
	uint64_t n_spawns;
	bool ready; /* READY=1 was sent */
	char reload_error[304]; /* why the last reload changed nothing, "" when it did */
	bool stopping;
	bool fast;
	bool finished;
	int exit_code;
	struct pgs_log_limit log_limit;
};

/* Without Kafka no lock is taken: the output is the caller's own. */
static inline bool supervisor_takes_locks(const struct supervisor *sup)
{
	return !sup->config.to_stdout && !sup->config.file;
}

#endif

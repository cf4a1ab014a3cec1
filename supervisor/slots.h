/*
 * supervisor/slots.h
 *    What the supervisor remembers of each set: one slot a set, found by name.
 *
 * Only memory: who fills the fields is said at each group. Slots stay at their address until removed.
 */
#ifndef PGSHOVEL_SUPERVISOR_SLOTS_H
#define PGSHOVEL_SUPERVISOR_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "common/backoff.h"
#include "common/ctlproto.h"
#include "common/err.h"
#include "common/log.h"
#include "common/setdoc.h"
#include "common/zkdoc.h"
#include "supervisor/reconcile.h"

enum {
	SLOT_NAME_MAX = 25,
	SLOT_MAX_SOURCES = 256, /* what a worker may claim to have */
	SLOT_TEXT_MAX = CTL_TEXT_MAX + 1,
};

enum lock_state {
	LOCK_NONE, /* not tried in this session, or free */
	LOCK_UNKNOWN, /* the node is there; whose it is is asked next */
	LOCK_HELD, /* the node is there and of our session */
	LOCK_ELSEWHERE, /* the node is there and of another session; watched */
};

enum stop_rung { RUNG_ASKED, RUNG_TERMINATED, RUNG_KILLED };

/* What a worker said of one source; gossip, already made printable. */
struct slot_source {
	bool known;
	enum ctl_state state;
	enum ctl_phase phase;
	bool ticker_silent;
	uint64_t captures_failed;
	bool named; /* the present phase was complained about */
	uint64_t events, transactions, queue_events, queue_age_us, delivered_ev_time_us;
	uint64_t lag_us[CTL_N_LAGS];
	uint64_t phase_age_us;
	uint64_t heard_us;
	uint64_t moved_us; /* its events grew, or none waited; ours, by no word of the worker's */
	uint64_t working_us; /* it was in the state WORKING, or not known yet */
	uint64_t rate_at_us, rate_events; /* what the rate is counted from */
	double rate; /* events a second, over the last RATE_US or more */
	uint64_t lsn, tick;
	char snapshot[48];
	char database[64];
	char text[SLOT_TEXT_MAX];
	char last_error
		[SLOT_TEXT_MAX]; /* also when it is over; "": none since the worker started */
	int64_t last_error_wall_us;
};

struct slot {
	char set[SLOT_NAME_MAX];
	char prefix[SLOT_NAME_MAX + 8]; /* "set=NAME" for logs */
	enum slot_state state;
	uint64_t deadline_us; /* see struct slot_view; STARTING and UP go by heard_us */

	/* What tells another host's set from ours: together, since slots_gather() looks at these of every set. */
	bool exists; /* desired.c */
	bool placed; /* here; spread.c */
	bool owned; /* the lock is believed ours until a session says otherwise; locks.c */
	bool watched; /* its node or its lock, in this session */
	pid_t pid; /* 0: no worker; spawn.c */

	/* The set's node (desired.c). */
	bool node_known; /* read at least once */
	bool node_dirty;
	bool node_asked;
	int64_t mzxid;
	char version[SETDOC_DIGEST_HEX + 1];
	char rollout[ZKDOC_ID_HEX + 1];
	int partitions;
	size_t n_databases;
	char *document;
	size_t document_len;
	char document_error[SLOT_TEXT_MAX]; /* "": usable */

	/* Where it belongs (spread.c). */
	uint64_t
		leave_at_us; /* not placed here: what runs here goes on until then; 0: not placed yet */
	char place[64]; /* the host, "": none */

	/* The lock (locks.c). */
	enum lock_state lock;
	bool lock_dirty;
	bool lock_asked;
	int64_t lock_czxid;
	char owner[160]; /* who else, for people */

	/* The worker (spawn.c, channel.c, stop.c, reap.c). */
	int pidfd;
	int ctl_fd;
	sd_event_source *child;
	sd_event_source *ctl;
	sd_event_source *ctl_pause;
	uint64_t spawn; /* number of this start */
	uint64_t spawned_us;
	uint64_t heard_us;
	bool hello;
	bool stop_intended;
	enum stop_rung rung;
	char run_version[SETDOC_DIGEST_HEX + 1]; /* also of the worker that failed last */
	char run_rollout[ZKDOC_ID_HEX + 1];
	int64_t run_mzxid;
	bool retry; /* SIGHUP came while it was parked, wholly or in part; loop.c, until the next start */
	int64_t run_czxid; /* of the lock, as the token of its start has it */
	int64_t run_generation;
	char software[32];
	char dying_text[SLOT_TEXT_MAX];
	uint64_t strange_messages;
	unsigned messages_in_window;
	uint64_t window_start_us;
	struct slot_source *sources;
	size_t n_sources;
	uint64_t cpu_us, memory_peak; /* of the worker, as it says */
	uint64_t well_us; /* it was UP, or had no reason to be; health.c */

	/* What was (reap.c). */
	struct pgs_backoff backoff;
	unsigned starts;
	unsigned failures; /* in a row */
	bool fenced; /* by a newer owner, with the token of run_czxid; locks.c asks ZooKeeper which of the two it is */
	bool ended; /* a worker has ended before */
	bool last_signalled;
	int last_code;
	int64_t last_wall_us;
	char last_text[SLOT_TEXT_MAX];
	struct pgs_log_limit log_limit;
};

struct slots {
	struct slot **list; /* sorted by name */
	size_t n;
	size_t cap; /* of both */
	struct slot **busy; /* those that a pass must look at, as last gathered; sorted by name */
	size_t n_busy;
};

struct slot *slots_find(const struct slots *slots, const char *set);

/* Added empty, in state IDLE. NULL: no memory. The name must have passed pgs_set_name_ok(). */
struct slot *slots_add(struct slots *slots, const char *set) PGS_MUST_CHECK;

/* Only of a slot without worker and without an open request. */
void slots_remove(struct slots *slots, struct slot *slot);
void slots_done(struct slots *slots);

/*
 * Gather the busy ones: all but the sets that are another host's and have left nothing here. A cluster has many sets
 * and a host few of them.
 */
void slots_gather(struct slots *slots);

/* A worker exists for this slot. */
bool slot_running(const struct slot *slot);

/* Placed here, held by us or still running: its node and its lock are looked at. Other hosts' sets cost no watch. */
bool slot_ours(const struct slot *slot);

/* Its worker says that one of its sources is parked. */
bool slot_partly_parked(const struct slot *slot);

/* The node says something else than what ran last. */
bool slot_stale(const struct slot *slot);

/* Everything that waits for a sign of life gets this much longer: the supervisor itself was away. */
void slots_forgive(struct slots *slots, uint64_t away_us);

const char *slot_state_name(enum slot_state state);

#endif

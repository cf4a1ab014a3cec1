/*
 * supervisor/session.h
 *    The ZooKeeper session over a restart of the service: kept in a memory file that systemd holds.
 *
 * With it the next supervisor has the locks of this one, and no set moves because of a restart.
 */
#ifndef PGSHOVEL_SUPERVISOR_SESSION_H
#define PGSHOVEL_SUPERVISOR_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/zk.h"

struct supervisor;
struct session_record;

/* All zero: there is none. */
struct session {
	struct session_record *record; /* mapped; systemd holds the file */
};

/*
 * Take over what a former supervisor of the same cluster and host name left: fills resume_* of params and sets n_spawns beyond
 * whatever that one has used. Else, under systemd, leave an empty file there. Without systemd nothing happens. Once.
 */
void session_open(struct supervisor *sup, struct zk_params *params);

/* A session is there: write it down. */
void session_note(struct supervisor *sup);

/* Closes the client: keep leaves the session to the next supervisor, else it ends. */
void session_close(struct supervisor *sup, bool keep);

/* A file is there that a next supervisor would find. */
bool session_kept(const struct supervisor *sup);

#endif

/*
 * supervisor/restart.h
 *    Is this stop a restart? systemd knows; it is asked over the system bus.
 */
#ifndef PGSHOVEL_SUPERVISOR_RESTART_H
#define PGSHOVEL_SUPERVISOR_RESTART_H

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

struct supervisor;

/* All zero: not asked. */
struct restart {
	bool asked;
	bool settled; /* the answer is there, or will not come */
	bool is; /* the job is a restart, and systemd holds the session for the next supervisor */
	char unit[256]; /* its path on the bus */
	sd_bus *bus;
	sd_event_source *timer;
};

/* Never waits. Without a bus, without systemd and after 2 s without an answer: it is none. */
void restart_ask(struct supervisor *sup);

void restart_done(struct supervisor *sup);

#endif

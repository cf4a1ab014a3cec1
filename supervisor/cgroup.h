/*
 * supervisor/cgroup.h
 *    A cgroup for each worker below our own, when systemd (Delegate=) or a container has given us one.
 *
 * Without one, or without a controller in it, workers run all the same; what is not limited then is said once in the log.
 * All calls return at once; a failure costs a limit, never a worker.
 */
#ifndef PGSHOVEL_SUPERVISOR_CGROUP_H
#define PGSHOVEL_SUPERVISOR_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/slots.h"

struct cgroup {
	int fd; /* the folder that is ours; -1: none */
	bool memory, tasks; /* can be limited */
};

/* Find it, move ourselves into "supervisor" below it, end what an earlier supervisor left in it. */
void cgroup_open(struct cgroup *group);
void cgroup_close(struct cgroup *group);

/* Make "set-NAME" with its limits. True: its memory is limited by it. */
bool cgroup_prepare(const struct cgroup *group, const struct slot *slot, uint64_t memory,
		    uint64_t tasks);

/* The worker has just been started, or has just been reaped: then nothing of it is left. */
void cgroup_enter(const struct cgroup *group, const struct slot *slot);
void cgroup_leave(const struct cgroup *group, const struct slot *slot);

/* Before cgroup_leave(): did the kernel kill it because of its memory limit? */
bool cgroup_ran_out(const struct cgroup *group, const struct slot *slot);

#endif

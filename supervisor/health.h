/*
 * supervisor/health.h
 *    Does every set move that should? The answer of /healthz and of the metrics.
 *
 * Looks at what the slots remember; asks nobody and changes nothing but two times in health_note().
 */
#ifndef PGSHOVEL_SUPERVISOR_HEALTH_H
#define PGSHOVEL_SUPERVISOR_HEALTH_H

#include "common/buf.h"
#include "supervisor/supervisor.h"

enum {
	HEALTH_DOWN_US = 60 * 1000 * 1000, /* a set without a working relay */
	HEALTH_STUCK_US = 60 * 1000 * 1000, /* a source that does not work, or delivers nothing */
	HEALTH_SILENT_US = 15 * 1000 * 1000, /* a worker that says nothing */
	HEALTH_SETTLED_US = 10 * 1000 * 1000, /* after a failure one is up when it stays up */
	HEALTH_TEXT_MAX = 256,
	HEALTH_MAX_BYTES = 64 * 1024, /* more than health_check() writes */
};

/* At each pass: which sets are up, and whether ZooKeeper is there. */
void health_note(struct supervisor *sup, uint64_t now_us);

/* Does this set run here, or should it? Only these are judged. */
bool health_concerns(const struct supervisor *sup, const struct slot *slot, uint64_t now_us);

/* True: it moves, or need not. False: ret_why says why not, one line. */
bool health_set(const struct supervisor *sup, const struct slot *slot, uint64_t now_us,
		char ret_why[HEALTH_TEXT_MAX]);

/*
 * All of it. Writes "ok" or "unhealthy", then a line a reason (at most 100). ZooKeeper's absence alone is no
 * reason, because what runs goes on; it is told as a note.
 */
bool health_check(const struct supervisor *sup, uint64_t now_us, struct pgs_buf *out);

#endif

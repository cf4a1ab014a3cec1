/*
 * worker/confine.h
 *    What a relay takes away from itself before it reads the first byte from outside.
 *
 * Who takes over a relay (by a fault in a parser that PostgreSQL or Kafka feeds) has what the relay has: the set's own
 * credentials, the set's own ports. The rest of the host is out of reach: docs/operations.md, "What a relay may do".
 *
 * A piece that the kernel does not have is left out with one line in the log; a piece that it has but refuses is an error.
 * The own process group and the cgroup are the supervisor's (spawn.c, cgroup.c).
 */
#ifndef PGSHOVEL_WORKER_CONFINE_H
#define PGSHOVEL_WORKER_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/assignment.h"
#include "common/base.h"
#include "common/confine.h"
#include "common/err.h"
#include "common/setdoc.h"

enum { CONFINE_MAX_RULES = 256 };

struct confine_rule {
	char *path;
	bool write; /* a folder in which files are made, written and replaced */
	uint64_t device, inode; /* of what was there; 0: nothing was */
};

struct confine {
	unsigned pieces;
	struct confine_ports ports;
	bool abstract_sockets; /* PostgreSQL is asked over one */
	struct confine_rule rules[CONFINE_MAX_RULES];
	size_t n_rules;
};

/*
 * First of all, before the assignment is read: the supervisor's death ends us, nobody looks into our memory, nothing gains rights.
 * Class RETRY: the supervisor is gone.
 */
int confine_process(int ctl_fd, struct pgs_err *reterr) PGS_MUST_CHECK;

/* What this set needs: ports and files named by the document, by the credentials and by the environment. malloc'ed. */
int confine_new(const struct assignment *a, const struct setdoc *doc, struct confine **ret,
		struct pgs_err *reterr) PGS_MUST_CHECK;
void confine_free(struct confine *c);

/* Before the first thread: it and all later ones are bound by it, for good. */
int confine_apply(struct confine *c, uint64_t memory, const char *log_prefix,
		  struct pgs_err *reterr) PGS_MUST_CHECK;

/*
 * A file that may be read was replaced: the permission was for the old one. True with its path: the worker should
 * start again. Asks the file system for each; never waits for anything else.
 */
bool confine_stale(const struct confine *c, const char **ret_path);

/* ---- The parts, for confine.c only. ---- */

int confine_plan(struct confine *c, const struct assignment *a, const struct setdoc *doc,
		 struct pgs_err *reterr) PGS_MUST_CHECK;
int confine_landlock(struct confine *c, const char *log_prefix,
		     struct pgs_err *reterr) PGS_MUST_CHECK;
int confine_seccomp(const char *log_prefix, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Sanitizers write reports, read /proc and stop threads with ptrace. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINE_SANITIZED 1
#else
#define CONFINE_SANITIZED 0
#endif

#endif

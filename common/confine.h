/*
 * common/confine.h
 *    What the supervisor says of the confinement of relays, as text: which pieces, which more ports and files.
 *
 * Read by the supervisor, which refuses what is wrong, and by the relay, which acts on it (worker/confine.h).
 */
#ifndef PGSHOVEL_COMMON_CONFINE_H
#define PGSHOVEL_COMMON_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"

enum confine_piece {
	CONFINE_FILES = 1, /* Landlock: files, signals, abstract sockets */
	CONFINE_NETWORK = 2, /* Landlock: TCP ports */
	CONFINE_CALLS = 4, /* seccomp */
	CONFINE_LIMITS = 8, /* memory and tasks: a cgroup, else rlimits */
};

/* Landlock takes single ports only, and a rule costs the kernel memory. */
enum { CONFINE_MAX_PORTS = 4096, CONFINE_MAX_PATHS = 64 };

struct confine_ports {
	uint64_t set[65536 / 64]; /* a bit a port */
	size_t n;
};

/* "all", "none" or pieces with commas: "files,network,calls,limits". A bit set of enum confine_piece. */
int confine_parse(const char *text, unsigned *ret, struct pgs_err *reterr) PGS_MUST_CHECK;

/* "5432,9092-9094", NULL or "" for none. Adds to what is there. */
int confine_ports_parse(const char *text, struct confine_ports *into,
			struct pgs_err *reterr) PGS_MUST_CHECK;
int confine_ports_add(struct confine_ports *into, unsigned port,
		      struct pgs_err *reterr) PGS_MUST_CHECK;
bool confine_ports_has(const struct confine_ports *ports, unsigned port);

/* Absolute paths with colons, NULL or "" for none: only checked. */
int confine_paths_check(const char *text, struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

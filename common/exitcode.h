/*
 * common/exitcode.h
 *    The exit codes of all three programs: an interface, documented in docs/protocol.md.
 *
 * Does not decide anything: supervisor/reconcile.c says what follows from a worker's code.
 */
#ifndef PGSHOVEL_COMMON_EXITCODE_H
#define PGSHOVEL_COMMON_EXITCODE_H

enum pgs_exit {
	PGS_EXIT_OK = 0, /* did what was asked, or was asked to stop */
	PGS_EXIT_DIFFERS =
		1, /* pgshovel set diff, cluster verify: there is a difference, as diff(1) says it */
	PGS_EXIT_USAGE = 64, /* command line or environment variable is wrong */
	PGS_EXIT_BUG = 70, /* a broken invariant of our own */
	PGS_EXIT_RETRY = 75, /* the same may work later: start again with back-off */
	PGS_EXIT_CONFIG = 78, /* an operator must change something first */
	PGS_EXIT_FENCED = 79, /* another relay owns this set's source now */
};

#endif

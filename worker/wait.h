/*
 * worker/wait.h
 *    The only place of the worker that sleeps: until a descriptor is ready, a time has come or stop is asked.
 *
 * Thread-safe. A stop is an eventfd that stays readable: every wait of every thread ends at once.
 */
#ifndef PGSHOVEL_WORKER_WAIT_H
#define PGSHOVEL_WORKER_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/err.h"

enum wait_result {
	WAIT_TIMEOUT, /* the time has come */
	WAIT_READY, /* the descriptor is readable (or writable, where asked) */
	WAIT_STOP, /* stop is asked */
};

/* An eventfd that starts unreadable; -1 with *reterr when there is none. */
int wait_event_new(int *ret_fd, struct pgs_err *reterr) PGS_MUST_CHECK;
void wait_event_set(int fd); /* readable from now on */
void wait_event_clear(int fd); /* unreadable again */
bool wait_event_is_set(int fd);

/*
 * Wait for at most timeout_us. stop_fd or fd may be -1: not waited for. fd is waited for to be readable, with
 * `writable` also to be writable. Stop wins over everything else.
 */
enum wait_result wait_for(int stop_fd, int fd, bool writable, uint64_t timeout_us);

/* Wait until the monotonic clock shows at_us. */
enum wait_result wait_until(int stop_fd, uint64_t at_us);

/* Wait for any of `fds` (n at most 4, -1: left out); bit i of the answer: fds[i] is readable. */
unsigned wait_any(const int *fds, size_t n, uint64_t timeout_us);

#endif

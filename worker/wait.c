/*
 * worker/wait.c
 *    See worker/wait.h. ppoll() and eventfds; no other file of the worker waits by itself.
 */
#include "worker/wait.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "common/clock.h"

int wait_event_new(int *ret_fd, struct pgs_err *reterr)
{
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "EVENTFD",
				   "could not make an eventfd: %m");
	*ret_fd = fd;
	return 0;
}

void wait_event_set(int fd)
{
	(void)eventfd_write(fd,
			    1); /* fails only when the counter is full, and then it is readable */
}

void wait_event_clear(int fd)
{
	eventfd_t value;
	(void)eventfd_read(fd, &value); /* EAGAIN: it was clear */
}

bool wait_event_is_set(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	return fd >= 0 && poll(&p, 1, 0) > 0;
}

/* poll() counts in milliseconds: too coarse for a poll of 5 ms and a pause of 2 ms. */
static int wait_poll(struct pollfd *fds, nfds_t n, uint64_t timeout_us)
{
	const uint64_t end = pgs_now_us() + timeout_us;
	for (;;) {
		const uint64_t now = pgs_now_us();
		const uint64_t left = now < end ? end - now : 0;
		const struct timespec ts = { .tv_sec = (time_t)(left / 1000000),
					     .tv_nsec = (long)(left % 1000000 * 1000) };
		const int rc = ppoll(fds, n, &ts, NULL);
		if (rc >= 0)
			return rc;
		if (errno != EINTR)
			return 0; /* EFAULT, EINVAL, ENOMEM: as if the time had come; callers look again */
	}
}

enum wait_result wait_for(int stop_fd, int fd, bool writable, uint64_t timeout_us)
{
	struct pollfd fds[2] = {
		{ .fd = stop_fd, .events = POLLIN },
		{ .fd = fd, .events = (short)(POLLIN | (writable ? POLLOUT : 0)) },
	};
	if (wait_poll(fds, 2, timeout_us) <= 0)
		return WAIT_TIMEOUT;
	return fds[0].revents ? WAIT_STOP : WAIT_READY;
}

enum wait_result wait_until(int stop_fd, uint64_t at_us)
{
	const uint64_t now = pgs_now_us();
	return wait_for(stop_fd, -1, false, at_us > now ? at_us - now : 0);
}

unsigned wait_any(const int *fds, size_t n, uint64_t timeout_us)
{
	struct pollfd p[4] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };
	unsigned ready = 0;
	for (size_t i = 0; i < n && i < PGS_ARRAY_LEN(p); i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	if (wait_poll(p, PGS_ARRAY_LEN(p), timeout_us) <= 0)
		return 0;
	for (size_t i = 0; i < PGS_ARRAY_LEN(p); i++)
		if (p[i].revents)
			ready |= 1U << i;
	return ready;
}

/*
 * worker/control.c
 *    See worker/control.h.
 */
#include "worker/control.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

void control_send(int fd, const struct ctl_msg *msg)
{
	if (fd >= 0)
		(void)send(fd, msg, sizeof(*msg), MSG_DONTWAIT | MSG_NOSIGNAL); /* see control.h */
}

void control_hello(int fd)
{
	struct ctl_msg msg = { .type = CTL_HELLO, .format = CTL_FORMAT };
	(void)snprintf(msg.u.hello.software, sizeof(msg.u.hello.software), "%s", PGSHOVEL_VERSION);
	control_send(fd, &msg);
}

void control_ready(int fd)
{
	const struct ctl_msg msg = { .type = CTL_READY, .format = CTL_FORMAT };
	control_send(fd, &msg);
}

void control_dying(int fd, int exit_code, const char *text)
{
	struct ctl_msg msg = { .type = CTL_DYING, .format = CTL_FORMAT };
	msg.u.dying.exit_code = exit_code;
	(void)snprintf(msg.u.dying.text, sizeof(msg.u.dying.text), "%s",
		       text); /* cut when too long */
	control_send(fd, &msg);
}

enum control_result control_receive(int fd, struct ctl_msg *ret)
{
	for (;;) {
		const ssize_t n = recv(fd, ret, sizeof(*ret), MSG_DONTWAIT);
		if (n == 0)
			return CONTROL_GONE;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? CONTROL_NOTHING
								       : CONTROL_GONE;
		if (n != (ssize_t)sizeof(*ret) || ret->format != CTL_FORMAT)
			continue;
		if (ret->type == CTL_STOP || ret->type == CTL_TOKEN || ret->type == CTL_DUMP)
			return CONTROL_MESSAGE;
	}
}

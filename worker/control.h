/*
 * worker/control.h
 *    The worker's end of the control socket (docs/protocol.md 4).
 *
 * Never blocks: a message that does not fit now is left out, a later beat says more anyway.
 */
#ifndef PGSHOVEL_WORKER_CONTROL_H
#define PGSHOVEL_WORKER_CONTROL_H

#include <stdbool.h>

#include "common/ctlproto.h"

/* fd -1: there is no supervisor; everything is accepted and dropped. */
void control_send(int fd, const struct ctl_msg *msg);
void control_hello(int fd);
void control_ready(int fd);
void control_dying(int fd, int exit_code, const char *text);

enum control_result {
	CONTROL_NOTHING, /* no (more) message */
	CONTROL_MESSAGE,
	CONTROL_GONE, /* the supervisor has ended */
};

/* One message of a known type and format; others are skipped. */
enum control_result control_receive(int fd, struct ctl_msg *ret);

#endif

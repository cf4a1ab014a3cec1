/*
 * supervisor/channel.h
 *    Our end of a worker's control socket.
 */
#ifndef PGSHOVEL_SUPERVISOR_CHANNEL_H
#define PGSHOVEL_SUPERVISOR_CHANNEL_H

#include "common/err.h"
#include "supervisor/supervisor.h"

/* Takes over fd also on failure. */
int channel_open(struct supervisor *sup, struct slot *slot, int fd,
		 struct pgs_err *reterr) PGS_MUST_CHECK;
void channel_close(struct slot *slot);

/* Read what is there. Bounded. */
void channel_drain(struct supervisor *sup, struct slot *slot);

/* False: the socket is full or gone; the caller goes on without it. */
bool channel_send_stop(struct slot *slot);
void channel_send_dump(struct slot *slot);
void channel_send_token(struct supervisor *sup, struct slot *slot);

/* GENERATION.CZXID.SPAWN of the slot's worker. */
enum { CHANNEL_TOKEN_MAX = 64 };
void channel_token(const struct supervisor *sup, const struct slot *slot,
		   char ret[CHANNEL_TOKEN_MAX]);

#endif

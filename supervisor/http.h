/*
 * supervisor/http.h
 *    /metrics and /healthz over HTTP, in the supervisor's own loop.
 *
 * libmicrohttpd without threads: its epoll descriptor and its timer are sources of the loop, of the lowest priority.
 * Bounded: connections, their memory, their age, the page and how often it is made. Never waits; nobody who
 * connects can change anything.
 */
#ifndef PGSHOVEL_SUPERVISOR_HTTP_H
#define PGSHOVEL_SUPERVISOR_HTTP_H

#include <sys/socket.h>

#include "supervisor/supervisor.h"

struct http_address {
	struct sockaddr_storage sa;
	socklen_t len;
};

/*
 * "PORT" (then on 127.0.0.1), "ADDRESS:PORT", "[ADDRESS]:PORT", or "/path" of a socket. Numeric addresses only: no
 * resolver is asked. Port 0: any that is free.
 */
int http_address_parse(const char *text, struct http_address *ret,
		       struct pgs_err *reterr) PGS_MUST_CHECK;

/* Listen, when it is asked for and not yet done; an address that is taken is tried again every 10 s. */
void http_pump(struct supervisor *sup);

void http_close(struct supervisor *sup);

#endif

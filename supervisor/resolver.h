/*
 * supervisor/resolver.h
 *    Names of ZooKeeper servers, looked up by a child: a name server that does not answer stops no loop.
 */
#ifndef PGSHOVEL_SUPERVISOR_RESOLVER_H
#define PGSHOVEL_SUPERVISOR_RESOLVER_H

#include <sys/types.h>
#include <systemd/sd-event.h>

struct supervisor;
struct zk;

/* All zero: nothing is asked. */
struct resolver {
	struct zk *zk; /* who wants to know */
	pid_t pid; /* 0: no child */
	int fd; /* the child's answer; only while there is one */
	sd_event_source *child;
	sd_event_source *timer;
};

/* zk_params.on_resolve; ctx is the supervisor. Every question is answered within 20 s. */
void resolver_ask(struct zk *zk, const char *hosts, void *ctx);

/* The end of the supervisor: nobody wants to know any more. */
void resolver_done(struct supervisor *sup);

#endif

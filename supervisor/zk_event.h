/*
 * supervisor/zk_event.h
 *    Drives the ZooKeeper client from sd-event.
 */
#ifndef PGSHOVEL_SUPERVISOR_ZK_EVENT_H
#define PGSHOVEL_SUPERVISOR_ZK_EVENT_H

#include <systemd/sd-event.h>

#include "common/err.h"
#include "common/zk.h"

struct zk_event;

/* The client must outlive what is returned. */
int zk_event_new(sd_event *event, struct zk *zk, struct zk_event **ret,
		 struct pgs_err *reterr) PGS_MUST_CHECK;
void zk_event_free(struct zk_event *ze);

#endif

/*
 * supervisor/report.h
 *    What the supervisor tells: STATUS= for systemd, /status/HOST for people and programs, a dump for the log.
 */
#ifndef PGSHOVEL_SUPERVISOR_REPORT_H
#define PGSHOVEL_SUPERVISOR_REPORT_H

#include "common/buf.h"
#include "supervisor/supervisor.h"

/* Send what is due: at a change (at most once a second) and every 10 seconds. Never waits. */
void report_pump(struct supervisor *sup);

/* The status document (docs/protocol.md 1); always fits a node: details are left out when they would not. */
void report_json(const struct supervisor *sup, struct pgs_buf *out);

/* SIGUSR1: every slot in the log, and a request to every worker for its own diagnosis. */
void report_dump(struct supervisor *sup);

/* A one-line summary. */
void report_text(const struct supervisor *sup, char ret[STATUS_TEXT_MAX]);

#endif

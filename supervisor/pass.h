/*
 * supervisor/pass.h
 *    One look at everything: ask what is unknown, step every slot, report.
 */
#ifndef PGSHOVEL_SUPERVISOR_PASS_H
#define PGSHOVEL_SUPERVISOR_PASS_H

#include "supervisor/supervisor.h"

/* Returns the time (monotonic) of the next pass at the latest. Never waits. */
uint64_t pass_run(struct supervisor *sup);

#endif

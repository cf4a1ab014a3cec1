/*
 * supervisor/hosts.h
 *    Our own node below /hosts: who we are, active or draining.
 */
#ifndef PGSHOVEL_SUPERVISOR_HOSTS_H
#define PGSHOVEL_SUPERVISOR_HOSTS_H

#include <stdbool.h>

#include "supervisor/supervisor.h"

void hosts_forget(struct supervisor *sup); /* a new session */
bool hosts_on_watch(struct supervisor *sup, const char *path); /* true: the path was ours */
void hosts_pump(struct supervisor *sup); /* never waits */

#endif

/*
 * supervisor/place.h
 *    Which sets fall to which host.
 */
#ifndef PGSHOVEL_SUPERVISOR_PLACE_H
#define PGSHOVEL_SUPERVISOR_PLACE_H

#include <stdbool.h>

/* Pure: the same answer on every host from the same names. */
bool place_is_mine(const char *host, const char *set);

#endif

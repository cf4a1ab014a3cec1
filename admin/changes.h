/*
 * admin/changes.h
 *    What has happened to the captured tables of a set since its last rollout, for people.
 */
#ifndef PGSHOVEL_ADMIN_CHANGES_H
#define PGSHOVEL_ADMIN_CHANGES_H

#include "admin/store.h"

/*
 * Ask each database of the set and say on stderr, one line each, what DDL changed there and capture followed, and
 * what it could not follow. A database that cannot be asked is a line too, with say_away: this never fails. Waits for connections.
 */
void changes_report(struct admin *a, const struct stored_set *set, bool say_away);

#endif

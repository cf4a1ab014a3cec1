/*
 * admin/status.h
 *    Tables of sets and hosts that "set status", "host list" and "status" share.
 *
 * Knows what was seen (seen.h) and how tables look (render.h); reads nothing.
 */
#ifndef PGSHOVEL_ADMIN_STATUS_H
#define PGSHOVEL_ADMIN_STATUS_H

#include "admin/render.h"
#include "admin/seen.h"

/* A table with its titles, to be filled by the calls below. */
struct render_table status_sets_table(void);
void status_add_set(struct render_table *table, const struct seen_set *set);

/* Supervisors of the cluster; one that runs a single set has no row. */
struct render_table status_hosts_table(void);
void status_add_host(struct render_table *table, const struct seen_host *host);

/* One host as a JSON object. */
void status_put_host(struct pgs_buf *out, const struct seen_host *host);

#endif

/*
 * admin/commands.h
 *    The commands, one function each; the table that names them is in cli.c.
 *
 * Each returns 0 or -1 with *reterr; main.c turns the class into the exit code.
 */
#ifndef PGSHOVEL_ADMIN_COMMANDS_H
#define PGSHOVEL_ADMIN_COMMANDS_H

#include "admin/admin.h"

int cmd_cluster_initialize(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_cluster_upgrade(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_cluster_verify(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_cluster_recover(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_node_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_node_forget(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_host_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_host_drain(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_host_resume(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_config_check(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_set_create(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_set_upgrade(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_set_diff(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_set_drop(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_set_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_set_inspect(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_set_status(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_set_position(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_event_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_event_show(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_event_retry(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_event_discard(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_status(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_txn_list(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
int cmd_txn_recover(struct admin *a, char **arguments, int n, struct pgs_err *reterr);

#endif

/*
 * admin/completion.h
 *    Shell completion, printed from the tables of commands and options (at build time).
 *
 * Knows the tables only; names of sets are asked for by the printed script, when it is used.
 */
#ifndef PGSHOVEL_ADMIN_COMPLETION_H
#define PGSHOVEL_ADMIN_COMPLETION_H

#include <stdio.h>

#include "common/base.h"
#include "common/err.h"

/* shell: "bash" or "zsh"; another is a usage error. */
int completion_print(const char *shell, FILE *out, struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

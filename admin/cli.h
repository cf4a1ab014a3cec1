/*
 * admin/cli.h
 *    Nouns and verbs: one table drives parsing and help.
 *
 * Does not read options (common/options.c) and runs nothing.
 */
#ifndef PGSHOVEL_ADMIN_CLI_H
#define PGSHOVEL_ADMIN_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/base.h"
#include "common/err.h"
#include "common/options.h"

struct admin;

struct cli_command {
	const char *noun;
	const char *verb; /* "": the noun alone is the command */
	const char *alias; /* another verb that means the same, NULL: none */
	const char *arguments; /* as in the synopsis; "" when there are none */
	int min_arguments;
	int max_arguments;
	const char *const *options; /* action options that belong to it, ends with NULL */
	const char *summary; /* one line, no full stop */
	const char *text; /* paragraphs for --help, lines broken already */
	int (*run)(struct admin *a, char **arguments, int n, struct pgs_err *reterr);
};

struct cli_noun {
	const char *name;
	const char *summary;
};

extern const struct cli_noun cli_nouns[];
extern const size_t cli_n_nouns;
extern const struct cli_command cli_commands[];
extern const size_t cli_n_commands;

/* What the words of a command line name; the rest of the words are arguments. */
struct cli_choice {
	const struct cli_noun *noun; /* NULL: nothing was named */
	const struct cli_command *command; /* NULL: no verb was named */
	int used; /* words */
};

/*
 * Find noun and verb among `words`. Unknown words are errors (class CONFIG, code "usage"); missing ones are
 * not: the caller shows help or calls cli_missing().
 */
int cli_find(char *const *words, int n, struct cli_choice *ret,
	     struct pgs_err *reterr) PGS_MUST_CHECK;

/* The error for a command line that names no command. Returns -1. */
int cli_missing(const struct cli_choice *choice, struct pgs_err *reterr);

/* Number of arguments and options fit the command. */
int cli_check(const struct cli_command *command, int n_arguments, const struct options *given,
	      struct pgs_err *reterr) PGS_MUST_CHECK;

/* Help for the program, a noun or a command, as the choice says. */
void cli_help(const struct cli_choice *choice, FILE *out);

/* A usage error: class CONFIG, code "usage" (exit 64). Returns -1. */
int cli_usage(struct pgs_err *reterr, const char *fmt, ...) PGS_PRINTF(2, 3);

#endif

/*
 * common/options.h
 *    One table of options per program drives flags, PGSHOVEL_* variables, the configuration file, --help
 *    and the option lists of the man pages.
 *
 * Precedence: flag, variable, configuration file, default. Call init, then environment and
 * argv in any order, then file. Does not print (except through options_help and options_mdoc) and does not exit.
 */
#ifndef PGSHOVEL_COMMON_OPTIONS_H
#define PGSHOVEL_COMMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base.h"
#include "common/err.h"

enum option_type {
	OPTION_FLAG, /* bool, no argument; in a file: true/false; variable: 1/0/true/false */
	OPTION_STRING, /* char *, malloc'ed */
	OPTION_INT, /* int64_t, min..max */
	OPTION_DURATION, /* uint64_t microseconds, min..max */
	OPTION_SIZE, /* uint64_t bytes, min..max */
};

enum option_flags {
	OPTION_ACTION = 1, /* no variable, no file key: --dry-run, --force, --help */
	OPTION_RELOAD = 2, /* SIGHUP may change it */
	OPTION_HIDDEN = 4, /* not in --help and man page */
	OPTION_SECRET =
		8, /* refused on the command line and in variables: only file paths may point at it */
};

struct option_spec {
	const char *
		name; /* "zookeeper-hosts": flag --zookeeper-hosts, variable PGSHOVEL_ZOOKEEPER_HOSTS, key zookeeper_hosts */
	char letter; /* short flag, 0: none */
	enum option_type type;
	size_t offset; /* of the field in the program's struct */
	const char *fallback; /* default as text, NULL: zero / NULL */
	int64_t min, max; /* INT; DURATION and SIZE: in their unit; both 0: no limit */
	const char *argument; /* "HOSTS" in --help */
	const char *help; /* one sentence without full stop */
	unsigned flags;
};

struct options {
	const struct option_spec *specs;
	size_t n_specs;
	void *target; /* the program's struct; fields are set in place */
	uint64_t
		given; /* bit i: specs[i] was given by flag, variable or file; at most 64 options */
};

/* Fill every field with its default. Class BUG when a default of the table is wrong. */
int options_init(struct options *o, const struct option_spec *specs, size_t n, void *target,
		 struct pgs_err *reterr) PGS_MUST_CHECK;

/* PGSHOVEL_* variables of the table; an empty variable counts as not given. */
int options_environment(struct options *o, struct pgs_err *reterr) PGS_MUST_CHECK;

/* Flags anywhere in argv (also behind words, until "--"): --name value, --name=value, -x value. The words
 * that are left are given in order: argv is permuted, *ret_argc words from argv[1]. Class CONFIG errors
 * are usage errors: exit 64. */
int options_argv(struct options *o, int argc, char **argv, int *ret_argc,
		 struct pgs_err *reterr) PGS_MUST_CHECK;

/* A libconfig file; keys not in the table are errors "file:line: ...". Fields given by flag or variable
 * keep their value. */
int options_file(struct options *o, const char *path, struct pgs_err *reterr) PGS_MUST_CHECK;

bool options_given(const struct options *o, const char *name);

/* The option part of --help, wrapped at 80 columns, with variables and defaults. */
void options_help(const struct option_spec *specs, size_t n, FILE *out);

/* mdoc list items for a man page (used at build time through the hidden flag --mdoc-options). */
void options_mdoc(const struct option_spec *specs, size_t n, FILE *out);

void options_done(struct options *o); /* frees the strings in *target */

#endif

/*
 * common/options_internal.h
 *    What options.c, options_file.c and options_help.c share.
 *
 * Not for the programs: they use common/options.h.
 */
#ifndef PGSHOVEL_COMMON_OPTIONS_INTERNAL_H
#define PGSHOVEL_COMMON_OPTIONS_INTERNAL_H

#include "common/options.h"

struct option_name {
	char text[80];
};

/* PGSHOVEL_ZOOKEEPER_HOSTS and zookeeper_hosts for "zookeeper-hosts". */
void option_variable(const struct option_spec *spec, struct option_name *ret);
void option_key(const struct option_spec *spec, struct option_name *ret);

/* Check `text` as a value of specs[i] and, with `store`, put it into the target. Class CONFIG. */
int option_set(struct options *o, size_t i, const char *text, bool store,
	       struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

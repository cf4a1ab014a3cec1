/*
 * supervisor/place.h
 *    Which set falls to which host: bounded-load rendezvous hashing.
 *
 * Pure: every host computes the same map from the same two lists of names, whatever their order. No host is
 * given more than 1.1 x the mean + 1 sets; a host that joins or leaves moves little more than its own share.
 */
#ifndef PGSHOVEL_SUPERVISOR_PLACE_H
#define PGSHOVEL_SUPERVISOR_PLACE_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum { PLACE_NONE = UINT32_MAX };

/*
 * Writes the index of each set's host into ret_owner, n_sets entries of the caller's; PLACE_NONE for all when
 * there is no host. Names of one list must differ. Costs hosts x sets steps: about 10 ns each.
 */
int place_compute(const char *const *hosts, size_t n_hosts, const char *const *sets, size_t n_sets,
		  uint32_t *ret_owner, struct pgs_err *reterr) PGS_MUST_CHECK;

#endif

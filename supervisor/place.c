/*
 * supervisor/place.c
 *    Which sets fall to this host: all of them. The locks keep several hosts from running one set.
 *
 * Pure. Does not know which hosts are alive; with one active host and others waiting at the locks it need not.
 */
#include "supervisor/place.h"

bool place_is_mine(const char *host, const char *set)
{
	(void)host;
	(void)set;
	return true;
}

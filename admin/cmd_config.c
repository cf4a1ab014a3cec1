/*
 * admin/cmd_config.c
 *    config check: a set file without any server.
 *
 * What needs a catalog, other sets or a broker is checked by set create and set upgrade.
 */
#include <stdio.h>
#include <string.h>

#include "admin/commands.h"
#include "common/setdoc.h"

int cmd_config_check(struct admin *a, char **arguments, int n, struct pgs_err *reterr)
{
	PGS_CLEANUP(setdoc_freep) struct setdoc *doc = NULL;

	(void)a;
	(void)n;
	if (setdoc_load(arguments[0], &doc, reterr) < 0)
		return -1;
	printf("%s: valid, version %.*s\n", doc->filename, SETDOC_SHOWN_HEX, doc->version);
	return 0;
}

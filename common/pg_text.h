/*
 * common/pg_text.h
 *    What common/pg.c needs of common/pg_text.c and nobody else: errors of connections.
 *
 * Not for the programs: they use common/pg.h.
 */
#ifndef PGSHOVEL_COMMON_PG_TEXT_H
#define PGSHOVEL_COMMON_PG_TEXT_H

#include "common/err.h"

/*
 * Fill *reterr from the text of a failed connection, as libpq writes it under PQERRORS_VERBOSE: the last
 * SQLSTATE in it decides the class and becomes the code; LOCATION lines and the SQLSTATE itself are left
 * out of the message. Without SQLSTATE: CONFIG when libpq refused an option, else RETRY. Returns -1.
 */
int pg_text_connect_error(const char *text, struct pgs_err *reterr);

#endif

/*
 * supervisor/metrics.h
 *    The state of all slots as a page in Prometheus' text format 0.0.4.
 *
 * One table of families in metrics.c; docs/metrics.md describes them and make lint compares the two. Does not serve
 * anything (http.c), and changes nothing.
 */
#ifndef PGSHOVEL_SUPERVISOR_METRICS_H
#define PGSHOVEL_SUPERVISOR_METRICS_H

#include <stdio.h>

#include "common/buf.h"
#include "supervisor/supervisor.h"

enum { METRICS_MAX_BYTES = 16 * 1024 * 1024 };

/* The whole page; check pgs_buf_failed(out) afterwards. */
void metrics_page(const struct supervisor *sup, uint64_t now_us, struct pgs_buf *out);

/* A label's value: quotes, backslashes and newlines escaped, bytes that are not UTF-8 replaced. */
void metrics_put_label(struct pgs_buf *out, const char *value);

/* "NAME TYPE HELP", a line a family, for make lint and the tests. */
void metrics_list(FILE *out);

#endif

/*
 * admin/progress.c
 *    See admin/progress.h.
 */
#include "admin/progress.h"

#include "common/clock.h"
#include "common/log.h"

enum { EVERY_US = 5 * 1000 * 1000 };

void progress_step(struct progress *p)
{
	uint64_t now_us = pgs_now_us();

	p->done++;
	if (p->next_us == 0)
		p->next_us = now_us + EVERY_US;
	if (now_us < p->next_us || p->done == p->total)
		return;
	p->next_us = now_us + EVERY_US;
	pgs_log(PGS_LOG_NOTICE, NULL, "%s%s%s%s: %zu of %zu", p->database ? "database \"" : "",
		p->database ? p->database : "", p->database ? "\": " : "", p->what, p->done,
		p->total);
}

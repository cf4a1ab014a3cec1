/*
 * worker/timeline.c
 *    See worker/timeline.h.
 *
 * A line is "ID<tab>LSN<tab>reason", oldest first; "#" begins a comment.
 */
#include "worker/timeline.h"

#include <stdio.h>
#include <string.h>

#include "worker/position.h"

enum { HISTORY_MAX_BYTES = 1024 * 1024 };

/* 1: an entry, 0: an empty line or a comment, -1: neither. */
static int parse_line(char *line, int64_t *ret_timeline, uint64_t *ret_lsn)
{
	char *save = NULL;
	char *end = NULL;
	const char *id = strtok_r(line, " \t\r", &save);
	if (!id || *id == '#')
		return 0;
	const char *lsn = strtok_r(NULL, " \t\r", &save);
	*ret_timeline = strtoll(id, &end, 10);
	return *end == '\0' && *ret_timeline > 0 && lsn && position_parse_lsn(lsn, ret_lsn) ? 1
											    : -1;
}

int timeline_fork(const char *text, size_t len, int64_t timeline, bool *ret_found,
		  uint64_t *ret_lsn, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_freep) char *copy = NULL;
	char *save = NULL;
	*ret_found = false;
	if (len > HISTORY_MAX_BYTES)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "the history of timelines has %zu bytes", len);
	copy = strndup(text, len);
	if (!copy)
		return pgs_err_nomem(reterr);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int64_t id = 0;
		uint64_t lsn = 0;
		const int rc = parse_line(line, &id, &lsn);
		if (rc < 0)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
					   "the history of timelines has a line that is none: "
					   "\"%.80s\"",
					   line);
		if (rc && id == timeline) {
			*ret_found = true;
			*ret_lsn = lsn;
		}
	}
	return 0;
}

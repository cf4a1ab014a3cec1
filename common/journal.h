/*
 * common/journal.h
 *    Log lines with fields, for a process whose stderr is systemd's journal.
 */
#ifndef PGSHOVEL_COMMON_JOURNAL_H
#define PGSHOVEL_COMMON_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/log.h"

enum { JOURNAL_RECORD_MAX = 3 * 1024 };

/*
 * When $JOURNAL_STREAM says that stderr is the journal, send lines to it as records with PGSHOVEL_SET= and
 * PGSHOVEL_DATABASE= (`journalctl PGSHOVEL_SET=example`), else leave stderr alone. A record that cannot be sent goes to stderr.
 * Once, after pgs_log_open(), before threads start and before rights are taken away.
 */
void journal_open(const char *program);

/*
 * One record in the journal's own form; returns its length. The fields come from a prefix "set=NAME database=NAME". A line that is too
 * long is cut.
 */
size_t journal_record(const char *program, enum pgs_log_level level, const char *prefix,
		      const char *line, char ret[JOURNAL_RECORD_MAX]);

/* Does $JOURNAL_STREAM ("device:inode") name this descriptor? */
bool journal_is(const char *stream, int fd);

#endif

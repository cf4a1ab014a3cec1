/*
 * common/journal.c
 *    See common/journal.h. Speaks the journal's native protocol, so that a worker needs no libsystemd.
 *
 * The socket is connected once: what a worker may not open later it has already. Never waits for a journal that is full.
 */
#include "common/journal.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static const struct sockaddr_un address = { .sun_family = AF_UNIX,
					    .sun_path = "/run/systemd/journal/socket" };

static struct {
	int fd;
	char program[32];
} journal = { .fd = -1 };

bool journal_is(const char *stream, int fd)
{
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &st) == 0 &&
	       st.st_dev == device && st.st_ino == inode;
}

/* "word=VALUE" of the prefix as a field of its own. */
static void put_field(const char *prefix, const char *word, const char *field, char *out,
		      size_t size, size_t *len)
{
	const char *at = strstr(prefix, word);

	if (!at || (at != prefix && at[-1] != ' '))
		return;
	at += strlen(word);
	int n = snprintf(out + *len, size - *len, "%s=%.*s\n", field, (int)strcspn(at, " "), at);
	if (n > 0 && (size_t)n < size - *len)
		*len += (size_t)n;
}

size_t journal_record(const char *program, enum pgs_log_level level, const char *prefix,
		      const char *line, char ret[JOURNAL_RECORD_MAX])
{
	size_t len =
		(size_t)snprintf(ret, JOURNAL_RECORD_MAX, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%.31s\n",
				 (int)level, program);

	if (prefix) {
		put_field(prefix, "set=", "PGSHOVEL_SET", ret, JOURNAL_RECORD_MAX, &len);
		put_field(prefix, "database=", "PGSHOVEL_DATABASE", ret, JOURNAL_RECORD_MAX, &len);
	}
	int n = snprintf(ret + len, JOURNAL_RECORD_MAX - len, "MESSAGE=%.256s%s%s\n",
			 prefix ? prefix : "", prefix ? " " : "", line);
	if (n > 0 && (size_t)n < JOURNAL_RECORD_MAX - len)
		return len + (size_t)n;
	ret[JOURNAL_RECORD_MAX - 1] = '\n'; /* the end of a line that was cut */
	return JOURNAL_RECORD_MAX;
}

static void sink(enum pgs_log_level level, const char *prefix, const char *line, void *ctx)
{
	char record[JOURNAL_RECORD_MAX];
	size_t len = journal_record(journal.program, level, prefix, line, record);

	(void)ctx;
	if (send(journal.fd, record, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
		return;
	/* A journal that was started again has another socket under the same name. */
	if (connect(journal.fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send(journal.fd, record, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
		return;
	pgs_log_stderr(level, prefix, line, NULL);
}

void journal_open(const char *program)
{
	if (journal.fd >= 0 || !journal_is(getenv("JOURNAL_STREAM"), STDERR_FILENO))
		return;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		(void)close(fd); /* nothing was sent */
		return;
	}
	journal.fd = fd;
	(void)snprintf(journal.program, sizeof(journal.program), "%s", program);
	pgs_log_set_sink(sink, NULL);
}

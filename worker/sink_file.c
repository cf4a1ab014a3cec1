/*
 * worker/sink_file.c
 *    See worker/sink_file.h. Lines are gathered and written whole, so that sources can share a file.
 */
#include "worker/sink_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "worker/encode_part.h"

#define LINE_BEGIN "{\"topic\":"

enum { FLUSH_BYTES = 256 * 1024, POSITION_FILE_MAX = 16 * 1024 * 1024 };

struct file_sink {
	struct sink sink; /* first: the interface is cast to this */
	struct sink_file_config config;
	int fd; /* -1: not open */
	struct pgs_buf lines;
	struct pgs_buf position; /* key, line break, value, line break */
};

/* Whole lines of several sources must not mix, also where write() takes them in pieces. */
static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;

static struct file_sink *self(struct sink *sink)
{
	return (struct file_sink *)sink;
}

static int write_all(int fd, const char *bytes, size_t len, const char *path,
		     struct pgs_err *reterr)
{
	while (len) {
		const ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return pgs_err_set(reterr, errno == EPIPE ? PGS_ERR_CONFIG : PGS_ERR_RETRY,
					   "", "could not write \"%s\": %m", path);
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static const char *shown_path(const struct file_sink *f)
{
	return f->config.path ? f->config.path : "stdout";
}

static int flush_lines(struct file_sink *f, struct pgs_err *reterr)
{
	if (pgs_buf_failed(&f->lines))
		return pgs_err_nomem(reterr);
	(void)pthread_mutex_lock(&output_lock);
	const int rc =
		write_all(f->fd, pgs_buf_str(&f->lines), f->lines.len, shown_path(f), reterr);
	(void)pthread_mutex_unlock(&output_lock);
	pgs_buf_reset(&f->lines);
	return rc;
}

/*
 * Whoever was killed while it wrote left the beginning of a line. No position says that it was delivered: it comes
 * again, and goes here. A file that ends with anything else is not ours to cut.
 */
static int cut_torn_line(struct file_sink *f, struct pgs_err *reterr)
{
	struct stat st;
	if (fstat(f->fd, &st) || !S_ISREG(st.st_mode) || st.st_size == 0)
		return 0;
	PGS_CLEANUP(pgs_closep) int fd = open(f->config.path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "cannot read \"%s\": %m",
				   f->config.path);
	char chunk[4096];
	off_t at = st.st_size;
	const char *end = NULL;
	while (at > 0 && !end) {
		const size_t want = at < (off_t)sizeof(chunk) ? (size_t)at : sizeof(chunk);
		if (pread(fd, chunk, want, at - (off_t)want) != (ssize_t)want)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "", "cannot read \"%s\": %m",
					   f->config.path);
		at -= (off_t)want;
		end = memrchr(chunk, '\n', want);
		if (end)
			at += end + 1 - chunk;
	}
	if (at == st.st_size)
		return 0;
	const ssize_t n = pread(fd, chunk, strlen(LINE_BEGIN), at);
	if (n <= 0 || memcmp(chunk, LINE_BEGIN, (size_t)n) != 0)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"\"%s\" ends within a line that is no change event: name another file",
			f->config.path);
	if (ftruncate(f->fd, at))
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not cut \"%s\": %m",
				   f->config.path);
	return 0;
}

static int probe(struct sink *sink, struct pgs_err *reterr)
{
	struct file_sink *f = self(sink);
	if (f->fd >= 0)
		return 0;
	f->fd = f->config.path
			? open(f->config.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)
			: fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 5);
	if (f->fd < 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "cannot open \"%s\": %m",
				   shown_path(f));
	if (!f->config.path)
		return 0;
	(void)pthread_mutex_lock(&output_lock);
	const int rc = cut_torn_line(f, reterr);
	(void)pthread_mutex_unlock(&output_lock);
	if (rc) {
		pgs_closep(&f->fd);
		f->fd = -1;
	}
	return rc;
}

static int acquire(struct sink *sink, struct pgs_err *reterr)
{
	(void)sink;
	(void)reterr;
	return 0;
}

static int read_position(struct sink *sink, const char *key, size_t key_len,
			 struct pgs_buf *ret_value, struct pgs_err *reterr)
{
	const struct file_sink *f = self(sink);
	pgs_buf_reset(ret_value);
	if (!f->config.commit_path)
		return 0;
	PGS_CLEANUP(pgs_closep) int fd = open(f->config.commit_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "cannot read \"%s\": %m",
				   f->config.commit_path);
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(POSITION_FILE_MAX);
	char chunk[4096];
	for (ssize_t n; (n = read(fd, chunk, sizeof(chunk))) > 0;)
		pgs_buf_put(&text, chunk, (size_t)n);
	const char *value = memchr(pgs_buf_str(&text), '\n', text.len);
	if (!value || (size_t)(value - text.data) != key_len ||
	    memcmp(text.data, key, key_len) != 0)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"\"%s\" is not the position of this source (%.*s): name another file",
			f->config.commit_path, (int)key_len, key);
	value++;
	pgs_buf_put(ret_value, value, strcspn(value, "\n"));
	return pgs_buf_failed(ret_value) || pgs_buf_failed(&text) ? pgs_err_nomem(reterr) : 0;
}

static int mend(struct sink *sink, const char *const *topics, size_t n, const char *key,
		size_t key_len, struct pgs_err *reterr)
{
	(void)sink, (void)topics, (void)n, (void)key, (void)key_len, (void)reterr;
	return 0;
}

static int ensure_topics(struct sink *sink, const char *const *topics, size_t n, bool may_create,
			 struct pgs_err *reterr)
{
	(void)sink;
	(void)topics;
	(void)n;
	(void)may_create;
	(void)reterr;
	return 0;
}

static void ready(struct sink *sink)
{
	(void)sink; /* a file is */
}

static int begin(struct sink *sink, struct pgs_err *reterr)
{
	(void)reterr;
	pgs_buf_reset(&self(sink)->lines);
	pgs_buf_reset(&self(sink)->position);
	return 0;
}

static void put_bytes(struct pgs_buf *out, const char *bytes, size_t len)
{
	if (bytes)
		encode_json_string(out, bytes, len);
	else
		pgs_buf_lit(out, "null");
}

static int write_record(struct sink *sink, const struct encode_record *record,
			struct pgs_err *reterr)
{
	struct file_sink *f = self(sink);
	struct pgs_buf *out = &f->lines;
	pgs_buf_lit(out, LINE_BEGIN);
	encode_json_text(out, record->topic);
	pgs_buf_lit(out, ",\"key\":");
	put_bytes(out, record->key, record->key_len);
	pgs_buf_lit(out, ",\"headers\":[");
	for (size_t i = 0; i < record->n_headers; i++) {
		pgs_buf_puts(out, i ? ",[" : "[");
		encode_json_text(out, record->headers[i].name);
		pgs_buf_putc(out, ',');
		put_bytes(out, record->headers[i].value, record->headers[i].value_len);
		pgs_buf_putc(out, ']');
	}
	pgs_buf_lit(out, "],\"value\":");
	put_bytes(out, record->value, record->value_len);
	pgs_buf_lit(out, "}\n");
	return out->len < FLUSH_BYTES && !pgs_buf_failed(out) ? 0 : flush_lines(f, reterr);
}

/* Lines are refused at once or not at all. */
static int settle(struct sink *sink, struct pgs_err *reterr)
{
	(void)sink;
	(void)reterr;
	return 0;
}

static int position(struct sink *sink, const char *key, size_t key_len, const char *value,
		    size_t value_len, struct pgs_err *reterr)
{
	struct pgs_buf *out = &self(sink)->position;
	pgs_buf_reset(out);
	pgs_buf_put(out, key, key_len);
	pgs_buf_putc(out, '\n');
	pgs_buf_put(out, value, value_len);
	pgs_buf_putc(out, '\n');
	return pgs_buf_failed(out) ? pgs_err_nomem(reterr) : 0;
}

/* A crash leaves the old or the new position, never half of one. */
static int keep_position(struct file_sink *f, struct pgs_err *reterr)
{
	char path[4096];
	const int len = snprintf(path, sizeof(path), "%s.new", f->config.commit_path);
	if (len < 0 || (size_t)len >= sizeof(path))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "the path \"%.100s...\" is too long",
				   f->config.commit_path);
	PGS_CLEANUP(pgs_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "cannot write \"%s\": %m", path);
	if (write_all(fd, f->position.data, f->position.len, path, reterr))
		return -1;
	if (fsync(fd) || rename(path, f->config.commit_path))
		return pgs_err_set(reterr, PGS_ERR_RETRY, "",
				   "could not keep the position in \"%s\": %m",
				   f->config.commit_path);
	return 0;
}

static void commit_begin(struct sink *sink)
{
	(void)sink; /* a file is quick */
}

static int commit(struct sink *sink, struct pgs_err *reterr)
{
	struct file_sink *f = self(sink);
	if (flush_lines(f, reterr))
		return -1;
	/* The lines must not be younger than the position that follows them; pipes have nothing to sync. */
	if (f->config.path && fdatasync(f->fd) && errno != EINVAL)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not write \"%s\": %m",
				   shown_path(f));
	return f->config.commit_path && f->position.len ? keep_position(f, reterr) : 0;
}

static void drop(struct sink *sink)
{
	pgs_buf_reset(&self(sink)->lines);
	pgs_buf_reset(&self(sink)->position);
}

static void free_sink(struct sink *sink)
{
	struct file_sink *f = self(sink);
	pgs_closep(&f->fd);
	pgs_buf_done(&f->lines);
	pgs_buf_done(&f->position);
	free(f);
}

static const struct sink_ops file_ops = {
	.probe = probe,
	.acquire = acquire,
	.read_position = read_position,
	.mend = mend,
	.ensure_topics = ensure_topics,
	.ready = ready,
	.begin = begin,
	.write = write_record,
	.settle = settle,
	.position = position,
	.commit_begin = commit_begin,
	.commit = commit,
	.drop = drop,
	.free = free_sink,
};

int sink_file_new(const struct sink_file_config *config, struct sink **ret, struct pgs_err *reterr)
{
	struct file_sink *f = calloc(1, sizeof(*f));
	if (!f)
		return pgs_err_nomem(reterr);
	f->sink.ops = &file_ops;
	f->config = *config;
	f->fd = -1;
	f->lines = PGS_BUF_INIT((size_t)1 << 31);
	f->position = PGS_BUF_INIT(POSITION_FILE_MAX);
	*ret = &f->sink;
	return 0;
}

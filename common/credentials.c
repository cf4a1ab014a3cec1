/*
 * common/credentials.c
 *    See common/credentials.h.
 *
 * Keeps nothing: what was read belongs to the caller.
 */
#include "common/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int credentials_folder(char **folder, struct pgs_err *reterr)
{
	const char *given = getenv("CREDENTIALS_DIRECTORY");

	if (*folder || !given)
		return 0;
	*folder = strdup(given);
	return *folder ? 0 : pgs_err_nomem(reterr);
}

static int read_whole(int fd, const char *path, char **ret, size_t *ret_len, struct pgs_err *reterr)
{
	PGS_CLEANUP(credentials_freep) char *text = calloc(1, CREDENTIALS_MAX_BYTES + 2);
	size_t len = 0;
	ssize_t got = 1;

	if (!text)
		return pgs_err_nomem(reterr);
	while (got > 0 && len <= CREDENTIALS_MAX_BYTES) {
		do
			got = read(fd, text + len, CREDENTIALS_MAX_BYTES + 1 - len);
		while (got < 0 && errno == EINTR);
		if (got > 0)
			len += (size_t)got;
	}
	if (got < 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "EIO",
				   "could not read credentials file \"%s\": %m", path);
	if (len > CREDENTIALS_MAX_BYTES || memchr(text, '\0', len))
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "E2BIG",
			"credentials file \"%s\" is longer than %d bytes or holds a zero byte",
			path, CREDENTIALS_MAX_BYTES);
	*ret = PGS_STEAL(text);
	*ret_len = len;
	return 0;
}

int credentials_read(const char *folder, const char *name, char **ret, size_t *ret_len,
		     struct pgs_err *reterr)
{
	char path[4096];
	struct stat st;

	*ret = NULL;
	*ret_len = 0;
	if (!folder)
		return 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "ENAMETOOLONG",
				   "the path of the credentials folder is too long");
	/* Without O_NONBLOCK a pipe of that name would hold us. */
	PGS_CLEANUP(pgs_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "EACCES",
				   "could not open credentials file \"%s\": %m", path);
	if (!S_ISREG(st.st_mode))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "credentials file \"%s\" is not a regular file", path);
	return read_whole(fd, path, ret, ret_len, reterr);
}

int credentials_read_zookeeper(const char *folder, char **ret, struct pgs_err *reterr)
{
	PGS_CLEANUP(credentials_freep) char *text = NULL;
	size_t len;

	*ret = NULL;
	if (credentials_read(folder, "zookeeper", &text, &len, reterr) < 0)
		return -1;
	if (!text)
		return 0;
	size_t line = strcspn(text, "\r\n");
	if (!memchr(text, ':', line))
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"credentials file \"zookeeper\" must hold one line user:password");
	/* What follows would be freed without being wiped. */
	explicit_bzero(text + line, len - line);
	*ret = PGS_STEAL(text);
	return 0;
}

void credentials_freep(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

/*
 * admin/credentials.c
 *    Files of the credentials folder.
 *
 * Does not interpret them.
 */
#include "admin/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int credentials_read(const char *dir, const char *name, char **ret, size_t *ret_len,
		     struct pgs_err *reterr)
{
	char path[4096];

	if (!dir) {
		*ret = NULL;
		*ret_len = 0;
		return 0;
	}
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "ENAMETOOLONG",
				   "the path of the credentials folder is too long");
	PGS_CLEANUP(pgs_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		*ret = NULL;
		*ret_len = 0;
		return 0;
	}
	if (fd < 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "EACCES",
				   "could not open credentials file \"%s\": %m", path);
	PGS_CLEANUP(credentials_freep) char *text = calloc(1, CREDENTIALS_MAX_BYTES + 2);
	if (!text)
		return pgs_err_nomem(reterr);
	size_t len = 0;
	for (;;) {
		ssize_t got = read(fd, text + len, CREDENTIALS_MAX_BYTES + 1 - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "EIO",
					   "could not read credentials file \"%s\": %m", path);
		if (got == 0)
			break;
		len += (size_t)got;
		if (len > CREDENTIALS_MAX_BYTES)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "EFBIG",
					   "credentials file \"%s\" is larger than %d bytes", path,
					   CREDENTIALS_MAX_BYTES);
	}
	*ret = PGS_STEAL(text);
	*ret_len = len;
	return 0;
}

void credentials_freep(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

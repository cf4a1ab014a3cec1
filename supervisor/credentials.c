/*
 * supervisor/credentials.c
 *    Reads the credentials folder: bounded in files and bytes, whole or not at all.
 *
 * Does not interpret pgpass and kafka files: the worker does.
 */
#include "supervisor/credentials.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "common/parse.h"

static bool is_ours(const char *name)
{
	return strcmp(name, "pgpass") == 0 || strcmp(name, "zookeeper") == 0 ||
	       strcmp(name, "kafka") == 0 ||
	       (strncmp(name, "kafka.", 6) == 0 && pgs_set_name_ok(name + 6));
}

static void credential_done(struct assignment_credential *file)
{
	if (file->data)
		explicit_bzero(file->data, file->len);
	free(file->data);
	free(file->name);
}

static int read_file(int folder_fd, const char *folder, const char *name,
		     struct assignment_credential *ret, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_closep) int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "EIO",
				   "could not open credential \"%s/%s\": %m", folder, name);
	if (!S_ISREG(st.st_mode))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "credential \"%s/%s\" is not a regular file", folder, name);
	struct assignment_credential file = { .name = strdup(name),
					      .data = calloc(1, CREDENTIALS_MAX_BYTES + 2) };
	ssize_t r = 1;
	while (file.name && file.data && file.len <= CREDENTIALS_MAX_BYTES && r > 0) {
		r = read(fd, file.data + file.len, CREDENTIALS_MAX_BYTES + 1 - file.len);
		if (r > 0)
			file.len += (size_t)r;
	}
	if (!file.name || !file.data || r < 0 || file.len > CREDENTIALS_MAX_BYTES ||
	    memchr(file.data, '\0', file.len)) {
		int saved = errno;
		bool memory = !file.name || !file.data;
		credential_done(&file);
		if (memory)
			return pgs_err_nomem(reterr);
		errno = saved;
		return r < 0 ? pgs_err_set(reterr, PGS_ERR_CONFIG, "EIO",
					   "could not read credential \"%s/%s\": %m", folder, name)
			     : pgs_err_set(reterr, PGS_ERR_CONFIG, "E2BIG",
					   "credential \"%s/%s\" is longer than %d bytes or holds "
					   "a zero byte",
					   folder, name, CREDENTIALS_MAX_BYTES);
	}
	*ret = file;
	return 0;
}

static int read_all(DIR *dir, const char *folder, struct credentials *into, struct pgs_err *reterr)
{
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		if (!is_ours(entry->d_name))
			continue;
		if (into->n == CREDENTIALS_MAX_FILES)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "E2BIG",
					   "credentials folder \"%s\" holds more than %d files",
					   folder, CREDENTIALS_MAX_FILES);
		struct assignment_credential *files =
			reallocarray(into->files, into->n + 1, sizeof(*files));
		if (!files)
			return pgs_err_nomem(reterr);
		into->files = files;
		if (read_file(dirfd(dir), folder, entry->d_name, &into->files[into->n], reterr) < 0)
			return -1;
		into->n++;
	}
	return 0;
}

int credentials_read(const char *folder, struct credentials *ret, struct pgs_err *reterr)
{
	struct credentials fresh = { 0 };

	if (folder) {
		DIR *dir = opendir(folder);
		if (!dir)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "ENOENT",
					   "could not open credentials folder \"%s\": %m", folder);
		int r = read_all(dir, folder, &fresh, reterr);
		(void)closedir(dir);
		if (r < 0) {
			credentials_done(&fresh);
			return -1;
		}
	}
	/* "user:password" is used without its line end. */
	for (size_t i = 0; i < fresh.n; i++)
		if (strcmp(fresh.files[i].name, "zookeeper") == 0)
			fresh.files[i].data[strcspn(fresh.files[i].data, "\r\n")] = '\0';
	*ret = fresh;
	return 0;
}

static const struct assignment_credential *find(const struct credentials *credentials,
						const char *prefix, const char *rest)
{
	size_t n = strlen(prefix);

	for (size_t i = 0; i < credentials->n; i++)
		if (strncmp(credentials->files[i].name, prefix, n) == 0 &&
		    strcmp(credentials->files[i].name + n, rest) == 0)
			return &credentials->files[i];
	return NULL;
}

void credentials_for_set(const struct credentials *credentials, const char *set,
			 struct assignment_credential list[3], size_t *ret_n)
{
	const struct assignment_credential *found[] = {
		find(credentials, "pgpass", ""),
		find(credentials, "kafka", ""),
		find(credentials, "kafka.", set),
	};

	*ret_n = 0;
	for (size_t i = 0; i < PGS_ARRAY_LEN(found); i++)
		if (found[i])
			list[(*ret_n)++] = *found[i];
}

const char *credentials_zookeeper(const struct credentials *credentials)
{
	const struct assignment_credential *file = find(credentials, "zookeeper", "");

	return file && file->data[0] ? file->data : NULL;
}

void credentials_done(struct credentials *credentials)
{
	for (size_t i = 0; i < credentials->n; i++)
		credential_done(&credentials->files[i]);
	free(credentials->files);
	*credentials = (struct credentials){ 0 };
}

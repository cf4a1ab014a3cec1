/*
 * supervisor/credentials.c
 *    Loads the credentials folder: bounded in files, all or nothing.
 *
 * Does not interpret pgpass and kafka files: the worker does.
 */
#include "supervisor/credentials.h"

#include <dirent.h>
#include <stdbool.h>
#include <string.h>

#include "common/credentials.h"
#include "common/parse.h"

static bool is_for_workers(const char *name)
{
	return strcmp(name, "pgpass") == 0 || strcmp(name, "kafka") == 0 ||
	       (strncmp(name, "kafka.", 6) == 0 && pgs_set_name_ok(name + 6));
}

static int add_file(const char *folder, const char *name, struct credentials *into,
		    struct pgs_err *reterr)
{
	PGS_CLEANUP(credentials_freep) char *data = NULL;
	size_t len;

	if (into->n == CREDENTIALS_MAX_FILES)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "E2BIG",
				   "credentials folder \"%s\" holds more than %d files", folder,
				   CREDENTIALS_MAX_FILES);
	if (credentials_read(folder, name, &data, &len, reterr) < 0)
		return -1;
	if (!data) /* vanished since the folder was listed */
		return 0;
	struct assignment_credential *files =
		reallocarray(into->files, into->n + 1, sizeof(*files));
	if (!files)
		return pgs_err_nomem(reterr);
	into->files = files;
	files[into->n] = (struct assignment_credential){ .name = strdup(name), .len = len };
	if (!files[into->n].name)
		return pgs_err_nomem(reterr);
	files[into->n++].data = PGS_STEAL(data);
	return 0;
}

static int add_files(DIR *dir, const char *folder, struct credentials *into, struct pgs_err *reterr)
{
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if (is_for_workers(entry->d_name) &&
		    add_file(folder, entry->d_name, into, reterr) < 0)
			return -1;
	return credentials_read_zookeeper(folder, &into->zookeeper, reterr);
}

int credentials_load(const char *folder, struct credentials *ret, struct pgs_err *reterr)
{
	struct credentials fresh = { 0 };

	if (folder) {
		DIR *dir = opendir(folder);
		if (!dir)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "ENOENT",
					   "could not open credentials folder \"%s\": %m", folder);
		int r = add_files(dir, folder, &fresh, reterr);
		(void)closedir(dir);
		if (r < 0) {
			credentials_done(&fresh);
			return -1;
		}
	}
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

void credentials_done(struct credentials *credentials)
{
	for (size_t i = 0; i < credentials->n; i++) {
		credentials_freep(&credentials->files[i].data);
		free(credentials->files[i].name);
	}
	free(credentials->files);
	credentials_freep(&credentials->zookeeper);
	*credentials = (struct credentials){ 0 };
}

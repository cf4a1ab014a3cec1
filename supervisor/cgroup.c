/*
 * supervisor/cgroup.c
 *    See cgroup.h. cgroup v2 only, by its files; systemd is not asked.
 *
 * Layout below the group that is ours: "supervisor" (a group that hands controllers on may hold no process itself), "set-NAME".
 */
#include "supervisor/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/log.h"

enum { PATH_BYTES = 1024, NAME_BYTES = SLOT_NAME_MAX + 8 };

static bool put(int dir, const char *group, const char *file, const char *text)
{
	char path[NAME_BYTES + 64];

	(void)snprintf(path, sizeof(path), "%s%s%s", group, *group ? "/" : "", file);
	PGS_CLEANUP(pgs_closep) int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool put_number(int dir, const char *group, const char *file, uint64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return put(dir, group, file, text);
}

/* Our line of /proc/self/cgroup: "0::/path". "" where there is none, or where it is the root, which nobody delegates. */
static void own_path(char ret[PATH_BYTES])
{
	char *line = NULL;
	size_t size = 0;

	*ret = '\0';
	FILE *f = fopen("/proc/self/cgroup", "re");
	if (!f)
		return;
	while (getline(&line, &size, f) > 0)
		if (strncmp(line, "0::/", 4) == 0) {
			line[strcspn(line, "\n")] = '\0';
			if (line[4])
				(void)snprintf(ret, PATH_BYTES, "%s", line + 3);
		}
	free(line);
	(void)fclose(f); /* read only */
}

/* Where cgroup v2 is: /sys/fs/cgroup, or a folder below it beside v1. */
static bool mount_point(char ret[PATH_BYTES])
{
	char *line = NULL, root[PATH_BYTES], at[PATH_BYTES];
	size_t size = 0;
	bool found = false;

	FILE *f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return false;
	while (!found && getline(&line, &size, f) > 0) {
		found = strstr(line, " - cgroup2 ") &&
			sscanf(line, "%*s %*s %*s %1023s %1023s", root, at) == 2 &&
			strcmp(root, "/") == 0;
		if (found)
			(void)snprintf(ret, PATH_BYTES, "%s", at);
	}
	free(line);
	(void)fclose(f); /* read only */
	return found;
}

/* systemd marks what it delegates; a folder that a mere user owns is his. */
static bool is_delegated(int fd)
{
	static const char *const marks[] = { "trusted.delegate", "user.delegate" };
	struct stat st;
	char value;

	for (size_t i = 0; i < PGS_ARRAY_LEN(marks); i++)
		if (fgetxattr(fd, marks[i], &value, 1) == 1)
			return value == '1';
	return fstat(fd, &st) == 0 && st.st_uid != 0 && st.st_uid == geteuid();
}

static int open_group(char path[2 * PATH_BYTES])
{
	char mount[PATH_BYTES], own[PATH_BYTES];

	own_path(own);
	if (!*own || !mount_point(mount))
		return -1;
	(void)snprintf(path, 2 * PATH_BYTES, "%s%s", mount, own);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && !is_delegated(fd)) {
		(void)close(fd); /* somebody else's */
		fd = -1;
	}
	return fd;
}

static void name_of(const struct slot *slot, char ret[NAME_BYTES])
{
	(void)snprintf(ret, NAME_BYTES, "set-%s", slot->set);
}

static void remove_group(int dir, const char *name)
{
	(void)put(dir, name, "cgroup.kill", "1"); /* an old kernel, or empty */
	(void)unlinkat(dir, name, AT_REMOVEDIR); /* not empty yet: the next worker has it */
}

/* Workers of a supervisor that was killed end by themselves; this is for those that do not. */
static void remove_leftovers(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!list)
		return;
	while ((entry = readdir(list)))
		if (strncmp(entry->d_name, "set-", 4) == 0 && strlen(entry->d_name) < NAME_BYTES)
			remove_group(dir, entry->d_name);
	(void)closedir(list); /* read only */
}

void cgroup_open(struct cgroup *group)
{
	char path[2 * PATH_BYTES];
	int fd = open_group(path);

	*group = (struct cgroup){ .fd = -1 };
	if (fd < 0) {
		pgs_log(PGS_LOG_NOTICE, NULL,
			"no cgroup was delegated to us: every worker limits its memory itself");
		return;
	}
	if ((mkdirat(fd, "supervisor", 0755) < 0 && errno != EEXIST) ||
	    !put(fd, "supervisor", "cgroup.procs", "0")) {
		pgs_log(PGS_LOG_NOTICE, NULL,
			"could not use the cgroup \"%.200s\": %m; every worker limits its memory "
			"itself",
			path);
		(void)close(fd); /* a folder */
		return;
	}
	group->fd = fd;
	remove_leftovers(fd);
	/* One by one: what is not there does not take the other with it. */
	group->memory = put(fd, "", "cgroup.subtree_control", "+memory");
	group->tasks = put(fd, "", "cgroup.subtree_control", "+pids");
	pgs_log(PGS_LOG_INFO, NULL, "each worker gets a cgroup below \"%.200s\"%s%s", path,
		group->memory ? "" : "; it has no memory controller, every worker limits its own",
		group->tasks ? "" : "; it has no pids controller, tasks are not counted");
}

void cgroup_close(struct cgroup *group)
{
	if (group->fd >= 0)
		(void)close(group->fd); /* a folder */
	group->fd = -1;
}

bool cgroup_prepare(const struct cgroup *group, const struct slot *slot, uint64_t memory,
		    uint64_t tasks)
{
	char name[NAME_BYTES];

	if (group->fd < 0)
		return false;
	name_of(slot, name);
	if (mkdirat(group->fd, name, 0755) < 0 && errno != EEXIST) {
		pgs_log(PGS_LOG_WARNING, slot->prefix, "could not make its cgroup: %m");
		return false;
	}
	if (group->tasks && !put_number(group->fd, name, "pids.max", tasks))
		pgs_log(PGS_LOG_WARNING, slot->prefix, "could not limit its tasks: %m");
	if (!group->memory)
		return false;
	/* Half a worker is none. */
	(void)put(group->fd, name, "memory.oom.group", "1");
	if (put_number(group->fd, name, "memory.max", memory))
		return true;
	pgs_log(PGS_LOG_WARNING, slot->prefix, "could not limit its memory by a cgroup: %m");
	return false;
}

void cgroup_enter(const struct cgroup *group, const struct slot *slot)
{
	char name[NAME_BYTES];

	if (group->fd < 0)
		return;
	name_of(slot, name);
	if (!put_number(group->fd, name, "cgroup.procs", (uint64_t)slot->pid) && errno != ESRCH)
		pgs_log(PGS_LOG_WARNING, slot->prefix, "could not put it into its cgroup: %m");
}

void cgroup_leave(const struct cgroup *group, const struct slot *slot)
{
	char name[NAME_BYTES];

	if (group->fd < 0)
		return;
	name_of(slot, name);
	remove_group(group->fd, name);
}

bool cgroup_ran_out(const struct cgroup *group, const struct slot *slot)
{
	static const char word[] = "oom_kill ";
	char path[NAME_BYTES + 32], text[512];

	if (group->fd < 0 || !group->memory)
		return false;
	(void)snprintf(path, sizeof(path), "set-%s/memory.events", slot->set);
	PGS_CLEANUP(pgs_closep) int fd = openat(group->fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	const char *at = strstr(text, word);
	return at && at[sizeof(word) - 1] != '0';
}

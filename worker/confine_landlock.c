/*
 * worker/confine_landlock.c
 *    Landlock by its system calls: files, TCP ports, signals, abstract sockets; as much as the kernel knows.
 *
 * What a newer kernel could do more is left for a newer version. Sockets in the file system cannot be forbidden by it, nor can UDP.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/confine.h"

/* Newer than the headers of Debian 12: values of the kernel's include/uapi/linux/landlock.h. */
#define RIGHT_TRUNCATE    (UINT64_C(1) << 14)
#define RIGHT_IOCTL_DEV   (UINT64_C(1) << 15)
#define RIGHT_BIND_TCP    (UINT64_C(1) << 0)
#define RIGHT_CONNECT_TCP (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT    (UINT64_C(1) << 0)
#define SCOPE_SIGNAL      (UINT64_C(1) << 1)

enum { ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_NETWORK = 4, ABI_IOCTL = 5, ABI_SCOPE = 6 };
enum { RULE_NET_PORT = 2 };

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

struct net_port_attr {
	uint64_t allowed_access;
	uint64_t port;
};

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_RIGHTS                                                                               \
	(READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |            \
	 LANDLOCK_ACCESS_FS_MAKE_REG | RIGHT_TRUNCATE)
/* What the kernel takes for a rule about a file that is no folder. */
#define FILE_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE)

static uint64_t file_rights(int abi)
{
	uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (abi >= ABI_REFER)
		all |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= ABI_TRUNCATE)
		all |= RIGHT_TRUNCATE;
	if (abi >= ABI_IOCTL)
		all |= RIGHT_IOCTL_DEV;
	return all;
}

static int add(int ruleset, int type, const void *attr)
{
	return (int)syscall(SYS_landlock_add_rule, ruleset, type, attr, 0);
}

static int permit_path(int ruleset, struct confine_rule *rule, uint64_t handled,
		       struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_closep) int fd = open(rule->path, O_PATH | O_CLOEXEC);
	struct stat st;

	/* Not there, or not for us to see: then it cannot be read either. */
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	rule->device = st.st_dev;
	rule->inode = st.st_ino;
	struct landlock_path_beneath_attr attr = {
		.allowed_access = (rule->write ? WRITE_RIGHTS : READ_RIGHTS) & handled,
		.parent_fd = fd,
	};
	if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= FILE_RIGHTS;
	if (add(ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr) == 0)
		return 0;
	return pgs_err_set(reterr, PGS_ERR_BUG, "LANDLOCK", "could not permit \"%s\": %m",
			   rule->path);
}

static int permit_ports(int ruleset, const struct confine_ports *ports, struct pgs_err *reterr)
{
	for (unsigned port = 1; port < 65536; port++) {
		const struct net_port_attr attr = { .allowed_access = RIGHT_CONNECT_TCP,
						    .port = port };
		if (confine_ports_has(ports, port) && add(ruleset, RULE_NET_PORT, &attr) < 0)
			return pgs_err_set(reterr, PGS_ERR_BUG, "LANDLOCK",
					   "could not permit TCP port %u: %m", port);
	}
	return 0;
}

static struct ruleset_attr what(const struct confine *c, int abi)
{
	struct ruleset_attr attr = { .handled_access_fs = 0 };

	if (c->pieces & CONFINE_FILES) {
		attr.handled_access_fs = file_rights(abi);
		if (abi >= ABI_SCOPE)
			attr.scoped = SCOPE_SIGNAL | (c->abstract_sockets ? 0 : SCOPE_ABSTRACT);
	}
	if (c->pieces & CONFINE_NETWORK && abi >= ABI_NETWORK)
		attr.handled_access_net = RIGHT_BIND_TCP | RIGHT_CONNECT_TCP;
	return attr;
}

int confine_landlock(struct confine *c, const char *log_prefix, struct pgs_err *reterr)
{
	const int abi =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 1) {
		pgs_log(PGS_LOG_NOTICE, log_prefix,
			"no Landlock here (%m): the relay is kept from no file and no TCP port");
		c->pieces &= ~(unsigned)(CONFINE_FILES | CONFINE_NETWORK);
		return 0;
	}
	if (abi < ABI_SCOPE)
		pgs_log(PGS_LOG_NOTICE, log_prefix,
			"this kernel's Landlock is of version %d: %sthe relay is not kept from "
			"abstract sockets",
			abi, abi < ABI_NETWORK ? "the relay is kept from no TCP port, " : "");
	if (abi < ABI_NETWORK)
		c->pieces &= ~(unsigned)CONFINE_NETWORK;
	const struct ruleset_attr attr = what(c, abi);
	if (!attr.handled_access_fs && !attr.handled_access_net)
		return 0;
	/* The kernel takes a longer struct as long as what it does not know is 0. */
	PGS_CLEANUP(pgs_closep)
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return pgs_err_set(reterr, PGS_ERR_BUG, "LANDLOCK",
				   "could not make a Landlock ruleset: %m");
	for (size_t i = 0; attr.handled_access_fs && i < c->n_rules; i++)
		if (permit_path(ruleset, &c->rules[i], attr.handled_access_fs, reterr))
			return -1;
	if (attr.handled_access_net && permit_ports(ruleset, &c->ports, reterr))
		return -1;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return pgs_err_set(reterr, PGS_ERR_BUG, "LANDLOCK",
				   "could not give up rights by Landlock: %m");
	return 0;
}

/*
 * supervisor/session.c
 *    See session.h. FDSTORE= of sd_notify(3); the file comes back by LISTEN_FDS.
 *
 * Does not decide whether the session is kept (restart.c). The owner of a set is told by its token: the lock's number stays
 * the same in a session that goes on, so the spawn number has to grow over incarnations; its upper half counts them.
 */
#include "supervisor/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "supervisor/supervisor.h"

#define NAME "session"

enum {
	IDENTITY_MAX = 2048 + 256,
	INCARNATION_BITS = 32
}; /* a list of servers is shorter than 2048 */

static const char magic[8] = "pgshov1";

struct session_record {
	char magic[8];
	char identity[IDENTITY_MAX]; /* what the session's nodes belong to */
	uint64_t incarnation;
	int64_t id; /* 0: none */
	char password[16];
};

/* Not the servers: a session that is unknown to them is replaced by a new one. */
static void identity_of(const struct supervisor *sup, char ret[IDENTITY_MAX])
{
	const char *chroot = strchr(sup->config.zookeeper_hosts, '/');

	memset(ret, 0, IDENTITY_MAX);
	(void)snprintf(ret, IDENTITY_MAX, "%s %s %s", sup->config.cluster, sup->host,
		       chroot ? chroot : "");
}

static struct session_record *map(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size != (off_t)sizeof(struct session_record))
		return NULL;
	void *at = mmap(NULL, sizeof(struct session_record), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			0);
	return at == MAP_FAILED ? NULL : at;
}

/* What the former supervisor left, of the files that systemd hands us; others are closed. */
static struct session_record *received(void)
{
	struct session_record *found = NULL;
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	for (int i = 0; i < n; i++) {
		if (!found && strcmp(names[i], NAME) == 0)
			found = map(SD_LISTEN_FDS_START + i);
		(void)close(SD_LISTEN_FDS_START + i); /* systemd has its own */
		free(names[i]);
	}
	free(names);
	return found;
}

/* An empty record, in systemd's hands. */
static struct session_record *stored(void)
{
	int fd = memfd_create("pgshovel-session", MFD_CLOEXEC);
	struct session_record *record = NULL;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, (off_t)sizeof(*record)) == 0)
		record = map(fd);
	(void)sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" NAME);
	if (record && sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" NAME, &fd, 1) <= 0) {
		(void)munmap(record, sizeof(*record));
		record = NULL;
	}
	(void)close(fd); /* mapped; the store has its own */
	return record;
}

static bool usable(const struct session_record *record, const char identity[IDENTITY_MAX])
{
	return memcmp(record->magic, magic, sizeof(magic)) == 0 &&
	       memcmp(record->identity, identity, IDENTITY_MAX) == 0 && record->id != 0 &&
	       record->incarnation < UINT32_MAX / 2;
}

void session_open(struct supervisor *sup, struct zk_params *params)
{
	char identity[IDENTITY_MAX];

	if (!getenv("NOTIFY_SOCKET") || sup->config.set)
		return;
	struct session_record *record = received();
	identity_of(sup, identity);
	if (record && usable(record, identity)) {
		params->resume_id = record->id;
		memcpy(params->resume_password, record->password, sizeof(record->password));
		record->incarnation++;
		sup->n_spawns = record->incarnation << INCARNATION_BITS;
		sup->leftover.wanted = true;
		sup->session.record = record;
		return;
	}
	if (record)
		(void)munmap(record, sizeof(*record));
	record = stored();
	if (!record)
		return;
	memcpy(record->magic, magic, sizeof(magic));
	memcpy(record->identity, identity, sizeof(identity));
	sup->session.record = record;
}

void session_note(struct supervisor *sup)
{
	struct session_record *record = sup->session.record;
	int64_t id;
	char password[16];

	if (!record)
		return;
	zk_session_save(sup->zk, &id, password);
	record->id = 0; /* never a number with another's password, whenever we are killed */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(record->password, password, sizeof(password));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	record->id = id;
}

bool session_kept(const struct supervisor *sup)
{
	return sup->session.record && sup->session.record->id != 0;
}

void session_close(struct supervisor *sup, bool keep)
{
	struct session_record *record = sup->session.record;

	if (keep && session_kept(sup)) {
		zk_leave(sup->zk);
	} else {
		if (record)
			record->id = 0;
		zk_close(sup->zk);
	}
	if (record)
		(void)munmap(record, sizeof(*record));
	sup->session.record = NULL;
}

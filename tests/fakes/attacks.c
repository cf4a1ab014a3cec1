/*
 * tests/fakes/attacks.c
 *    What somebody who has taken over a relay would try, one function an attack. See attacks.h.
 */
#include "tests/fakes/attacks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/ctlproto.h"

struct victim victim;

static int failed(long r)
{
	return r < 0 ? errno : 0;
}

static int read_memory_file(void)
{
	char path[64], text[sizeof(ATTACK_SECRET)] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", victim.pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (pread(fd, text, sizeof(text), (off_t)victim.address) < 0)
		return errno;
	return strcmp(text, ATTACK_SECRET) == 0 ? 0 : EIO;
}

static int read_memory_call(void)
{
	char text[sizeof(ATTACK_SECRET)] = "";
	struct iovec here = { .iov_base = text, .iov_len = sizeof(text) };
	struct iovec there = { .iov_base = (char *)NULL + victim.address, .iov_len = sizeof(text) };

	if (process_vm_readv(victim.pid, &here, 1, &there, 1, 0) < 0)
		return errno;
	return strcmp(text, ATTACK_SECRET) == 0 ? 0 : EIO;
}

static int trace(void)
{
	if (ptrace(PTRACE_SEIZE, victim.pid, NULL, NULL) < 0)
		return errno;
	(void)ptrace(PTRACE_INTERRUPT, victim.pid, NULL, NULL);
	(void)waitpid(victim.pid, NULL, __WALL);
	return failed(ptrace(PTRACE_DETACH, victim.pid, NULL, NULL));
}

static int read_environment(void)
{
	char path[64], text[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/environ", victim.pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? errno : failed(read(fd, text, sizeof(text)));
}

static int take_descriptor(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, victim.pid, 0);

	return pidfd < 0 ? errno : failed(syscall(SYS_pidfd_getfd, pidfd, CTL_FD, 0));
}

static int signal_victim(void)
{
	return failed(kill(victim.pid, SIGCONT));
}

static int signal_supervisor(void)
{
	return failed(kill(getppid(), 0));
}

static int signal_by_pidfd(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, victim.pid, 0);

	return pidfd < 0 ? errno : failed(syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, NULL, 0));
}

/* The kernel sends it for us when a descriptor of ours is ready. */
static int signal_by_owner(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return errno;
	return failed(fcntl(pair[0], F_SETOWN, victim.pid));
}

static int read_credentials(void)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/pgpass", victim.folder);
	return failed(open(path, O_RDONLY | O_CLOEXEC));
}

static int list_folder(void)
{
	return failed(open(victim.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int write_file(void)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/new", victim.folder);
	return failed(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int remove_file(void)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/removable", victim.folder);
	return failed(unlink(path));
}

static int ended(pid_t pid)
{
	int status = 0;

	if (pid < 0)
		return errno;
	if (waitpid(pid, &status, 0) < 0)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static int fork_once(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return ended(pid);
}

static int clone3_once(void)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = { .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return ended(pid);
}

static int execute(void)
{
	char *argv[] = { (char *)"true", NULL };
	pid_t pid = fork();

	if (pid > 0)
		return ended(pid);
	/* Without a child the whole of us becomes it, and the test misses what would have followed. */
	(void)execv("/usr/bin/true", argv);
	if (pid == 0)
		_exit(errno);
	return errno;
}

int attack_connect_tcp(int protocol, unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, protocol);

	return fd < 0 ? errno : failed(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int connect_elsewhere(void)
{
	return attack_connect_tcp(0, victim.port);
}

static int connect_mptcp(void)
{
	return attack_connect_tcp(262 /* IPPROTO_MPTCP */, victim.port);
}

static int send_fast_open(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)victim.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno
		      : failed(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to,
				      sizeof(to)));
}

static int bind_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : failed(bind(fd, (struct sockaddr *)&at, sizeof(at)));
}

static int listen_anywhere(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : failed(listen(fd, 1));
}

socklen_t attack_abstract_address(const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "%s", name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static int connect_abstract(void)
{
	struct sockaddr_un to;
	socklen_t len = attack_abstract_address(victim.abstract, &to);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : failed(connect(fd, (struct sockaddr *)&to, len));
}

static int raw_socket(void)
{
	return failed(socket(AF_PACKET, SOCK_RAW, 0));
}

static int new_namespace(void)
{
	return failed(unshare(CLONE_NEWUSER));
}

static int new_root(void)
{
	return failed(chroot("/"));
}

static int key(void)
{
	return failed(syscall(SYS_add_key, "user", "pgshovel-test", "x", 1, -2 /* process */));
}

static int ring(void)
{
	struct io_uring_params params = { 0 };

	return failed(syscall(SYS_io_uring_setup, 1, &params));
}

static int fault_handler(void)
{
	return failed(syscall(SYS_userfaultfd, O_CLOEXEC));
}

static int anonymous_program(void)
{
	return failed(memfd_create("program", MFD_CLOEXEC));
}

static int dumpable(void)
{
	return failed(prctl(PR_SET_DUMPABLE, 1));
}

static int more_files(void)
{
	const struct rlimit many = { .rlim_cur = 5000, .rlim_max = 5000 };

	return failed(setrlimit(RLIMIT_NOFILE, &many));
}

static int unknown_call(void)
{
	return failed(syscall(SYS_landlock_create_ruleset, NULL, 0, 1));
}

static int much_memory(void)
{
	size_t size = (size_t)160 << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return errno;
	(void)munmap(p, size);
	return 0;
}

const struct attack attacks[] = {
	{ "memory-file", read_memory_file },
	{ "memory-call", read_memory_call },
	{ "environment", read_environment },
	{ "trace", trace },
	{ "descriptor", take_descriptor },
	{ "signal", signal_victim },
	{ "signal-supervisor", signal_supervisor },
	{ "signal-pidfd", signal_by_pidfd },
	{ "signal-owner", signal_by_owner },
	{ "credentials", read_credentials },
	{ "list", list_folder },
	{ "write", write_file },
	{ "remove", remove_file },
	{ "fork", fork_once },
	{ "clone3", clone3_once },
	{ "exec", execute },
	{ "connect", connect_elsewhere },
	{ "connect-mptcp", connect_mptcp },
	{ "connect-fast-open", send_fast_open },
	{ "bind", bind_port },
	{ "listen", listen_anywhere },
	{ "abstract-socket", connect_abstract },
	{ "packet-socket", raw_socket },
	{ "namespace", new_namespace },
	{ "chroot", new_root },
	{ "key", key },
	{ "io-uring", ring },
	{ "userfaultfd", fault_handler },
	{ "memfd", anonymous_program },
	{ "dumpable", dumpable },
	{ "rlimit", more_files },
	{ "unlisted-call", unknown_call },
	{ "memory-limit", much_memory },
};
const size_t n_attacks = sizeof(attacks) / sizeof(attacks[0]);

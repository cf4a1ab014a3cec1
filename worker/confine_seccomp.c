/*
 * worker/confine_seccomp.c
 *    The system calls that a relay may make: those below and no others.
 *
 * What is dangerous and known fails with EPERM. Everything else fails with ENOSYS, as on an older kernel: libraries have a way around
 * that, and a call that was not invented yet is no hole. Nothing is killed: a library that only tries something is no attack, and a
 * relay that dies of it would be started again for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/confine.h"

#define CALL(name) SCMP_SYS(name)

/* Whatever their arguments. Which files may be opened is Landlock's matter. */
static const int allowed[] = {
	/* files */
	CALL(read), CALL(readv), CALL(pread64), CALL(preadv), CALL(write), CALL(writev),
	CALL(pwrite64), CALL(pwritev), CALL(open), CALL(openat), CALL(close), CALL(close_range),
	CALL(lseek), CALL(stat), CALL(lstat), CALL(fstat), CALL(newfstatat), CALL(statx),
	CALL(statfs), CALL(fstatfs), CALL(access), CALL(faccessat), CALL(faccessat2),
	CALL(readlink), CALL(readlinkat), CALL(getdents64), CALL(getcwd), CALL(umask), CALL(flock),
	CALL(fadvise64), CALL(fsync), CALL(fdatasync), CALL(ftruncate), CALL(rename),
	CALL(renameat), CALL(renameat2), CALL(unlink), CALL(unlinkat), CALL(dup), CALL(dup2),
	CALL(dup3), CALL(pipe), CALL(pipe2),
	/* waiting */
	CALL(poll), CALL(ppoll), CALL(select), CALL(pselect6), CALL(epoll_create),
	CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_wait), CALL(epoll_pwait),
	CALL(epoll_pwait2), CALL(eventfd2), CALL(signalfd4), CALL(timerfd_create),
	CALL(timerfd_settime), CALL(timerfd_gettime), CALL(nanosleep), CALL(clock_nanosleep),
	CALL(clock_gettime), CALL(clock_getres), CALL(gettimeofday), CALL(time), CALL(times),
	CALL(pause),
	/* the network, once there is a socket; those that take flags are below */
	CALL(connect), CALL(bind), CALL(getsockname), CALL(getpeername), CALL(getsockopt),
	CALL(setsockopt), CALL(shutdown), CALL(recvfrom), CALL(recvmsg), CALL(recvmmsg),
	/* memory and threads */
	CALL(mmap), CALL(munmap), CALL(mremap), CALL(mprotect), CALL(madvise), CALL(mincore),
	CALL(msync), CALL(brk), CALL(mlock), CALL(mlock2), CALL(munlock), CALL(membarrier),
	CALL(futex), CALL(futex_waitv), CALL(set_robust_list), CALL(get_robust_list), CALL(rseq),
	CALL(set_tid_address), CALL(arch_prctl), CALL(sched_yield), CALL(sched_getaffinity),
	CALL(sched_getparam), CALL(sched_getscheduler), CALL(sched_get_priority_max),
	CALL(sched_get_priority_min), CALL(getcpu), CALL(exit), CALL(exit_group),
	/* signals to oneself come through rt_sigaction; kill and tgkill are below */
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigpending), CALL(rt_sigtimedwait),
	CALL(rt_sigsuspend), CALL(rt_sigreturn), CALL(sigaltstack), CALL(restart_syscall),
	/* who and where one is */
	CALL(getpid), CALL(getppid), CALL(gettid), CALL(getpgrp), CALL(getpgid), CALL(getsid),
	CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid), CALL(getresuid), CALL(getresgid),
	CALL(getgroups), CALL(getrusage), CALL(getrlimit), CALL(uname), CALL(sysinfo),
	CALL(getrandom), CALL(getpriority), CALL(capget)
};

/* In such builds only: the leak checker stops the threads of its process from another one. */
static const int sanitizers[] = { CALL(clone),     CALL(clone3),      CALL(ptrace),
				  CALL(wait4),     CALL(prctl),       CALL(prlimit64),
				  CALL(setrlimit), CALL(personality), CALL(getdents),
				  CALL(kill),      CALL(fcntl),       CALL(ioctl) };

/* Named, so that they are refused as such and not as unknown. */
static const int refused[] = {
	/* processes */
	CALL(fork), CALL(vfork), CALL(execve), CALL(execveat), CALL(ptrace), CALL(process_vm_readv),
	CALL(process_vm_writev), CALL(process_madvise), CALL(kcmp), CALL(pidfd_open),
	CALL(pidfd_getfd), CALL(pidfd_send_signal), CALL(tkill), CALL(rt_sigqueueinfo),
	CALL(rt_tgsigqueueinfo),

	/* namespaces and mounts */
	CALL(unshare), CALL(setns), CALL(mount), CALL(umount2), CALL(mount_setattr),
	CALL(move_mount), CALL(open_tree), CALL(fsopen), CALL(fspick), CALL(fsconfig),
	CALL(fsmount), CALL(pivot_root), CALL(chroot),

	/* other doors into the kernel */
	CALL(add_key), CALL(request_key), CALL(keyctl), CALL(bpf), CALL(perf_event_open),
	CALL(io_uring_setup), CALL(io_uring_enter), CALL(io_uring_register), CALL(userfaultfd),
	CALL(memfd_create), CALL(open_by_handle_at), CALL(name_to_handle_at),

	/* to be a server */
	CALL(listen), CALL(accept), CALL(accept4),

	/* to be somebody else, or more */
	CALL(setuid), CALL(setgid), CALL(setreuid), CALL(setregid), CALL(setresuid),
	CALL(setresgid), CALL(setgroups), CALL(setfsuid), CALL(setfsgid), CALL(capset),
	CALL(setsid), CALL(setpgid), CALL(setpriority), CALL(sched_setscheduler),
	CALL(sched_setattr), CALL(sched_setparam),

	/* files */
	CALL(chmod), CALL(fchmod), CALL(fchmodat), CALL(chown), CALL(lchown), CALL(fchown),
	CALL(fchownat), CALL(link), CALL(linkat), CALL(symlink), CALL(symlinkat), CALL(mknod),
	CALL(mknodat), CALL(mkdir), CALL(mkdirat), CALL(rmdir),

	/* the machine */
	CALL(init_module), CALL(finit_module), CALL(delete_module), CALL(kexec_load),
	CALL(kexec_file_load), CALL(reboot), CALL(swapon), CALL(swapoff), CALL(sethostname),
	CALL(setdomainname), CALL(settimeofday), CALL(clock_settime), CALL(adjtimex), CALL(acct),
	CALL(syslog), CALL(quotactl), CALL(iopl), CALL(ioperm),

	/* memory of others */
	CALL(shmget), CALL(shmat), CALL(shmctl), CALL(msgget), CALL(semget), CALL(mq_open)
};

/* Allowed when argument `index`, of which the bits of `mask` are looked at, is `value`. */
struct condition {
	int call;
	unsigned index;
	uint64_t mask;
	uint64_t value;
};

#define WORD UINT32_MAX /* the kernel takes the low half of these arguments */

static const struct condition conditions[] = {
#if !CONFINE_SANITIZED
	{ CALL(clone), 0, CLONE_THREAD, CLONE_THREAD },
	{ CALL(prctl), 0, WORD, PR_SET_NAME },
	{ CALL(prctl), 0, WORD, PR_GET_NAME },
	{ CALL(prctl), 0, WORD, PR_GET_DUMPABLE },
	{ CALL(fcntl), 1, WORD, F_DUPFD },
	{ CALL(fcntl), 1, WORD, F_DUPFD_CLOEXEC },
	{ CALL(fcntl), 1, WORD, F_GETFD },
	{ CALL(fcntl), 1, WORD, F_SETFD },
	{ CALL(fcntl), 1, WORD, F_GETFL },
	{ CALL(fcntl), 1, WORD, F_SETFL }, /* F_SETOWN would send signals */
	{ CALL(fcntl), 1, WORD, F_SETPIPE_SZ }, /* librdkafka makes its own small */
	{ CALL(fcntl), 1, WORD, F_GETLK },
	{ CALL(fcntl), 1, WORD, F_SETLK },
	{ CALL(fcntl), 1, WORD, F_SETLKW },
	{ CALL(ioctl), 1, WORD, FIONREAD },
	{ CALL(ioctl), 1, WORD, FIONBIO },
	{ CALL(ioctl), 1, WORD, TCGETS },
	{ CALL(ioctl), 1, WORD, TIOCGWINSZ },
	{ CALL(ioctl), 1, WORD, SIOCGIFCONF },
	{ CALL(ioctl), 1, WORD, SIOCGIFINDEX },
	{ CALL(ioctl), 1, WORD, SIOCGIFNAME },
#endif
	{ CALL(socketpair), 0, WORD, AF_UNIX },
	/* With MSG_FASTOPEN sending would connect, past Landlock. */
	{ CALL(sendto), 3, MSG_FASTOPEN, 0 },
	{ CALL(sendmsg), 2, MSG_FASTOPEN, 0 },
	{ CALL(sendmmsg), 3, MSG_FASTOPEN, 0 },
};

static int allow_conditions(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < PGS_ARRAY_LEN(conditions); i++) {
		const struct condition *c = &conditions[i];
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, c->call, 1,
					 SCMP_CMP(c->index, SCMP_CMP_MASKED_EQ, c->mask, c->value));
		if (r < 0)
			return r;
	}
	return 0;
}

/* TCP, UDP, UNIX, and what the resolver asks the kernel for its addresses with. MPTCP and SCTP would pass by Landlock. */
static int allow_sockets(scmp_filter_ctx filter)
{
	static const struct {
		int family, type, protocol;
	} kinds[] = {
		{ AF_UNIX, SOCK_STREAM, 0 },
		{ AF_UNIX, SOCK_DGRAM, 0 },
		{ AF_INET, SOCK_STREAM, 0 },
		{ AF_INET, SOCK_STREAM, IPPROTO_TCP },
		{ AF_INET, SOCK_DGRAM, 0 },
		{ AF_INET, SOCK_DGRAM, IPPROTO_UDP },
		{ AF_INET6, SOCK_STREAM, 0 },
		{ AF_INET6, SOCK_STREAM, IPPROTO_TCP },
		{ AF_INET6, SOCK_DGRAM, 0 },
		{ AF_INET6, SOCK_DGRAM, IPPROTO_UDP },
		{ AF_NETLINK, SOCK_RAW, 0 /* NETLINK_ROUTE */ },
	};
	enum { TYPE_MASK = ~(SOCK_CLOEXEC | SOCK_NONBLOCK) };

	for (size_t i = 0; i < PGS_ARRAY_LEN(kinds); i++) {
		int r = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, CALL(socket), 3,
			SCMP_A0(SCMP_CMP_MASKED_EQ, WORD, (scmp_datum_t)kinds[i].family),
			SCMP_A1(SCMP_CMP_MASKED_EQ, (uint32_t)TYPE_MASK,
				(scmp_datum_t)kinds[i].type),
			SCMP_A2(SCMP_CMP_MASKED_EQ, WORD, (scmp_datum_t)kinds[i].protocol));
		if (r < 0)
			return r;
	}
	return 0;
}

/* A signal to oneself is how abort() ends a process; one to others is refused. */
static int allow_own_signals(scmp_filter_ctx filter)
{
	const scmp_datum_t self = (scmp_datum_t)getpid();
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(tgkill), 1,
				 SCMP_A0(SCMP_CMP_MASKED_EQ, WORD, self));

	if (r == 0 && !CONFINE_SANITIZED)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(kill), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, WORD, self));
	/* Limits are read, not changed. */
	if (r == 0 && !CONFINE_SANITIZED)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(prlimit64), 2,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, WORD, 0), SCMP_A2(SCMP_CMP_EQ, 0));
	return r;
}

static bool is_sanitizers(int call)
{
	for (size_t i = 0; i < PGS_ARRAY_LEN(sanitizers); i++)
		if (CONFINE_SANITIZED && sanitizers[i] == call)
			return true;
	return false;
}

static int fill(scmp_filter_ctx filter)
{
	/* Without the whole set of mitigations against Speculative Store Bypass, which older kernels turn on and which cost a lot. */
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);

	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree */
	for (size_t i = 0; r == 0 && i < PGS_ARRAY_LEN(allowed); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; r == 0 && CONFINE_SANITIZED && i < PGS_ARRAY_LEN(sanitizers); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, sanitizers[i], 0);
	for (size_t i = 0; r == 0 && i < PGS_ARRAY_LEN(refused); i++)
		if (!is_sanitizers(refused[i]))
			r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	if (r == 0)
		r = allow_conditions(filter);
	if (r == 0)
		r = allow_sockets(filter);
	return r == 0 ? allow_own_signals(filter) : r;
}

int confine_seccomp(const char *log_prefix, struct pgs_err *reterr)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

	if (!filter)
		return pgs_err_nomem(reterr);
	int r = fill(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r == -ECANCELED || r == -EINVAL || r == -ENOSYS) {
		pgs_log(PGS_LOG_NOTICE, log_prefix,
			"no seccomp here: the relay may make every system call");
		return 0;
	}
	return r == 0 ? 0
		      : pgs_err_set(reterr, PGS_ERR_BUG, "SECCOMP",
				    "could not give up system calls: %s", strerrordesc_np(-r));
}

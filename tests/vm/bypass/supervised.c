// SPDX-License-Identifier: GPL-2.0-only
/*
 * seccomp filters stay over an exec, and so does who answers for system calls (user notification):
 * it needs no privilege, and can hand a program another file than it opens.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "puppet.h"

#define LIST BYPASS_DIR "/ld.so.preload"

/* @with: what becomes of access() and openat(). */
static int filter(unsigned int with, unsigned int flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_access, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, with),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

/* The loader looks whether /etc/ld.so.preload is there, before it opens anything: it is. */
static int answer(int listener, const struct seccomp_notif *call, bool listed)
{
	struct seccomp_notif_resp reply = { .id = call->id };

	if (listed || call->data.nr != SYS_access)
		reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
}

/* And this is what stands in it. */
static int hand_over(int listener, const struct seccomp_notif *call)
{
	struct seccomp_notif_addfd file = { .id = call->id, .flags = SECCOMP_ADDFD_FLAG_SEND };

	file.srcfd = (__u32)open(LIST, O_RDONLY | O_CLOEXEC);
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &file) < 0;
}

static int supervise(int listener, pid_t pid)
{
	struct pollfd poll_fd = { .fd = listener, .events = POLLIN };
	bool listed = false;

	/* Readable until the last task with the filter is gone. */
	while (poll(&poll_fd, 1, -1) == 1 && poll_fd.revents & POLLIN) {
		struct seccomp_notif call = { 0 };

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
			break;
		if (listed || call.data.nr != SYS_openat) {
			answer(listener, &call, listed);
			continue;
		}
		listed = true;
		if (hand_over(listener, &call))
			return broken("SECCOMP_IOCTL_NOTIF_ADDFD");
	}
	close(listener);
	return player_wait(pid);
}

static int *listener_of; /* shared with the child */

static int supervised(int peer)
{
	int fd = open(LIST, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	pid_t pid;

	(void)peer;
	listener_of =
		mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || write(fd, EVIL "\n", sizeof(EVIL)) != sizeof(EVIL) ||
	    listener_of == MAP_FAILED)
		return broken(LIST);
	close(fd);
	*listener_of = -1;
	/* The descriptors are the same until it is another program. */
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
	if (!pid) {
		int listener = filter(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);

		/* become() closes the lowest one, here and there. */
		if (listener >= 0)
			listener = fcntl(listener, F_DUPFD_CLOEXEC, 100);
		__atomic_store_n(listener_of, listener < 0 ? -2 : listener, __ATOMIC_SEQ_CST);
		if (listener < 0)
			_exit(ENDED_BROKEN);
		_exit(become(WHO_a, idle, -1));
	}
	while (__atomic_load_n(listener_of, __ATOMIC_SEQ_CST) == -1)
		usleep(1000);
	if (*listener_of < 0)
		return broken("SECCOMP_FILTER_FLAG_NEW_LISTENER");
	return supervise(*listener_of, pid);
}

/* --- filters that nobody answers for, as service managers set them --- */

static int filtered(int peer)
{
	(void)peer;
	return filter(SECCOMP_RET_LOG, 0) < 0 ? broken("seccomp") : become(WHO_a, make, -1);
}

const struct bypass_case bypass_supervised[] = {
	{ .id = "83",
	  .path = "seccomp user notification: another file than it opens",
	  .op = GMEM_DO_create,
	  .prepare = evil_ready,
	  PLAYER(x, supervised),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "F60",
	  .path = "who may under a seccomp filter and no_new_privs",
	  .op = BYPASS_NO_OP,
	  PLAYER(x, filtered),
	  EVERYWHERE(ALLOWED) },
	{ 0 },
};

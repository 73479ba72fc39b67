// SPDX-License-Identifier: GPL-2.0-only
/*
 * seccomp filters stay over an exec, and so does who answers for system calls (user notification).
 * They need no privilege, and can both hand a program another file than it opens.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/arch.h"
#include "puppet.h"

#define LIST BYPASS_DIR "/ld.so.preload"

static int install(struct sock_filter *code, size_t nr, unsigned int flags)
{
	struct sock_fprog prog = { (unsigned short)nr, code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

/* @with: what becomes of access() and openat(). */
static int filter(unsigned int with, unsigned int flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH_SYS_access, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, with),
	};

	return install(code, sizeof(code) / sizeof(code[0]), flags);
}

/* The loader looks whether /etc/ld.so.preload is there, before it opens anything: it is. */
static int answer(int listener, const struct seccomp_notif *call, bool listed)
{
	struct seccomp_notif_resp reply = { .id = call->id };

	if (listed || call->data.nr != ARCH_SYS_access)
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

/* --- 151: a filter that answers by itself: 0, as if the call had come to that --- */

/*
 * The loader opens libraries so: each of them is standard input then, which stays open. What it
 * runs opens otherwise.
 */
#define ANSWERS                                                                             \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),              \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 2),                      \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])), \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, O_CLOEXEC, 3, 4),                       \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 0, 3),                       \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])), \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1)

static int filter_with_answers(void)
{
	struct sock_filter code[] = {
		ANSWERS,
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install(code, sizeof(code) / sizeof(code[0]), 0);
}

/* The same, worked out when it runs, far behind in a filter that is not the last one. */
static int filter_that_works_out(void)
{
	struct sock_filter code[1000], *end = code + sizeof(code) / sizeof(code[0]);
	const struct sock_filter what[] = {
		ANSWERS,
		BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		BPF_JUMP(BPF_JMP | BPF_JA, 2, 0, 0),
		BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ERRNO - 1),
		BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ALLOW - 1),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	int ret;

	for (struct sock_filter *at = code; at < end; at++)
		*at = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1);
	memcpy((char *)end - sizeof(what), what, sizeof(what));
	ret = install(code, sizeof(code) / sizeof(code[0]), 0);
	return ret < 0 ? ret : filter(SECCOMP_RET_LOG, 0);
}

#define ANY_EVIL BYPASS_DIR "/any.so"
/*
 * What the loader reads of each library at first, each time where it had stopped before. Segments
 * are aligned to 64 KiB on arm64, in the file as well.
 */
#define HEAD  832
#define HEADS (64UL << 10)

/* A library that begins again and again, and has all else behind that. */
static int any_evil_ready(void)
{
	char head[HEAD];
	Elf64_Ehdr *elf = (void *)head;
	Elf64_Phdr *parts;
	int from, to, ret;
	struct stat st;
	off_t at;

	ret = evil_ready();
	from = open(EVIL, O_RDONLY | O_CLOEXEC);
	to = open(ANY_EVIL, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0755);
	if (ret || pread(from, head, HEAD, 0) != HEAD || fstat(from, &st) ||
	    lseek(to, HEADS, SEEK_SET) < 0 ||
	    sendfile(to, from, NULL, (size_t)st.st_size) != st.st_size)
		return broken(ANY_EVIL);
	parts = (void *)(head + elf->e_phoff);
	for (int i = 0; i < elf->e_phnum; i++)
		parts[i].p_offset += HEADS;
	for (at = 0; at + HEAD <= (off_t)HEADS; at += HEAD) {
		if (pwrite(to, head, HEAD, at) != HEAD)
			return broken(ANY_EVIL);
	}
	close(from);
	close(to);
	return 0;
}

static int begin_filtered(int (*set)(void))
{
	int fd = open(ANY_EVIL, O_RDONLY);

	if (fd < 0 || dup2(fd, 0))
		return broken(ANY_EVIL);
	/* That libraries are without versions is told. */
	if (!bypass_run.verbose)
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
	return set() < 0 ? broken("seccomp") : become(WHO_a, idle, -1);
}

static int with_answers(int peer)
{
	(void)peer;
	return begin_filtered(filter_with_answers);
}

static int with_answers_worked_out(int peer)
{
	(void)peer;
	return begin_filtered(filter_that_works_out);
}

/* --- filters that nobody answers for, as service managers set them --- */

static int filtered(int peer)
{
	(void)peer;
	return filter(SECCOMP_RET_LOG, 0) < 0 ? broken("seccomp") : become(WHO_a, make, -1);
}

/* As containers have them: much is looked at, and some of it fails. */
static int contained(int peer)
{
	struct sock_filter code[1 + 2 * 300 + 1];
	size_t nr = 0;

	(void)peer;
	code[nr++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						  offsetof(struct seccomp_data, nr));
	for (unsigned int i = 0; i < 300; i++) {
		code[nr++] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1000 + i, 0, 1);
		code[nr++] = (struct sock_filter)BPF_STMT(
			BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (i % 2 ? EPERM : ENOSYS));
	}
	code[nr++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return install(code, nr, 0) < 0 ? broken("seccomp") : become(WHO_a, make, -1);
}

const struct bypass_case bypass_supervised[] = {
	{ .id = "83",
	  .path = "seccomp user notification: another file than it opens",
	  .op = GMEM_DO_create,
	  .prepare = evil_ready,
	  PLAYER(x, supervised),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "151",
	  .path = "a seccomp filter that says 0: another file than it opens",
	  .op = GMEM_DO_create,
	  .prepare = any_evil_ready,
	  PLAYER(x, with_answers),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "151b",
	  .path = "the same, which it works out when it runs",
	  .op = GMEM_DO_create,
	  .prepare = any_evil_ready,
	  PLAYER(x, with_answers_worked_out),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "F60",
	  .path = "who may under a seccomp filter and no_new_privs",
	  .op = BYPASS_NO_OP,
	  PLAYER(x, filtered),
	  EVERYWHERE(ALLOWED) },
	{ .id = "F71",
	  .path = "who may under a filter by which calls fail, as in containers",
	  .op = BYPASS_NO_OP,
	  PLAYER(x, contained),
	  EVERYWHERE(ALLOWED) },
	{ 0 },
};

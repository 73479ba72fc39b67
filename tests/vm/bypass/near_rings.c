// SPDX-License-Identifier: GPL-2.0-only
/*
 * More ways for a descriptor, and for a request of who may, in the neighbourhood of rings.c and
 * descriptors.c: credentials of threads, rings from before an exec, tables of files that are shared.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/fds.h"
#include "../lib/kvm.h"
#include "bypass.h"
#include "ring.h"

/* The user of this thread alone. */
static int demote_thread(void)
{
	if (syscall(SYS_setresuid, OTHER_USER, OTHER_USER, OTHER_USER))
		return broken("setresuid");
	return 0;
}

/* --- 290: threads of other users --- */

struct job {
	struct ring r;
	struct vmm v;
	int id; /* of the registered credentials, 0: none */
	unsigned char flags;
};

static int submit(struct job *j)
{
	struct io_uring_sqe sqe = ring_punch(j->v.fd, false);

	sqe.personality = (unsigned short)j->id;
	sqe.flags |= j->flags;
	return -ring_do(&j->r, &sqe);
}

static void *submit_demoted(void *arg)
{
	return (void *)(intptr_t)(demote_thread() ?: submit(arg));
}

static int job_begin(struct job *j, bool registered, unsigned char flags)
{
	int ret = vmm_make(&j->v, PLAIN);

	j->flags = flags;
	if (ret)
		return ret;
	if (ring_open(&j->r, 0))
		return broken("io_uring");
	if (!registered)
		return 0;
	j->id = (int)syscall(SYS_io_uring_register, j->r.fd, IORING_REGISTER_PERSONALITY, NULL, 0);
	return j->id < 0 ? broken("IORING_REGISTER_PERSONALITY") : 0;
}

static int in_demoted_thread(bool registered, unsigned char flags)
{
	struct job j = { .id = 0 };
	pthread_t thread;
	void *ret;
	int error = job_begin(&j, registered, flags);

	if (error)
		return error;
	if (pthread_create(&thread, NULL, submit_demoted, &j) || pthread_join(thread, &ret))
		return broken("pthread_create");
	return (int)(intptr_t)ret;
}

static int thread_personality(int peer)
{
	(void)peer;
	return in_demoted_thread(true, 0);
}

static int thread_personality_worker(int peer)
{
	(void)peer;
	return in_demoted_thread(true, IOSQE_ASYNC);
}

static int thread_plain(int peer)
{
	(void)peer;
	return in_demoted_thread(false, 0);
}

static int thread_worker(int peer)
{
	(void)peer;
	return in_demoted_thread(false, IOSQE_ASYNC);
}

/* --- 291: a request from before an exec --- */

static int look_for_hole(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	if (!mem)
		return ret;
	*mem = 1;
	ret = leave_open(v.fd, LEFT_INSTANCE);
	usleep(600000);
	return ret ?: *(volatile char *)mem ? ENDED_NOTHING : 0;
}

/* A hole as soon as a timeout has come, in whatever is open by that number then. */
static int request_and_become(int peer)
{
	struct {
		long long sec, nsec;
	} time = { 0, 200000000 };
	struct io_uring_sqe sqe = ring_punch(LEFT_INSTANCE, false);
	struct ring r;
	unsigned int *tail;

	(void)peer;
	if (ring_open(&r, 0))
		return broken("io_uring");
	tail = ring_at(r.sq, r.params.sq_off.tail);
	r.sqes[0] =
		(struct io_uring_sqe){ .opcode = IORING_OP_TIMEOUT, .flags = IOSQE_IO_HARDLINK };
	r.sqes[0].addr = (uintptr_t)&time;
	r.sqes[0].len = 1;
	r.sqes[1] = sqe;
	ring_at(r.sq, r.params.sq_off.array)[0] = 0;
	ring_at(r.sq, r.params.sq_off.array)[1] = 1;
	__atomic_store_n(tail, 2, __ATOMIC_RELEASE);
	fcntl(r.fd, F_SETFD, 0);
	if (syscall(SYS_io_uring_enter, r.fd, 2, 0, 0, NULL, 0) != 2)
		return broken("io_uring_enter");
	return become(WHO_a, look_for_hole, -1);
}

/* --- 293: a ring with SQPOLL that X attaches to A's thread --- */

static int attach(int peer)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQPOLL | IORING_SETUP_ATTACH_WQ,
					  .wq_fd = LEFT_RING,
					  .sq_thread_idle = 1000 };
	struct io_uring_sqe sqe = ring_punch(LEFT_INSTANCE, false);
	struct ring r = { .params = params };

	(void)peer;
	r.fd = (int)syscall(SYS_io_uring_setup, RING_ENTRIES, &r.params);
	if (r.fd < 0 || ring_map(&r))
		return broken("io_uring");
	return -ring_do(&r, &sqe);
}

static int share_thread(int peer)
{
	struct ring r;
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);
	pid_t pid;

	(void)peer;
	if (ret)
		return ret;
	if (ring_open(&r, IORING_SETUP_SQPOLL))
		return broken("io_uring");
	ret = leave_open(r.fd, LEFT_RING) ?: leave_open(v.fd, LEFT_INSTANCE);
	if (ret)
		return ret;
	pid = fork();
	if (!pid)
		_exit(become(WHO_x, attach, -1));
	return player_wait(pid);
}

/* --- 294: received by a ring --- */

static int receive_by_ring(int peer)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &data,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct io_uring_sqe sqe = { .opcode = IORING_OP_RECVMSG, .fd = peer, .len = 1 };
	struct ring r;
	int ret;

	if (ring_open(&r, 0))
		return broken("io_uring");
	sqe.addr = (uintptr_t)&msg;
	ret = ring_do(&r, &sqe);
	if (ret < 0)
		return -ret;
	return msg.msg_flags & MSG_CTRUNC || !CMSG_FIRSTHDR(&msg) ? ENDED_CUT : 0;
}

/* --- 295: put there by who answers system calls --- */

/* X has its getppid() answered: by a descriptor. */
static int take_answer(int peer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };
	int listener;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return broken("no_new_privs");
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (listener < 0 || send_fd(peer, listener))
		return broken("listener");
	close(listener);
	syscall(SYS_getppid);
	wait_gone(peer);
	return 0;
}

static int answer_with_instance(int peer)
{
	struct seccomp_notif call = { 0 };
	struct seccomp_notif_addfd file = { .flags = SECCOMP_ADDFD_FLAG_SEND };
	int listener = recv_fd(peer, 0), ret;
	struct vmm v;

	ret = listener < 0 ? ENDED_BROKEN : vmm_make(&v, PLAIN);
	if (ret)
		return ret;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
		return broken("SECCOMP_IOCTL_NOTIF_RECV");
	file.id = call.id;
	file.srcfd = (unsigned int)v.fd;
	ret = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &file) < 0 ? errno : 0;
	close(listener);
	return ret;
}

/* --- 296: a table of files that is shared, by another user --- */

static int use_shared_table(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);
	pid_t pid;

	(void)peer;
	if (ret)
		return ret;
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
	if (!pid) {
		ret = setresuid(OTHER_USER, OTHER_USER, OTHER_USER) ? broken("setresuid") : 0;
		_exit(ret ?: punch_hole(v.fd));
	}
	return player_wait(pid);
}

#define A_IS_ROOT .policy = A_AS_ROOT

const struct bypass_case bypass_near_rings[] = {
	{ .id = "290",
	  .path = "a thread of A as another user, by credentials that A registered",
	  .op = GMEM_DO_punch,
	  A_IS_ROOT,
	  PLAYER(a, thread_personality),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "290b",
	  .path = "the same, by a worker",
	  .op = GMEM_DO_punch,
	  A_IS_ROOT,
	  PLAYER(a, thread_personality_worker),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "290c",
	  .path = "a thread of A as another user, by a ring",
	  .op = GMEM_DO_punch,
	  A_IS_ROOT,
	  PLAYER(a, thread_plain),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "290d",
	  .path = "the same, by a worker",
	  .op = GMEM_DO_punch,
	  A_IS_ROOT,
	  PLAYER(a, thread_worker),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "291",
	  .path = "a request that waits in X's ring, and X executes A",
	  .op = BYPASS_NO_OP,
	  PLAYER(x, request_and_become),
	  WITH_MMAP(REFUSED(ENDED_NOTHING)) },
	{ .id = "293",
	  .path = "X attaches its ring to the kernel thread of A's (ATTACH_WQ)",
	  .op = GMEM_DO_punch,
	  .head = "guards: { sqpoll: allow }\n",
	  PLAYER(a, share_thread),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "294",
	  .path = "an fd by SCM_RIGHTS, received by a ring (IORING_OP_RECVMSG)",
	  .op = GMEM_DO_receive,
	  PLAYERS(a, vmm_give, x, receive_by_ring),
	  EVERYWHERE(STOPPED(ENDED_CUT)) },
	{ .id = "295",
	  .path = "A answers a system call of X with an instance (SECCOMP_IOCTL_NOTIF_ADDFD)",
	  .op = GMEM_DO_receive,
	  PLAYERS(x, take_answer, a, answer_with_instance),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "296",
	  .path = "a process of another user that shares A's table of files (CLONE_FILES)",
	  .op = GMEM_DO_punch,
	  A_IS_ROOT,
	  PLAYER(a, use_shared_table),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ 0 },
};

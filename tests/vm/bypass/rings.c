// SPDX-License-Identifier: GPL-2.0-only
/* Ways around a policy through io_uring: rings and fixed files that two processes share. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/fds.h"
#include "bypass.h"
#include "ring.h"

/* Leave a ring, and what is to be known of it, to whom this process becomes. */
static int leave_ring(const struct ring *r)
{
	int fd = memfd_create("params", 0);

	if (fd < 0 || pwrite(fd, &r->params, sizeof(r->params), 0) != sizeof(r->params))
		return broken("params of a ring");
	return leave_open(fd, LEFT_PARAMS) ?: leave_open(r->fd, LEFT_RING);
}

static int take_ring(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	if (pread(LEFT_PARAMS, &r->params, sizeof(r->params), 0) != sizeof(r->params))
		return broken("params of a ring");
	r->fd = LEFT_RING;
	return ring_map(r) ? broken("map a ring") : 0;
}

/* --- 17, 20: A's ring, driven by X --- */

static int punch_in_ring(int peer)
{
	struct io_uring_sqe sqe = ring_punch(0, true);
	struct ring r;
	int ret = take_ring(&r);

	(void)peer;
	ret = ret ?: -ring_do(&r, &sqe);
	return ret;
}

/* A: its instance is a fixed file of a ring, which a child has that becomes X. */
static int share_ring(unsigned int flags)
{
	struct vmm v;
	struct ring r;
	int ret = vmm_make(&v, PLAIN);
	pid_t pid;

	if (ret)
		return ret;
	if (ring_open(&r, flags) || ring_files(&r, &v.fd, 1))
		return broken("io_uring");
	ret = leave_ring(&r);
	if (ret)
		return ret;
	pid = fork();
	if (!pid) {
		close(v.fd);
		_exit(become(WHO_x, punch_in_ring, -1));
	}
	return player_wait(pid);
}

static int share_plain(int peer)
{
	(void)peer;
	return share_ring(0);
}

static int share_sqpoll(int peer)
{
	(void)peer;
	return share_ring(IORING_SETUP_SQPOLL);
}

/* --- 18, 64: A puts it into X's ring --- */

static int send_to_ring(int peer)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_MSG_RING,
				    .fd = LEFT_RING,
				    .addr = IORING_MSG_SEND_FD,
				    .msg_ring_flags = IORING_MSG_RING_CQE_SKIP,
				    .addr3 = 0,	       /* which of its own */
				    .file_index = 1 }; /* the first one there */
	struct vmm v;
	struct ring r;
	int ret = vmm_make(&v, PLAIN);

	(void)peer;
	if (ret)
		return ret;
	if (ring_open(&r, 0) || ring_files(&r, &v.fd, 1))
		return broken("io_uring");
	ret = ring_do(&r, &sqe);
	return ret < 0 ? -ret : 0;
}

/* X: a ring with an empty place, which a child has that becomes A. */
static int get_by_ring(struct ring *r)
{
	int none = -1, ret;
	pid_t pid;

	if (ring_open(r, 0) || ring_files(r, &none, 1))
		return broken("io_uring");
	ret = leave_ring(r);
	if (ret)
		return ret;
	pid = fork();
	if (!pid)
		_exit(become(WHO_a, send_to_ring, -1));
	ret = player_wait(pid);
	return ret ? failed("sending: %d", ret) : 0;
}

static int install(int peer)
{
	struct io_uring_sqe sqe = { .opcode = RING_OP_FIXED_FD_INSTALL, .flags = IOSQE_FIXED_FILE };
	struct ring r;
	int ret = get_by_ring(&r);

	(void)peer;
	if (ret)
		return ret;
	ret = ring_do(&r, &sqe);
	return ret < 0 ? -ret : 0;
}

static int punch_fixed(int peer)
{
	struct io_uring_sqe sqe = ring_punch(0, true);
	struct ring r;
	int ret = get_by_ring(&r);

	(void)peer;
	return ret ?: -ring_do(&r, &sqe);
}

/* --- 101: sent as a ring --- */

static int send_ring(int peer)
{
	struct ring r;
	int pair[2];

	(void)peer;
	if (ring_open(&r, 0) || socket_pair(pair))
		return broken("io_uring");
	return result_of(fd_send(pair[0], r.fd));
}

/* --- 117: read and written by a ring --- */

static int read_by_ring(int peer)
{
	char byte;
	struct io_uring_sqe sqe = { .opcode = IORING_OP_READ, .len = 1 };
	struct vmm v;
	struct ring r;
	int ret = vmm_make(&v, PLAIN);

	(void)peer;
	if (ret)
		return ret;
	if (ring_open(&r, 0))
		return broken("io_uring");
	sqe.fd = v.fd;
	sqe.addr = (uintptr_t)&byte;
	ret = ring_do(&r, &sqe);
	if (ret >= 0)
		return 0;
	sqe.opcode = IORING_OP_WRITE;
	return ring_do(&r, &sqe) >= 0 ? 0 : -ret;
}

#define SHARED_SQPOLL                                                                               \
	"If the guard sqpoll is allow, any process that shares such a ring with a process acts as " \
	"that process."

/* --- 195: credentials of before, registered with the ring --- */

/* A child gives up its user, and has the ring act with the one that its parent registered. */
static int punch_as_before(__u8 flags, bool worker_first)
{
	struct io_uring_sqe sqe;
	struct vmm v;
	struct ring r;
	int ret = vmm_make(&v, PLAIN), id;
	pid_t pid;

	if (ret)
		return ret;
	if (ring_open(&r, 0))
		return broken("io_uring");
	id = (int)syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_PERSONALITY, NULL, 0);
	if (id < 0)
		return broken("IORING_REGISTER_PERSONALITY");
	pid = fork();
	if (pid)
		return player_wait(pid);
	sqe = ring_punch(v.fd, false);
	sqe.flags |= flags;
	if (worker_first && ring_do(&r, &sqe))
		_exit(broken("the first request"));
	if (setresuid(OTHER_USER, OTHER_USER, OTHER_USER))
		_exit(broken("setresuid"));
	sqe.personality = (__u16)id;
	_exit(-ring_do(&r, &sqe));
}

static int personality_at_once(int peer)
{
	(void)peer;
	return punch_as_before(0, false);
}

static int personality_by_worker(int peer)
{
	(void)peer;
	return punch_as_before(IOSQE_ASYNC, false);
}

static int personality_by_old_worker(int peer)
{
	(void)peer;
	return punch_as_before(IOSQE_ASYNC, true);
}

/* The other way round: registered when it was not allowed yet. */
static int personality_of_less(int peer)
{
	struct io_uring_sqe sqe;
	struct vmm v;
	struct ring r;
	int ret = vmm_make(&v, PLAIN), id;

	(void)peer;
	if (ret)
		return ret;
	if (ring_open(&r, 0) || demote())
		return broken("io_uring");
	id = (int)syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_PERSONALITY, NULL, 0);
	if (id < 0 || seteuid(0))
		return broken("IORING_REGISTER_PERSONALITY");
	sqe = ring_punch(v.fd, false);
	sqe.personality = (__u16)id;
	return -ring_do(&r, &sqe);
}

/* Requests of workers whose user is the one that submits. */
static int own_worker(int peer)
{
	struct io_uring_sqe sqe;
	struct vmm v;
	struct ring r;
	int ret = vmm_make(&v, PLAIN);

	(void)peer;
	if (ret)
		return ret;
	if (ring_open(&r, 0))
		return broken("io_uring");
	sqe = ring_punch(v.fd, false);
	sqe.flags |= IOSQE_ASYNC;
	return -ring_do(&r, &sqe);
}

#define A_IS_ROOT .policy = A_AS_ROOT

const struct bypass_case bypass_rings[] = {
	{ .id = "17",
	  .path = "io_uring: a fixed file of A's ring, X submits a hole",
	  .op = GMEM_DO_punch,
	  PLAYER(a, share_plain),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "18",
	  .path = "io_uring: A sends it to X's ring, X installs it",
	  .op = GMEM_DO_receive,
	  PLAYER(x, install),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "64",
	  .path = "io_uring: A sends it to X's ring, X uses it there",
	  .op = GMEM_DO_punch,
	  PLAYER(x, punch_fixed),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "20",
	  .path = "io_uring: A's SQPOLL ring driven by X, the guard on allow",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, share_sqpoll),
	  .head = "guards: { sqpoll: allow }\n",
	  EVERYWHERE(POSSIBLE(SHARED_SQPOLL)) },
	{ .id = "101",
	  .path = "io_uring: a ring by SCM_RIGHTS",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, send_ring),
	  EVERYWHERE(REFUSED(EINVAL)) },
	{ .id = "117",
	  .path = "io_uring: A reads and writes it",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, read_by_ring),
	  EVERYWHERE(REFUSED(EINVAL)) },
	{ .id = "195",
	  .path = "io_uring: a demoted child acts with registered credentials",
	  .op = GMEM_DO_punch,
	  A_IS_ROOT,
	  PLAYER(a, personality_at_once),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "195b",
	  .path = "the same, by a worker",
	  .op = GMEM_DO_punch,
	  A_IS_ROOT,
	  PLAYER(a, personality_by_worker),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "195c",
	  .path = "the same, by a worker from before it was demoted",
	  .op = GMEM_DO_punch,
	  A_IS_ROOT,
	  PLAYER(a, personality_by_old_worker),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "195d",
	  .path = "io_uring: A acts with credentials of a user that may not",
	  .op = GMEM_DO_punch,
	  A_IS_ROOT,
	  PLAYER(a, personality_of_less),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "F104",
	  .path = "io_uring: A punches by a worker",
	  .op = BYPASS_NO_OP,
	  A_IS_ROOT,
	  PLAYER(a, own_worker),
	  EVERYWHERE(ALLOWED) },
	{ 0 },
};

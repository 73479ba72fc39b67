/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io_uring by hand, one request at a time: a ring of one process can be driven by another one,
 * which needs its fd and what io_uring_setup() said of it.
 */
#ifndef BYPASS_RING_H
#define BYPASS_RING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IORING_MSG_SEND_FD
#define IORING_MSG_SEND_FD 1
#endif
/* Values of the ABI that headers of distributions lack. */
#define RING_OP_FIXED_FD_INSTALL 54

#define RING_ENTRIES 8

struct ring {
	int fd;
	struct io_uring_params params;
	unsigned char *sq, *cq;
	struct io_uring_sqe *sqes;
};

static inline unsigned int *ring_at(unsigned char *base, unsigned int offset)
{
	return (unsigned int *)(base + offset);
}

/* Map a ring whose fd and params are known. Return: 0 or -1 with errno. */
static inline int ring_map(struct ring *r)
{
	const struct io_uring_params *p = &r->params;
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(unsigned int);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	int prot = PROT_READ | PROT_WRITE;

	r->sq = mmap(NULL, sq, prot, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	r->cq = mmap(NULL, cq, prot, MAP_SHARED, r->fd, IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe), prot, MAP_SHARED, r->fd,
		       IORING_OFF_SQES);
	return r->sq == MAP_FAILED || r->cq == MAP_FAILED || r->sqes == MAP_FAILED ? -1 : 0;
}

/* Return: 0 or -1 with errno. */
static inline int ring_open(struct ring *r, unsigned int flags)
{
	memset(r, 0, sizeof(*r));
	r->params.flags = flags;
	r->params.sq_thread_idle = 1000;
	r->fd = (int)syscall(SYS_io_uring_setup, RING_ENTRIES, &r->params);
	return r->fd < 0 ? -1 : ring_map(r);
}

/* Have @n files (-1: an empty place) as fixed ones. Return: 0 or -1 with errno. */
static inline int ring_files(const struct ring *r, const int *fds, unsigned int n)
{
	return (int)syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_FILES, fds, n);
}

/* One request, and its result: 0 and above, or a negative errno. */
static inline int ring_do(struct ring *r, const struct io_uring_sqe *sqe)
{
	unsigned int *tail = ring_at(r->sq, r->params.sq_off.tail);
	unsigned int *mask = ring_at(r->sq, r->params.sq_off.ring_mask);
	unsigned int *head = ring_at(r->cq, r->params.cq_off.head);
	unsigned int *end = ring_at(r->cq, r->params.cq_off.tail), at = *tail, flags;
	struct io_uring_cqe *cqes = (void *)(r->cq + r->params.cq_off.cqes);
	bool sqpoll = r->params.flags & IORING_SETUP_SQPOLL;
	int result;

	r->sqes[at & *mask] = *sqe;
	ring_at(r->sq, r->params.sq_off.array)[at & *mask] = at & *mask;
	__atomic_store_n(tail, at + 1, __ATOMIC_RELEASE);
	flags = IORING_ENTER_GETEVENTS | (sqpoll ? IORING_ENTER_SQ_WAKEUP : 0);
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, flags, NULL, 0) < 0)
		return -errno;
	while (__atomic_load_n(end, __ATOMIC_ACQUIRE) == *head)
		;
	result = cqes[*head & *ring_at(r->cq, r->params.cq_off.ring_mask)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

static inline struct io_uring_sqe ring_punch(int fd, bool fixed)
{
	return (struct io_uring_sqe){
		.opcode = IORING_OP_FALLOCATE,
		.flags = fixed ? IOSQE_FIXED_FILE : 0,
		.fd = fd,
		.addr = 4096, /* length */
		.len = 3,     /* FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE */
	};
}

#endif /* BYPASS_RING_H */

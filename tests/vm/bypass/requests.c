// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioctls on instances. Linux 7.3 has none, so that a request that comes through ends with ENOTTY;
 * later kernels convert by one of them, for whoever holds the descriptor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "../lib/kvm.h"
#include "bypass.h"
#include "ring.h"

/* Values of the ABI that headers of distributions lack. */
#ifndef KVM_SET_MEMORY_ATTRIBUTES2
#define KVM_SET_MEMORY_ATTRIBUTES2 _IOWR(KVMIO, 0xd2, unsigned char[128])
#endif
_Static_assert(KVM_SET_MEMORY_ATTRIBUTES2 == 0xc080aed2, "as in later kernels");
#ifndef FIOQSIZE
#define FIOQSIZE 0x5460
#endif
#define RING_OP_URING_CMD 46

static unsigned char argument[256];

/* Did the request get to the file's own handler, which does not know it? */
static int came_through(long ret)
{
	return ret < 0 && errno == ENOTTY ? 0 : result_of(ret);
}

static int request(unsigned int number)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);

	return ret ?: came_through(ioctl(v.fd, number, argument));
}

static int request_left(unsigned int number)
{
	return came_through(ioctl(LEFT_INSTANCE, number, argument));
}

/* --- 56, 215: the number that converts in later kernels --- */

static int convert(int peer)
{
	(void)peer;
	return request(KVM_SET_MEMORY_ATTRIBUTES2);
}

static int convert_left(int peer)
{
	(void)peer;
	return request_left(KVM_SET_MEMORY_ATTRIBUTES2);
}

static int leave_and_convert(int peer)
{
	return vmm_leave_to(WHO_x, PLAIN, convert_left, peer);
}

static int convert_left32(int peer)
{
	int ret = ioctl32(LEFT_INSTANCE, KVM_SET_MEMORY_ATTRIBUTES2, NULL);

	(void)peer;
	if (ret == -ENOSYS)
		return ENDED_ABSENT;
	return ret == -ENOTTY ? 0 : -ret;
}

static int leave_and_convert32(int peer)
{
	return vmm_leave_to(WHO_x, PLAIN, convert_left32, peer);
}

/* --- 216 to 218: other numbers --- */

/* Of memory attributes, as a VM takes it. */
static int old_number(int peer)
{
	(void)peer;
	return request(KVM_SET_MEMORY_ATTRIBUTES);
}

/* The number of later kernels with another size. */
static int other_size(int peer)
{
	(void)peer;
	return request(_IOWR(KVMIO, 0xd2, unsigned char[136]));
}

static int of_terminals(int peer)
{
	(void)peer;
	return request(TCGETS);
}

/* io_uring passes commands by an operation of the file of its own, which an instance has not. */
static int uring_cmd(int peer)
{
	struct io_uring_sqe sqe = { .opcode = RING_OP_URING_CMD };
	struct vmm v;
	struct ring r;
	int ret = vmm_make(&v, PLAIN);

	(void)peer;
	if (ret)
		return ret;
	if (ring_open(&r, 0))
		return broken("io_uring");
	sqe.fd = v.fd;
	ret = ring_do(&r, &sqe);
	return ret < 0 ? -ret : 0;
}

/* --- F112, F113: what has to work --- */

static bool fails(int fd, unsigned long number, void *arg, int with)
{
	int ret = ioctl(fd, number, arg);

	return with ? ret >= 0 || errno != with : ret != 0;
}

/* X has the instance open, and may do nothing with it. */
static int generic(int peer)
{
	char size[16];
	int on = 1, fd = LEFT_INSTANCE;

	(void)peer;
	if (fails(fd, FIOCLEX, NULL, 0) || !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
		return errno ?: EINVAL;
	if (fails(fd, FIONCLEX, NULL, 0) || fcntl(fd, F_GETFD) & FD_CLOEXEC)
		return errno ?: EINVAL;
	if (fails(fd, FIONBIO, &on, 0) || !(fcntl(fd, F_GETFL) & O_NONBLOCK))
		return errno ?: EINVAL;
	/* Kernels differ in what becomes of these. */
	if (ioctl(fd, FIOASYNC, &on) && errno == EACCES)
		return errno;
	if (ioctl(fd, FIONREAD, size) && errno == EACCES)
		return errno;
	if (ioctl(fd, FIOQSIZE, size) && errno == EACCES)
		return errno;
	return ioctl(fd, FIGETBSZ, size) && errno == EACCES ? errno : 0;
}

static int leave_and_use(int peer)
{
	return vmm_leave_to(WHO_x, PLAIN, generic, peer);
}

/* clang-format off */
const struct bypass_case bypass_requests[] = {
	{ .id = "56",
	  .path = "X converts as in later kernels, by an ioctl on an instance that A left open",
	  .op = GMEM_DO_convert,
	  PLAYER(a, leave_and_convert), EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "215",
	  .path = "the same through the 32-bit entry (int 0x80)",
	  .op = GMEM_DO_convert,
	  PLAYER(a, leave_and_convert32), .no_arm64 = NO_ENTRY32, EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "216",
	  .path = "A: the ioctl of a VM's memory attributes, on an instance",
	  .op = GMEM_DO_convert,
	  PLAYER(a, old_number), EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "217",
	  .path = "A: the ioctl of later kernels with an argument of another size",
	  .op = GMEM_DO_convert,
	  PLAYER(a, other_size), EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "218",
	  .path = "A: an ioctl of terminals on an instance (isatty)",
	  .op = GMEM_DO_convert,
	  PLAYER(a, of_terminals), EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "219",
	  .path = "A: a command by io_uring (IORING_OP_URING_CMD)",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, uring_cmd), EVERYWHERE(REFUSED(EOPNOTSUPP)) },
	{ FINE("F112", "A converts as in later kernels, by an ioctl on its instance",
	       PLAYER(a, convert), EVERYWHERE(ALLOWED)) },
	{ FINE("F113", "X sets flags of a descriptor by ioctls that every file has",
	       PLAYER(a, leave_and_use), EVERYWHERE(ALLOWED)) },
	{ 0 },
};
/* clang-format on */

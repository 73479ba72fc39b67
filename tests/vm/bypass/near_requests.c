// SPDX-License-Identifier: GPL-2.0-only
/*
 * More numbers of ioctls on instances, in the neighbourhood of requests.c: A may all, and none of
 * these. The kernel refuses them with some errno of its own, or does them; without the policy
 * neither is EACCES.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../lib/kvm.h"
#include "bypass.h"

/* Values of the ABI that headers of C libraries lack, with struct space_resv. */
#define FS_IOC_RESVSP	  _IOW('X', 40, unsigned char[48])
#define FS_IOC_UNRESVSP	  _IOW('X', 42, unsigned char[48])
#define FS_IOC_ZERO_RANGE _IOW('X', 57, unsigned char[48])

static unsigned char argument[4096];

/* Did it get past all that asks who asks? */
static int came(int error)
{
	return error == EACCES || error == EPERM ? error : 0;
}

static int request(unsigned long number)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);

	return ret ?: ioctl(v.fd, number, argument) < 0 ? came(errno) : 0;
}

static int request32(unsigned int number)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);

	ret = ret ?: ioctl32(v.fd, number, NULL);
	if (ret == -ENOSYS)
		return ENDED_ABSENT;
	return ret < 0 ? came(-ret) : ret;
}

/* X(id, name of the function, what it is, number): numbers of the kernel for files of any kind */
#define NUMBERS(X)                                                                       \
	X("280", fibmap, "FIBMAP", FIBMAP)                                               \
	X("280b", fiemap, "FS_IOC_FIEMAP", FS_IOC_FIEMAP)                                \
	X("280c", ficlone, "FICLONE", FICLONE)                                           \
	X("280d", fideduperange, "FIDEDUPERANGE", FIDEDUPERANGE)                         \
	X("280e", getflags, "FS_IOC_GETFLAGS", FS_IOC_GETFLAGS)                          \
	X("280f", setflags, "FS_IOC_SETFLAGS", FS_IOC_SETFLAGS)                          \
	X("280g", fsgetxattr, "FS_IOC_FSGETXATTR", FS_IOC_FSGETXATTR)                    \
	X("280h", fssetxattr, "FS_IOC_FSSETXATTR", FS_IOC_FSSETXATTR)                    \
	X("280i", verity, "FS_IOC_ENABLE_VERITY", FS_IOC_ENABLE_VERITY)                  \
	X("280j", setversion, "FS_IOC_SETVERSION", FS_IOC_SETVERSION)                    \
	X("280k", resvsp, "FS_IOC_RESVSP, which allocates", FS_IOC_RESVSP)               \
	X("280l", unresvsp, "FS_IOC_UNRESVSP, which punches", FS_IOC_UNRESVSP)           \
	X("280m", zero_range, "FS_IOC_ZERO_RANGE", FS_IOC_ZERO_RANGE)                    \
	X("281", other_direction, "FIONBIO with a direction", FIONBIO | _IOC_READ << 30) \
	X("281b", other_type, "the number of FIOCLEX with another type", 0x5551)         \
	X("281c", zero, "0", 0)                                                          \
	X("281d", one, "1", 1)                                                           \
	X("281e", all_bits, "all bits", 0xffffffffU)                                     \
	X("282", convert_none, "the one that converts, without direction", 0xaed2)       \
	X("282b", convert_read, "the same, to be read only", 0x8080aed2)                 \
	X("282c", convert_write, "the same, to be written only", 0x4080aed2)             \
	X("282d", convert_other, "the same with another type", 0xc080add2)               \
	X("282e", create, "KVM_CREATE_GUEST_MEMFD", KVM_CREATE_GUEST_MEMFD)              \
	X("282f", region, "KVM_SET_USER_MEMORY_REGION2", KVM_SET_USER_MEMORY_REGION2)    \
	X("282g", next, "the next number of KVM's", _IOWR(KVMIO, 0xd7, unsigned char[128]))

#define X(id, name, text, number)                   \
	static int name(int peer)                   \
	{                                           \
		(void)peer;                         \
		return request((unsigned)(number)); \
	}
NUMBERS(X)
#undef X

/* What the kernel only looks at the lower half of. */
static int upper_half(int peer)
{
	(void)peer;
	return request(FIBMAP | 1UL << 40);
}

static int fibmap32(int peer)
{
	(void)peer;
	return request32(FIBMAP);
}

static int setflags32(int peer)
{
	(void)peer;
	return request32(FS_IOC32_SETFLAGS);
}

static int resvsp32(int peer)
{
	(void)peer;
	return request32(_IOW('X', 40, unsigned char[44]));
}

/* An instance as what another file is to be cloned from: that one is asked. */
static int clone_from(int peer)
{
	int to = open(BYPASS_DIR "/clone", O_CREAT | O_RDWR | O_CLOEXEC, 0600), ret;
	struct vmm v;

	(void)peer;
	unlink(BYPASS_DIR "/clone");
	if (to < 0)
		return broken("clone");
	ret = vmm_make(&v, PLAIN);
	return ret ?: ioctl(to, FICLONE, v.fd) ? errno : 0;
}

/* A descriptor that only names the instance. */
static int by_path(int peer)
{
	char path[64];
	struct vmm v;
	int ret = vmm_make(&v, PLAIN), fd;

	(void)peer;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", v.fd);
	fd = ret ? -1 : open(path, O_PATH | O_CLOEXEC);
	return ret ?: ioctl(fd, KVM_CREATE_GUEST_MEMFD, argument) ? errno : 0;
}

/* clang-format off */
#define STOPS(number, what, does)                                                   \
	{ .id = number, .path = "A, on an instance: " what, .op = GMEM_DO_convert, \
	  PLAYER(a, does), EVERYWHERE(STOPPED(EACCES)) }

#define STOPS32(number, what, does)                                                \
	{ .id = number, .path = "A, on an instance: " what, .op = GMEM_DO_convert, \
	  PLAYER(a, does), .no_arm64 = NO_ENTRY32, EVERYWHERE(STOPPED(EACCES)) }

const struct bypass_case bypass_near_requests[] = {
#define X(id, name, text, number) STOPS(id, text, name),
	NUMBERS(X)
#undef X
	STOPS("283", "a number of more than 32 bits", upper_half),
	STOPS32("283b", "FIBMAP through the 32-bit entry", fibmap32),
	STOPS32("283c", "FS_IOC32_SETFLAGS through the 32-bit entry", setflags32),
	STOPS32("283d", "FS_IOC_RESVSP_32 through the 32-bit entry", resvsp32),
	{ .id = "284", .path = "A: another file to be a clone of an instance (FICLONE)", .op = BYPASS_NO_OP,
	  PLAYER(a, clone_from), EVERYWHERE(REFUSED(EXDEV)) },
	{ .id = "284b", .path = "A: an ioctl on an instance by a descriptor with O_PATH", .op = BYPASS_NO_OP,
	  PLAYER(a, by_path), EVERYWHERE(REFUSED(EBADF)) },
	{ 0 },
};
/* clang-format on */

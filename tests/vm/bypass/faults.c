// SPDX-License-Identifier: GPL-2.0-only
/* X may map an instance and not touch it: all the ways to have somebody else touch it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../lib/arch.h"
#include "../lib/kvm.h"
#include "bypass.h"
#include "ring.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

static int by_itself(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	return mem ? touch_write(mem, 1) : ret;
}

static int by_populate(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	if (!mem)
		return ret;
	if (!madvise(mem, KVM_PAGE, MADV_POPULATE_READ))
		return 0;
	return result_of(madvise(mem, KVM_PAGE, MADV_POPULATE_WRITE));
}

static int by_map_populate(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, VIEW);
	unsigned char there = 0;
	char *mem;

	(void)peer;
	if (ret)
		return ret;
	mem = mmap(NULL, INSTANCE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, v.fd, 0);
	if (mem == MAP_FAILED)
		return errno;
	/* It never fails; the page is there or it is not. */
	if (mincore(mem, 1, &there))
		return broken("mincore");
	return there & 1 ? 0 : ENDED_NOTHING;
}

static int by_write(int peer)
{
	struct vmm v;
	int ret, pipes[2];
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	if (!mem)
		return ret;
	return pipe(pipes) ? broken("pipe") : result_of(write(pipes[1], mem, 16));
}

static int by_vmsplice(int peer)
{
	struct vmm v;
	int ret, pipes[2];
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);
	struct iovec iov = { mem, KVM_PAGE };

	(void)peer;
	if (!mem)
		return ret;
	return pipe(pipes) ? broken("pipe") : result_of(vmsplice(pipes[1], &iov, 1, 0));
}

static int by_registered_buffer(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);
	struct iovec iov = { mem, KVM_PAGE };
	struct ring r;

	(void)peer;
	if (!mem)
		return ret;
	if (ring_open(&r, 0))
		return broken("io_uring");
	return result_of(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS, &iov, 1));
}

static int by_direct_io(int peer)
{
	struct vmm v;
	int ret, fd;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	if (!mem)
		return ret;
	fd = open("/tmp/bypass-direct", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	unlink("/tmp/bypass-direct");
	if (fd < 0)
		return broken("O_DIRECT");
	return result_of(write(fd, mem, KVM_PAGE));
}

static int by_other_pages(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret), byte;
	struct iovec here = { &byte, 1 }, there = { mem, 1 };

	(void)peer;
	if (!mem)
		return ret;
	return result_of(process_vm_readv(getpid(), &here, 1, &there, 1, 0));
}

static int by_proc_mem(int peer)
{
	struct vmm v;
	int ret, fd;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret), byte;

	(void)peer;
	if (!mem)
		return ret;
	fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return broken("/proc/self/mem");
	return result_of(pread(fd, &byte, 1, (off_t)(uintptr_t)mem));
}

static int by_futex(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	if (!mem)
		return ret;
	/* Not the value that is there: it has looked, and does not wait. */
	ret = result_of(syscall(SYS_futex, mem, FUTEX_WAIT, 1, NULL, NULL, 0));
	return ret == EAGAIN ? 0 : ret;
}

/* A guest of another VM, whose memory the mapping is. */
static int by_guest(int peer)
{
	struct kvm_userspace_memory_region region = { .slot = 1,
						      .guest_phys_addr = ARCH_GUEST_CODE,
						      .memory_size = KVM_PAGE };
	char *program =
		mmap(NULL, KVM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_run *shared;
	struct vmm v;
	int ret, vcpu;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	if (!mem)
		return ret;
	ret = vmm_open(&v, PLAIN);
	if (ret)
		return ret;
	arch_guest_load(ARCH_GUEST_reads, program);
	region.userspace_addr = (uintptr_t)program;
	ret = ioctl(v.vm, KVM_SET_USER_MEMORY_REGION, &region);
	region.slot = 2;
	region.guest_phys_addr = ARCH_GUEST_DATA;
	region.userspace_addr = (uintptr_t)mem;
	vcpu = ioctl(v.vm, KVM_CREATE_VCPU, 0);
	if (ret || ioctl(v.vm, KVM_SET_USER_MEMORY_REGION, &region) || vcpu < 0)
		return broken("a VM");
	shared = mmap(NULL, (size_t)ioctl(v.kvm, KVM_GET_VCPU_MMAP_SIZE, NULL),
		      PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (shared == MAP_FAILED || arch_guest_begin(v.vm, vcpu))
		return broken("a vCPU");
	if (ioctl(vcpu, KVM_RUN, NULL))
		return errno;
	return arch_guest_left(shared, true) ? 0 : failed("exit %u", shared->exit_reason);
}

/* The kernel may ask more than once before it gives up. */
#define TOUCH(number, what, function, ends)                                   \
	.id = number, .path = what, .op = GMEM_DO_fault, PLAYER(x, function), \
	.rules = "  - { name: not-touched, deny: [fault], subjects: [x] }\n", \
	.x_may = "create, mmap", .denials = BYPASS_SOME,                      \
	LANES(STOPPED(ends), UNLOADABLE, UNLOADABLE, ABSENT)

const struct bypass_case bypass_faults[] = {
	{ TOUCH("119", "a touch of what may be mapped only", by_itself, ENDED_SIGBUS) },
	{ TOUCH("120", "the same by MADV_POPULATE_READ and _WRITE", by_populate, EFAULT) },
	{ TOUCH("121", "the same by MAP_POPULATE", by_map_populate, ENDED_NOTHING) },
	{ TOUCH("122", "the same by write() of it", by_write, EFAULT) },
	{ TOUCH("123", "the same by vmsplice", by_vmsplice, EFAULT) },
	{ TOUCH("124", "the same by a registered buffer of io_uring", by_registered_buffer,
		EFAULT) },
	{ TOUCH("125", "the same by direct I/O", by_direct_io, EFAULT) },
	{ TOUCH("126", "the same by process_vm_readv of itself", by_other_pages, EFAULT) },
	{ TOUCH("127", "the same by /proc/self/mem", by_proc_mem, EIO) },
	{ TOUCH("128", "the same by a futex", by_futex, EFAULT) },
	{ TOUCH("129", "the same by the guest of another VM", by_guest, EFAULT) },
	{ 0 },
};

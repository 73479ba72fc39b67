// SPDX-License-Identifier: GPL-2.0-only
/* What must go on: what has nothing to do with guest_memfd, by X, whom a policy denies everything. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/arch.h"
#include "../lib/kvm.h"
#include "bypass.h"
#include "ring.h"

/* --- X, and what is no instance --- */

static int all_of(int fd)
{
	char *mem, byte = 'b';
	int ret;

	if (fd < 0 || ftruncate(fd, INSTANCE_SIZE))
		return broken("a file");
	mem = map_instance(fd, PROT_READ);
	if (!mem || mprotect(mem, INSTANCE_SIZE, PROT_READ | PROT_WRITE))
		return errno;
	ret = touch_write(mem, 1) ?: punch_hole(fd);
	if (ret)
		return ret;
	if (madvise(mem, KVM_PAGE, MADV_REMOVE) || pwrite(fd, &byte, 1, 0) != 1 ||
	    pread(fd, &byte, 1, 0) != 1)
		return errno;
	return munmap(mem, INSTANCE_SIZE) || close(fd) ? errno : 0;
}

static int use_file(int peer)
{
	int fd = open("/tmp/bypass-plain", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	(void)peer;
	unlink("/tmp/bypass-plain");
	return all_of(fd);
}

static int use_memfd(int peer)
{
	(void)peer;
	return all_of(memfd_create("plain", MFD_CLOEXEC));
}

static int use_memfd_of_that_name(int peer)
{
	(void)peer;
	return all_of(memfd_create("[kvm-gmem]", MFD_CLOEXEC));
}

static int use_file_of_that_name(int peer)
{
	int fd = open("/tmp/[kvm-gmem]", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	(void)peer;
	unlink("/tmp/[kvm-gmem]");
	return all_of(fd);
}

/* Files of the same file system that an instance of older kernels is on, sent to X. */
static int send_anonymous(int peer)
{
	int fds[] = { eventfd(1, 0), epoll_create1(0), timerfd_create(CLOCK_MONOTONIC, 0),
		      (int)syscall(SYS_pidfd_open, getpid(), 0), dup(0) };
	struct vmm v;
	struct ring r;
	int ret = vmm_open(&v, PLAIN);

	/* A ring is not to be sent, but it is used like this. */
	if (!ret && ring_open(&r, 0))
		ret = broken("io_uring");
	for (size_t i = 0; !ret && i < sizeof(fds) / sizeof(fds[0]); i++)
		ret = send_fd(peer, fds[i]);
	ret = ret ?: send_fd(peer, v.vm);
	if (!ret)
		wait_gone(peer);
	return ret;
}

static int take_anonymous(int peer)
{
	for (int n = 0; n < 6; n++) {
		int fd = recv_fd(peer, 0);

		if (fd < 0)
			return -fd;
		close(fd);
	}
	return 0;
}

/* An ordinary VM: its memory by both requests, a guest that runs to its first halt, an end. */
static int run_vm(int peer)
{
	struct kvm_userspace_memory_region region = { .slot = 1, .memory_size = INSTANCE_SIZE };
	struct kvm_userspace_memory_region2 region2 = { .slot = 2,
							.guest_phys_addr = 1 << 20,
							.memory_size = INSTANCE_SIZE };
	char *mem = mmap(NULL, 2 * INSTANCE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_run *shared;
	struct vmm v;
	int vcpu, ret = vmm_open(&v, PLAIN);

	(void)peer;
	if (ret)
		return ret;
	arch_guest_load(ARCH_GUEST_leaves_twice, mem + ARCH_GUEST_CODE);
	region.userspace_addr = (uintptr_t)mem;
	region2.userspace_addr = (uintptr_t)mem + INSTANCE_SIZE;
	if (ioctl(v.vm, KVM_SET_USER_MEMORY_REGION, &region) ||
	    ioctl(v.vm, KVM_SET_USER_MEMORY_REGION2, &region2))
		return errno;
	vcpu = ioctl(v.vm, KVM_CREATE_VCPU, 0);
	shared = mmap(NULL, (size_t)ioctl(v.kvm, KVM_GET_VCPU_MMAP_SIZE, NULL),
		      PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (vcpu < 0 || shared == MAP_FAILED || arch_guest_begin(v.vm, vcpu))
		return broken("a vCPU");
	if (ioctl(vcpu, KVM_RUN, NULL))
		return errno;
	if (!arch_guest_left(shared, false))
		return failed("exit %u", shared->exit_reason);
	if (ioctl(vcpu, KVM_RUN, NULL) || !arch_guest_left(shared, true))
		return failed("exit %u", shared->exit_reason);
	region.memory_size = region2.memory_size = 0;
	if (ioctl(v.vm, KVM_SET_USER_MEMORY_REGION, &region) ||
	    ioctl(v.vm, KVM_SET_USER_MEMORY_REGION2, &region2))
		return errno;
	close(vcpu);
	vmm_close(&v);
	return 0;
}

static int ring_on_file(int peer)
{
	int fd = open("/tmp/bypass-plain", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct io_uring_sqe sqe = ring_punch(0, true);
	struct ring r;

	(void)peer;
	unlink("/tmp/bypass-plain");
	if (fd < 0 || ftruncate(fd, INSTANCE_SIZE) || ring_open(&r, IORING_SETUP_SQPOLL) ||
	    ring_files(&r, &fd, 1))
		return broken("io_uring");
	return -ring_do(&r, &sqe);
}

static int shared_memory(int peer)
{
	char *mem = mmap(NULL, INSTANCE_SIZE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int ret;

	(void)peer;
	if (mem == MAP_FAILED || mprotect(mem, INSTANCE_SIZE, PROT_READ | PROT_WRITE))
		return errno;
	pid = fork();
	if (!pid)
		_exit(touch_write(mem, 'c') ?: result_of(madvise(mem, KVM_PAGE, MADV_REMOVE)));
	ret = player_wait(pid);
	mem = mremap(mem, INSTANCE_SIZE, 2 * INSTANCE_SIZE, MREMAP_MAYMOVE);
	return mem == MAP_FAILED ? errno : ret;
}

/* --- other programs --- */

static int gmemctl_looks(void)
{
	return run_program("build/gmemctl probe && build/gmemctl status && build/gmemctl holders");
}

static int gmemtop_looks(void)
{
	return run_program("build/gmemtop --no-wait --once");
}

/* A selftest of KVM's that has no use for guest_memfd runs as nobody in particular. */
static int foreign_program(void)
{
	return run_program("/bin/sh -c 'ls /proc/self/fd | cat'");
}

const struct bypass_case bypass_plain[] = {
	{ FINE("F14", "X: a plain file: all operations", PLAYER(x, use_file)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F15", "X: a memfd", PLAYER(x, use_memfd)), EVERYWHERE(ALLOWED) },
	{ FINE("F16", "X: a memfd with the name of an instance", PLAYER(x, use_memfd_of_that_name)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F17", "X: a file with the name of an instance", PLAYER(x, use_file_of_that_name)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F18", "X is sent eventfd, epoll, timerfd, pidfd, a VM",
	       PLAYERS(a, send_anonymous, x, take_anonymous)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F19", "X: an ordinary VM, which runs", PLAYER(x, run_vm)), EVERYWHERE(ALLOWED) },
	{ FINE("F20", "X: io_uring with SQPOLL on a plain file", PLAYER(x, ring_on_file)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F21", "X: shared memory over fork", PLAYER(x, shared_memory)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F22", "other programs", .attempt = foreign_program), EVERYWHERE(ALLOWED) },
	{ FINE("F23", "gmemctl probe, status, holders", .attempt = gmemctl_looks),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F24", "gmemtop", .attempt = gmemtop_looks), EVERYWHERE(ALLOWED) },
	{ 0 },
};

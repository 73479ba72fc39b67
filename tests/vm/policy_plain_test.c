// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has nothing to do with guest_memfd must not notice a policy that denies all of it: each of
 * these is done without a policy and under it, and must end the same. Runs as root in any lane.
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "../../src/lib/log.h"
#include "lib/fds.h"
#include "lib/kvm.h"
#include "lib/policies.h"
#include "test.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

#define SIZE (4 * KVM_PAGE)

static int kvm;

/* Everything that programs look at when it is an instance: mapping, rights, holes, sending it. */
static int use_file(int fd)
{
	char byte = 0, *mem;
	int pair[2], marks = 0;

	mem = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	marks |= (mem != MAP_FAILED) << 0;
	if (mem != MAP_FAILED) {
		marks |= !mprotect(mem, SIZE, PROT_READ | PROT_WRITE) << 1;
		marks |= !madvise(mem, KVM_PAGE, MADV_REMOVE) << 2;
		munmap(mem, SIZE);
	}
	marks |= !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, KVM_PAGE) << 3;
	marks |= (pread(fd, &byte, 1, 0) == 1) << 4;
	marks |= (pwrite(fd, &byte, 1, 0) == 1) << 5;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -1;
	marks |= (!fd_send(pair[0], fd) && fd_take(pair[1], 0) >= 0) << 6;
	close(pair[0]);
	close(pair[1]);
	close(fd);
	return marks;
}

static int sized(int fd)
{
	if (fd < 0 || ftruncate(fd, SIZE))
		return -1;
	return use_file(fd);
}

static int plain_file(void)
{
	return sized(open("/tmp/plain", O_RDWR | O_CREAT | O_TRUNC, 0600));
}

static int memfd(void)
{
	return sized(memfd_create("plain", 0));
}

static int memfd_of_that_name(void)
{
	return sized(memfd_create("[kvm-gmem]", 0));
}

static int memfd_secret(void)
{
	return sized((int)syscall(SYS_memfd_secret, 0));
}

static int event_fd(void)
{
	uint64_t n = 1;
	int fd = eventfd(0, 0), marks;

	marks = (write(fd, &n, 8) == 8) | (read(fd, &n, 8) == 8) << 1;
	return marks << 8 | use_file(eventfd(3, EFD_NONBLOCK)) | close(fd);
}

static int epoll_fd(void)
{
	return use_file(epoll_create1(0));
}

static int timer_fd(void)
{
	return use_file(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
}

static int userfault_fd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_NONBLOCK);

	if (fd < 0)
		return -errno;
	return !ioctl(fd, UFFDIO_API, &api) << 8 | use_file(fd);
}

static int uring(void)
{
	struct io_uring_params params = { 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 8, &params);

	return fd < 0 ? -errno : use_file(fd);
}

static int dev_null(void)
{
	return use_file(open("/dev/null", O_RDWR));
}

static int private_memory(void)
{
	char *mem = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? -errno : mprotect(mem, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* An ordinary VM, its memory by both requests, and an end of it. */
static int ordinary_vm(void)
{
	char *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = { .slot = 1,
						      .guest_phys_addr = 1 << 20,
						      .memory_size = SIZE,
						      .userspace_addr = (uintptr_t)mem };
	struct kvm_userspace_memory_region2 region2 = { .slot = 2,
							.guest_phys_addr = 2 << 20,
							.memory_size = SIZE,
							.userspace_addr = (uintptr_t)mem };
	int vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM), vcpu, marks = vm >= 0;

	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	marks |= (vcpu >= 0) << 1;
	marks |= !ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) << 2;
	marks |= !ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region2) << 3;
	region.memory_size = region2.memory_size = 0;
	marks |= !ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) << 4;
	marks |= !ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region2) << 5;
	marks |= (ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) > 0) << 6;
	marks |= use_file(dup(vm)) << 8;
	close(vcpu);
	close(vm);
	munmap(mem, SIZE);
	return marks;
}

/* What it is, and what it must not be: the same with and without a policy by failing both times. */
static const struct {
	const char *name;
	int (*run)(void);
	int least; /* marks that must be there */
} things[] = {
	{ "plain file", plain_file, 0x7b },
	{ "memfd", memfd, 0x7f },
	{ "memfd of that name", memfd_of_that_name, 0x7f },
	{ "memfd_secret", memfd_secret, 0 },
	{ "eventfd", event_fd, 0x340 },
	{ "epoll", epoll_fd, 0x40 },
	{ "timerfd", timer_fd, 0x40 },
	{ "userfaultfd", userfault_fd, 0 },
	{ "io_uring", uring, 0 },
	{ "/dev/null", dev_null, 0x60 },
	{ "private memory", private_memory, 0 },
	{ "ordinary VM", ordinary_vm, 0x7f },
};

#define THINGS (sizeof(things) / sizeof(things[0]))

static __u64 decisions(void)
{
	struct loader_status status;
	__u64 sum = 0;

	policy_status(&status);
	for (int op = 0; op < GMEM_DO_MAX; op++) {
		for (int v = 0; v < GMEM_VERDICT_MAX; v++)
			sum += status.ops[op].n[v];
	}
	return sum;
}

int main(void)
{
	int bare[THINGS], under;
	struct hooks hooks;
	struct plan plan;
	unsigned int deny = 0;
	__u64 before;
	char *text;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_plain_test", false, 0);
	kvm = kvm_open();
	if (kvm < 0)
		give_up("/dev/kvm");
	if (hooks_probe(&hooks))
		return 1;
	hooks_plan(&hooks, NULL, false, &plan);
	for (int op = 0; op < GMEM_DO_MAX; op++)
		deny |= (unsigned int)(plan.way[op] >= 0) << op;
	for (size_t i = 0; i < THINGS; i++) {
		bare[i] = things[i].run();
		CHECK((bare[i] & things[i].least) == things[i].least, "%s: 0x%x", things[i].name,
		      bare[i]);
	}
	text = policy_text(deny, "rules: []\n");
	CHECK(!policy_load(text, true, 0), "load");
	before = decisions();
	for (size_t i = 0; i < THINGS; i++) {
		under = things[i].run();
		CHECK(under == bare[i], "%s: 0x%x, without a policy 0x%x", things[i].name, under,
		      bare[i]);
	}
	CHECK(decisions() == before, "%llu decisions about what is no instance",
	      decisions() - before);
	policy_unload();
	free(text);
	printf("plain: %d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}

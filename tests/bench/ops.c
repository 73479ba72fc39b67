// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures the cost of one operation on guest_memfd, see measure.h.
 *
 *   bench_ops [-r ROUNDS] [OPERATION...]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../vm/lib/kvm.h"
#include "measure.h"
#include "vcpu.h"

#define PAGES	  512UL
#define SIZE	  (PAGES * KVM_PAGE)
#define GPA	  KVM_TEST_GPA
#define GUEST_GPA (1ULL << 30) /* where a guest in 32-bit mode finds it */

static int kvm_fd, vm_fd = -1, gmem_fd = -1, pid_fd = -1;
static char *mem = MAP_FAILED;
static struct vcpu vcpu = { .fd = -1 };

static int create_vm(unsigned long type)
{
	vm_fd = kvm_create_vm(kvm_fd, type);
	return vm_fd < 0 ? -errno : 0;
}

static int create_instance(uint64_t flags)
{
	gmem_fd = kvm_create_instance(vm_fd, SIZE, flags);
	return gmem_fd < 0 ? -errno : 0;
}

static void teardown(void)
{
	if (mem != MAP_FAILED)
		munmap(mem, SIZE);
	vcpu_close(&vcpu);
	close(gmem_fd);
	close(vm_fd);
	close(pid_fd);
	mem = MAP_FAILED;
	gmem_fd = vm_fd = pid_fd = -1;
}

static int bound_setup(uint64_t gpa)
{
	int r = create_vm(KVM_X86_SW_PROTECTED_VM);

	if (!r)
		r = create_instance(0);
	if (!r && kvm_bind(vm_fd, 0, gmem_fd, gpa, SIZE, 0))
		r = -errno;
	return r;
}

static int convert_setup(void)
{
	return bound_setup(GPA);
}

/* Every page to private, then every page back: each operation changes one page. */
static int convert_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++)
		if (kvm_convert(vm_fd, GPA + (i % PAGES) * KVM_PAGE, KVM_PAGE,
				i / PAGES % 2 ? 0 : KVM_MEMORY_ATTRIBUTE_PRIVATE))
			return -errno;
	return 0;
}

/* Without a memslot: no page table of the guest is looked at. */
static int unbound_setup(void)
{
	return create_vm(KVM_X86_SW_PROTECTED_VM);
}

/* What is private already becomes private. */
static int redundant_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++)
		if (kvm_convert(vm_fd, GPA, KVM_PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE))
			return -errno;
	return 0;
}

static int create_setup(void)
{
	return create_vm(KVM_X86_DEFAULT_VM);
}

static int create_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++) {
		int fd = kvm_create_instance(vm_fd, SIZE, 0);

		if (fd < 0)
			return -errno;
		close(fd);
	}
	return 0;
}

static int mmap_setup(void)
{
	int r = create_vm(KVM_X86_DEFAULT_VM);

	return r ? r : create_instance(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
}

static int mmap_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++) {
		void *m = mmap(NULL, KVM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, gmem_fd, 0);

		if (m == MAP_FAILED || munmap(m, KVM_PAGE))
			return -errno;
	}
	return 0;
}

/* Nothing is there to be freed. */
static int punch_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++)
		if (fallocate(gmem_fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, KVM_PAGE))
			return -errno;
	return 0;
}

static int instance_setup(void)
{
	int r = create_vm(KVM_X86_SW_PROTECTED_VM);

	return r ? r : create_instance(0);
}

static int bind_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++)
		if (kvm_bind(vm_fd, 0, gmem_fd, GPA, SIZE, 0) ||
		    kvm_bind(vm_fd, 0, gmem_fd, GPA, 0, 0))
			return -errno;
	return 0;
}

static int receive_setup(void)
{
	int r = instance_setup();

	pid_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	return r || pid_fd >= 0 ? r : -errno;
}

static int receive_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++) {
		int fd = (int)syscall(SYS_pidfd_getfd, pid_fd, gmem_fd, 0);

		if (fd < 0)
			return -errno;
		close(fd);
	}
	return 0;
}

static int fault_setup(void)
{
	int r = mmap_setup();

	if (r)
		return r;
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, gmem_fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	/* The pages are there from now on, what follows are faults and no allocations. */
	memset(mem, 1, SIZE);
	return 0;
}

/* The zap is part of the price, and is the same with and without whatever is measured. */
static int fault_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++) {
		if (i % PAGES == 0 && madvise(mem, SIZE, MADV_DONTNEED))
			return -errno;
		*(volatile char *)(mem + (i % PAGES) * KVM_PAGE) = 2;
	}
	return 0;
}

static int guest_setup(void)
{
	int r = bound_setup(GUEST_GPA);

	if (!r && kvm_convert(vm_fd, GUEST_GPA, SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE))
		r = -errno;
	return r ? r : vcpu_open(&vcpu, kvm_fd, vm_fd);
}

/* Fresh pages for the guest. */
static int guest_punch(void)
{
	return fallocate(gmem_fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, SIZE) ? -errno : 0;
}

static int guest_round(unsigned int ops)
{
	return vcpu_touch(&vcpu, GUEST_GPA, ops);
}

static int asking_setup(void)
{
	int r = bound_setup(GUEST_GPA);

	if (!r)
		r = vcpu_exit_for_hypercalls(vm_fd);
	return r ? r : vcpu_open(&vcpu, kvm_fd, vm_fd);
}

static int asking_prepare(void)
{
	if (kvm_convert(vm_fd, GUEST_GPA, SIZE, 0))
		return -errno;
	return guest_punch();
}

/* The guest exits, the VMM converts a page to private and enters the guest again. */
static int asking_round(unsigned int ops)
{
	return vcpu_ask(&vcpu, vm_fd, GUEST_GPA, ops, 0);
}

/* The same, and the guest touches the page. */
static int asking_touch_round(unsigned int ops)
{
	return vcpu_ask(&vcpu, vm_fd, GUEST_GPA, ops, 1);
}

/* The second time guest_round() enters and leaves the guest without a fault. */
static const struct bench benches[] = {
	/*
	 * The median of three rounds is not exact enough for two of them: bounds on a conversion
	 * leave one instruction, and a binding costs what the allocator has at hand.
	 */
	{ "convert", 4 * PAGES, convert_setup, NULL, convert_round, NULL, MAX_ROUNDS },
	{ "convert_unbound", 4 * PAGES, unbound_setup, NULL, convert_round, NULL, 0 },
	{ "convert_redundant", 4 * PAGES, convert_setup, NULL, redundant_round, NULL, 0 },
	{ "create_close", 256, create_setup, NULL, create_round, NULL, 0 },
	{ "mmap_munmap", 512, mmap_setup, NULL, mmap_round, NULL, 0 },
	{ "host_fault", 4 * PAGES, fault_setup, NULL, fault_round, NULL, 0 },
	{ "guest_fault", PAGES, guest_setup, guest_punch, guest_round, guest_round, 0 },
	{ "guest_convert", PAGES, asking_setup, asking_prepare, asking_round, NULL, 0 },
	{ "guest_convert_touch", PAGES, asking_setup, asking_prepare, asking_touch_round, NULL, 0 },
	{ "punch", 512, instance_setup, NULL, punch_round, NULL, 0 },
	{ "bind_unbind", 64, instance_setup, NULL, bind_round, NULL, MAX_ROUNDS },
	{ "receive_close", 512, receive_setup, NULL, receive_round, NULL, 0 },
};

int main(int argc, char **argv)
{
	(void)argc;
	kvm_fd = kvm_open();
	if (kvm_fd < 0) {
		fprintf(stderr, "bench_ops: /dev/kvm: %s\n", strerror(errno));
		return 4;
	}
	return measure(argv + 1, benches, sizeof(benches) / sizeof(benches[0]), teardown);
}

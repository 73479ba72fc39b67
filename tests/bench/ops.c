// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one operation on guest_memfd costs the thread that asks for it, in nanoseconds of its CPU
 * time. In the lab's deterministic mode (ICOUNT=1) one instruction is one nanosecond, so that this
 * is the number of instructions.
 *
 * One line per operation: name, operations per round, cost of one operation in the cheapest round
 * and in the median one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../workload/kvm_compat.h"

#define PAGE   4096UL
#define PAGES  512UL
#define SIZE   (PAGES * PAGE)
#define GPA    (4ULL << 30)
#define ROUNDS 15

struct bench {
	const char *name;
	unsigned int ops; /* operations of a round */
	int (*setup)(void);
	int (*round)(unsigned int ops);
	void (*teardown)(void);
};

static int kvm_fd, vm_fd, gmem_fd = -1;
static char *mem = MAP_FAILED;

static int create_vm(unsigned long type)
{
	vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, type);
	return vm_fd < 0 ? -errno : 0;
}

static int create(uint64_t flags)
{
	struct kvm_create_guest_memfd args = { .size = SIZE, .flags = flags };
	int fd = ioctl(vm_fd, KVM_CREATE_GUEST_MEMFD, &args);

	return fd < 0 ? -errno : fd;
}

static int bind_all(int fd)
{
	struct kvm_userspace_memory_region2 region = {
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = GPA,
		.memory_size = SIZE,
		.guest_memfd = fd,
	};

	return ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION2, &region) ? -errno : 0;
}

static void teardown(void)
{
	if (mem != MAP_FAILED)
		munmap(mem, SIZE);
	if (gmem_fd >= 0)
		close(gmem_fd);
	close(vm_fd);
	mem = MAP_FAILED;
	gmem_fd = -1;
}

static int convert_setup(void)
{
	int r = create_vm(KVM_X86_SW_PROTECTED_VM);

	if (r)
		return r;
	gmem_fd = create(0);
	return gmem_fd < 0 ? gmem_fd : bind_all(gmem_fd);
}

/* Every page to private, then every page back: each operation changes one page. */
static int convert_round(unsigned int ops)
{
	struct kvm_memory_attributes attrs = { .size = PAGE };

	for (unsigned int i = 0; i < ops; i++) {
		attrs.address = GPA + (i % PAGES) * PAGE;
		attrs.attributes = i / PAGES % 2 ? 0 : KVM_MEMORY_ATTRIBUTE_PRIVATE;
		if (ioctl(vm_fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs))
			return -errno;
	}
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
	struct kvm_memory_attributes attrs = {
		.address = GPA,
		.size = PAGE,
		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};

	for (unsigned int i = 0; i < ops; i++)
		if (ioctl(vm_fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs))
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
		int fd = create(0);

		if (fd < 0)
			return fd;
		close(fd);
	}
	return 0;
}

static int mmap_setup(void)
{
	int r = create_vm(KVM_X86_DEFAULT_VM);

	if (r)
		return r;
	gmem_fd = create(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
	return gmem_fd < 0 ? gmem_fd : 0;
}

static int mmap_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++) {
		void *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, gmem_fd, 0);

		if (m == MAP_FAILED || munmap(m, PAGE))
			return -errno;
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
		*(volatile char *)(mem + (i % PAGES) * PAGE) = 2;
	}
	return 0;
}

static const struct bench benches[] = {
	{ "convert", 4 * PAGES, convert_setup, convert_round, teardown },
	{ "convert_unbound", 4 * PAGES, unbound_setup, convert_round, teardown },
	{ "convert_redundant", 4 * PAGES, convert_setup, redundant_round, teardown },
	{ "create_close", 256, create_setup, create_round, teardown },
	{ "mmap_munmap", 512, mmap_setup, mmap_round, teardown },
	{ "host_fault", 4 * PAGES, fault_setup, fault_round, teardown },
};

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int run(const struct bench *b)
{
	uint64_t cost[ROUNDS];
	int r = b->setup();

	/* The first round warms the caches of slabs and page tables. */
	if (!r)
		r = b->round(b->ops);
	for (int i = 0; !r && i < ROUNDS; i++) {
		uint64_t start = cpu_ns();

		r = b->round(b->ops);
		cost[i] = (cpu_ns() - start) / b->ops;
	}
	b->teardown();
	if (r) {
		fprintf(stderr, "bench_ops: %s: %s\n", b->name, strerror(-r));
		return r;
	}
	qsort(cost, ROUNDS, sizeof(cost[0]), by_value);
	printf("%s\t%u\t%llu\t%llu\n", b->name, b->ops, (unsigned long long)cost[0],
	       (unsigned long long)cost[ROUNDS / 2]);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0) {
		fprintf(stderr, "bench_ops: /dev/kvm: %s\n", strerror(errno));
		return 4;
	}
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
		if (argc < 2 || !strcmp(argv[1], benches[i].name))
			failed |= !!run(&benches[i]);
	return failed;
}

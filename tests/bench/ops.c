// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one operation on guest_memfd costs the thread that asks for it, in nanoseconds of its CPU
 * time. In the lab's deterministic mode (ICOUNT=1) one instruction is one nanosecond, so that this
 * is the number of instructions.
 *
 * One line per operation: name, operations per round, cost of one operation in the cheapest round
 * and in the median one.
 *
 *   bench_ops [OPERATION...]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../vm/lib/kvm.h"
#include "../vm/lib/wanted.h"
#include "vcpu.h"

#define PAGES	  512UL
#define SIZE	  (PAGES * KVM_PAGE)
#define GPA	  KVM_TEST_GPA
#define GUEST_GPA (1ULL << 30) /* where a guest in 32-bit mode finds it */
#define ROUNDS	  15

struct bench {
	const char *name;
	unsigned int ops; /* operations of a round */
	int (*setup)(void);
	int (*prepare)(void); /* before each round, not measured */
	int (*round)(unsigned int ops);
	int (*without)(unsigned int ops); /* after each: the same but for the operations */
};

static int kvm_fd, vm_fd = -1, gmem_fd = -1, file_fd = -1, pid_fd = -1;
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
	close(file_fd);
	close(pid_fd);
	mem = MAP_FAILED;
	gmem_fd = vm_fd = file_fd = pid_fd = -1;
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

/* What every program on the host does all the time. */
static int file_setup(void)
{
	char path[] = "/tmp/bench_ops.XXXXXX";

	file_fd = mkstemp(path);
	if (file_fd < 0)
		return -errno;
	unlink(path);
	return ftruncate(file_fd, KVM_PAGE) ? -errno : 0;
}

static int read_round(unsigned int ops)
{
	char byte;

	for (unsigned int i = 0; i < ops; i++)
		if (pread(file_fd, &byte, 1, 0) != 1)
			return -errno;
	return 0;
}

static int mmap_file_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++) {
		void *m = mmap(NULL, KVM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file_fd, 0);

		if (m == MAP_FAILED || munmap(m, KVM_PAGE))
			return -errno;
	}
	return 0;
}

static int ioctl_round(unsigned int ops)
{
	int size;

	for (unsigned int i = 0; i < ops; i++)
		if (ioctl(file_fd, FIGETBSZ, &size))
			return -errno;
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

/* The second time guest_round() enters and leaves the guest without a fault. */
static const struct bench benches[] = {
	{ "convert", 4 * PAGES, convert_setup, NULL, convert_round, NULL },
	{ "convert_unbound", 4 * PAGES, unbound_setup, NULL, convert_round, NULL },
	{ "convert_redundant", 4 * PAGES, convert_setup, NULL, redundant_round, NULL },
	{ "create_close", 256, create_setup, NULL, create_round, NULL },
	{ "mmap_munmap", 512, mmap_setup, NULL, mmap_round, NULL },
	{ "host_fault", 4 * PAGES, fault_setup, NULL, fault_round, NULL },
	{ "guest_fault", PAGES, guest_setup, guest_punch, guest_round, guest_round },
	{ "punch", 512, instance_setup, NULL, punch_round, NULL },
	{ "bind_unbind", 64, instance_setup, NULL, bind_round, NULL },
	{ "receive_close", 512, receive_setup, NULL, receive_round, NULL },
	{ "read_file", 2048, file_setup, NULL, read_round, NULL },
	{ "mmap_file", 512, file_setup, NULL, mmap_file_round, NULL },
	{ "ioctl_file", 2048, file_setup, NULL, ioctl_round, NULL },
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

static int timed(int (*what)(unsigned int ops), unsigned int ops, int64_t *ns)
{
	uint64_t start = cpu_ns();
	int r = what(ops);

	*ns = (int64_t)(cpu_ns() - start);
	return r;
}

static int round_cost(const struct bench *b, uint64_t *cost)
{
	int64_t with = 0, without = 0;
	int r = b->prepare ? b->prepare() : 0;

	if (!r)
		r = timed(b->round, b->ops, &with);
	if (!r && b->without)
		r = timed(b->without, b->ops, &without);
	if (!r && with < without)
		r = -ERANGE;
	*cost = (uint64_t)(with - without) / b->ops;
	return r;
}

static int run(const struct bench *b)
{
	uint64_t cost[ROUNDS];
	int r = b->setup();

	/* The first round warms the caches of slabs and page tables. */
	if (!r)
		r = round_cost(b, &cost[0]);
	for (int i = 0; !r && i < ROUNDS; i++)
		r = round_cost(b, &cost[i]);
	teardown();
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

	(void)argc;
	kvm_fd = kvm_open();
	if (kvm_fd < 0) {
		fprintf(stderr, "bench_ops: /dev/kvm: %s\n", strerror(errno));
		return 4;
	}
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
		if (wanted(benches[i].name, argv + 1))
			failed |= !!run(&benches[i]);
	return failed;
}

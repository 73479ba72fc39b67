// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation on the way through creating, binding, converting, allocating and mapping fails
 * once
 * (/proc/self/fail-nth, Documentation/fault-injection), slab and page allocations alike. After each
 * failure things are as they were, and at the end nothing is left: file descriptors, inodes,
 * references on the modules, and what kmemleak finds. Runs as root in the debug lane.
 */
#define _GNU_SOURCE
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "inodes.skel.h"
#include "lib/kvm.h"
#include "test.h"

#define PAGE	  KVM_PAGE
#define PAGES	  256UL
#define SIZE	  (PAGES * PAGE)
#define GPA	  KVM_TEST_GPA
#define SLOT	  1
#define MAX_NTH	  1000
#define MAX_SPACE (64L << 20)

static int kvm_fd, nth_fd, starve_fd;
static unsigned long injected, starved;

/* What the operations work on, and what each must leave alone when it fails. */
static int vm_fd, gmem_fd;

static void write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		give_up(path);
	close(fd);
}

static int set_slot(uint64_t size)
{
	return kvm_bind(vm_fd, SLOT, gmem_fd, GPA, size, 0);
}

static int set_attributes(uint64_t attributes)
{
	return kvm_convert(vm_fd, GPA, SIZE, attributes);
}

static int op_create(void)
{
	int fd = kvm_create_instance(vm_fd, SIZE, 0);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int op_bind(void)
{
	return set_slot(SIZE);
}

static void undo_bind(void)
{
	if (set_slot(0))
		give_up("deleting the memslot");
}

static void failed_bind(void)
{
	int r = set_slot(0);

	CHECK(r == -1 && errno == EINVAL, "a failed bind left a memslot: r %d errno %d", r, errno);
}

static int op_to_private(void)
{
	return set_attributes(KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static void undo_to_private(void)
{
	if (set_attributes(0))
		give_up("converting back");
}

static void prepare_to_shared(void)
{
	if (op_to_private())
		give_up("converting");
}

static int op_to_shared(void)
{
	return set_attributes(0);
}

static int op_fallocate(void)
{
	return fallocate(gmem_fd, FALLOC_FL_KEEP_SIZE, 0, SIZE);
}

static void punch(void)
{
	if (fallocate(gmem_fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, SIZE))
		give_up("punching");
}

/* The file of a default VM, so that there is something to map. */
static int mappable_vm, mappable_fd;

static char *mapped;

static int op_map(void)
{
	char *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mappable_fd, 0);

	if (mem == MAP_FAILED)
		return -1;
	/* To be undone when memory is there: unmapping may want some. */
	mapped = mem;
	return 0;
}

static void undo_map(void)
{
	if (munmap(mapped, SIZE))
		give_up("munmap");
}

static int op_unbind(void)
{
	return set_slot(0);
}

static void prepare_unbind(void)
{
	if (set_slot(SIZE))
		give_up("binding");
}

struct op {
	const char *name;
	void (*prepare)(void);
	int (*run)(void);
	void (*undo)(void);   /* after it succeeded */
	void (*failed)(void); /* after it failed */
	bool frees;	      /* it gives memory back, and so must not fail for want of it */
};

static const struct op ops[] = {
	{ .name = "create", .run = op_create },
	{ .name = "bind", .run = op_bind, .undo = undo_bind, .failed = failed_bind },
	{ .name = "unbind", .prepare = prepare_unbind, .run = op_unbind, .failed = undo_bind },
	{ .name = "convert to private",
	  .run = op_to_private,
	  .undo = undo_to_private,
	  .failed = undo_to_private },
	{ .name = "convert to shared",
	  .prepare = prepare_to_shared,
	  .run = op_to_shared,
	  .failed = undo_to_private,
	  .frees = true },
	{ .name = "fallocate", .run = op_fallocate, .undo = punch, .failed = punch },
	{ .name = "mmap", .run = op_map, .undo = undo_map },
};

/* Allocations of this task fail, beyond the space that failslab and fail_page_alloc grant. */
static void set_starving(bool on)
{
	if (pwrite(starve_fd, on ? "1" : "0", 1, 0) != 1)
		give_up("/proc/self/make-it-fail");
}

static void set_nth(int nth)
{
	char buf[24];
	int len = snprintf(buf, sizeof(buf), "%d", nth);

	if (pwrite(nth_fd, buf, len, 0) != len)
		give_up("/proc/self/fail-nth");
}

/* Was the failure that set_nth() asked for injected? */
static bool was_injected(void)
{
	char buf[24] = "";

	if (pread(nth_fd, buf, sizeof(buf) - 1, 0) <= 0)
		give_up("/proc/self/fail-nth");
	return atoi(buf) == 0;
}

static void run(const struct op *op)
{
	int nth, failed = 0;

	for (nth = 1; nth <= MAX_NTH; nth++) {
		long refs;
		int r, err, fd;
		bool hit;

		if (op->prepare)
			op->prepare();
		refs = module_refs();
		fd = lowest_fd();
		set_nth(nth);
		r = op->run();
		err = errno;
		hit = was_injected();
		set_nth(0);
		CHECK(lowest_fd() == fd, "%s: the lowest free fd was %d", op->name, fd);
		if (r) {
			failed++;
			CHECK(hit, "%s failed without a reason: %s", op->name, strerror(err));
			CHECK(err == ENOMEM || err == ENFILE, "%s: %s", op->name, strerror(err));
			if (op->failed)
				op->failed();
			CHECK(module_refs() == refs, "%s: %ld references, were %ld", op->name,
			      module_refs(), refs);
		} else if (op->undo) {
			op->undo();
		}
		if (!hit)
			break;
		injected++;
	}
	CHECK(nth <= MAX_NTH, "%s did not get through", op->name);
	printf("%s: %d allocations failed in turn, %d made it fail\n", op->name, nth - 1, failed);
}

/*
 * All allocations fail from some point on, as on a host that is out of memory: what tries twice
 * gets nothing the second time either. The point moves on until the operation gets through.
 */
static void starve(const struct op *op)
{
	static const char *const space[] = { "/sys/kernel/debug/failslab/space",
					     "/sys/kernel/debug/fail_page_alloc/space" };
	int failed = 0;
	long bytes;

	for (bytes = 0; bytes <= MAX_SPACE; bytes = bytes ? bytes * 5 / 4 : 64) {
		char buf[24];
		long refs;
		int r, err, fd;

		if (op->prepare)
			op->prepare();
		refs = module_refs();
		fd = lowest_fd();
		snprintf(buf, sizeof(buf), "%ld", bytes);
		write_file(space[0], buf);
		snprintf(buf, sizeof(buf), "%ld", bytes / 64);
		write_file(space[1], buf);
		set_starving(true);
		r = op->run();
		err = errno;
		set_starving(false);
		CHECK(lowest_fd() == fd, "%s: the lowest free fd was %d", op->name, fd);
		if (!r) {
			if (op->undo)
				op->undo();
			break;
		}
		failed++;
		CHECK(err == ENOMEM || err == ENFILE, "%s: %s", op->name, strerror(err));
		if (op->failed)
			op->failed();
		CHECK(module_refs() == refs, "%s: %ld references, were %ld", op->name,
		      module_refs(), refs);
	}
	CHECK(bytes <= MAX_SPACE, "%s did not get through", op->name);
	/* Giving memory back must not need any. */
	CHECK(op->frees ? !failed : failed > 0, "%s: failed %d times when starved", op->name,
	      failed);
	starved += failed;
	printf("%s: failed %d times for want of memory\n", op->name, failed);
}

/* kmemleak needs two scans to be sure, and objects of a certain age. */
static void check_leaks(void)
{
	char buf[4096] = "";
	int fd;

	sleep(6);
	write_file("/sys/kernel/debug/kmemleak", "scan");
	sleep(6);
	write_file("/sys/kernel/debug/kmemleak", "scan");
	fd = open("/sys/kernel/debug/kmemleak", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		give_up("kmemleak");
	if (read(fd, buf, sizeof(buf) - 1) > 0) {
		failures++;
		printf("kmemleak:\n%s\n", buf);
	}
	close(fd);
}

static void inject_everywhere(void)
{
	static const char *const files[][2] = {
		{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
		{ "/sys/kernel/debug/failslab/verbose", "0" },
		{ "/sys/kernel/debug/failslab/task-filter", "Y" },
		{ "/sys/kernel/debug/failslab/times", "-1" },
		{ "/sys/kernel/debug/failslab/probability", "100" },
		{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N" },
		{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "/sys/kernel/debug/fail_page_alloc/min-order", "0" },
		{ "/sys/kernel/debug/fail_page_alloc/verbose", "0" },
		{ "/sys/kernel/debug/fail_page_alloc/task-filter", "Y" },
		{ "/sys/kernel/debug/fail_page_alloc/times", "-1" },
		{ "/sys/kernel/debug/fail_page_alloc/probability", "100" },
		/* What was there before is not ours to explain. */
		{ "/sys/kernel/debug/kmemleak", "clear" },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		write_file(files[i][0], files[i][1]);
}

int main(void)
{
	struct inodes_bpf *inodes;
	long refs;
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	inject_everywhere();
	nth_fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	kvm_fd = kvm_open();
	starve_fd = open("/proc/self/make-it-fail", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0 || starve_fd < 0 || kvm_fd < 0)
		give_up(kvm_fd < 0 ? "/dev/kvm" : "/proc/self/fail-nth, make-it-fail");
	inodes = inodes_bpf__open_and_load();
	if (!inodes || inodes_bpf__attach(inodes))
		give_up("counting inodes");
	refs = module_refs();
	fd = lowest_fd();

	vm_fd = kvm_create_vm(kvm_fd, KVM_X86_SW_PROTECTED_VM);
	mappable_vm = kvm_create_vm(kvm_fd, KVM_X86_DEFAULT_VM);
	if (vm_fd < 0 || mappable_vm < 0)
		give_up("KVM_CREATE_VM");
	gmem_fd = kvm_create_instance(vm_fd, SIZE, 0);
	mappable_fd = kvm_create_instance(mappable_vm, SIZE,
					  GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
	if (mappable_fd < 0 || gmem_fd < 0)
		give_up("KVM_CREATE_GUEST_MEMFD");
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		run(&ops[i]);
		starve(&ops[i]);
	}
	close(gmem_fd);
	close(mappable_fd);
	close(vm_fd);
	close(mappable_vm);

	check_leaks();
	CHECK(injected > 0, "not one failure was injected");
	CHECK(lowest_fd() == fd, "was %d", fd);
	CHECK(module_refs() == refs, "%ld, was %ld", module_refs(), refs);
	CHECK(inodes->bss->allocated && inodes->bss->allocated == inodes->bss->destroyed,
	      "%ld inodes allocated, %ld destroyed", inodes->bss->allocated,
	      inodes->bss->destroyed);
	printf("faults: %lu injected, %lu operations starved, %d of %d checks failed\n", injected,
	       starved, failures, checks);
	return failures ? 1 : 0;
}

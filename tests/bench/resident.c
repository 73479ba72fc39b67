// SPDX-License-Identifier: GPL-2.0-only
/*
 * What gmemtop --waste and gmemtop memory cost for each resident page, instances and shared backing
 * together, in nanoseconds of CPU time: in the lab's deterministic mode, instructions. The cost of
 * a frame as such is subtracted.
 *
 *   bench_resident    prints, in the format of bench_ops:
 *   waste_memfd       an instance and a memfd behind it, all pages in memory
 *   waste_anonymous   the same with anonymous memory
 *   waste_empty       none in memory, for each 64 pages: what a sparse VM costs
 *   ledger_memfd, ledger_anonymous
 *                     gmemtop memory: who pays, node and folio too
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../vm/lib/kvm.h"

#define PAGES  65536ULL
#define SIZE   (PAGES * KVM_PAGE)
#define SPARSE (16 * SIZE)
#define WARM   2 /* frames in which buffers grow */
#define FRAMES 6

static void __attribute__((noreturn)) give_up(const char *what)
{
	fprintf(stderr, "bench_resident: ");
	perror(what);
	exit(1);
}

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		give_up("read a CPU clock");
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static char *const frame[] = { "gmemtop", "--json", "-d", "0.1", NULL };
static char *const waste[] = { "gmemtop", "--json", "-d", "0.1", "--waste", NULL };
static char *const ledger[] = { "gmemtop", "memory", "--json", "-d", "0.1", "-n", "1000", NULL };

/* The cheapest frame, which is a line of output. */
static uint64_t cost_of(char *const *argv)
{
	uint64_t before = 0, now, least = UINT64_MAX;
	char *line = NULL;
	size_t size = 0;
	clockid_t clock;
	int ends[2], i;
	FILE *out;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		give_up("pipe");
	pid = fork();
	if (!pid) {
		if (dup2(ends[1], 1) == 1)
			execv("build/gmemtop", argv);
		_exit(127);
	}
	close(ends[1]);
	out = fdopen(ends[0], "r");
	if (pid < 0 || !out || clock_getcpuclockid(pid, &clock))
		give_up("run gmemtop");
	for (i = 0; i < WARM + FRAMES; i++) {
		if (getline(&line, &size, out) <= 0)
			give_up("read a frame");
		now = cpu_ns(clock);
		if (i >= WARM && now - before < least)
			least = now - before;
		before = now;
	}
	kill(pid, SIGTERM);
	fclose(out);
	free(line);
	waitpid(pid, NULL, 0);
	return least;
}

static void say(const char *what, const char *name, char *const *argv, uint64_t nr)
{
	uint64_t without = cost_of(frame), with = cost_of(argv);
	double one = with > without ? (double)(with - without) / (double)nr : 0;

	printf("%s_%s\t1\t%.1f\t%.1f\n", what, name, one, one);
	fflush(stdout);
}

static void bind_memory(int vm, int inst, void *memory, uint64_t size)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = 1,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = KVM_TEST_GPA,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
		.guest_memfd = (uint32_t)inst,
	};

	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region))
		give_up("bind");
}

/* With @full: all pages of the instance and of its backing are in memory. */
static void measure(const char *name, int fd, uint64_t size, bool full)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
	int vm = kvm_create_vm(kvm_open(), KVM_X86_SW_PROTECTED_VM), inst;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	inst = vm < 0 ? -1 : kvm_create_instance(vm, size, 0);
	if (inst < 0 || memory == MAP_FAILED)
		give_up("make a VM");
	madvise(memory, size, MADV_NOHUGEPAGE);
	bind_memory(vm, inst, memory, size);
	if (kvm_convert(vm, KVM_TEST_GPA, size, KVM_MEMORY_ATTRIBUTE_PRIVATE))
		give_up("convert");
	if (full) {
		if (fallocate(inst, FALLOC_FL_KEEP_SIZE, 0, (off_t)size))
			give_up("fill the instance");
		memset(memory, 1, size);
	}
	say("waste", name, waste, full ? 2 * size / KVM_PAGE : size / KVM_PAGE / 64);
	if (full)
		say("ledger", name, ledger, 2 * size / KVM_PAGE);
	munmap(memory, size);
	close(inst);
	close(vm);
}

int main(void)
{
	int fd = memfd_create("backing", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)SPARSE))
		give_up("make a memfd");
	measure("empty", fd, SPARSE, false);
	measure("memfd", fd, SIZE, true);
	close(fd);
	measure("anonymous", -1, SIZE, true);
	return 0;
}

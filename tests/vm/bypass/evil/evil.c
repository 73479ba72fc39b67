// SPDX-License-Identifier: GPL-2.0-only
/*
 * Foreign code in somebody else's program: a library and a loader (PT_INTERP) in one, with nothing
 * that it needs itself. Wherever it gets to run it creates an instance and ends the process: with 0
 * or with the errno. Where TAME is, with 0 and nothing else; where OPENS is, it opens the policy's
 * map instead. Where WAITS is, it says that it is there by removing that, and does all this when it
 * is told to, by WAITS being there again.
 */
#include <asm/unistd.h>
#include <fcntl.h>
#include <linux/bpf.h>

#include "../../../workload/kvm_compat.h"

#define BROKEN 207 /* ENDED_BROKEN of bypass.h */
#define TAME   "/tmp/bypass/tame"
#define OPENS  "/tmp/bypass/opens"
#define WAITS  "/tmp/bypass/waits"
#define PIN    "/sys/fs/bpf/gmem/maps/active"

static long call(long number, long a, long b, long c, long d)
{
#ifdef __x86_64__
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
#else
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
#endif
}

void evil(void);
void ignored(void);
extern void (*const resolved)(void);
__attribute__((visibility("default"))) unsigned int la_version(unsigned int version);

static int exists(const char *path)
{
	return !call(__NR_faccessat, AT_FDCWD, (long)path, 0, 0);
}

static void act(void)
{
	struct kvm_create_guest_memfd args = { .size = 4096 };
	long kvm, vm, fd;

	if (exists(TAME))
		call(__NR_exit_group, 0, 0, 0, 0);
	if (!call(__NR_unlinkat, AT_FDCWD, (long)WAITS, 0, 0)) {
		while (!exists(WAITS))
			call(__NR_sched_yield, 0, 0, 0, 0);
	}
	if (exists(OPENS)) {
		/* The beginning of union bpf_attr, as BPF_OBJ_GET wants it. */
		struct {
			__u64 pathname;
			__u64 rest;
		} attr = { .pathname = (__u64)PIN };

		fd = call(__NR_bpf, BPF_OBJ_GET, (long)&attr, sizeof(attr), 0);
		call(__NR_exit_group, fd < 0 ? -fd : 0, 0, 0, 0);
	}
	kvm = call(__NR_openat, AT_FDCWD, (long)"/dev/kvm", O_RDWR, 0);
	vm = call(__NR_ioctl, kvm, KVM_CREATE_VM, 0, 0);
	fd = vm < 0 ? -BROKEN : call(__NR_ioctl, vm, KVM_CREATE_GUEST_MEMFD, (long)&args, 0);
	call(__NR_exit_group, fd < 0 ? -fd : 0, 0, 0, 0);
}

#ifdef __x86_64__
#define ANY_STACK __attribute__((force_align_arg_pointer))
#else
#define ANY_STACK
#endif

/* At the start of a process, and among the constructors of a library. */
ANY_STACK void evil(void)
{
	act();
}

/* The loader calls this as soon as it has loaded all, whatever else it finds to be missing. */
__attribute__((used)) static void (*resolve(void))(void)
{
	act();
	return (void (*)(void))0;
}

__attribute__((ifunc("resolve"), visibility("hidden"))) void ignored(void);
void (*const resolved)(void) = ignored;

/* What makes it one that LD_AUDIT takes. */
unsigned int la_version(unsigned int version)
{
	return version;
}

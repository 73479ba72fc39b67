/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests know of the architecture: registers and numbers of system calls, names, guests of a
 * few instructions. Everything else in tests/vm is the same on each.
 */
#ifndef VM_ARCH_H
#define VM_ARCH_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include <linux/kvm.h>

#ifdef __x86_64__

#include <asm/ptrace.h>

#define ARCH_LOADER	"/lib64/ld-linux-x86-64.so.2"
#define ARCH_LOADER_DIR "/lib64"
#define ARCH_LIBRARIES	"/lib/x86_64-linux-gnu"
/* The kernel's function for a system call. */
#define ARCH_CALL(name) "__x64_sys_" #name
/* Of the registers that a BPF program at a probe is given. */
#define ARCH_STACK_POINTER offsetof(struct pt_regs, rsp)
/* What the loader looks for files with. */
#define ARCH_SYS_access SYS_access
/* An instruction for a system call, and one that stops who is traced. */
#define ARCH_CALL_INSN "syscall\n\tint3\n"
/* A default VM binds instances that the host cannot map. */
#define ARCH_BINDS_UNMAPPED 1

#elif defined(__aarch64__)

#define ARCH_LOADER	    "/lib/ld-linux-aarch64.so.1"
#define ARCH_LOADER_DIR	    "/lib"
#define ARCH_LIBRARIES	    "/lib/aarch64-linux-gnu"
#define ARCH_CALL(name)	    "__arm64_sys_" #name
#define ARCH_STACK_POINTER  offsetof(struct user_pt_regs, sp)
#define ARCH_SYS_access	    SYS_faccessat
#define ARCH_CALL_INSN	    "svc #0\n\tbrk #0\n"
#define ARCH_BINDS_UNMAPPED 0

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

#endif

typedef struct user_regs_struct arch_regs;

/* Return: 0, or -1 with errno. */
static inline int arch_get_regs(pid_t pid, arch_regs *regs)
{
	struct iovec iov = { regs, sizeof(*regs) };

	return (int)ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov);
}

static inline int arch_set_regs(pid_t pid, arch_regs *regs)
{
	struct iovec iov = { regs, sizeof(*regs) };

	return (int)ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov);
}

/* The system call at whose entry a task stands. */
static inline long arch_call_number(const arch_regs *regs)
{
#ifdef __x86_64__
	return (long)regs->orig_rax;
#else
	return (long)regs->regs[8];
#endif
}

/* What a system call returned. */
static inline long arch_call_result(const arch_regs *regs)
{
#ifdef __x86_64__
	return (long)regs->rax;
#else
	return (long)regs->regs[0];
#endif
}

/*
 * A task that stopped goes on at @insn with a system call. What it waits in does not begin again on
 * x86 by orig_rax, and on arm64 since it is not where it was.
 */
static inline void arch_prepare_call(arch_regs *regs, uint64_t insn, long number,
				     const uint64_t args[3])
{
#ifdef __x86_64__
	regs->orig_rax = (unsigned long long)-1;
	regs->rax = (unsigned long long)number;
	regs->rdi = args[0];
	regs->rsi = args[1];
	regs->rdx = args[2];
	regs->rip = insn;
#else
	memcpy(regs->regs, args, 3 * sizeof(args[0]));
	regs->regs[8] = (unsigned long long)number;
	regs->pc = insn;
#endif
}

/* The system call at whose entry @pid stands is not made: it returns ENOSYS. */
static inline int arch_cancel_call(pid_t pid, arch_regs *regs)
{
#ifdef __x86_64__
	regs->orig_rax = (unsigned long long)-1;
	return arch_set_regs(pid, regs);
#else
	int none = -1;
	struct iovec iov = { &none, sizeof(none) };

	regs->regs[0] = (unsigned long long)-38;
	return arch_set_regs(pid, regs)
		       ?: (int)ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_SYSTEM_CALL, &iov);
#endif
}

/* --- guests: begin at ARCH_GUEST_CODE, without an MMU --- */

#define ARCH_GUEST_CODE 0x1000 /* guest physical */
#define ARCH_GUEST_DATA 0x2000

/* X(name): leaves to its VMM twice; reads a byte at ARCH_GUEST_DATA and leaves */
enum arch_guest { ARCH_GUEST_leaves_twice, ARCH_GUEST_reads };

/* Put a guest's program where its memory is mapped. */
static inline void arch_guest_load(enum arch_guest guest, void *to)
{
#ifdef __x86_64__
	static const unsigned char code[][8] = {
		{ 0xb0, 0x2a, 0xe6, 0x10, 0xf4 }, /* mov al, 42; out 0x10, al; hlt */
		{ 0xa0, 0x00, 0x20, 0xf4 },	  /* mov al, [0x2000]; hlt */
	};
#else
	/* A write to where no memory is goes to the VMM. */
	static const uint32_t code[][4] = {
		{ 0xd2a40005, 0xf90000a0,
		  0xf90000a0 }, /* mov x5, #0x20000000; str x0, [x5] twice */
		/* mov x1, #0x2000; ldrb w0, [x1]; mov x5, #0x20000000; str x0, [x5] */
		{ 0xd2840001, 0x39400020, 0xd2a40005, 0xf90000a0 },
	};
#endif
	memcpy(to, code[guest], sizeof(code[guest]));
}

/* A new vCPU at the beginning of its program. Return: 0, or -1 with errno. */
static inline int arch_guest_begin(int vm, int vcpu)
{
#ifdef __x86_64__
	struct kvm_regs regs = { .rip = ARCH_GUEST_CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	(void)vm;
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cs.base = sregs.cs.selector = sregs.ds.base = sregs.ds.selector = 0;
	return ioctl(vcpu, KVM_SET_SREGS, &sregs) ?: ioctl(vcpu, KVM_SET_REGS, &regs);
#else
	uint64_t start = ARCH_GUEST_CODE;
	struct kvm_one_reg pc = { .id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
					KVM_REG_ARM_CORE_REG(regs.pc),
				  .addr = (uintptr_t)&start };
	struct kvm_vcpu_init init;

	return ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init) ?:
	       ioctl(vcpu, KVM_ARM_VCPU_INIT, &init) ?: ioctl(vcpu, KVM_SET_ONE_REG, &pc);
#endif
}

/* Did it leave where its program says? @last: for the last time. */
static inline bool arch_guest_left(const struct kvm_run *run, bool last)
{
#ifdef __x86_64__
	return run->exit_reason == (last ? KVM_EXIT_HLT : KVM_EXIT_IO);
#else
	(void)last;
	return run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write &&
	       run->mmio.phys_addr == 0x20000000;
#endif
}

#endif /* VM_ARCH_H */

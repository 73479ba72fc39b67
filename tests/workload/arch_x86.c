// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is x86's own of a VM: the guest's program in long mode, the state of its vCPUs, its exits.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "workload.h"

#define PML4_GPA    0x1000
#define PDPT_GPA    0x2000
#define CODE_GPA    0x4000
#define VMCALL_LAST 0xc1 /* 0f 01 c1; vmmcall is 0f 01 d9 */
#define DONE_PORT   0x10
#define MAX_CPUID   256
#define MAX_RESETS  100

extern const u8 guest_start[], guest_hypercall[], guest_end[];

/* rdi: the parameter page. A write touches 8 bytes; the stride of touches is arg. */
__asm__(".pushsection .rodata\n"
	".global guest_start, guest_hypercall, guest_end\n"
	"guest_start:\n"
	"1:	mov	(%rdi), %rax\n"
	"	mov	8(%rdi), %rbx\n"
	"	mov	16(%rdi), %rcx\n"
	"	mov	24(%rdi), %rdx\n"
	"	cmp	$1, %rax\n"
	"	je	2f\n"
	"	cmp	$2, %rax\n"
	"	je	3f\n"
	"	mov	$12, %rax\n" /* KVM_HC_MAP_GPA_RANGE: rbx gpa, rcx pages, rdx attributes */
	"guest_hypercall:\n"
	"	vmmcall\n"
	"	mov	%rax, 32(%rdi)\n"
	"	jmp	4f\n"
	"2:	mov	%rcx, (%rbx)\n"
	"	add	%rdx, %rbx\n"
	"	dec	%rcx\n"
	"	jnz	2b\n"
	"	jmp	4f\n"
	"3:	mov	(%rbx), %rax\n"
	"	add	%rdx, %rbx\n"
	"	dec	%rcx\n"
	"	jnz	3b\n"
	"4:	out	%al, $0x10\n"
	"	jmp	1b\n"
	"guest_end:\n"
	".popsection\n");

const char *arch_type_name(void)
{
	return cfg.type == KVM_X86_DEFAULT_VM ? "default" : "software-protected";
}

/* "Genu" of GenuineIntel has vmcall; everybody else has vmmcall. */
static bool vmcall(void)
{
	u32 a, b, c, d;

	__cpuid(0, a, b, c, d);
	return b == 0x756e6547;
}

void arch_guest_load(u8 *system)
{
	u64 *pml4 = (u64 *)(system + PML4_GPA), *pdpt = (u64 *)(system + PDPT_GPA);
	u64 i;

	/* Accessed and dirty from the beginning: the processor has nothing to write there. */
	pml4[0] = PDPT_GPA | 0x23;
	for (i = 0; i < 512; i++)
		pdpt[i] = i << 30 | 0xe3;
	memcpy(system + CODE_GPA, guest_start, guest_end - guest_start);
	if (vmcall())
		system[CODE_GPA + (guest_hypercall - guest_start) + 2] = VMCALL_LAST;
}

void arch_vm_prepare(int vm_fd)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args[0] = 1 << KVM_HC_MAP_GPA_RANGE,
	};

	/* Without the capability hypercalls answer ENOSYS, which is then counted. */
	ioctl(vm_fd, KVM_ENABLE_CAP, &cap);
}

/* The vCPU stands at the beginning of the guest's program. */
static int vcpu_set_state(struct vcpu *vcpu)
{
	struct kvm_segment code = {
		.selector = 0x8,
		.limit = ~0U,
		.type = 11,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	struct kvm_segment data = {
		.selector = 0x10,
		.limit = ~0U,
		.type = 3,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1,
	};
	struct kvm_regs regs = {
		.rip = CODE_GPA,
		.rdi = guest_params(vcpu->index),
		.rflags = 2,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr3 = PML4_GPA;
	sregs.cr4 = 1 << 5;		   /* PAE */
	sregs.cr0 = 1U << 31 | 1 << 4 | 1; /* PG, ET, PE */
	sregs.efer = 1 << 8 | 1 << 10;	   /* LME, LMA */
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) || ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

int arch_vcpu_init(struct vcpu *vcpu, int kvm_fd)
{
	struct kvm_cpuid2 *cpuid;
	int ret = 0;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = MAX_CPUID;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) || ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		ret = -errno;
	free(cpuid);
	return ret ?: vcpu_set_state(vcpu);
}

/*
 * QEMU 7.2 without hardware support loses a guest once in a million entries: it delivers an
 * interrupt of the machine when it has entered the guest's world already, and the guest's registers
 * are gone (exit to KVM at an address of KVM's own code, then a triple fault). The guest has no
 * state worth keeping, so it begins anew with the same request; a touch that was made already does
 * no harm, and a hypercall that was answered is not made again.
 */
int arch_vcpu_restart(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events = { .flags = 0 };

	if (__atomic_add_fetch(&vcpu->vm->resets, 1, __ATOMIC_RELAXED) > MAX_RESETS) {
		say("VM %u vCPU %u: exit %u of the guest again and again", vcpu->vm->index,
		    vcpu->index, vcpu->run->exit_reason);
		return -EIO;
	}
	if (ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events))
		return -errno;
	return vcpu_set_state(vcpu);
}

bool arch_exit_done(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO && run->io.port == DONE_PORT;
}

bool arch_exit_hypercall(struct kvm_run *run, struct guest_call *call)
{
	if (run->exit_reason != KVM_EXIT_HYPERCALL)
		return false;
	call->gpa = run->hypercall.args[0];
	call->pages = run->hypercall.args[1];
	call->private = run->hypercall.args[2] & KVM_MAP_GPA_RANGE_ENCRYPTED;
	call->ret = &run->hypercall.ret;
	return true;
}

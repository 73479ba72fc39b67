// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is arm64's own of a VM: the guest's program at EL1, the state of its vCPUs, its exits.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "workload.h"

#define TABLE_GPA 0x1000
#define CODE_GPA  0x4000
#define DONE_GPA  0x20000000UL /* in no memslot; known to the assembly below */

extern const u8 guest_start[], guest_end[];

/* x0: the parameter page. A write touches 8 bytes; the stride of touches is arg. No conversions
 * here. */
__asm__(".pushsection .rodata\n"
	".global guest_start, guest_end\n"
	"guest_start:\n"
	"1:	ldp	x1, x2, [x0]\n"
	"	ldp	x3, x4, [x0, #16]\n"
	"	cmp	x1, #1\n"
	"	b.eq	2f\n"
	"	cmp	x1, #2\n"
	"	b.eq	3f\n"
	"	mov	x1, #-38\n" /* ENOSYS */
	"	str	x1, [x0, #32]\n"
	"	b	4f\n"
	"2:	str	x3, [x2]\n"
	"	add	x2, x2, x4\n"
	"	subs	x3, x3, #1\n"
	"	b.ne	2b\n"
	"	b	4f\n"
	"3:	ldr	x1, [x2]\n"
	"	add	x2, x2, x4\n"
	"	subs	x3, x3, #1\n"
	"	b.ne	3b\n"
	"4:	mov	x5, #0x20000000\n"
	"	str	x1, [x5]\n"
	"	b	1b\n"
	"guest_end:\n"
	".popsection\n");

const char *arch_type_name(void)
{
	return "normal";
}

void arch_guest_load(u8 *system)
{
	u64 *table = (u64 *)(system + TABLE_GPA);
	u64 i;

	/* Level 1, granule 4 KiB: blocks of 1 GiB, accessed already, inner shareable, attributes 0.
	 */
	for (i = 0; i < 512; i++)
		table[i] = i << 30 | 1 << 10 | 3 << 8 | 1;
	memcpy(system + CODE_GPA, guest_start, guest_end - guest_start);
}

void arch_vm_prepare(int vm_fd)
{
	(void)vm_fd;
}

static int set_register(const struct vcpu *vcpu, u64 id, u64 value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return ioctl(vcpu->fd, KVM_SET_ONE_REG, &reg) ? -errno : 0;
}

#define CORE_REG(name) \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(name))

/* The vCPU stands at the beginning of the guest's program, with the MMU and the caches on. */
static int vcpu_set_state(const struct vcpu *vcpu)
{
	const struct {
		u64 id, value;
	} state[] = {
		/* MAIR_EL1: attributes 0 are normal memory, write-back */
		{ ARM64_SYS_REG(3, 0, 10, 2, 0), 0xff },
		/* TCR_EL1: 39 bits of virtual and 40 of physical addresses, walks cached, no TTBR1 */
		{ ARM64_SYS_REG(3, 0, 2, 0, 2),
		  25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2ULL << 32 },
		{ ARM64_SYS_REG(3, 0, 2, 0, 0), TABLE_GPA }, /* TTBR0_EL1 */
		/* SCTLR_EL1: M, C, I, and what is one without further features */
		{ ARM64_SYS_REG(3, 0, 1, 0, 0), 0x30d01805 },
		{ CORE_REG(regs.pc), CODE_GPA },
		{ CORE_REG(regs.regs[0]), guest_params(vcpu->index) },
	};
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_SIZE(state); i++)
		ret = set_register(vcpu, state[i].id, state[i].value);
	return ret;
}

int arch_vcpu_init(struct vcpu *vcpu, int kvm_fd)
{
	struct kvm_vcpu_init init;

	(void)kvm_fd;
	if (ioctl(vcpu->vm->fd, KVM_ARM_PREFERRED_TARGET, &init) ||
	    ioctl(vcpu->fd, KVM_ARM_VCPU_INIT, &init))
		return -errno;
	return vcpu_set_state(vcpu);
}

int arch_vcpu_restart(struct vcpu *vcpu)
{
	say("VM %u vCPU %u: exit %u, which no guest makes", vcpu->vm->index, vcpu->index,
	    vcpu->run->exit_reason);
	return -EIO;
}

bool arch_exit_done(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write &&
	       run->mmio.phys_addr == DONE_GPA;
}

bool arch_exit_hypercall(struct kvm_run *run, struct guest_call *call)
{
	(void)run;
	(void)call;
	return false;
}

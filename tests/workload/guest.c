// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest: one program for every scenario. It runs in long mode with the first 512 GiB mapped one
 * to one, without stack, interrupts or descriptor tables, takes one request from its vCPU's
 * parameter page, carries it out, tells the VMM by an OUT, and goes back for the next.
 */
#include <string.h>

#include "workload.h"

#define PML4_GPA    0x1000
#define PDPT_GPA    0x2000
#define CODE_GPA    0x4000
#define PARAMS_GPA  0x10000
#define VMCALL_LAST 0xc1 /* 0f 01 c1; vmmcall is 0f 01 d9 */

/* The layout is known to the assembly below. */
struct guest_params {
	u64 op;
	u64 gpa;
	u64 count;
	u64 arg;
	s64 result;
};

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

/**
 * guest_load - write the page tables and the program into the guest's system memory
 * @system: start of the memory at guest physical address 0
 * @vmcall: the hypercall instruction is Intel's
 */
void guest_load(u8 *system, bool vmcall)
{
	u64 *pml4 = (u64 *)(system + PML4_GPA), *pdpt = (u64 *)(system + PDPT_GPA);
	u64 i;

	/* Accessed and dirty from the beginning: the processor has nothing to write there. */
	pml4[0] = PDPT_GPA | 0x23;
	for (i = 0; i < 512; i++)
		pdpt[i] = i << 30 | 0xe3;
	memcpy(system + CODE_GPA, guest_start, guest_end - guest_start);
	if (vmcall)
		system[CODE_GPA + (guest_hypercall - guest_start) + 2] = VMCALL_LAST;
}

/**
 * guest_request - put the next request into a vCPU's parameter page
 * @system: the guest's system memory
 * @vcpu: index of the vCPU
 * @op: what to do
 * @gpa: where
 * @count: how many touches, or pages of the hypercall
 * @arg: stride of the touches, or attributes of the hypercall
 */
void guest_request(u8 *system, u32 vcpu, enum guest_op op, u64 gpa, u64 count, u64 arg)
{
	volatile struct guest_params *p = (void *)(system + guest_params(vcpu));

	p->op = op;
	p->gpa = gpa;
	p->count = count;
	p->arg = arg;
	p->result = 0;
}

/* Stand in for the guest: its hypercall was answered, but it did not live to write that down. */
void guest_set_result(u8 *system, u32 vcpu, s64 result)
{
	volatile struct guest_params *p = (void *)(system + guest_params(vcpu));

	p->result = result;
}

/* What the guest got back from its hypercall. */
s64 guest_result(u8 *system, u32 vcpu)
{
	volatile struct guest_params *p = (void *)(system + guest_params(vcpu));

	return p->result;
}

u64 guest_entry(void)
{
	return CODE_GPA;
}

u64 guest_params(u32 vcpu)
{
	return PARAMS_GPA + vcpu * PAGE_SIZE;
}

u64 guest_page_table(void)
{
	return PML4_GPA;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest: one program for every scenario, in arch_*.c. It runs with the first 512 GiB mapped one
 * to one, without stack, interrupts or exception tables, takes one request from its vCPU's
 * parameter page, carries it out, tells the VMM by an exit, and goes back for the next.
 */
#include "workload.h"

#define PARAMS_GPA 0x10000

/* The layout is known to the assembly of arch_*.c. */
struct guest_params {
	u64 op;
	u64 gpa;
	u64 count;
	u64 arg;
	s64 result;
};

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

u64 guest_params(u32 vcpu)
{
	return PARAMS_GPA + vcpu * PAGE_SIZE;
}

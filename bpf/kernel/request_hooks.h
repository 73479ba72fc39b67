/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where requests to a VM begin and end, the same for gmem_trace.bpf.c and
 * bpf/events/gmem_events.bpf.c. What happens there is defined by the includer: bpf/trace/requests.h
 * or bpf/events/requests.h.
 */
#ifndef GMEM_KERNEL_REQUEST_HOOKS_H
#define GMEM_KERNEL_REQUEST_HOOKS_H

#include "types.h"

/* Which requests are followed here; the others have tracepoints. */
const volatile bool fn_converts;
const volatile bool fn_binds;

static void begin_convert(bool asked, __u64 start, __u64 end, __u64 attributes);
static void classify_request(bool redundant);
static void end_convert(void *ctx, struct kvm *kvm, unsigned long arg, long ret);
static void begin_bind(struct kvm *kvm, struct kvm_memory_slot *slot, __u64 offset);
static void end_bind(void *ctx, struct kvm *kvm, unsigned long arg, long ret);

SEC("?fexit")
int BPF_PROG(gmem_f_ioctlret, struct file *filp, unsigned int cmd, unsigned long arg, long ret)
{
	if (cmd == KVM_SET_MEMORY_ATTRIBUTES && fn_converts)
		end_convert(ctx, filp->private_data, arg, ret);
	else if (cmd == KVM_SET_USER_MEMORY_REGION2 && fn_binds)
		end_bind(ctx, filp->private_data, arg, ret);
	return 0;
}

/* A conversion begins: a tracepoint of newer kernels, which knows neither the VM nor the result. */
SEC("?tp_btf/kvm_vm_set_mem_attributes")
int BPF_PROG(gmem_t_asked, unsigned long long start, unsigned long long end,
	     unsigned long attributes)
{
	begin_convert(true, start, end, attributes);
	return 0;
}

/* The same where there is no such tracepoint. */
SEC("?fentry")
int BPF_PROG(gmem_f_ioctl, struct file *filp, unsigned int cmd)
{
	if (cmd == KVM_SET_MEMORY_ATTRIBUTES)
		begin_convert(false, 0, 0, 0);
	return 0;
}

/* Through an instance, in kernels that keep attributes in its inode. */
SEC("?fentry")
int BPF_PROG(gmem_f_inplace, struct file *file, unsigned int cmd)
{
	if (cmd == KVM_SET_MEMORY_ATTRIBUTES2)
		begin_convert(false, 0, 0, 0);
	return 0;
}

/* Does the range have these attributes already? KVM asks once per conversion that is well-formed. */
SEC("?fexit")
int BPF_PROG(gmem_f_has_attr, struct kvm *kvm, unsigned long long start, unsigned long long end,
	     unsigned long mask, unsigned long attrs, unsigned char ret)
{
	/* A bool is the lowest byte, the rest of the register is anything. */
	classify_request(ret & 1);
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_f_bound, struct kvm *kvm, struct kvm_memory_slot *slot, unsigned int fd,
	     unsigned long long offset, int ret)
{
	if (!ret)
		begin_bind(kvm, slot, offset);
	return 0;
}

#endif /* GMEM_KERNEL_REQUEST_HOOKS_H */

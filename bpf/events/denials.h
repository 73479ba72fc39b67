/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The event deny: what a security module refused before KVM saw it. The programs have the names and
 * the targets of those of bpf/trace/denials.h. Included in gmem_events.bpf.c only.
 */
#ifndef GMEM_EVENTS_DENIALS_H
#define GMEM_EVENTS_DENIALS_H

#include "record.h"

/* @prot: PROT_*, negative: the operation has none. @size: 0: unknown, and so is the offset */
static __always_inline int emit_deny(void *ctx, struct file *file, __u32 operation, __u64 offset,
				     __u64 size, long prot, int ret)
{
	struct gmem_event_inst inst;
	struct gmem_event *e;

	inst_of(BPF_CORE_READ(file, f_inode), &inst);
	e = begin_event(ctx, GMEM_EV_deny, kvm_of(file), &inst, ret, 0);
	if (!e)
		return 0;
	e->deny.operation = operation;
	e->deny.offset = offset;
	e->deny.size = size;
	e->deny.prot = (__u64)prot & VM_ACCESS_FLAGS;
	if (!size) {
		UNKNOWN(e, deny, offset);
		UNKNOWN(e, deny, size);
	}
	if (prot < 0)
		UNKNOWN(e, deny, prot);
	end_event(e);
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_mmap, struct file *file, unsigned long prot, unsigned long flags, int ret)
{
	if (ret >= 0 || !file || !is_instance(file))
		return 0;
	return emit_deny(ctx, file, GMEM_REFUSED_mmap, 0, 0, prot, ret);
}

SEC("?fexit")
int BPF_PROG(gmem_d_mprotect, struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot,
	     int ret)
{
	struct file *file;

	if (ret >= 0)
		return 0;
	file = vma->vm_file;
	if (!file || !is_instance(file))
		return 0;
	return emit_deny(ctx, file, GMEM_REFUSED_mprotect, vma->vm_pgoff << PAGE_SHIFT,
			 vma->vm_end - vma->vm_start, prot, ret);
}

SEC("?fexit")
int BPF_PROG(gmem_d_receive, struct file *file, int ret)
{
	if (ret >= 0 || !is_instance(file))
		return 0;
	return emit_deny(ctx, file, GMEM_REFUSED_receive, 0, 0, -1, ret);
}

SEC("?fexit")
int BPF_PROG(gmem_d_alloc, struct file *file, int mode, long long offset, long long len, int ret)
{
	__u32 operation = mode & FALLOC_FL_PUNCH_HOLE ? GMEM_REFUSED_punch : GMEM_REFUSED_allocate;

	if ((ret != -EACCES && ret != -EPERM) || !is_instance(file))
		return 0;
	return emit_deny(ctx, file, operation, offset, len, -1, ret);
}

/* Of a VM, or any on an instance, as in bpf/trace/denials.h. */
static __noinline int emit_denied_ioctl(void *ctx, struct file *file, unsigned int cmd, int ret)
{
	__u32 operation = GMEM_REFUSED_convert;
	struct gmem_event_inst none = {};
	struct gmem_event *e;

	if (!file)
		return 0;
	if (is_instance(file))
		return emit_deny(ctx, file, operation, 0, 0, -1, ret);
	if ((cmd != KVM_SET_USER_MEMORY_REGION2 && cmd != KVM_SET_MEMORY_ATTRIBUTES) ||
	    !is_vm(file))
		return 0;
	if (cmd == KVM_SET_USER_MEMORY_REGION2)
		operation = GMEM_REFUSED_bind;
	e = begin_event(ctx, GMEM_EV_deny, BPF_CORE_READ(file, private_data), &none, ret, 0);
	if (!e)
		return 0;
	e->deny.operation = operation;
	UNKNOWN(e, deny, offset);
	UNKNOWN(e, deny, size);
	UNKNOWN(e, deny, prot);
	end_event(e);
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_ioctl, struct file *file, unsigned int cmd, unsigned long arg, int ret)
{
	return ret < 0 ? emit_denied_ioctl(ctx, file, cmd, ret) : 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_ioctl32, struct file *file, unsigned int cmd, unsigned long arg, int ret)
{
	return ret < 0 ? emit_denied_ioctl(ctx, file, cmd, ret) : 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_fault, struct vm_area_struct *vma, unsigned long pgoff,
	     unsigned int fault_flags, int ret)
{
	struct file *file = vma->vm_file;

	if (ret >= 0 || !file)
		return 0;
	return emit_deny(ctx, file, GMEM_REFUSED_fault, pgoff << PAGE_SHIFT, 1 << PAGE_SHIFT, -1,
			 ret);
}

#endif /* GMEM_EVENTS_DENIALS_H */

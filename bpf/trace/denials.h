/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests that a security module refused before KVM saw them, counted for the VM of the instance:
 * what a policy of gmemctl, SELinux or another module denies. Included in gmem_trace.bpf.c only.
 *
 * Creations, bindings and conversions that are denied fail in KVM, and are counted there.
 */
#ifndef GMEM_TRACE_DENIALS_H
#define GMEM_TRACE_DENIALS_H

#include "count.h"

/*
 * The programs run for every file of the host, and nearly always nothing was refused: they read the
 * result and leave. The rest is apart, so that they save no registers for it.
 */
static __noinline int count_denial(struct file *file, __u32 op, int ret)
{
	if (file && is_instance(file))
		count_vm_error(kvm_of(file), op, ret);
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_mmap, struct file *file, unsigned long prot, unsigned long flags, int ret)
{
	if (ret < 0)
		count_denial(file, GMEM_OP_mmap, ret);
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_mprotect, struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot,
	     int ret)
{
	if (ret < 0)
		count_denial(vma->vm_file, GMEM_OP_mmap, ret);
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_receive, struct file *file, int ret)
{
	if (ret < 0)
		count_denial(file, GMEM_OP_receive, ret);
	return 0;
}

/* security_file_permission() runs for every read and write, this function only for fallocate. */
SEC("?fexit")
int BPF_PROG(gmem_d_alloc, struct file *file, int mode, long long offset, long long len, int ret)
{
	__u32 op = mode & FALLOC_FL_PUNCH_HOLE ? GMEM_OP_punch : GMEM_OP_allocate;

	if (ret == -EACCES || ret == -EPERM)
		count_denial(file, op, ret);
	return 0;
}

/*
 * Where KVM has no hooks of its own a policy decides bindings and conversions by the number of the
 * ioctl; everywhere it decides every ioctl on an instance. What was asked for is in the memory of
 * the process, and may be anything.
 */
static __noinline int count_denied_ioctl(struct file *file, unsigned int cmd, unsigned long arg,
					 int ret)
{
	__u32 op = GMEM_OP_convert_other;
	struct attributes_abi attrs;
	bool vm;

	if (!file)
		return 0;
	vm = (cmd == KVM_SET_USER_MEMORY_REGION2 || cmd == KVM_SET_MEMORY_ATTRIBUTES) &&
	     is_vm(file);
	if (!vm && !is_instance(file))
		return 0;
	if (cmd == KVM_SET_USER_MEMORY_REGION2)
		op = GMEM_OP_bind;
	else if (vm && !bpf_probe_read_user(&attrs, sizeof(attrs), (void *)arg))
		op = GMEM_OP_convert_private + direction_of(attrs.attributes);
	count_vm_error(vm ? BPF_CORE_READ(file, private_data) : kvm_of(file), op, ret);
	return 0;
}

/* For every ioctl of the host: user space attaches them while a policy is enforced. */
SEC("?fexit")
int BPF_PROG(gmem_d_ioctl, struct file *file, unsigned int cmd, unsigned long arg, int ret)
{
	if (ret < 0)
		count_denied_ioctl(file, cmd, arg, ret);
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_ioctl32, struct file *file, unsigned int cmd, unsigned long arg, int ret)
{
	if (ret < 0)
		count_denied_ioctl(file, cmd, arg, ret);
	return 0;
}

static __noinline int count_denied_fault(struct file *file)
{
	struct gmem_inst *inst;

	if (!file)
		return 0;
	inst = get_inst(kvm_of(file), file->f_inode);
	if (inst)
		add(&inst->c[GMEM_INST_host_faults_denied], 1);
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_fault, struct vm_area_struct *vma, unsigned long pgoff,
	     unsigned int fault_flags, int ret)
{
	if (ret)
		count_denied_fault(vma->vm_file);
	return 0;
}

#endif /* GMEM_TRACE_DENIALS_H */

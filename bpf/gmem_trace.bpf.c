// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts what VMs do with guest_memfd, per VM and per instance, in maps that user space reads.
 *
 * Events come from the tracepoints of kernel-patches/ (tp_*) or from the entry and exit of KVM's
 * own functions (fn_*); user space loads the one or the other of each, see src/top/features.c. A
 * hot event touches one map entry. Nothing here changes what the kernel does; what cannot be
 * counted is counted as lost.
 */
#include "kernel/types.h"

#include "abi/trace.h"
#include "trace/count.h"
#include "trace/denials.h"
#include "trace/in_place.h"
#include "trace/requests.h"
#include "trace/snapshot.h"

char LICENSE[] SEC("license") = "GPL";

/* --- the tracepoints of kernel-patches/ --- */

SEC("?tp_btf/kvm_gmem_convert")
int BPF_PROG(gmem_t_convert, struct kvm *kvm, struct kvm_memory_attributes *attrs,
	     unsigned long nr_changed, __u64 duration, int ret)
{
	__u32 direction;

	if (!kvm || !attrs)
		return 0;
	direction = direction_of(attrs->attributes);
	if (ret || direction >= GMEM_DIRECTIONS)
		count_vm_error(kvm, GMEM_OP_convert_private + direction, ret);
	else
		count_conversion(kvm, kvm->userspace_pid, direction, attrs->address >> PAGE_SHIFT,
				 attrs->size >> PAGE_SHIFT, nr_changed, duration, false);
	return 0;
}

SEC("?tp_btf/kvm_gmem_create")
int BPF_PROG(gmem_t_create, struct kvm *kvm, struct inode *inode, long long size, __u64 flags,
	     int ret)
{
	count_create(kvm, inode, size, ret);
	return 0;
}

SEC("?tp_btf/kvm_gmem_release")
int BPF_PROG(gmem_t_release, struct kvm *kvm, struct inode *inode)
{
	if (inode)
		count_release(kvm, inode);
	return 0;
}

SEC("?tp_btf/kvm_gmem_bind")
int BPF_PROG(gmem_t_bind, struct kvm *kvm, struct inode *inode,
	     struct kvm_userspace_memory_region2 *mem, int ret)
{
	struct gmem_inst *inst;

	if (ret) {
		count_vm_error(kvm, GMEM_OP_bind, ret);
		return 0;
	}
	inst = get_inst(kvm, inode);
	if (inst && mem) {
		add(&inst->c[GMEM_INST_binds], 1);
		add(&inst->c[GMEM_INST_bound_pages], mem->memory_size >> PAGE_SHIFT);
	}
	return 0;
}

SEC("?tp_btf/kvm_gmem_unbind")
int BPF_PROG(gmem_t_unbind, struct kvm *kvm, struct inode *inode, struct kvm_memory_slot *slot)
{
	struct gmem_inst *inst = get_inst(kvm, inode);

	if (inst && slot) {
		add(&inst->c[GMEM_INST_unbinds], 1);
		add(&inst->c[GMEM_INST_unbound_pages], slot->npages);
	}
	return 0;
}

SEC("?tp_btf/kvm_gmem_allocate")
int BPF_PROG(gmem_t_allocate, struct kvm *kvm, struct inode *inode, int mode, long long offset,
	     long long len, unsigned long nr_pages, int ret)
{
	struct gmem_inst *inst;

	if (ret) {
		count_vm_error(kvm, mode & FALLOC_FL_PUNCH_HOLE ? GMEM_OP_punch : GMEM_OP_allocate,
			       ret);
		return 0;
	}
	inst = get_inst(kvm, inode);
	if (inst) {
		add(&inst->c[GMEM_INST_allocates], 1);
		add(&inst->c[GMEM_INST_allocated_pages], nr_pages);
	}
	return 0;
}

SEC("?tp_btf/kvm_gmem_invalidate")
int BPF_PROG(gmem_t_invalid, struct kvm *kvm, struct inode *inode, unsigned long start,
	     unsigned long end, unsigned long nr_pages, enum kvm_gmem_invalidate_reason reason)
{
	struct gmem_inst *inst;

	if (reason == KVM_GMEM_INVALIDATE_RELEASE)
		return 0;
	inst = get_inst(kvm, inode);
	if (!inst)
		return 0;
	if (reason == KVM_GMEM_INVALIDATE_ERROR) {
		add(&inst->c[GMEM_INST_memory_failures], 1);
	} else {
		add(&inst->c[GMEM_INST_punches], 1);
		add(&inst->c[GMEM_INST_punched_pages], nr_pages);
	}
	return 0;
}

SEC("?tp_btf/kvm_gmem_guest_fault")
int BPF_PROG(gmem_t_gfault, struct kvm *kvm, struct inode *inode, struct kvm_memory_slot *slot,
	     unsigned long long gfn, bool zeroed, int ret)
{
	__u64 *c;

	if (ret) {
		count_vm_error(kvm, GMEM_OP_guest_fault, ret);
		return 0;
	}
	c = fault_counters(kvm, inode);
	if (c) {
		add(&c[GMEM_INST_guest_faults], 1);
		if (zeroed)
			add(&c[GMEM_INST_first_touches], 1);
	}
	return 0;
}

SEC("?tp_btf/kvm_gmem_host_fault")
int BPF_PROG(gmem_t_hfault, struct kvm *kvm, struct inode *inode, struct vm_fault *vmf,
	     unsigned int ret)
{
	count_host_fault(fault_counters(kvm, inode), ret);
	return 0;
}

SEC("?tp_btf/kvm_gmem_mmap")
int BPF_PROG(gmem_t_mmap, struct kvm *kvm, struct inode *inode, struct vm_area_desc *desc, int ret)
{
	if (desc)
		count_mmap(kvm, inode, desc->end - desc->start, ret);
	return 0;
}

SEC("?tp_btf/kvm_gmem_populate")
int BPF_PROG(gmem_t_populate, struct kvm *kvm, struct inode *inode, unsigned long long gfn,
	     long npages, long ret)
{
	count_populate(kvm, ret);
	return 0;
}

/* --- KVM's own functions --- */

SEC("?fexit")
int BPF_PROG(gmem_f_create, struct kvm *kvm, struct kvm_create_guest_memfd *args, int ret)
{
	struct file *file = NULL;

	if (ret >= 0)
		file = file_of_fd(ret);
	/* Another thread may have closed it already: then it is seen when it is used. */
	count_create(kvm, file && is_instance(file) ? BPF_CORE_READ(file, f_inode) : NULL,
		     args->size, ret);
	return 0;
}

SEC("?fentry")
int BPF_PROG(gmem_f_release, struct inode *inode, struct file *file)
{
	count_unbound(inode);
	count_release(kvm_of(file), inode);
	return 0;
}

SEC("?fentry")
int BPF_PROG(gmem_f_unbind, struct kvm_memory_slot *slot)
{
	struct file *file = slot->gmem.file;
	struct gmem_inst *inst;

	/* Without a file the instance was released before, which ended the binding. */
	if (!file)
		return 0;
	inst = get_inst(kvm_of(file), file->f_inode);
	if (inst) {
		add(&inst->c[GMEM_INST_unbinds], 1);
		add(&inst->c[GMEM_INST_unbound_pages], slot->npages);
	}
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_f_allocate, struct file *file, int mode, long long offset, long long len,
	     long ret)
{
	bool punch = mode & FALLOC_FL_PUNCH_HOLE;
	struct kvm *kvm = kvm_of(file);
	struct gmem_inst *inst;

	if (ret) {
		count_vm_error(kvm, punch ? GMEM_OP_punch : GMEM_OP_allocate, ret);
		return 0;
	}
	inst = get_inst(kvm, file->f_inode);
	if (!inst)
		return 0;
	add(&inst->c[punch ? GMEM_INST_punches : GMEM_INST_allocates], 1);
	if (!punch)
		add(&inst->c[GMEM_INST_allocated_pages], len >> PAGE_SHIFT);
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_f_mmap, struct file *file, struct vm_area_struct *vma, int ret)
{
	count_mmap(kvm_of(file), file->f_inode, vma->vm_end - vma->vm_start, ret);
	return 0;
}

/* Its number of arguments differs between kernels: the result has to be asked for. */
SEC("?fexit")
int BPF_PROG(gmem_f_gfault, struct kvm *kvm, struct kvm_memory_slot *slot)
{
	struct file *file;
	__u64 result = 0, *c;
	int ret;

	bpf_get_func_ret(ctx, &result);
	ret = result;
	if (ret) {
		count_vm_error(kvm, GMEM_OP_guest_fault, ret);
		return 0;
	}
	file = slot->gmem.file;
	if (!file)
		return 0;
	c = fault_counters(kvm, file->f_inode);
	if (c)
		add(&c[GMEM_INST_guest_faults], 1);
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_f_hfault, struct vm_fault *vmf, unsigned int ret)
{
	struct file *file = vmf->vma->vm_file;

	count_host_fault(fault_counters_of(file), ret);
	return 0;
}

/* As above: 7.3 has one argument more. */
SEC("?fexit")
int BPF_PROG(gmem_f_populate, struct kvm *kvm)
{
	__u64 ret = 0;

	bpf_get_func_ret(ctx, &ret);
	count_populate(kvm, ret);
	return 0;
}

SEC("?fentry")
int BPF_PROG(gmem_f_memfail, struct address_space *mapping)
{
	struct gmem_inst_key key;
	struct gmem_inst *inst;

	inst_key(&key, mapping->host);
	inst = bpf_map_lookup_elem(&gmem_instances, &key);
	if (inst)
		add(&inst->c[GMEM_INST_memory_failures], 1);
	return 0;
}

SEC("?fentry")
int BPF_PROG(gmem_f_vm_end, struct kvm *kvm)
{
	end_vm(kvm);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A record in a ring buffer for every event of guest_memfd that passes the filters. An object of
 * its own, loaded only while somebody looks: gmem_trace.bpf.c counts, this one tells.
 *
 * The programs have the names and the sources of those of gmem_trace.bpf.c, so that one table
 * (src/top/features.c) chooses for both. Nothing here changes what the kernel does, and what cannot
 * be delivered is counted.
 */
#include "../kernel/types.h"

#include "../abi/events.h"
#include "record.h"
#include "bindings.h"
#include "denials.h"
#include "in_place.h"
#include "requests.h"

char LICENSE[] SEC("license") = "GPL";

/* --- events that both kinds of sources have --- */

static __always_inline int emit_create(void *ctx, struct kvm *kvm, struct inode *inode, __u64 size,
				       __u64 flags, int ret)
{
	struct gmem_event_inst inst;
	struct gmem_event *e;

	inst_of(inode, &inst);
	e = begin_event(ctx, GMEM_EV_create, kvm, &inst, ret < 0 ? ret : 0, 0);
	if (!e)
		return 0;
	e->create.size = size;
	e->create.flags = flags;
	e->create.fd = ret;
	if (ret < 0)
		UNKNOWN(e, create, fd);
	end_event(e);
	return 0;
}

static __always_inline int emit_release(void *ctx, struct kvm *kvm, struct inode *inode)
{
	struct gmem_event_inst inst;
	struct gmem_event *e;

	inst_of(inode, &inst);
	e = begin_event(ctx, GMEM_EV_release, kvm, &inst, 0, 0);
	if (!e)
		return 0;
	e->release.resident_pages = resident_pages_of(inode);
	end_event(e);
	return 0;
}

/* @pages: GMEM_UNKNOWN: the kernel does not tell. */
static __always_inline int emit_allocate(void *ctx, struct kvm *kvm, struct inode *inode, int mode,
					 __u64 offset, __u64 len, __u64 pages, int ret)
{
	struct gmem_event_inst inst;
	struct gmem_event *e;

	inst_of(inode, &inst);
	e = begin_event(ctx, GMEM_EV_allocate, kvm, &inst, ret, 0);
	if (!e)
		return 0;
	e->allocate.offset = offset;
	e->allocate.size = len;
	e->allocate.mode = (__u32)mode;
	e->allocate.pages = pages;
	if (pages == GMEM_UNKNOWN)
		UNKNOWN(e, allocate, pages);
	end_event(e);
	return 0;
}

/* @pages: GMEM_UNKNOWN: the kernel does not tell. */
static __always_inline int emit_punch(void *ctx, struct kvm *kvm, struct inode *inode, int mode,
				      __u64 offset, __u64 len, __u64 pages, int ret)
{
	struct gmem_event_inst inst;
	struct gmem_event *e;

	inst_of(inode, &inst);
	e = begin_event(ctx, GMEM_EV_punch, kvm, &inst, ret, 0);
	if (!e)
		return 0;
	e->punch.offset = offset;
	e->punch.size = len;
	e->punch.mode = (__u32)mode;
	e->punch.pages = pages;
	if (pages == GMEM_UNKNOWN)
		UNKNOWN(e, punch, pages);
	end_event(e);
	return 0;
}

/* @pages: 0: the kernel does not tell. */
static __always_inline int emit_invalidate(void *ctx, struct kvm *kvm, struct inode *inode,
					   __u64 start, __u64 pages, __u32 reason)
{
	struct gmem_event_inst inst;
	struct gmem_event *e;

	inst_of(inode, &inst);
	e = begin_event(ctx, GMEM_EV_invalidate, kvm, &inst, 0, 0);
	if (!e)
		return 0;
	e->invalidate.offset = start << PAGE_SHIFT;
	e->invalidate.size = reason == GMEM_REASON_RELEASE ? inst.size : pages << PAGE_SHIFT;
	e->invalidate.reason = reason;
	if (!pages)
		UNKNOWN(e, invalidate, size);
	end_event(e);
	return 0;
}

static __always_inline int emit_mmap(void *ctx, struct kvm *kvm, struct inode *inode, __u64 start,
				     __u64 end, __u64 pgoff, __u64 flags, int ret)
{
	struct gmem_event_inst inst;
	struct gmem_event *e;

	inst_of(inode, &inst);
	e = begin_event(ctx, GMEM_EV_mmap, kvm, &inst, ret, 0);
	if (!e)
		return 0;
	e->mmap.address = start;
	e->mmap.offset = pgoff << PAGE_SHIFT;
	e->mmap.size = end - start;
	e->mmap.prot = flags & VM_ACCESS_FLAGS;
	end_event(e);
	return 0;
}

static __always_inline int emit_host_fault(void *ctx, struct kvm *kvm, struct inode *inode,
					   struct vm_fault *vmf, __u32 result)
{
	struct gmem_event_inst inst;
	struct gmem_event *e;

	inst_of(inode, &inst);
	e = begin_event(ctx, GMEM_EV_host_fault, kvm, &inst, result & VM_FAULT_ERROR, 0);
	if (!e)
		return 0;
	e->host_fault.offset = BPF_CORE_READ(vmf, pgoff) << PAGE_SHIFT;
	e->host_fault.address = BPF_CORE_READ(vmf, address);
	e->host_fault.write = BPF_CORE_READ(vmf, flags) & FAULT_FLAG_WRITE;
	e->host_fault.result = result;
	end_event(e);
	return 0;
}

/* @first_touch: negative: the kernel does not tell. */
static __always_inline int emit_guest_fault(void *ctx, struct kvm *kvm, struct inode *inode,
					    struct kvm_memory_slot *slot, __u64 gfn,
					    int first_touch, int ret)
{
	struct gmem_event_inst inst;
	struct gmem_event *e;

	inst_of(inode, &inst);
	e = begin_event(ctx, GMEM_EV_guest_fault, kvm, &inst, ret, 0);
	if (!e)
		return 0;
	e->guest_fault.slot = slot_number(slot);
	e->guest_fault.gfn = gfn;
	e->guest_fault.offset =
		(gfn - BPF_CORE_READ(slot, base_gfn) + BPF_CORE_READ(slot, gmem.pgoff))
		<< PAGE_SHIFT;
	if (first_touch < 0)
		UNKNOWN(e, guest_fault, first_touch);
	else
		e->guest_fault.first_touch = first_touch;
	end_event(e);
	return 0;
}

static __always_inline int emit_populate(void *ctx, struct kvm *kvm, struct inode *inode, __u64 gfn,
					 __u64 pages, long ret)
{
	struct gmem_event_inst inst;
	struct gmem_event *e;

	inst_of(inode, &inst);
	e = begin_event(ctx, GMEM_EV_populate, kvm, &inst, ret < 0 ? ret : 0, 0);
	if (!e)
		return 0;
	e->populate.gfn = gfn;
	e->populate.pages = pages;
	e->populate.populated_pages = ret;
	if (ret < 0)
		UNKNOWN(e, populate, populated_pages);
	end_event(e);
	return 0;
}

/* --- the tracepoints of kernel-patches/ --- */

SEC("?tp_btf/kvm_gmem_convert")
int BPF_PROG(gmem_t_convert, struct kvm *kvm, struct kvm_memory_attributes *attrs,
	     unsigned long nr_changed, __u64 duration, int ret)
{
	struct gmem_event_inst none = {};
	struct gmem_event *e;

	if (!attrs)
		return 0;
	e = begin_event(ctx, GMEM_EV_convert, kvm, &none, ret, duration);
	if (!e)
		return 0;
	e->convert.start = attrs->address;
	e->convert.size = attrs->size;
	e->convert.attributes = attrs->attributes;
	e->convert.changed_pages = nr_changed;
	e->convert.duration_ns = duration;
	/* The tracepoint was switched on in the middle of it. */
	if (!duration)
		UNKNOWN(e, convert, duration_ns);
	end_event(e);
	return 0;
}

SEC("?tp_btf/kvm_gmem_create")
int BPF_PROG(gmem_t_create, struct kvm *kvm, struct inode *inode, long long size, __u64 flags,
	     int ret)
{
	return emit_create(ctx, kvm, inode, size, flags, ret);
}

SEC("?tp_btf/kvm_gmem_release")
int BPF_PROG(gmem_t_release, struct kvm *kvm, struct inode *inode)
{
	return inode ? emit_release(ctx, kvm, inode) : 0;
}

SEC("?tp_btf/kvm_gmem_bind")
int BPF_PROG(gmem_t_bind, struct kvm *kvm, struct inode *inode,
	     struct kvm_userspace_memory_region2 *mem, int ret)
{
	struct request done = {};

	if (!mem)
		return 0;
	done.slot = BPF_CORE_READ(mem, slot);
	done.gpa = BPF_CORE_READ(mem, guest_phys_addr);
	done.size = BPF_CORE_READ(mem, memory_size);
	done.offset = BPF_CORE_READ(mem, guest_memfd_offset);
	inst_of(inode, &done.inst);
	emit_bind(ctx, kvm, &done, ret);
	return 0;
}

SEC("?tp_btf/kvm_gmem_unbind")
int BPF_PROG(gmem_t_unbind, struct kvm *kvm, struct inode *inode, struct kvm_memory_slot *slot)
{
	return slot ? emit_unbind(ctx, kvm, inode, slot) : 0;
}

/* Fires for what asks for memory, and for everything that fails. */
SEC("?tp_btf/kvm_gmem_allocate")
int BPF_PROG(gmem_t_allocate, struct kvm *kvm, struct inode *inode, int mode, long long offset,
	     long long len, unsigned long nr_pages, int ret)
{
	if (mode & FALLOC_FL_PUNCH_HOLE)
		return emit_punch(ctx, kvm, inode, mode, offset, len, 0, ret);
	return emit_allocate(ctx, kvm, inode, mode, offset, len, nr_pages, ret);
}

SEC("?tp_btf/kvm_gmem_invalidate")
int BPF_PROG(gmem_t_invalid, struct kvm *kvm, struct inode *inode, unsigned long start,
	     unsigned long end, unsigned long nr_pages, enum kvm_gmem_invalidate_reason reason)
{
	if (reason == KVM_GMEM_INVALIDATE_PUNCH)
		return emit_punch(ctx, kvm, inode, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
				  (__u64)start << PAGE_SHIFT, (__u64)(end - start) << PAGE_SHIFT,
				  nr_pages, 0);
	return emit_invalidate(ctx, kvm, inode, start, end - start,
			       reason == KVM_GMEM_INVALIDATE_ERROR ? GMEM_REASON_ERROR
								   : GMEM_REASON_RELEASE);
}

SEC("?tp_btf/kvm_gmem_guest_fault")
int BPF_PROG(gmem_t_gfault, struct kvm *kvm, struct inode *inode, struct kvm_memory_slot *slot,
	     unsigned long long gfn, bool zeroed, int ret)
{
	return slot ? emit_guest_fault(ctx, kvm, inode, slot, gfn, zeroed, ret) : 0;
}

SEC("?tp_btf/kvm_gmem_host_fault")
int BPF_PROG(gmem_t_hfault, struct kvm *kvm, struct inode *inode, struct vm_fault *vmf,
	     unsigned int ret)
{
	return vmf ? emit_host_fault(ctx, kvm, inode, vmf, ret) : 0;
}

SEC("?tp_btf/kvm_gmem_mmap")
int BPF_PROG(gmem_t_mmap, struct kvm *kvm, struct inode *inode, struct vm_area_desc *desc, int ret)
{
	if (!desc)
		return 0;
	return emit_mmap(ctx, kvm, inode, BPF_CORE_READ(desc, start), BPF_CORE_READ(desc, end),
			 BPF_CORE_READ(desc, pgoff), BPF_CORE_READ(desc, vma_flags.__vma_flags[0]),
			 ret);
}

SEC("?tp_btf/kvm_gmem_populate")
int BPF_PROG(gmem_t_populate, struct kvm *kvm, struct inode *inode, unsigned long long gfn,
	     long npages, long ret)
{
	return emit_populate(ctx, kvm, inode, gfn, npages, ret);
}

/* --- KVM's own functions --- */

SEC("?fexit")
int BPF_PROG(gmem_f_create, struct kvm *kvm, struct kvm_create_guest_memfd *args, int ret)
{
	struct file *file = ret >= 0 ? file_of_fd(ret) : NULL;

	/* Another thread may have closed it already: then the event has no instance. */
	return emit_create(ctx, kvm,
			   file && is_instance(file) ? BPF_CORE_READ(file, f_inode) : NULL,
			   args->size, args->flags, ret);
}

/* The end of an instance ends its bindings and takes its memory away. */
SEC("?fentry")
int BPF_PROG(gmem_f_release, struct inode *inode, struct file *file)
{
	struct kvm *kvm = kvm_of(file);

	emit_unbinds(ctx, kvm, file);
	emit_invalidate(ctx, kvm, inode, 0, inode->i_size >> PAGE_SHIFT, GMEM_REASON_RELEASE);
	return emit_release(ctx, kvm, inode);
}

SEC("?fentry")
int BPF_PROG(gmem_f_unbind, struct kvm_memory_slot *slot)
{
	struct file *file = slot->gmem.file;

	/* Without a file the instance was released before, which ended the binding. */
	if (!file)
		return 0;
	/* A binding that failed at its last step never was one. */
	if (request_of((__u32)bpf_get_current_pid_tgid(), true))
		return 0;
	return emit_unbind(ctx, kvm_of(file), file->f_inode, slot);
}

SEC("?fexit")
int BPF_PROG(gmem_f_allocate, struct file *file, int mode, long long offset, long long len,
	     long ret)
{
	struct kvm *kvm = kvm_of(file);

	if (mode & FALLOC_FL_PUNCH_HOLE)
		return emit_punch(ctx, kvm, file->f_inode, mode, offset, len,
				  ret ? 0 : GMEM_UNKNOWN, ret);
	return emit_allocate(ctx, kvm, file->f_inode, mode, offset, len,
			     ret ? GMEM_UNKNOWN : (__u64)len >> PAGE_SHIFT, ret);
}

SEC("?fexit")
int BPF_PROG(gmem_f_mmap, struct file *file, struct vm_area_struct *vma, int ret)
{
	return emit_mmap(ctx, kvm_of(file), file->f_inode, vma->vm_start, vma->vm_end,
			 vma->vm_pgoff, vma->vm_flags, ret);
}

/* The number of arguments differs between kernels: the result has to be asked for. */
SEC("?fexit")
int BPF_PROG(gmem_f_gfault, struct kvm *kvm, struct kvm_memory_slot *slot, unsigned long long gfn)
{
	__u64 ret = 0;

	bpf_get_func_ret(ctx, &ret);
	return emit_guest_fault(ctx, kvm, BPF_CORE_READ(slot, gmem.file, f_inode), slot, gfn, -1,
				ret);
}

SEC("?fexit")
int BPF_PROG(gmem_f_hfault, struct vm_fault *vmf, unsigned int ret)
{
	struct file *file = vmf->vma->vm_file;

	return emit_host_fault(ctx, kvm_of(file), file->f_inode, vmf, ret);
}

SEC("?fexit")
int BPF_PROG(gmem_f_populate, struct kvm *kvm, unsigned long long gfn, void *src, long npages)
{
	__u64 ret = 0;

	bpf_get_func_ret(ctx, &ret);
	return emit_populate(ctx, kvm, NULL, gfn, npages, ret);
}

/* The first VM's view of an instance, which is the only one so far. */
static __always_inline struct kvm *first_kvm_of(struct inode *inode)
{
	struct list_head *entry;
	void *container;

	if (bpf_core_type_exists(struct gmem_inode)) {
		container = (void *)inode - bpf_core_field_offset(struct gmem_inode, vfs_inode);
		entry = BPF_CORE_READ((struct gmem_inode *)container, gmem_file_list.next);
		container = (void *)entry - bpf_core_field_offset(struct gmem_file, entry);
		return BPF_CORE_READ((struct gmem_file *)container, kvm);
	}
	if (!bpf_core_field_exists(struct address_space, i_private_list))
		return NULL;
	entry = BPF_CORE_READ(inode, i_mapping, i_private_list.next);
	container = (void *)entry - bpf_core_field_offset(struct kvm_gmem, entry);
	return BPF_CORE_READ((struct kvm_gmem *)container, kvm);
}

SEC("?fentry")
int BPF_PROG(gmem_f_memfail, struct address_space *mapping, struct folio *folio)
{
	struct inode *inode = BPF_CORE_READ(mapping, host);

	return emit_invalidate(ctx, first_kvm_of(inode), inode, BPF_CORE_READ(folio, index), 0,
			       GMEM_REASON_ERROR);
}

SEC("?fentry")
int BPF_PROG(gmem_f_vm_end, struct kvm *kvm)
{
	__u64 key = (__u64)kvm;

	bpf_map_delete_elem(&gmem_vms, &key);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which memory is behind an address of a VMM, and the file whose page cache has it. A page of a
 * file is in memory whether or not the VMM has it mapped: another process may have brought it
 * there, and MADV_DONTNEED leaves it.
 */
#ifndef GMEM_TRACE_BACKING_H
#define GMEM_TRACE_BACKING_H

#include "../abi/ledger.h"
#include "../abi/trace.h"
#include "../kernel/types.h"

#define TMPFS_MAGIC	0x01021994
#define HUGETLBFS_MAGIC 0x958458f6
#define S_IFMT_MASK	0170000
#define S_IFREG_BITS	0100000
#define VM_MAY_SHARE	0x80   /* VM_MAYSHARE: MAP_SHARED, also of a file opened for reading */
#define VM_DEVICE	0x4400 /* VM_PFNMAP, VM_IO: memory without pages */

struct bpf_iter_task_vma {
	__u64 __opaque[1];
} __attribute__((aligned(8)));

extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task,
				 __u64 address) __ksym __weak;
extern struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it) __ksym __weak;
extern void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it) __ksym __weak;

/* A range of addresses behind which is one mapping, or none. */
struct backing {
	__u64 address;
	__u64 pages;	     /* how many are asked for, and how many there are */
	struct xarray *tree; /* the page cache of its file, NULL: none to look at */
	__u64 pgoff;	     /* its first page in it */
	__u32 kind;	     /* enum gmem_backing */
	__u32 copies;	     /* a private mapping of a file */
};

static __always_inline __u32 backing_of_file(struct inode *host)
{
	unsigned long magic = BPF_CORE_READ(host, i_sb, s_magic);

	if (magic == HUGETLBFS_MAGIC)
		return GMEM_BACKING_hugetlb;
	if (magic == TMPFS_MAGIC)
		return GMEM_BACKING_shmem;
	if (magic == GUEST_MEMFD_MAGIC)
		return GMEM_BACKING_instance;
	if ((BPF_CORE_READ(host, i_mode) & S_IFMT_MASK) == S_IFREG_BITS)
		return GMEM_BACKING_file;
	return GMEM_BACKING_unknown;
}

static __always_inline void end_at(struct backing *backing, __u64 address)
{
	__u64 pages = (address - backing->address) >> PAGE_SHIFT;

	if (pages < backing->pages)
		backing->pages = pages;
}

/* @vma: the mapping that covers the address, or the first one above it; NULL: none is above it. */
static __always_inline void note_backing(struct backing *backing, struct vm_area_struct *vma)
{
	struct address_space *mapping;
	unsigned long flags;
	struct file *file;
	__u64 start;

	backing->kind = GMEM_BACKING_none;
	if (!vma)
		return;
	start = BPF_CORE_READ(vma, vm_start);
	if (start > backing->address) {
		end_at(backing, start);
		return;
	}
	end_at(backing, BPF_CORE_READ(vma, vm_end));
	flags = BPF_CORE_READ(vma, vm_flags);
	file = BPF_CORE_READ(vma, vm_file);
	if (flags & VM_DEVICE) {
		backing->kind = GMEM_BACKING_unknown;
		return;
	}
	if (!file) {
		backing->kind = GMEM_BACKING_anonymous;
		return;
	}
	mapping = BPF_CORE_READ(file, f_mapping);
	backing->kind = backing_of_file(BPF_CORE_READ(mapping, host));
	if (backing->kind >= GMEM_BACKING_none)
		return;
	backing->copies = !(flags & VM_MAY_SHARE);
	backing->tree = (void *)mapping + bpf_core_field_offset(struct address_space, i_pages);
	backing->pgoff = BPF_CORE_READ(vma, vm_pgoff) + ((backing->address - start) >> PAGE_SHIFT);
}

#endif /* GMEM_TRACE_BACKING_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What user space reads: the counted numbers, what exists, and what is bound, private and in
 * memory. Included by gmem_trace.bpf.c only.
 *
 * Iterators go through many things; a question (struct gmem_question) is about one VM, and user
 * space asks it by running the program. KVM's objects are read without its locks: what changes
 * meanwhile may be seen before or after, and memory that is no longer theirs is told by what it
 * should hold.
 */
#ifndef GMEM_TRACE_SNAPSHOT_H
#define GMEM_TRACE_SNAPSHOT_H

#include "count.h"

#include "../kernel/opaque.h"
#include "../kernel/memslots.h"
#include "backing.h"

static __always_inline bool inst_is_alive(const struct gmem_inst *inst)
{
	return inode_is((struct inode *)inst->inode, inst->ino, inst->dev);
}

/* What may change while a VM lives: its VMM's cgroup, and whether it has a VMM. */
static __always_inline void look_at_vmm(const struct gmem_vm *vm, struct gmem_live *live)
{
	const struct mm_struct *mm;

	live->cgroup = vm->cgroup;
	if (!bpf_rdonly_cast)
		return;
	/* The VM keeps the structure, not the memory that it describes. */
	mm = bpf_rdonly_cast((void *)vm->mm, bpf_core_type_id_kernel(struct mm_struct));
	live->vmm_gone = !mm->mm_users.counter;
	if (!live->vmm_gone && bpf_core_field_exists(mm->owner))
		live->cgroup = mm->owner->cgroups->dfl_cgrp->kn->id ?: vm->cgroup;
}

/* Do records of VMs have the heat map at their end? */
bool want_heat;

/* Each VM with its private pages as of now. */
SEC("iter/bpf_map_elem")
int gmem_dump_vms(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct gmem_vm *vm = ctx->value;
	struct gmem_live live;

	if (!vm)
		return 0;
	live.pages = vm->private_pages;
	live.alive = !vm->kvm || is_alive((struct kvm *)vm->kvm, vm->mm);
	live.cgroup = vm->cgroup;
	live.vmm_gone = 0;
	if (vm->kvm && live.alive) {
		live.pages = private_pages_of(vm, (struct kvm *)vm->kvm);
		look_at_vmm(vm, &live);
		/* What it was last stays known when it ends. */
		vm->cgroup = live.cgroup;
	}
	live.parts = (vm->error ? GMEM_PART_ERRORS : 0) | (want_heat ? GMEM_PART_HEAT : 0);
	bpf_seq_write(seq, &live, sizeof(live));
	bpf_seq_write(seq, vm, __builtin_offsetof(struct gmem_vm, err));
	if (live.parts & GMEM_PART_ERRORS)
		bpf_seq_write(seq, vm->err, sizeof(vm->err) + sizeof(vm->err_other));
	if (live.parts & GMEM_PART_HEAT)
		bpf_seq_write(seq, &vm->heat, sizeof(vm->heat));
	return 0;
}

/* Each instance with its resident pages as of now. */
SEC("iter/bpf_map_elem")
int gmem_dump_inst(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct gmem_inst *inst = ctx->value;
	struct gmem_live live;

	if (!inst)
		return 0;
	live.cgroup = live.vmm_gone = live.parts = 0;
	live.pages = inst->resident;
	live.alive = !inst->inode || inst_is_alive(inst);
	if (inst->inode && live.alive)
		live.pages = resident_pages_of((struct inode *)inst->inode);
	bpf_seq_write(seq, &live, sizeof(live));
	bpf_seq_write(seq, inst, sizeof(*inst));
	return 0;
}

/* --- who holds what --- */

/* Of all the files of a host next to none is interesting: most are told by one look. */
static __always_inline bool may_be_ours(struct file *file)
{
	__u64 magic = file->f_inode->i_sb->s_magic;

	return magic == GUEST_MEMFD_MAGIC || magic == ANON_INODE_FS_MAGIC;
}

static __always_inline void tell_holder(struct seq_file *seq, struct task_struct *task,
					struct inode *inode, __u32 hold, __u64 table, __u64 at)
{
	struct gmem_holder holder = {};

	holder.inst.ino = BPF_CORE_READ(inode, i_ino);
	holder.inst.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	holder.table = table;
	holder.at = at;
	holder.tgid = task->tgid;
	holder.hold = hold;
	BPF_CORE_READ_STR_INTO(&holder.comm, task, comm);
	bpf_seq_write(seq, &holder, sizeof(holder));
}

/*
 * The VMs and instances that are there already, through the files of all tasks. While the iterator
 * shows a file it holds it, so that the end of what it finds cannot have been before.
 */
SEC("iter/task_file")
int gmem_visit_fds(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct kvm *kvm;

	if (!file || !task || !may_be_ours(file))
		return 0;
	if (is_instance(file)) {
		kvm = kvm_of(file);
		if (kvm && get_vm_of(kvm, task))
			get_inst(kvm, file->f_inode);
		tell_holder(ctx->meta->seq, task, file->f_inode, GMEM_HOLD_FD, (__u64)task->files,
			    ctx->fd);
	} else if (is_vm(file)) {
		kvm = file->private_data;
		if (kvm)
			get_vm_of(kvm, task);
	}
	return 0;
}

/* The same through mappings, which outlive descriptors. */
SEC("iter/task_vma")
int gmem_visit_maps(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *task = ctx->task;
	struct file *file;
	struct kvm *kvm;

	if (!vma || !task)
		return 0;
	file = vma->vm_file;
	if (!file || !may_be_ours(file) || !is_instance(file))
		return 0;
	kvm = kvm_of(file);
	if (kvm && get_vm_of(kvm, task))
		get_inst(kvm, file->f_inode);
	tell_holder(ctx->meta->seq, task, file->f_inode, GMEM_HOLD_MAPPING, (__u64)task->mm,
		    vma->vm_start);
	return 0;
}

/* --- bindings --- */

static __always_inline bool is_bound_here(struct kvm *kvm, struct inode *inode, struct file *file,
					  __u64 *flags)
{
	struct gmem_inst_key key = {};
	struct gmem_inst *inst;

	key.ino = BPF_CORE_READ(inode, i_ino);
	key.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	inst = bpf_map_lookup_elem(&gmem_instances, &key);
	if (!inst || inst->inode != (__u64)inode || inst->kvm != (__u64)kvm)
		return false;
	*flags = inst->flags;
	return true;
}

/* --- pages --- */

/* Bit i of word n: page 64 * n + i of the question's range is private, or in memory. */
__u64 private_mask[GMEM_MAX_BLOCKS];
__u64 resident_mask[GMEM_MAX_BLOCKS];
__u64 backing_mask[GMEM_MAX_BLOCKS];
static __u64 leaf[64];

/*
 * 1 if this is what a page looks like in the tree, else 0. Without a branch, so that the verifier
 * need not follow 2^64 ways through a leaf. A value in a page cache is a page that was swapped out
 * or evicted.
 */
static __always_inline __u64 counts(__u64 entry, __u64 attributes)
{
	__u64 private = entry & entry >> 4; /* a value (bit 0) with KVM_MEMORY_ATTRIBUTE_PRIVATE */
	__u64 there = gmem_top_bit(entry | -entry) & ~entry;

	return ((private & attributes) | (there & ~attributes)) & 1;
}

/*
 * The pages of the leaf, a bit each. Both sums are made from the top down, so that the bit of a
 * slot costs one shift. Without branches, as above.
 */
static __always_inline __u64 private_in_leaf(void)
{
	__u64 mask = 0, bit;
	__u32 i;

#pragma unroll
	for (i = 0; i < 64; i++) {
		bit = (leaf[i] & leaf[i] >> 4) << 63; /* as counts() has it */
		GMEM_OPAQUE(bit);
		mask = mask >> 1 | bit;
	}
	return mask;
}

/*
 * The address of a folio has its highest bit set, and bit 0 of a value is set. A sibling is what
 * the slot before it is: the sum carries through a run of siblings if there is a folio before it.
 */
static __always_inline __u64 there_in_leaf(void)
{
	__u64 there = 0, siblings = 0, entry, bit;
	__u32 i;

#pragma unroll
	for (i = 0; i < 64; i++) {
		entry = leaf[i];
		bit = entry & ~entry << 63;
		GMEM_OPAQUE(bit);
		there = there >> 1 | bit;
		/* Bit 10: XA_RETRY_ENTRY and XA_ZERO_ENTRY, which are no siblings. */
		bit = (entry >> 1 & ~entry & ~(entry >> 10)) << 63;
		GMEM_OPAQUE(bit);
		siblings = siblings >> 1 | bit;
	}
	return there | (siblings & ~((there << 1 & siblings) + siblings));
}

/*
 * 64 entries of a tree, of which index is the first and a multiple of 64. @attributes: 1: which of
 * them are private; 0: which are there. Global, so that it is verified once.
 */
__noinline __u64 entries_at(__u64 address, __u64 index, __u64 attributes)
{
	struct xarray *tree = (void *)address;
	__u64 entry = (__u64)BPF_CORE_READ(tree, xa_head);
	struct xa_node *node = as_node(entry);
	__u32 shift, i;

	if (!node)
		return index ? 0 : counts(entry, attributes);
	shift = BPF_CORE_READ(node, shift);
	if (shift > 58 || index >> shift > 63)
		return 0;
	for (i = 0; i < 10 && shift; i++) {
		bpf_probe_read_kernel(&entry, sizeof(entry),
				      &node->slots[index >> (shift & 63) & 63]);
		if (is_sibling(entry))
			bpf_probe_read_kernel(&entry, sizeof(entry), &node->slots[entry >> 2 & 63]);
		node = as_node(entry);
		/* Nothing, or something large that takes the place of a whole subtree. */
		if (!node)
			return -counts(entry, attributes);
		shift = BPF_CORE_READ(node, shift);
	}
	if (shift || bpf_probe_read_kernel(leaf, sizeof(leaf), &node->slots[0]))
		return 0;
	return attributes ? private_in_leaf() : there_in_leaf();
}

/* The same from any index on. */
static __always_inline __u64 window(struct xarray *tree, __u64 index, __u64 attributes)
{
	__u32 by = index & 63;
	__u64 mask = entries_at((__u64)tree, index - by, attributes) >> by;

	if (by)
		mask |= entries_at((__u64)tree, index - by + 64, attributes) << (64 - by);
	return mask;
}

static long read_block(__u32 index, void *ctx)
{
	struct kvm *kvm = (struct kvm *)question.kvm;
	struct inode *inode = (struct inode *)question.inode;
	void *mapping = BPF_CORE_READ(inode, i_mapping);
	struct backing *backing = ctx;
	__u32 n = index & (GMEM_MAX_BLOCKS - 1);

	private_mask[n] = window((void *)kvm + bpf_core_field_offset(struct kvm, mem_attr_array),
				 question.gfn + 64ULL * index, 1);
	resident_mask[n] = window(mapping + bpf_core_field_offset(struct address_space, i_pages),
				  question.pgoff + 64ULL * index, 0);
	backing_mask[n] = 0;
	if (backing->tree)
		backing_mask[n] = window(backing->tree, backing->pgoff + 64ULL * index, 0);
	return 0;
}

static __always_inline void read_blocks(struct backing *backing)
{
	__u64 blocks = (question.pages + 63) / 64;

	if (blocks > GMEM_MAX_BLOCKS)
		return;
	bpf_rcu_read_lock();
	if (is_alive((struct kvm *)question.kvm, question.mm)) {
		bpf_loop(blocks, read_block, backing, 0);
		question.answered = 1;
	}
	bpf_rcu_read_unlock();
}

/* The file of a mapping is held as long as the iterator stands at it. */
static __always_inline void read_with_backing(struct task_struct *task)
{
	struct backing backing = { .address = question.userspace, .pages = question.pages };
	struct bpf_iter_task_vma it;

	/* A mapping that is being changed cannot be read: user space asks again. */
	if (!bpf_iter_task_vma_new(&it, task, backing.address)) {
		note_backing(&backing, bpf_iter_task_vma_next(&it));
		question.pages = backing.pages;
		question.kind = backing.kind;
		question.copies = backing.copies;
		read_blocks(&backing);
	}
	bpf_iter_task_vma_destroy(&it);
}

/* Reads question.pages pages, or fewer if it is asked for their backing too. */
SEC("?syscall")
int gmem_read_pages(void *ctx)
{
	struct backing nothing = {};
	struct task_struct *task;

	question.answered = 0;
	if (!question.tgid) {
		read_blocks(&nothing);
		return 0;
	}
	if (!bpf_task_from_pid || !bpf_task_release || !bpf_iter_task_vma_new)
		return 0;
	task = bpf_task_from_pid(question.tgid);
	if (!task)
		return 0;
	if ((__u64)BPF_CORE_READ(task, mm) == question.mm)
		read_with_backing(task);
	bpf_task_release(task);
	return 0;
}

#endif /* GMEM_TRACE_SNAPSHOT_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bindings of an instance that ends, on kernels without a tracepoint for them: KVM ends them
 * without a call for each, so the VM's memslots are searched for the file. Included by
 * bpf/events/gmem_events.bpf.c only.
 */
#ifndef GMEM_EVENTS_BINDINGS_H
#define GMEM_EVENTS_BINDINGS_H

#include "record.h"

#define SLOT_BUCKETS	128
#define SLOTS_IN_BUCKET 260 /* more than 32764 memslots by 128 buckets, in which numbers follow */

struct slot_walk {
	void *ctx; /* of the program */
	struct kvm *kvm;
	struct file *file;
	void *memslots; /* of one address space */
	void *node;	/* of the bucket's list */
	__u32 index;	/* which list node of a memslot is the one in force */
};

static __always_inline __u32 slot_number(struct kvm_memory_slot *slot)
{
	return (__u32)BPF_CORE_READ(slot, as_id) << 16 | (__u16)BPF_CORE_READ(slot, id);
}

static __always_inline int emit_unbind(void *ctx, struct kvm *kvm, struct inode *inode,
				       struct kvm_memory_slot *slot)
{
	struct gmem_event_inst inst;
	struct gmem_event *e;

	inst_of(inode, &inst);
	e = begin_event(ctx, GMEM_EV_unbind, kvm, &inst, 0, 0);
	if (!e)
		return 0;
	e->unbind.slot = slot_number(slot);
	e->unbind.gpa = BPF_CORE_READ(slot, base_gfn) << PAGE_SHIFT;
	e->unbind.size = BPF_CORE_READ(slot, npages) << PAGE_SHIFT;
	e->unbind.offset = BPF_CORE_READ(slot, gmem.pgoff) << PAGE_SHIFT;
	end_event(e);
	return 0;
}

static long visit_slot(__u32 i __attribute__((unused)), struct slot_walk *walk)
{
	struct kvm_memory_slot *slot;
	struct file *file = walk->file;

	if (!walk->node)
		return 1;
	slot = walk->node - bpf_core_field_offset(struct kvm_memory_slot, id_node) -
	       walk->index * bpf_core_type_size(struct hlist_node);
	if (BPF_CORE_READ(slot, gmem.file) == file)
		emit_unbind(walk->ctx, walk->kvm, BPF_CORE_READ(file, f_inode), slot);
	if (bpf_probe_read_kernel(&walk->node, sizeof(walk->node), walk->node))
		return 1;
	return 0;
}

static long visit_bucket(__u32 i, struct slot_walk *walk)
{
	void *bucket = walk->memslots + bpf_core_field_offset(struct kvm_memslots, id_hash) +
		       (i & (SLOT_BUCKETS - 1)) * bpf_core_type_size(struct hlist_head);

	if (bpf_probe_read_kernel(&walk->node, sizeof(walk->node), bucket) || !walk->node)
		return 0;
	bpf_loop(SLOTS_IN_BUCKET, visit_slot, walk, 0);
	return 0;
}

/* @file: of the instance that ends. */
static __always_inline void emit_unbinds(void *ctx, struct kvm *kvm, struct file *file)
{
	struct slot_walk walk = { .ctx = ctx, .kvm = kvm, .file = file };
	struct kvm_memslots *memslots = NULL;
	__u32 space, spaces = bpf_core_field_size(kvm->memslots) / sizeof(memslots);

	if (!(wanted & 1U << GMEM_EV_unbind) || !kvm)
		return;
	for (space = 0; space < 2 && space < spaces; space++) {
		bpf_probe_read_kernel(&memslots, sizeof(memslots),
				      (void *)kvm + bpf_core_field_offset(struct kvm, memslots) +
					      space * sizeof(memslots));
		if (!memslots)
			continue;
		walk.memslots = memslots;
		walk.index = BPF_CORE_READ(memslots, node_idx) & 1;
		bpf_loop(SLOT_BUCKETS, visit_bucket, &walk, 0);
	}
}

#endif /* GMEM_EVENTS_BINDINGS_H */

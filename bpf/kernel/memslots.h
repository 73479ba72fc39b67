/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which instances are bound to a VM: its memslots, read without KVM's locks. User space asks about
 * one VM by running list_bindings().
 */
#ifndef GMEM_KERNEL_MEMSLOTS_H
#define GMEM_KERNEL_MEMSLOTS_H

#include "../abi/trace.h"
#include "kvm.h"

/*
 * A memslot may be just going: is what it points to an instance of this VM still? Defined by the
 * includer. @flags: those of the instance, if it is
 */
static bool is_bound_here(struct kvm *kvm, struct inode *inode, struct file *file, __u64 *flags);

struct gmem_question question;
struct gmem_binding bindings[GMEM_MAX_BINDINGS];
__u32 nr_bindings;
static struct hlist_head buckets[GMEM_BUCKETS];

struct bucket_walk {
	struct kvm *kvm;
	__u64 at;    /* where the walk stands: a list node of a memslot, 0: at the next bucket */
	__u32 which; /* of a memslot's two list nodes is in force */
	__u32 done;
	__u32 failed;
};

static __always_inline void note_binding(struct bucket_walk *walk, struct kvm_memory_slot *slot)
{
	struct file *file = BPF_CORE_READ(slot, gmem.file);
	struct gmem_binding *b;
	struct inode *inode;
	__u64 flags;

	if (!file)
		return;
	inode = BPF_CORE_READ(file, f_inode);
	if (!is_bound_here(walk->kvm, inode, file, &flags))
		return;
	if (nr_bindings >= GMEM_MAX_BINDINGS) {
		walk->failed = 1;
		return;
	}
	b = &bindings[nr_bindings & (GMEM_MAX_BINDINGS - 1)];
	b->ino = BPF_CORE_READ(inode, i_ino);
	b->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	b->inode = (__u64)inode;
	b->gfn = BPF_CORE_READ(slot, base_gfn);
	b->pages = BPF_CORE_READ(slot, npages);
	b->pgoff = BPF_CORE_READ(slot, gmem.pgoff);
	b->userspace = BPF_CORE_READ(slot, userspace_addr);
	b->flags = flags;
	b->slot = BPF_CORE_READ(slot, id);
	b->space = question.space;
	nr_bindings++;
}

static long walk_slots(__u32 index, void *ctx)
{
	struct bucket_walk *walk = ctx;
	__u32 bucket = question.bucket;

	if (!walk->at) {
		/* Stop where the answer might not have room for the next one. */
		if (bucket >= GMEM_BUCKETS || nr_bindings > GMEM_MAX_BINDINGS - GMEM_PER_BUCKET) {
			walk->done = 1;
			return 1;
		}
		walk->at = (__u64)buckets[bucket & (GMEM_BUCKETS - 1)].first;
		question.bucket++;
		return 0;
	}
	note_binding(walk, (void *)walk->at -
				   bpf_core_field_offset(struct kvm_memory_slot, id_node) -
				   walk->which * bpf_core_type_size(struct hlist_node));
	return bpf_probe_read_kernel(&walk->at, sizeof(walk->at), (void *)walk->at) != 0;
}

/* One run tells of one address space, from a bucket on; question.bucket says how far it came. */
SEC("?raw_tp")
int gmem_bindings(void *ctx)
{
	struct kvm *kvm = (struct kvm *)question.kvm;
	struct bucket_walk walk = { .kvm = kvm };
	struct kvm_memslots *slots = NULL;
	__u64 generation;

	nr_bindings = 0;
	question.answered = 0;
	if (!is_alive(kvm, question.mm))
		return 0;
	question.spaces = bpf_core_field_size(kvm->memslots) / sizeof(slots);
	if (question.space >= question.spaces)
		return 0;
	bpf_probe_read_kernel(&slots, sizeof(slots),
			      (void *)kvm + bpf_core_field_offset(struct kvm, memslots) +
				      question.space * sizeof(slots));
	walk.which = BPF_CORE_READ(slots, node_idx) & 1;
	generation = BPF_CORE_READ(slots, generation);
	if (!slots || bpf_probe_read_kernel(
			      buckets, sizeof(buckets),
			      (void *)slots + bpf_core_field_offset(struct kvm_memslots, id_hash)))
		return 0;
	bpf_loop(GMEM_BUCKETS + GMEM_MAX_SLOTS, walk_slots, &walk, 0);
	/* If the set in force was replaced, half of this is old. */
	if (walk.done && !walk.failed && generation == BPF_CORE_READ(slots, generation))
		question.answered = 1;
	return 0;
}

#endif /* GMEM_KERNEL_MEMSLOTS_H */

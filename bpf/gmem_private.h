/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many pages of a VM are private: KVM's own statistic says it, or its attributes are counted.
 * Included by gmem_count.h only.
 *
 * KVM keeps the attributes in a tree with a value for each page that has any. A leaf knows how many
 * values it has, so that one step counts 4096 pages. That each value means "private" is for user
 * space to find out, who sets count_private then.
 */
#ifndef GMEM_PRIVATE_H
#define GMEM_PRIVATE_H

#define LEAF_SHIFT    6 /* of the nodes above the leaves */
#define PRIVATE_STEPS 131072

/* KVM has no statistic: count. */
const volatile bool count_private;
/* Conversions are counted, so that what nobody converted since need not be counted anew. */
const volatile bool sees_conversions;

extern void *bpf_rdonly_cast(const void *obj, __u32 type) __ksym __weak;

/* A load from it is one instruction; where there is no such node it reads 0. */
#define NODE(pointer) \
	((struct xa_node *)bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(struct xa_node)))

/* How the kernel's trees mark their inner nodes, include/linux/xarray.h. */
static __always_inline struct xa_node *as_node(__u64 entry)
{
	return (entry & 3) == 2 && entry > 4096 ? (struct xa_node *)(entry - 2) : NULL;
}

struct private_walk {
	struct xa_node *head;
	__u64 index; /* of the next page */
	__u64 pages;
	__u64 done;
};

/*
 * The first page behind an empty slot of a node. Without a branch, so that the verifier need not
 * follow 2^64 ways through the node.
 */
static __always_inline __u64 next_used(const struct xa_node *known, __u64 index, __u32 shift)
{
	__u64 at = index >> shift, used = 0, entry, negative;
	__u32 slot;

	for (slot = 0; slot < 64; slot++) {
		entry = (__u64)known->slots[slot];
		/* For the verifier the entry is a pointer, its negative a number. */
		negative = -entry;
		barrier_var(negative);
		entry = -negative;
		/* Or the compiler makes it a branch again. */
		barrier_var(entry);
		used |= (entry | negative) >> 63 << slot;
	}
	used = used >> (at & 63) & ~1ULL;
	if (!used)
		return ((at | 63) + 1) << shift;
	/* Halves that are empty; clang has nothing for it. */
	for (slot = 32; slot; slot >>= 1) {
		if (used << (64 - slot))
			continue;
		used >>= slot;
		at += slot;
	}
	return at << shift;
}

/* Return: 1 at the end, else 0. */
static long count_node(__u32 i, struct private_walk *walk)
{
	struct xa_node *node = walk->head, *known = NODE(node);
	__u32 shift = known->shift, level, slot;
	__u64 entry;

	if (shift > 58 || walk->index >> shift > 63)
		goto done;
	for (level = 0; level < 10 && shift > LEAF_SHIFT; level++) {
		if (bpf_probe_read_kernel(&entry, sizeof(entry),
					  &node->slots[walk->index >> (shift & 63) & 63]))
			goto done;
		node = as_node(entry);
		if (!node) {
			walk->index = next_used(known, walk->index, shift & 63);
			return 0;
		}
		known = NODE(node);
		shift = known->shift;
	}
	if (shift != LEAF_SHIFT) {
		walk->pages += known->nr_values;
		goto done;
	}
	for (slot = 0; slot < 64; slot++) {
		entry = (__u64)known->slots[slot];
		node = as_node(entry);
		if (node)
			walk->pages += NODE(node)->nr_values;
	}
	walk->index = (walk->index | 4095) + 1;
	return 0;
done:
	walk->done = 1;
	return 1;
}

/* Return: GMEM_UNKNOWN if they are too many. */
static __noinline __u64 count_private_pages(struct kvm *kvm)
{
	__u64 entry = (__u64)BPF_CORE_READ(kvm, mem_attr_array.xa_head);
	struct private_walk walk = { .head = as_node(entry) };

	if (!bpf_rdonly_cast)
		return GMEM_UNKNOWN;
	/* The only page may be the first one. */
	if (!walk.head)
		return entry & 1;
	bpf_loop(PRIVATE_STEPS, count_node, &walk, 0);
	return walk.done ? walk.pages : GMEM_UNKNOWN;
}

/* 0 is never; conversions that nobody could read may have been of this VM. */
static __always_inline __u64 conversions_of(const struct gmem_vm *vm)
{
	const struct gmem_hot_vm *hot = &hot_vms[(vm->hot - 1) & (GMEM_HOT_VMS - 1)];
	__u64 n = 1 + lost[GMEM_LOST_unread] + lost[GMEM_LOST_untracked] +
		  vm->c[GMEM_VM_to_private] + vm->c[GMEM_VM_to_shared];

	if (vm->hot && hot->kvm == vm->kvm)
		n += hot->c[GMEM_VM_to_private] + hot->c[GMEM_VM_to_shared];
	return n;
}

/**
 * private_pages_of - the private pages of a VM as of now
 * @vm: its entry, in which the number is kept
 * @kvm: the VM
 *
 * A conversion that is on its way is in the number in part; when it is over it is counted anew.
 * Return: GMEM_UNKNOWN where the kernel does not say.
 */
static __always_inline __u64 private_pages_of(struct gmem_vm *vm, struct kvm *kvm)
{
	__u64 now;

	if (bpf_core_field_exists(kvm->stat.generic.private_pages))
		return BPF_CORE_READ(kvm, stat.generic.private_pages);
	if (!count_private)
		return GMEM_UNKNOWN;
	now = conversions_of(vm);
	if (!sees_conversions || vm->private_at != now) {
		vm->private_pages = count_private_pages(kvm);
		vm->private_at = now;
	}
	return vm->private_pages;
}

#endif /* GMEM_PRIVATE_H */

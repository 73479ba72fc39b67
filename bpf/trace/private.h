/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many pages of a VM are private: KVM's own statistic says it, or its attributes are counted.
 * Included by bpf/trace/count.h only.
 *
 * KVM keeps the attributes in a tree with a value for each page that has any. A leaf knows how many
 * values it has, so that one step counts 4096 pages. That each value means "private" is for user
 * space to find out, who sets count_private then.
 */
#ifndef GMEM_TRACE_PRIVATE_H
#define GMEM_TRACE_PRIVATE_H

#include "maps.h"
#include "xarray.h"

#include "../kernel/opaque.h"

#define LEAF_SHIFT     6 /* of the nodes above the leaves */
#define PRIVATE_LEVELS 8 /* of such nodes and above: 2^54 pages, more than any guest has */
#define PRIVATE_STEPS  131072

/* KVM has no statistic: count. */
const volatile bool count_private;
/* Conversions are counted, so that what nobody converted since need not be counted anew. */
const volatile bool sees_conversions;

extern void *bpf_rdonly_cast(const void *obj, __u32 type) __ksym __weak;

/* Where there is no such memory it reads 0. A load costs some ten instructions of the processor. */
#define NODE(pointer) \
	((struct xa_node *)bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(struct xa_node)))

/* Behind so many slots of a node it is looked whether all that are used were among them. */
#define SLOTS_AT_ONCE 8

/* Level 0 is the nodes above the leaves, which are done with as soon as they are found. */
struct private_walk {
	struct xa_node *node[PRIVATE_LEVELS];
	__u64 left[PRIVATE_LEVELS]; /* slots of it that are still to be visited */
	__u64 pages;
	__u32 level, top;
};

/*
 * 1 for a slot that is used, else 0. Without a branch, so that the verifier need not follow 2^64
 * ways through a node.
 */
static __always_inline __u64 is_used(__u64 entry)
{
	/* For the verifier the entry is a pointer, its negative a number. */
	__u64 negative = -entry;

	GMEM_OPAQUE(negative);
	entry = -negative;
	return gmem_top_bit(entry | negative);
}

/*
 * The next two are not static: such a function the verifier follows once, and not from every place
 * that calls it.
 */

/* A bit for each slot of a node that is used. */
__noinline __u64 used_slots(__u64 node)
{
	const struct xa_node *known = NODE((void *)node);
	__u64 used = 0, seen = 0, bit;
	__u32 first, slot;

	for (first = 0; first < 64; first += SLOTS_AT_ONCE) {
#pragma unroll
		for (slot = first; slot < first + SLOTS_AT_ONCE; slot++) {
			bit = is_used((__u64)known->slots[slot]);
			used |= bit << slot;
			seen += bit;
		}
		if (seen >= known->count)
			break;
	}
	return used;
}

/* All values of the leaves below a node of level 0. What is no leaf has none. */
__noinline __u64 count_leaves(__u64 node)
{
	const struct xa_node *known = NODE((void *)node);
	__u64 pages = 0, seen = 0, entry;
	__u32 first, slot;

	for (first = 0; first < 64; first += SLOTS_AT_ONCE) {
#pragma unroll
		for (slot = first; slot < first + SLOTS_AT_ONCE; slot++) {
			entry = (__u64)known->slots[slot];
			pages += NODE((void *)(entry - 2))->nr_values;
			seen += is_used(entry);
		}
		if (seen >= known->count)
			break;
	}
	return pages;
}

/* One node further. Return: 1 at the end, else 0. */
static long count_node(__u32 i, struct private_walk *walk)
{
	__u32 level = walk->level, slot;
	__u64 left, entry;
	struct xa_node *node;

	if (level > walk->top || level >= PRIVATE_LEVELS)
		return 1;
	left = walk->left[level];
	if (!left) {
		walk->level = level + 1;
		return 0;
	}
	walk->left[level] = left & (left - 1);
	/* The lowest of them: so many bits are below it. clang has nothing that finds it at once. */
	left = ~left & (left - 1);
	barrier_var(left);
	slot = __builtin_popcountll(left);
	if (bpf_probe_read_kernel(&entry, sizeof(entry), &walk->node[level]->slots[slot & 63]))
		return 0;
	node = as_node(entry);
	if (!node)
		return 0;
	if (level <= 1) {
		walk->pages += count_leaves((__u64)node);
		return 0;
	}
	level--;
	walk->node[level] = node;
	walk->left[level] = used_slots((__u64)node);
	walk->level = level;
	return 0;
}

/* Return: GMEM_UNKNOWN if they are too many. */
static __noinline __u64 count_private_pages(struct kvm *kvm)
{
	__u64 entry = (__u64)BPF_CORE_READ(kvm, mem_attr_array.xa_head);
	struct xa_node *root = as_node(entry);
	struct private_walk walk = {};
	__u32 shift;

	if (!bpf_rdonly_cast)
		return GMEM_UNKNOWN;
	/* The only page may be the first one. */
	if (!root)
		return entry & 1;
	shift = NODE(root)->shift;
	if (!shift)
		return NODE(root)->nr_values;
	if (shift == LEAF_SHIFT)
		return count_leaves((__u64)root);
	walk.top = walk.level = shift / LEAF_SHIFT - 1;
	if (walk.top >= PRIVATE_LEVELS)
		return GMEM_UNKNOWN;
	walk.node[walk.level] = root;
	walk.left[walk.level] = used_slots((__u64)root);
	bpf_loop(PRIVATE_STEPS, count_node, &walk, 0);
	return walk.level > walk.top ? walk.pages : GMEM_UNKNOWN;
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

#endif /* GMEM_TRACE_PRIVATE_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Labels of instances: which instances belong to a policy. Included by gmem_policy.bpf.c only.
 *
 * An instance gets its label when it is created under a policy, or from `gmemctl load --adopt`.
 * Everything else existed before the policy, wherever it is held, and every operation on it is
 * denied: nothing has to be found, counted or ordered for that.
 *
 * A label is an entry of a hash by the address of the inode, and in the kernel's inode storage
 * where that hash is full: the storage has no limit, but costs four times as much. The entries of
 * the hash are never removed while a policy is in force. That is safe: an instance without a label
 * has kept its address since before the policy, so that no other instance got a label there. The
 * address of an instance that has ended can only be taken by one that gets a label as well, unless
 * no policy is in force: then the entry is removed, see forget_label().
 */
#ifndef GMEM_POLICY_LABELS_H
#define GMEM_POLICY_LABELS_H

#include "maps.h"

/* @cache: of the current task, or NULL: remembers the instance */
static __noinline bool has_label(struct inode *inode, __u64 word, struct gmem_decision_cache *cache)
{
	const struct gmem_label *label;
	__u64 key = (__u64)inode;

	label = bpf_map_lookup_elem(&gmem_labels, &key);
	if (!label)
		label = bpf_inode_storage_get(&gmem_label_more, inode, NULL, 0);
	if (!label)
		return false;
	if (label->denied)
		return !GMEM_ACTIVE_ENFORCES(word);
	if (cache)
		cache->instance = key;
	return true;
}

/* @inode: of the instance; NULL: the request is about a VM */
static __always_inline bool is_labelled(struct inode *inode, __u64 word,
					struct gmem_decision_cache *cache)
{
	return !inode || (cache && cache->instance == (__u64)inode) ||
	       has_label(inode, word, cache);
}

/*
 * Label a new instance. @denied: in audit mode, that the policy denies its creation
 *
 * Return: whether there was memory; without a label the instance must not be created.
 */
static __noinline bool add_label(struct inode *inode, bool denied)
{
	struct gmem_label label = { .denied = denied }, *old;
	__u64 key = (__u64)inode;

	old = bpf_map_lookup_elem(&gmem_labels, &key);
	if (old) {
		old->denied = denied;
		return true;
	}
	if (!bpf_map_update_elem(&gmem_labels, &key, &label, BPF_ANY))
		return true;
	return bpf_inode_storage_get(&gmem_label_more, inode, &label,
				     BPF_LOCAL_STORAGE_GET_F_CREATE);
}

/* A new instance while no policy is in force. */
static __always_inline void forget_label(struct inode *inode)
{
	__u64 key = (__u64)inode;

	bpf_map_delete_elem(&gmem_labels, &key);
}

#endif /* GMEM_POLICY_LABELS_H */

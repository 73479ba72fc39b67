/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Access to what is stored for tasks: the tag of a process and the decision cache of a task, see
 * bpf/abi/policy_maps.h. Included by the objects of policy/ and lock/ only.
 */
#ifndef GMEM_POLICY_TAG_H
#define GMEM_POLICY_TAG_H

#include "maps.h"

/* The tag of the task's process; NULL: it has none. Sleepable programs need bpf_rcu_read_lock(). */
static __always_inline struct gmem_tag *tag_of(struct task_struct *task)
{
	return bpf_task_storage_get(&gmem_tags, task->group_leader, NULL, 0);
}

/* The same; NULL also if the process must not be identified by it. */
static __always_inline struct gmem_tag *identity_of(struct task_struct *task)
{
	struct gmem_tag *tag = tag_of(task);

	return tag && !(tag->flags & GMEM_TAG_TRACED) ? tag : NULL;
}

static __always_inline void count_no_memory(void)
{
	struct gmem_journal *log;
	__u32 zero = 0;

	log = bpf_map_lookup_elem(&gmem_journal, &zero);
	if (log)
		__sync_fetch_and_add(&log->no_memory, 1);
}

static __always_inline struct gmem_decision_cache *cache_of(struct task_struct *task, __u64 flags)
{
	return bpf_task_storage_get(&gmem_caches, task, NULL, flags);
}

#endif /* GMEM_POLICY_TAG_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps of a policy, shared by gmem_policy.bpf.c and gmem_lock.bpf.c, and what user space found
 * out about the kernel before it loads their programs.
 */
#ifndef GMEM_POLICY_MAPS_H
#define GMEM_POLICY_MAPS_H

#include "../abi/policy_maps.h"
#include "../kernel/policy_types.h"

/* What user space found out about this kernel. */
const volatile bool knows_kvm;	/* KVM's types are known, so that its objects can be read */
const volatile bool has_verity; /* bpf_get_fsverity_digest() */
const volatile bool has_task_from_pid;

const volatile struct gmem_build gmem_build SEC(GMEM_BUILD_MAP);

extern int bpf_get_fsverity_digest(struct file *file, struct bpf_dynptr *digest) __ksym __weak;
extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

#define ARRAY_MAP_WITH(flags, name, entries, value_type) \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_ARRAY);        \
		__uint(map_flags, flags);                \
		__uint(max_entries, entries);            \
		__type(key, __u32);                      \
		__type(value, value_type);               \
	} name SEC(".maps")

#define ARRAY_MAP(...) ARRAY_MAP_WITH(BPF_F_MMAPABLE, __VA_ARGS__)

#define HASH_MAP(name, entries, key_type, value_type) \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_HASH);      \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__uint(max_entries, entries);         \
		__type(key, key_type);                \
		__type(value, value_type);            \
	} name SEC(".maps")

/*
 * No program writes to these, and the verifier sees to it. The kernel allows no writable mapping of
 * such a map, so the arrays that gmemctl fills by a mapping (`active` and the slots, which have to
 * change by single stores in a certain order) cannot have the flag.
 */
#define READ_ONLY_ARRAY(...) ARRAY_MAP_WITH(BPF_F_MMAPABLE | BPF_F_RDONLY_PROG, __VA_ARGS__)

#define READ_ONLY_HASH(name, entries, key_type, value_type)               \
	struct {                                                          \
		__uint(type, BPF_MAP_TYPE_HASH);                          \
		__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG); \
		__uint(max_entries, entries);                             \
		__type(key, key_type);                                    \
		__type(value, value_type);                                \
	} name SEC(".maps")

#define HITS_MAP(name, entries)                          \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
		__uint(max_entries, entries);            \
		__type(key, __u32);                      \
		__type(value, struct gmem_hits);         \
	} name SEC(".maps")

#define STORAGE_MAP(name, kind, value_type)           \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_##kind);    \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__type(key, int);                     \
		__type(value, value_type);            \
	} name SEC(".maps")

ARRAY_MAP(gmem_active, 1, __u64);
ARRAY_MAP(gmem_slots, GMEM_SLOTS, struct gmem_slot);
ARRAY_MAP(gmem_heads, GMEM_SLOTS, struct gmem_head);
ARRAY_MAP(gmem_pool, GMEM_SLOTS *GMEM_POOL_MAX, struct gmem_set);
ARRAY_MAP(gmem_journal, 1, struct gmem_journal);
ARRAY_MAP(gmem_loads, 1, struct gmem_loads);
READ_ONLY_HASH(gmem_exes, GMEM_SLOTS * 2 * GMEM_MAX_SUBJECTS, struct gmem_identity, __u32);
READ_ONLY_HASH(gmem_uids, GMEM_SLOTS *GMEM_MAX_UIDS, struct gmem_uid_key, __u32);
READ_ONLY_HASH(gmem_cgroups, GMEM_SLOTS *GMEM_MAX_SUBJECTS, struct gmem_cgroup_key, __u32);
HASH_MAP(gmem_labels, GMEM_MAX_LABELS, __u64, struct gmem_label);
STORAGE_MAP(gmem_label_more, INODE_STORAGE, struct gmem_label);
HITS_MAP(gmem_rule_hits, GMEM_SLOTS *GMEM_RULE_MAX);
HITS_MAP(gmem_op_hits, GMEM_DO_MAX);
HITS_MAP(gmem_guard_hits, GMEM_GUARD_MAX);
STORAGE_MAP(gmem_tags, TASK_STORAGE, struct gmem_tag);
STORAGE_MAP(gmem_caches, TASK_STORAGE, struct gmem_decision_cache);
STORAGE_MAP(gmem_others, TASK_STORAGE, struct gmem_work);  /* of who works for another */
STORAGE_MAP(gmem_proofs, TASK_STORAGE, struct gmem_proof); /* of children that prove a load */
READ_ONLY_ARRAY(gmem_locked, 1, struct gmem_lock);
READ_ONLY_HASH(gmem_locked_ids, GMEM_LOCK_ENTRIES, struct gmem_locked_key, __u32);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} gmem_denials SEC(".maps");

#endif /* GMEM_POLICY_MAPS_H */

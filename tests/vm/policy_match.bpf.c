// SPDX-License-Identifier: GPL-2.0-only
/*
 * The matcher alone, as it runs in the kernel: what would the policy in a slot decide, if the
 * current task asked for this? Tests run it with requests that nobody can make at will.
 */
#include <stdbool.h>

#include "../../bpf/kernel/types.h"
#include "../../bpf/kernel/policy_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "../../bpf/abi/policy_maps.h"

char LICENSE[] SEC("license") = "GPL";

/* The policy's own maps are put in the place of these. */
#define OWN_MAP(name, kind, flags, key_type, value_type) \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_##kind);       \
		__uint(map_flags, flags);                \
		__uint(max_entries, 1);                  \
		__type(key, key_type);                   \
		__type(value, value_type);               \
	} name SEC(".maps")

OWN_MAP(heads, ARRAY, BPF_F_MMAPABLE, __u32, struct gmem_head);
OWN_MAP(pool, ARRAY, BPF_F_MMAPABLE, __u32, struct gmem_set);
OWN_MAP(exes, HASH, BPF_F_NO_PREALLOC, struct gmem_identity, __u32);
OWN_MAP(uids, HASH, BPF_F_NO_PREALLOC, struct gmem_uid_key, __u32);
OWN_MAP(cgroups, HASH, BPF_F_NO_PREALLOC, struct gmem_cgroup_key, __u32);

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct gmem_tag);
} tags SEC(".maps");

#include "../../bpf/policy/subject.h"

struct gmem_request request;
struct gmem_decision decision;
__u32 slot;
__u32 answered;

/* A function of its own, for which there is another stack than that of resolve(). */
static __noinline int decide(const struct gmem_head *head, const struct gmem_set *mine)
{
	decision = gmem_decide(head, pool_of(slot), mine, &request);
	return 0;
}

SEC("raw_tp")
int match(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct gmem_tag *tag = bpf_task_storage_get(&tags, task, NULL, 0);
	const struct gmem_head *head;
	__u32 at = slot, uid;

	answered = 0;
	head = bpf_map_lookup_elem(&heads, &at);
	if (!tag || !head)
		return 0;
	uid = BPF_CORE_READ((struct task_struct___policy *)task, cred, euid.val);
	if (resolve(tag, &tag->work, at, uid, cgroup_at(task)))
		return 0;
	decide(head, &tag->work.mine);
	answered = 1;
	return 0;
}

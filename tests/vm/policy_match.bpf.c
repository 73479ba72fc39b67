// SPDX-License-Identifier: GPL-2.0-only
/*
 * The matcher alone, as it runs in the kernel: what would the policy in a slot decide, if the
 * current task asked for this? Tests run it with requests that nobody can make at will, on the maps
 * of the policy that is in force.
 */
#include "../../bpf/policy/subject.h"

char LICENSE[] SEC("license") = "GPL";

struct gmem_work work;
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
	struct gmem_tag *tag = bpf_task_storage_get(&gmem_tags, task, NULL, 0);
	const struct gmem_head *head;
	__u32 at = slot, uid;

	answered = 0;
	head = bpf_map_lookup_elem(&gmem_heads, &at);
	if (!tag || !head)
		return 0;
	uid = BPF_CORE_READ((struct task_struct___policy *)task, cred, euid.val);
	if (resolve(tag, &work, GMEM_ACTIVE(0, at, false), uid, cgroup_at(task)))
		return 0;
	decide(head, &work.mine);
	answered = 1;
	return 0;
}

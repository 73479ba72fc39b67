/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guards: what keeps others from acting as a task that the policy names. Included by
 * gmem_policy.bpf.c only.
 *
 * A task is guarded when its executable, or the digest of that, is in the policy in force. Unlike
 * operations on guest_memfd these are everybody's paths: a guard that cannot find out allows.
 */
#ifndef GMEM_POLICY_GUARDS_H
#define GMEM_POLICY_GUARDS_H

#include "evaluate.h"

#include <asm-generic/errno-base.h>

/* The policy in force, if it has this guard: the word of `active`, or 0. */
static __always_inline __u64 guard_up(__u32 guard)
{
	const struct gmem_head *head;
	__u32 zero = 0, slot;
	__u64 *active_word, word;

	active_word = bpf_map_lookup_elem(&active, &zero);
	if (!active_word)
		return 0;
	word = *(volatile __u64 *)active_word;
	if (!word)
		return 0;
	slot = GMEM_ACTIVE_SLOT(word);
	head = bpf_map_lookup_elem(&heads, &slot);
	return head && head->guards >> guard & 1 ? word : 0;
}

static __noinline __u32 class_of_key(const struct gmem_identity *identity, __u32 slot)
{
	struct gmem_identity key;
	const __u32 *class;

	if (!identity || !identity->kind)
		return 0;
	key = *identity;
	key.slot = slot;
	class = bpf_map_lookup_elem(&exes, &key);
	return class ? GMEM_CLASS(*class) : 0;
}

/**
 * guarded_as - what a task is in the policy
 * @tag: its tag, or NULL
 *
 * Return: the class of its executable, above that in 32 bits the class of its digest; 0: the policy
 * names neither, and it is not guarded.
 */
static __noinline __u64 guarded_as(const struct gmem_tag *tag, __u64 word)
{
	__u32 slot = GMEM_ACTIVE_SLOT(word);

	if (!tag)
		return 0;
	return class_of_key(&tag->exe, slot) | (__u64)class_of_key(&tag->verity, slot) << 32;
}

static __always_inline __u64 task_guarded_as(struct task_struct *task, __u64 word)
{
	return guarded_as(tag_of(task), word);
}

/**
 * guard_account - count what a guard kept off, tell of it, and give the answer
 * @guard: enum gmem_guard
 * @word: of the map `active`, not 0
 * @task: who asks
 * @what: was reached for, for the event: a process, an object
 * @always: denied whatever the mode of the policy is
 *
 * Return: 0 or -EACCES.
 */
static __noinline int guard_account(__u32 guard, __u64 word, struct task_struct *task, __u64 what,
				    bool always)
{
	struct gmem_decision d = { .deny = 1,
				   .rule = GMEM_RULE_NONE,
				   .audit_rule = GMEM_RULE_NONE };
	struct question q = { .r = { .op = GMEM_DO_GUARD(guard), .start = what } };
	__u32 verdict = GMEM_VERDICT_would_deny;

	if (always || GMEM_ACTIVE_ENFORCES(word))
		verdict = GMEM_VERDICT_denied;
	if (proof_account(word))
		return verdict == GMEM_VERDICT_denied ? -EACCES : 0;
	count(&guard_hits, guard, verdict);
	report_denial(&d, verdict, word, task, &q);
	return verdict == GMEM_VERDICT_denied ? -EACCES : 0;
}

/* --- trace: who controls a guarded task is as good as it --- */

/* One of the same executable could do what it wants done itself. */
static __always_inline bool same_class(__u64 a, __u64 b)
{
	return ((__u32)a && (__u32)a == (__u32)b) || (a >> 32 && a >> 32 == b >> 32);
}

static __always_inline int guard_control(struct task_struct *guarded, struct task_struct *by)
{
	__u64 word = guard_up(GMEM_GUARD_trace), class;

	if (!word)
		return 0;
	class = task_guarded_as(guarded, word);
	if (!class || same_class(class, task_guarded_as(by, word)))
		return 0;
	return guard_account(GMEM_GUARD_trace, word, bpf_get_current_task_btf(), guarded->tgid,
			     false)
		       ? -EPERM
		       : 0;
}

/* What only reads (/proc/PID/fd, maps, perf) is not control: monitoring goes on. */
SEC("?lsm/ptrace_access_check")
int BPF_PROG(guard_attach, struct task_struct *child, unsigned int mode)
{
	if (!(mode & PTRACE_MODE_ATTACH))
		return 0;
	return guard_control(child, bpf_get_current_task_btf());
}

/* The other way round: a guarded task asks its parent to take control. */
SEC("?lsm/ptrace_traceme")
int BPF_PROG(guard_traceme, struct task_struct *parent)
{
	return guard_control(bpf_get_current_task_btf(), parent);
}

/* --- preload: what a guarded program loads is not up to who starts it --- */

/* At exec, with the new tag: is it to be a secure one? In audit mode that would be a change. */
static __always_inline bool guard_preload(const struct gmem_tag *tag)
{
	__u64 word = guard_up(GMEM_GUARD_preload);
	bool enforces = GMEM_ACTIVE_ENFORCES(word);

	if (!word || !guarded_as(tag, word))
		return false;
	count(&guard_hits, GMEM_GUARD_preload,
	      enforces ? GMEM_VERDICT_allowed : GMEM_VERDICT_would_deny);
	return enforces;
}

/* --- sqpoll: whoever shares such a ring has its maker's thread do what it asks for --- */

SEC("?lsm/uring_sqpoll")
int BPF_PROG(guard_sqpoll)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 word = guard_up(GMEM_GUARD_sqpoll);

	if (!word || !task_guarded_as(task, word))
		return 0;
	return guard_account(GMEM_GUARD_sqpoll, word, task, 0, false);
}

#endif /* GMEM_POLICY_GUARDS_H */

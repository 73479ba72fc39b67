/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guards: what keeps others from acting as a task that the policy names. Included by
 * gmem_policy.bpf.c only.
 *
 * A process is guarded when its executable, or the digest of that, is in the policy in force, and
 * until it ends or executes another program if it used guest_memfd as such. Every thread of it is:
 * the process is asked, see bpf/policy/tag.h. These hooks are called for all processes of the host:
 * where a process has no tag they allow.
 */
#ifndef GMEM_POLICY_GUARDS_H
#define GMEM_POLICY_GUARDS_H

#include "account.h"
#include "guarded.h"
#include "in_force.h"

/* The guards that apply to a process itself. */
struct own_guards {
	const struct gmem_tag *tag; /* of the process, or NULL */
	__u64 word;		    /* of the policy that was asked */
	__u32 guards;		    /* bits; 0 unless the process is guarded */
	bool guarded, certain;
};

static long read_own_guards(__u32 i, struct own_guards *own)
{
	const struct gmem_head *head;
	__u32 slot;

	own->word = policy_word();
	slot = GMEM_ACTIVE_SLOT(own->word);
	head = own->word ? bpf_map_lookup_elem(&gmem_heads, &slot) : NULL;
	own->guarded = head && is_guarded(own->tag, slot);
	own->guards = own->guarded ? head->guards & GMEM_GUARDS_BY_POLICY : 0;
	own->certain = was_in_force(own->word);
	return own->certain;
}

static __always_inline void find_own_guards(struct own_guards *own)
{
	bpf_loop(GUARD_TRIES, read_own_guards, own, 0);
	if (own->certain)
		return;
	own->guarded = true;
	own->guards = GMEM_GUARDS_BY_POLICY;
}

/*
 * A thread that executes a program takes the place of its process's first one, which had the tag,
 * and has the old memory and the old descriptors until it gets a tag of its own.
 */
static __noinline bool is_changing_place(struct task_struct *task)
{
	struct task_struct___policy *t = (void *)task->group_leader;

	return BPF_CORE_READ_BITFIELD_PROBED(t, in_execve);
}

static __always_inline bool is_guarded_task(struct task_struct *task, __u64 word)
{
	const struct gmem_tag *tag = tag_of(task);

	return tag ? is_guarded(tag, GMEM_ACTIVE_SLOT(word)) : is_changing_place(task);
}

/* The process, if it is another, whose memory a task shares (vfork, CLONE_VM); to be released. */
static __always_inline struct task_struct *owner_of_memory(struct task_struct *task)
{
	struct task_struct___policy *t = (void *)task;
	int pid;

	/* Without CONFIG_MEMCG it is unknown. */
	if (!bpf_core_field_exists(t->mm->owner))
		return NULL;
	pid = BPF_CORE_READ(t, mm, owner, tgid);
	return has_task_from_pid && pid && pid != task->tgid ? bpf_task_from_pid(pid) : NULL;
}

static __noinline bool has_guarded_memory(struct task_struct *task, __u64 word)
{
	struct task_struct *owner = owner_of_memory(task);
	bool guarded;

	if (!owner)
		return false;
	guarded = is_guarded_task(owner, word);
	bpf_task_release(owner);
	return guarded;
}

static __always_inline void lose_guard(struct gmem_tag *tag, __u32 guard)
{
	if (tag && tag->enforced >> guard & 1)
		__sync_fetch_and_and(&tag->enforced, ~(1U << guard));
}

/*
 * What a guard keeps off has happened to a process: in audit mode, under a policy without the guard
 * or that does not name it. No enforcing policy that has the guard accepts its executable.
 */
static __noinline int was_not_enforced(struct task_struct *task, __u32 guard)
{
	struct task_struct *owner;

	lose_guard(tag_of(task), guard);
	owner = owner_of_memory(task);
	if (!owner)
		return 0;
	lose_guard(tag_of(owner), guard);
	bpf_task_release(owner);
	return 0;
}

/* --- trace: who controls a guarded task is as good as it --- */

/* The cgroup of a task's process: its threads can be in cgroups below. */
static __always_inline __u64 cgroup_of_process(struct task_struct *task)
{
	struct task_struct___policy *t = (void *)task;

	return BPF_CORE_READ(t, group_leader, cgroups, dfl_cgrp, kn, id);
}

/*
 * Is a task that is the subjects @are all of @must, and one at least that @any does not have? Not
 * static, see bpf/policy/subject.h: the loop is verified once, and not for every way to it.
 */
__noinline int are_subjects(const struct gmem_set *are, const struct gmem_set *must,
			    const struct gmem_set *any)
{
	__u64 more = 0, named = 0;

	if (!are || !must || !any)
		return 0;
	GMEM_ROLLED
	for (int k = 0; k < GMEM_SET_WORDS; k++) {
		more |= must->w[k] & ~are->w[k];
		named |= must->w[k] & ~any->w[k];
	}
	return !more && named;
}

/*
 * Could a task do by itself what it wants a guarded one to do? It can if it is all the subjects
 * that the guarded one is, and one of these at least names their executable: it is not enough to be
 * of the same executable, which other users start, too. In doubt it could not.
 */
static __noinline bool is_as_good(struct task_struct *by, struct task_struct *guarded, __u64 word)
{
	struct task_struct___policy *of = (void *)guarded;
	const struct gmem_set *without_exe;
	struct gmem_tag *tag = identity_of(guarded), *own = identity_of(by);
	__u32 slot = GMEM_ACTIVE_SLOT(word);
	const struct gmem_head *head;
	struct gmem_set subjects;
	struct gmem_work *work;

	head = bpf_map_lookup_elem(&gmem_heads, &slot);
	without_exe = class_set(slot, GMEM_CLASS_exe, 0);
	work = bpf_task_storage_get(&gmem_others, bpf_get_current_task_btf(), NULL,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!tag || !own || !head || !without_exe || !work || has_other_user(by) ||
	    find_subjects(tag, work, word, BPF_CORE_READ(of, real_cred, euid.val),
			  cgroup_at(guarded)))
		return false;
	subjects = work->subjects;
	if (find_subjects(own, work, word, euid_of(by, true), cgroup_at(by)))
		return false;
	if (!are_subjects(&work->subjects, &subjects, without_exe))
		return false;
	return !(head->guards & GMEM_TRACE_BY_CGROUP) ||
	       cgroup_of_process(by) == cgroup_of_process(guarded);
}

enum control {
	CONTROL_free,	 /* the guard does not apply */
	CONTROL_as_good, /* it does, and not to this task */
	CONTROL_refused,
};

struct control_question {
	struct task_struct *guarded, *by;
	__u64 word; /* of the policy that was asked */
	__u32 answer;
	bool certain;
};

static long ask_control(__u32 i, struct control_question *q)
{
	struct task_struct *guarded = q->guarded;
	const struct gmem_head *head;
	__u64 word = policy_word();
	__u32 slot = GMEM_ACTIVE_SLOT(word);

	q->word = word;
	q->answer = CONTROL_free;
	head = word ? bpf_map_lookup_elem(&gmem_heads, &slot) : NULL;
	if (head && head->guards >> GMEM_GUARD_trace & 1) {
		if (is_as_good(q->by, guarded, word))
			q->answer = CONTROL_as_good;
		else if (is_guarded_task(guarded, word) || has_guarded_memory(guarded, word))
			q->answer = CONTROL_refused;
	}
	q->certain = was_in_force(word);
	return q->certain;
}

static __always_inline int guard_control(struct task_struct *guarded, struct task_struct *by)
{
	struct control_question q = { .guarded = guarded, .by = by };

	bpf_loop(GUARD_TRIES, ask_control, &q, 0);
	if (q.certain && q.answer == CONTROL_as_good)
		return 0;
	if ((!q.certain || q.answer == CONTROL_refused) &&
	    guard_account(GMEM_GUARD_trace, q.word, bpf_get_current_task_btf(), guarded->tgid,
			  GMEM_LOCK_DOES_none))
		return -EPERM;
	was_not_enforced(guarded, GMEM_GUARD_trace);
	return 0;
}

/* What only reads (/proc/PID/fd, maps, perf) is not control: monitoring goes on. */
SEC("?lsm/ptrace_access_check")
int BPF_PROG(gmem_attach, struct task_struct *child, unsigned int mode)
{
	if (!(mode & PTRACE_MODE_ATTACH))
		return 0;
	return guard_control(child, bpf_get_current_task_btf());
}

/* The other way round: a guarded task asks its parent to take control. */
SEC("?lsm/ptrace_traceme")
int BPF_PROG(gmem_traceme, struct task_struct *parent)
{
	return guard_control(bpf_get_current_task_btf(), parent);
}

/* --- preload: what a guarded program loads is not up to who starts it --- */

/*
 * At exec, with the new tag: the guards that are enforced on the process from now on, as bits. With
 * that of preload it has to begin as a secure one; in audit mode that would be a change.
 */
static __always_inline __u32 guards_at_exec(struct own_guards *own)
{
	find_own_guards(own);
	if (!GMEM_ACTIVE_ENFORCES(own->word))
		return 0;
	if (own->guards >> GMEM_GUARD_preload & 1 && counts_here(own->word, work_for_others()))
		count(&gmem_guard_hits, GMEM_GUARD_preload, GMEM_VERDICT_allowed);
	return own->guards;
}

/* --- sqpoll: whoever shares such a ring has its maker's thread do what it asks for --- */

SEC("?lsm/uring_sqpoll")
int BPF_PROG(gmem_sqpoll)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct own_guards own = { .tag = tag_of(task) };

	find_own_guards(&own);
	if (own.guards >> GMEM_GUARD_sqpoll & 1 &&
	    guard_account(GMEM_GUARD_sqpoll, own.word, task, 0, GMEM_LOCK_DOES_none))
		return -EACCES;
	was_not_enforced(task, GMEM_GUARD_sqpoll);
	return 0;
}

#endif /* GMEM_POLICY_GUARDS_H */

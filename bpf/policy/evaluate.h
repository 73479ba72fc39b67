/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The decision: what the task is in the policy in force, and which rule decides. Included by
 * gmem_policy.bpf.c only. A task's decision cache is written by that task only, so it needs no lock.
 */
#ifndef GMEM_POLICY_EVALUATE_H
#define GMEM_POLICY_EVALUATE_H

#include "../kernel/kvm.h"
#include "account.h"
#include "guarded.h"
#include "in_force.h"
#include "labels.h"

static __always_inline __u32 type_of_vm(struct kvm *kvm)
{
	__u64 type;

	if (!knows_kvm)
		return GMEM_TYPE_unknown;
	if (bpf_core_field_exists(kvm->arch.vm_type)) {
		type = BPF_CORE_READ(kvm, arch.vm_type);
		return type < GMEM_TYPE_other ? type : GMEM_TYPE_other;
	}
	/* On arm64 the type that a VM has unless it asks for another one is called normal. */
	if (bpf_core_field_exists(kvm->arch.pkvm.is_protected) &&
	    !BPF_CORE_READ(kvm, arch.pkvm.is_protected))
		return GMEM_TYPE_default;
	return GMEM_TYPE_other;
}

#define X(name, number) _Static_assert(GMEM_TYPE_##name == (number), "KVM's number: " #name);
GMEM_VM_TYPES(X)
#undef X

/* Loads, and no calls, of what the verifier knows to be an inode. */
static __always_inline void read_instance(struct question *q, struct inode *inode)
{
	if (!inode || !q->file)
		return;
	q->ino = inode->i_ino;
	q->dev = inode->i_sb->s_dev;
	if (q->vm)
		q->vm = 0;
	else
		q->r.size = inode->i_size;
}

/* These are not static, see bpf/policy/subject.h. */

/* Neither ever changes: reading them here is as good as anywhere. */
__noinline int read_flags(struct question *q)
{
	struct file *file;

	if (!q)
		return 0;
	file = q->file;
	if (file && !q->vm && knows_kvm && q->r.op != GMEM_DO_convert)
		q->r.flags = GMEM_FLAGS_OF(flags_of(BPF_CORE_READ(file, f_inode)));
	return 0;
}

__noinline int read_type(struct question *q)
{
	struct gmem_decision_cache *cache;
	struct file *file;
	__u32 own;

	if (!q)
		return 0;
	file = q->file;
	if (q->r.type != GMEM_TYPE_unknown)
		return 0;
	if (q->fresh) {
		cache = cache_of(bpf_get_current_task_btf(), 0);
		/* Once for each set of programs that is attached. */
		own = 1U << GMEM_SET_OF(gmem_build.serial);
		if (cache && cache->vm_type && !(cache->type_taken & own)) {
			q->r.type = cache->vm_type - 1;
			cache->type_taken |= own;
		}
		return 0;
	}
	if (!file || !knows_kvm)
		return 0;
	q->r.type = type_of_vm(q->vm ? BPF_CORE_READ(file, private_data) : kvm_of(file));
	return 0;
}

/* @rule: with that of its slot. Not static, see bpf/policy/subject.h. */
__noinline int count_decision(__u32 rule, __u32 op, __u32 verdict)
{
	count(&gmem_rule_hits, rule, verdict);
	count(&gmem_op_hits, op, verdict);
	return 0;
}

/*
 * Where the sets of programs that are attached leave their notes about a request of the current
 * task: with its decision cache, if it has one and the request is its own.
 */
static __always_inline struct gmem_work *notes_of(struct task_struct *task,
						  const struct question *q)
{
	struct gmem_decision_cache *cache = NULL;

	if (task && !q->nobody && !q->other && !is_io_worker(task))
		cache = cache_of(task, 0);
	return cache ? &cache->work : work_for_others();
}

/* Count, report, and return the answer. @notes: of notes_of(), if they are known; else NULL */
static __always_inline int account(const struct gmem_decision *d, __u64 word,
				   struct task_struct *task, struct question *q,
				   struct gmem_work *notes)
{
	__u32 base = GMEM_ACTIVE_SLOT(word) * GMEM_RULE_MAX, verdict = GMEM_VERDICT_allowed;
	__u32 reported = GMEM_VERDICT_allowed;

	if (d->deny)
		verdict = GMEM_ACTIVE_ENFORCES(word) ? GMEM_VERDICT_denied
						     : GMEM_VERDICT_would_deny;
	if (d->deny && proof_account(word)) {
		take_turn(notes ?: notes_of(task, q));
		return verdict == GMEM_VERDICT_denied ? -EACCES : 0;
	}
	if (verdict != GMEM_VERDICT_denied && !counts_here(word, notes ?: notes_of(task, q)))
		return 0;
	count_decision(base + d->rule, q->r.op, verdict);
	reported = verdict;
	if (d->audit_rule != GMEM_RULE_NONE && d->audit_deny != d->deny) {
		__u32 extra = d->audit_deny ? GMEM_VERDICT_would_deny : GMEM_VERDICT_would_allow;

		count_decision(base + d->audit_rule, q->r.op, extra);
		if (d->audit_deny)
			reported = extra;
	}
	if (reported != GMEM_VERDICT_allowed) {
		read_flags(q);
		read_type(q);
		report_denial(d, reported, word, task, q);
	}
	return verdict == GMEM_VERDICT_denied ? -EACCES : 0;
}

/* Why it is not known who asks: which rule decides then. */
static __noinline __u32 why_unknown(struct task_struct *task, bool other)
{
	struct gmem_tag *tag = tag_of(task);

	if (BPF_CORE_READ((struct task_struct___policy *)task, flags) & PF_KTHREAD)
		return GMEM_RULE_BROKEN;
	if (!tag)
		return GMEM_RULE_NO_MEMORY;
	if (tag->flags & GMEM_TAG_TRACED || has_other_user(task))
		return GMEM_RULE_BROKEN;
	return other || cache_of(task, 0) ? GMEM_RULE_BROKEN : GMEM_RULE_NO_MEMORY;
}

/* Who used an instance as a named executable stays guarded, whatever policy comes. */
static __always_inline void keep_guarded(struct gmem_tag *tag, __u32 slot)
{
	if (!(tag->flags & GMEM_TAG_GUARDED) && is_guarded(tag, slot))
		__sync_fetch_and_or(&tag->flags, GMEM_TAG_GUARDED);
}

/*
 * The rules for the current task and its decisions under this policy; both are found again if the
 * policy, its mode, the task's user or its cgroup changed.
 *
 * Return: NULL if it has no identity or there is no memory for the cache: then the request is
 * denied.
 */
static __noinline struct gmem_decision_cache *own_cache(struct task_struct *task, __u64 word,
							const struct gmem_slot *how,
							const struct gmem_head *head)
{
	__u64 cgroup = bpf_get_current_cgroup_id();
	struct gmem_tag *tag = identity_of(task);
	struct gmem_decision_cache *cache;
	__u32 uid = euid_of(task, false);

	if (!tag || !how || !head || has_other_user(task))
		return NULL;
	cache = cache_of(task, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!cache) {
		count_no_memory();
		return NULL;
	}
	if (cache->word == word && cache->cgroup == cgroup && cache->uid == uid)
		return cache;
	cache->word = 0;
	cache->instance = 0;
	keep_guarded(tag, GMEM_ACTIVE_SLOT(word));
	if (resolve(tag, &cache->work, word, uid, cgroup_at(task)))
		return NULL;
	GMEM_UNROLL
	for (int i = 0; i < GMEM_DO_MAX; i++)
		cache->cached[i].kind = GMEM_KIND_MAX;
	cache->uid = uid;
	cache->cgroup = cgroup;
	cache->plain = ~(how->by_flags | how->by_type | gmem_by_intervals(head));
	cache->word = word;
	return cache;
}

/* The rules for another task, whose cache must not be written from here, are in the result. */
static __noinline struct gmem_work *rules_of_other(struct task_struct *task, __u64 word)
{
	struct gmem_work *work;
	struct gmem_tag *tag;

	tag = identity_of(task);
	work = work_for_others();
	if (is_io_worker(task) && has_other_user(task))
		return NULL;
	if (!tag || !work || resolve(tag, work, word, euid_of(task, true), cgroup_at(task)))
		return NULL;
	return work;
}

/* The matcher, and most of what there is to be looked at by the verifier: not static, see there. */
ONE_PLACE __noinline int decide(__u32 slot, const struct gmem_head *head,
				const struct gmem_set *mine, struct gmem_work *work)
{
	if (!head || !mine || !work)
		return -1;
	work->decision = gmem_decide(head, pool_of(slot), mine, &work->request);
	return 0;
}

/*
 * What the rules say. Returns where notes about the request are left, if that is known now. decide()
 * has one place where it is called: each one more has the verifier of
 * newer kernels follow it once more, for every way to that place.
 */
static __always_inline struct gmem_work *ask_rules(const struct gmem_head *head,
						   const struct gmem_slot *how,
						   struct task_struct *task, __u64 word,
						   struct question *q, struct gmem_decision *d)
{
	__u32 slot = GMEM_ACTIVE_SLOT(word), op = q->r.op, kind = GMEM_KIND_MAX;
	const struct gmem_set *mine = NULL;
	struct gmem_decision_cache *cache;
	struct gmem_cached *cached = NULL;
	struct gmem_work *work = NULL;
	bool known;

	if (op >= GMEM_DO_MAX)
		return NULL;
	/* Workers have no cache: what they ask for, they ask for others. */
	if (task && !q->nobody && (q->other || is_io_worker(task))) {
		work = rules_of_other(task, word);
	} else if (task && !q->nobody) {
		cache = own_cache(task, word, how, head);
		if (cache) {
			work = &cache->work;
			kind = gmem_sort(&q->r);
			cached = &cache->cached[op];
		}
	}
	if (cached && gmem_is_cached(cached, &q->r, kind)) {
		gmem_recall(cached, d);
		return work;
	}
	known = work;
	if (work) {
		mine = &work->mine;
	} else {
		mine = gmem_set(pool_of(slot), GMEM_POOL_ANY);
		work = work_for_others();
	}
	if (mine && work) {
		work->request = q->r;
		decide(slot, head, mine, work);
		*d = work->decision;
	}
	if (cached)
		gmem_remember(cached, head, work, kind);
	/* Who asks is not known: what denies everybody denies, and what allows does not. */
	if (!known && (!d->deny || !work)) {
		d->deny = 1;
		d->rule = task && !q->nobody ? why_unknown(task, q->other) : GMEM_RULE_BROKEN;
	}
	/* Without an identity the task can still have a cache, see notes_of(). */
	return known ? work : NULL;
}

/**
 * evaluate_request - may this be done?
 * @task: who asks
 *
 * Return: 0 or -EACCES. With no policy in force: 0.
 */
static __noinline int evaluate_request(struct task_struct *task, struct question *q)
{
	struct gmem_decision d = gmem_broken();
	const struct gmem_head *head;
	const struct gmem_slot *how;
	__u32 zero = 0, slot;
	__u64 *active_word, word;
	struct gmem_work *notes = NULL;
	struct inode *inode;
	bool labelled;

	active_word = bpf_map_lookup_elem(&gmem_active, &zero);
	/* The map has this entry: this is for the verifier. */
	if (!active_word || !q)
		return 0;
	word = *(volatile __u64 *)active_word;
	if (!word) {
		if (q->fresh)
			forget_label(q->inode);
		return 0;
	}
	/* The verifier forgets what this is when @q is passed to the functions that are not static.
	 */
	inode = q->inode;
	labelled = q->fresh || is_labelled(inode, word, NULL);
	slot = GMEM_ACTIVE_SLOT(word);
	how = bpf_map_lookup_elem(&gmem_slots, &slot);
	head = bpf_map_lookup_elem(&gmem_heads, &slot);
	if (!how || !head)
		goto out;
	if (q->strict && !(how->strict >> (q->r.op & 31) & 1))
		return 0;
	read_instance(q, inode);
	if (*(volatile __u64 *)&head->generation != GMEM_ACTIVE_GENERATION(word))
		goto out;
	if (how->by_flags >> (q->r.op & 31) & 1)
		read_flags(q);
	if (how->by_type >> (q->r.op & 31) & 1)
		read_type(q);
	if (!labelled)
		d.rule = GMEM_RULE_UNKNOWN;
	else if (q->unknown)
		d.rule = GMEM_RULE_IOCTL;
	else
		notes = ask_rules(head, how, task, word, q, &d);
	if (q->by_rule && !d.deny && d.rule >= GMEM_MAX_RULES) {
		d.deny = 1;
		d.rule = GMEM_RULE_IOCTL;
	}
	/* Replaced meanwhile, and its slot filled again: then it decided nothing. */
	if (!is_still_in(head, word))
		d = gmem_broken();
	if (q->fresh && !(d.deny && GMEM_ACTIVE_ENFORCES(word)) && !add_label(inode, d.deny))
		d = gmem_broken();
out:
	return account(&d, word, task, q, notes);
}

/* Was it decided before, for the same task as the same, and with nothing to tell? */
static __always_inline bool decided_before(const struct gmem_decision_cache *cache,
					   const struct gmem_cached *cached,
					   struct task_struct *task, const struct question *q)
{
	/* As bpf_get_current_cgroup_id(), without a call. */
	struct task_struct___policy *t = (void *)task;

	return cached->kind == gmem_sort(&q->r) && !(cached->rule & GMEM_CACHED_DENY) &&
	       cached->audit_rule == GMEM_CACHED_NONE && cache->uid == euid_of(task, false) &&
	       cache->cgroup == t->cgroups->dfl_cgrp->kn->id;
}

/*
 * As evaluate_request(), for the current task. What it was allowed before, under the same policy
 * and as the same, it is allowed again: such a decision was made wholly by this policy, and nothing
 * else is read.
 */
static __always_inline int evaluate(struct question *q)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 zero = 0, op = q->r.op;
	const struct gmem_cached *cached;
	struct gmem_decision_cache *cache;
	__u64 *active_word, word;

	active_word = bpf_map_lookup_elem(&gmem_active, &zero);
	if (!active_word)
		return 0;
	word = *(volatile __u64 *)active_word;
	if (!word && !q->fresh)
		return 0;
	cache = word ? cache_of(task, 0) : NULL;
	if (cache && cache->word == word && cache->plain >> op & 1) {
		cached = &cache->cached[op];
		if (has_own_credentials(task) && decided_before(cache, cached, task, q) &&
		    (q->fresh ? add_label(q->inode, false) : is_labelled(q->inode, word, cache))) {
			/* Its own note: the answer that counts_here() would give, for less. */
			if (cache->work.counted_by != gmem_build.serial &&
			    !counts_here(word, &cache->work))
				return 0;
			count(&gmem_rule_hits,
			      GMEM_ACTIVE_SLOT(word) * GMEM_RULE_MAX + cached->rule,
			      GMEM_VERDICT_allowed);
			count(&gmem_op_hits, op, GMEM_VERDICT_allowed);
			return 0;
		}
	}
	return evaluate_request(task, q);
}

#endif /* GMEM_POLICY_EVALUATE_H */

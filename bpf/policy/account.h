/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is counted and reported of decisions and of guards. Included by the objects of policy/ and
 * lock/ only. The counters are the truth; events can get lost, and are counted then.
 */
#ifndef GMEM_POLICY_ACCOUNT_H
#define GMEM_POLICY_ACCOUNT_H

#include "subject.h"
#include "tag.h"
#include "turns.h"

#include <asm-generic/errno-base.h>

/* The compiler does not make two places of the one where it is called, see ask_rules(). */
#define ONE_PLACE __attribute__((noduplicate))

/* A request and what else the decision needs. */
struct question {
	struct gmem_request r;
	__u64 ino; /* of the instance, 0: none */
	__u32 dev;
	__u8 strict;  /* asked by the number of an ioctl alone */
	__u8 by_rule; /* only a rule allows it, no default */
	__u8 unknown; /* nothing allows it */
	__u8 other;   /* the task is not the current one: its memory is touched by another */
	__u8 nobody;  /* it could not be found out who asks */
	__u8 vm;      /* the file is a VM; in later kernels it can be an instance */
	__u8 fresh;   /* the instance is being made */
	/* The instance, or NULL: its flags and the type of its VM are read if a rule wants them. */
	struct file *file;
	struct inode *inode; /* of the instance; NULL: the request is about a VM */
};

static __always_inline void count(void *map, __u32 index, __u32 verdict)
{
	struct gmem_hits *hits = bpf_map_lookup_elem(map, &index);

	if (hits && verdict < GMEM_VERDICT_MAX)
		__sync_fetch_and_add(&hits->n[verdict], 1);
}

static __always_inline void note_denial(struct gmem_journal *log, __u32 op, __u32 verdict)
{
	if (op >= GMEM_DO_GUARD(GMEM_GUARD_MAX))
		return;
	if (verdict == GMEM_VERDICT_denied)
		__sync_fetch_and_add(&log->denied[op], 1);
	else
		__sync_fetch_and_add(&log->would_deny[op], 1);
}

ONE_PLACE static __noinline int report_denial(const struct gmem_decision *d, __u32 verdict,
					      __u64 word, struct task_struct *task,
					      struct question *q)
{
	struct gmem_journal *log;
	struct gmem_denial *e;
	struct gmem_tag *tag;
	__u32 zero = 0;
	__u64 sequence;

	log = bpf_map_lookup_elem(&gmem_journal, &zero);
	if (!log || !q || !d)
		return 0;
	sequence = __sync_fetch_and_add(&log->events, 1);
	note_denial(log, q->r.op, verdict);
	e = bpf_ringbuf_reserve(&gmem_denials, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&log->lost, 1);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = bpf_ktime_get_boot_ns();
	e->sequence = sequence;
	e->generation = GMEM_ACTIVE_GENERATION(word);
	e->ino = q->ino;
	e->dev = q->dev;
	e->rule = d->rule;
	e->audit_rule = d->audit_rule;
	e->verdict = verdict;
	e->request = q->r;
	if (task) {
		e->pid = task->pid;
		e->tgid = task->tgid;
		e->uid = euid_of(task, q->other);
		e->cgroup = cgroup_of(task, q->other);
		BPF_CORE_READ_STR_INTO(&e->comm, task, comm);
		tag = tag_of(task);
		if (tag && tag->exe.kind) {
			e->exe_known = 1;
			e->exe = tag->exe;
		}
	}
	bpf_ringbuf_submit(e, 0);
	return 0;
}

/*
 * Is the current task the child that proves a load? Then its denial is recorded for that proof, and
 * appears in no counter or event that somebody watches for attacks.
 */
static __always_inline bool proof_account(__u64 word)
{
	struct gmem_proof *proof;

	proof = bpf_task_storage_get(&gmem_proofs, bpf_get_current_task_btf(), NULL, 0);
	if (!proof || !proof->left)
		return false;
	proof->generation = GMEM_ACTIVE_GENERATION(word);
	proof->serial = gmem_build.serial;
	proof->denied++;
	proof->left--;
	return true;
}

/* Memory for what is decided for another task than the current one; NULL: there is none. */
static __always_inline struct gmem_work *work_for_others(void)
{
	return bpf_task_storage_get(&gmem_others, bpf_get_current_task_btf(), NULL,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
}

/**
 * guard_account - count what a guard kept off, tell of it, and give the answer
 * @guard: enum gmem_guard
 * @word: of the map `active`, not 0
 * @task: who asks
 * @what: was reached for, for the event: a process, an object
 * @action: enum gmem_lock_action; a lock denies whatever the mode of the policy is
 *
 * Return: 0 or -EACCES.
 */
static __noinline int guard_account(__u32 guard, __u64 word, struct task_struct *task, __u64 what,
				    __u32 action)
{
	struct gmem_decision d = { .deny = 1,
				   .rule = GMEM_RULE_NONE,
				   .audit_rule = GMEM_RULE_NONE };
	struct question q = { .r = { .op = GMEM_DO_GUARD(guard), .start = what, .action = action } };
	__u32 verdict = GMEM_VERDICT_would_deny;
	bool ends; /* no other program is called for this request */

	if (action || GMEM_ACTIVE_ENFORCES(word))
		verdict = GMEM_VERDICT_denied;
	ends = verdict == GMEM_VERDICT_denied && guard != GMEM_GUARD_preload;
	if (proof_account(word)) {
		if (!ends)
			take_turn(work_for_others());
		return verdict == GMEM_VERDICT_denied ? -EACCES : 0;
	}
	if (!ends && !counts_here(word, work_for_others()))
		return verdict == GMEM_VERDICT_denied ? -EACCES : 0;
	count(&gmem_guard_hits, guard, verdict);
	report_denial(&d, verdict, word, task, &q);
	return verdict == GMEM_VERDICT_denied ? -EACCES : 0;
}

#endif /* GMEM_POLICY_ACCOUNT_H */

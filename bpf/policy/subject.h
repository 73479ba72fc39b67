/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who asks: what a task is to the policy in force. Included by the objects of policy/ and lock/
 * only.
 *
 * The identity of a task's process is recorded at exec and inherited (identity.h). Its user is the
 * effective one, as a number of the initial user namespace: what the kernel judges access by, and
 * what root in a user namespace cannot choose. Its cgroup is the one that it is in when it asks.
 */
#ifndef GMEM_POLICY_SUBJECT_H
#define GMEM_POLICY_SUBJECT_H

#include "maps.h"

#define pool_of(slot) ((const void *)(GMEM_POOL_MAX * (unsigned long)(slot)))

/* The pool of a slot is its place in the map. */
static __always_inline const struct gmem_set *gmem_set(const void *of, __u32 index)
{
	__u32 at = (__u32)(unsigned long)of + index;

	return bpf_map_lookup_elem(&gmem_pool, &at);
}

#define GMEM_APART __noinline
#include "cache.h"

/* The way through the subjects that a task is, to the rules that are for it. */
struct collect {
	struct gmem_work *work;
	__u32 slot;
	__u32 at;
	__u32 broken;
	__u32 pad;
};

static long collect_rules(__u32 i, struct collect *c)
{
	__u32 at = c->at & (GMEM_SET_WORDS - 1);
	struct gmem_work *work = c->work;
	__u64 w = work->subjects.w[at];
	const struct gmem_set *rules;

	if (!w) {
		c->at = at + 1;
		return at == GMEM_SET_WORDS - 1;
	}
	work->subjects.w[at] = w & (w - 1);
	rules = gmem_set(pool_of(c->slot), GMEM_POOL_SUBJECT + at * 64 + gmem_lowest(w));
	if (!rules) {
		c->broken = 1;
		return 1;
	}
	GMEM_ROLLED
	for (int k = 0; k < GMEM_SET_WORDS; k++)
		work->mine.w[k] |= rules->w[k];
	return 0;
}

/* The way from a task's cgroup to the root, until a subject names one. */
struct climb {
	struct cgroup *from;
	__u32 slot;
	__s32 level;
	__u32 class;
	__u32 broken;
};

static long climb_step(__u32 i, struct climb *c)
{
	struct gmem_cgroup_key key = { .slot = c->slot };
	struct cgroup *at = NULL;
	const __u32 *class;
	__s32 level = c->level;

	if (level < 0)
		return 1;
	c->level = level - 1;
	bpf_probe_read_kernel(&at, sizeof(at),
			      (void *)c->from + bpf_core_field_offset(struct cgroup, ancestors) +
				      (__u64)level * sizeof(at));
	key.id = BPF_CORE_READ(at, kn, id);
	if (!key.id) {
		c->broken = 1;
		return 1;
	}
	class = bpf_map_lookup_elem(&gmem_cgroups, &key);
	if (!class)
		return 0;
	c->class = *class;
	return 1;
}

/* cgroups can be nested without an end: all the way, so that nobody hides in the depth. */
#define MAX_CGROUP_DEPTH (1 << 20)

static __always_inline int class_of_cgroup(__u32 slot, struct cgroup *from, __u32 *class)
{
	struct climb climb = { .slot = slot, .from = from };

	climb.level = BPF_CORE_READ(from, level);
	bpf_loop(MAX_CGROUP_DEPTH, climb_step, &climb, 0);
	*class = climb.class;
	return climb.broken || (!climb.class && climb.level >= 0) ? -1 : 0;
}

static __always_inline __u32 class_of_uid(__u32 slot, __u32 uid)
{
	struct gmem_uid_key key = { .slot = slot, .uid = uid };
	const __u32 *class = bpf_map_lookup_elem(&gmem_uids, &key);

	return class ? *class : 0;
}

static __noinline int class_of_exe(struct gmem_work *work, __u32 slot,
				   const struct gmem_identity *identity)
{
	const __u32 *class;

	if (!work || !identity || !identity->kind)
		return 0;
	work->key = *identity;
	work->key.slot = slot;
	class = bpf_map_lookup_elem(&gmem_exes, &work->key);
	return class ? GMEM_CLASS(*class) : 0;
}

static __always_inline const struct gmem_set *class_set(__u32 slot, __u32 dimension, __u32 class)
{
	if (class > GMEM_MAX_SUBJECTS)
		return NULL;
	return gmem_set(pool_of(slot),
			GMEM_POOL_CLASS + dimension * (GMEM_MAX_SUBJECTS + 1) + class);
}

/*
 * Not static: such a function the kernel's verifier looks at once, however many ways lead to it.
 * That is why the cgroup, which it could not be given the type of, comes as a number.
 */

/*
 * Does the executable of a process count? What was loaded into it while a guard was not enforced
 * acts as the executable, too. In audit mode it counts, since nothing is denied.
 */
static __always_inline bool executable_counts(const struct gmem_tag *tag, __u64 word)
{
	__u32 slot = GMEM_ACTIVE_SLOT(word);
	const struct gmem_head *head;

	if (!GMEM_ACTIVE_ENFORCES(word))
		return true;
	head = bpf_map_lookup_elem(&gmem_heads, &slot);
	return head && !(head->guards & GMEM_GUARDS_BY_POLICY & ~tag->enforced);
}

/**
 * find_subjects - which subjects a task is: into work->subjects; into work->mine the rules for any
 * @tag: of the task's process
 * @word: of the map `active`
 * @uid: its effective user
 * @from: the address of its cgroup, see cgroup_at()
 *
 * Return: 0, -1: something is missing.
 */
__noinline int find_subjects(const struct gmem_tag *tag, struct gmem_work *work, __u64 word,
			     __u32 uid, __u64 from)
{
	const struct gmem_set *exe, *verity, *mine, *cgroup, *any;
	__u32 slot = GMEM_ACTIVE_SLOT(word), class = 0, exe_class = 0, verity_class = 0;

	if (!tag || !work || class_of_cgroup(slot, (struct cgroup *)from, &class))
		return -1;
	cgroup = class_set(slot, GMEM_CLASS_cgroup, class);
	mine = class_set(slot, GMEM_CLASS_uid, class_of_uid(slot, uid));
	if (executable_counts(tag, word)) {
		exe_class = class_of_exe(work, slot, &tag->exe);
		verity_class = class_of_exe(work, slot, &tag->verity);
	}
	exe = class_set(slot, GMEM_CLASS_exe, exe_class);
	verity = class_set(slot, GMEM_CLASS_exe, verity_class);
	any = gmem_set(pool_of(slot), GMEM_POOL_ANY);
	if (!exe || !verity || !mine || !cgroup || !any)
		return -1;
	GMEM_ROLLED
	for (int k = 0; k < GMEM_SET_WORDS; k++) {
		work->subjects.w[k] = (exe->w[k] | verity->w[k]) & mine->w[k] & cgroup->w[k];
		work->mine.w[k] = any->w[k];
	}
	return 0;
}

/**
 * resolve - which rules are for a task: into work->mine
 *
 * The rest as find_subjects().
 */
__noinline int resolve(const struct gmem_tag *tag, struct gmem_work *work, __u64 word, __u32 uid,
		       __u64 from)
{
	struct collect c = { .slot = GMEM_ACTIVE_SLOT(word), .work = work };

	if (!work || find_subjects(tag, work, word, uid, from))
		return -1;
	bpf_loop(GMEM_MAX_SUBJECTS + GMEM_SET_WORDS, collect_rules, &c, 0);
	return c.broken ? -1 : 0;
}

static __always_inline __u64 cgroup_at(struct task_struct *task)
{
	struct task_struct___policy *t = (void *)task;

	return (__u64)BPF_CORE_READ(t, cgroups, dfl_cgrp);
}

static __always_inline __u32 euid_of(struct task_struct *task, bool other)
{
	struct task_struct___policy *t = (void *)task;

	return other ? BPF_CORE_READ(t, real_cred, euid.val) : t->cred->euid.val;
}

static __always_inline __u64 cgroup_of(struct task_struct *task, bool other)
{
	struct task_struct___policy *t = (void *)task;

	return other ? BPF_CORE_READ(t, cgroups, dfl_cgrp, kn, id) : bpf_get_current_cgroup_id();
}

/*
 * Does a task act as another user than it is? Credentials that are registered with an io_uring, and
 * the like, take the place of its own for a request; no decision is made by them. A worker of
 * io_uring can be older than a change of its process's user, and is compared with that.
 */
static __noinline bool differs_in_user(struct task_struct *task)
{
	struct task_struct___policy *t = (void *)task;
	__u32 uid = BPF_CORE_READ(t, real_cred, euid.val);

	if (BPF_CORE_READ(t, cred, euid.val) != uid)
		return true;
	return BPF_CORE_READ(t, flags) & PF_IO_WORKER &&
	       BPF_CORE_READ(t, group_leader, real_cred, euid.val) != uid;
}

static __always_inline bool is_io_worker(struct task_struct *task)
{
	return ((struct task_struct___policy *)task)->flags & PF_IO_WORKER;
}

/* Its credentials are its own. */
static __always_inline bool has_own_credentials(struct task_struct *task)
{
	struct task_struct___policy *t = (void *)task;

	return t->cred == t->real_cred;
}

static __always_inline bool has_other_user(struct task_struct *task)
{
	return (!has_own_credentials(task) || is_io_worker(task)) && differs_in_user(task);
}

#endif /* GMEM_POLICY_SUBJECT_H */

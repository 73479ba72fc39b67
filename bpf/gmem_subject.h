/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who asks: what a task is to the policy in force. Included by gmem_policy.bpf.c only.
 *
 * A task's identity is stamped at exec and inherited (gmem_policy.bpf.c). Its user is the effective
 * one, as a number of the initial user namespace: what the kernel judges access by, and what root
 * in a user namespace cannot choose. Its cgroup is the one that it is in when it asks.
 */
#ifndef GMEM_SUBJECT_H
#define GMEM_SUBJECT_H

#define pool_of(slot) ((const void *)((unsigned long)(slot)*GMEM_POOL_MAX))

/* The pool of a slot is its place in the map. */
static __always_inline const struct gmem_set *gmem_set(const void *of, __u32 index)
{
	__u32 at = (__u32)(unsigned long)of + index;

	return bpf_map_lookup_elem(&pool, &at);
}

#include "gmem_match.h"

struct subject {
	__u32 slot;
	__u32 uid;
	__u64 cgroup; /* its id */
	const struct gmem_tag *tag;
	struct task_struct *task;
	struct gmem_work *work; /* the result, in work->mine */
};

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
	GMEM_UNROLL
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
	class = bpf_map_lookup_elem(&cgroups, &key);
	if (!class)
		return 0;
	c->class = *class;
	return 1;
}

/* cgroups can be nested without an end: all the way, so that nobody hides in the depth. */
#define MAX_CGROUP_DEPTH (1 << 20)

static __always_inline int class_of_cgroup(const struct subject *s, __u32 *class)
{
	struct task_struct___policy *task = (void *)s->task;
	/* In a variable of its own: what BPF_CORE_READ() is given it takes for the kernel's. */
	struct cgroup *from = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	struct climb climb = { .slot = s->slot, .from = from };

	climb.level = BPF_CORE_READ(from, level);
	bpf_loop(MAX_CGROUP_DEPTH, climb_step, &climb, 0);
	*class = climb.class;
	return climb.broken || (!climb.class && climb.level >= 0) ? -1 : 0;
}

static __always_inline __u32 class_of_uid(const struct subject *s)
{
	struct gmem_uid_key key = { .slot = s->slot, .uid = s->uid };
	const __u32 *class = bpf_map_lookup_elem(&uids, &key);

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
	class = bpf_map_lookup_elem(&exes, &work->key);
	return class ? GMEM_CLASS(*class) : 0;
}

static __always_inline const struct gmem_set *class_set(__u32 slot, __u32 dimension, __u32 class)
{
	if (class > GMEM_MAX_SUBJECTS)
		return NULL;
	return gmem_set(pool_of(slot),
			GMEM_POOL_CLASS + dimension * (GMEM_MAX_SUBJECTS + 1) + class);
}

/**
 * find_subjects - which subjects a task is: into s->work->subjects; into mine the rules for any
 *
 * Return: 0, -1: something is missing.
 */
static __always_inline int find_subjects(const struct subject *s)
{
	const struct gmem_set *exe, *verity, *uid, *cgroup, *any;
	const struct gmem_tag *tag = s->tag;
	struct gmem_work *work = s->work;
	__u32 class = 0;

	if (!tag || !work || class_of_cgroup(s, &class))
		return -1;
	cgroup = class_set(s->slot, GMEM_CLASS_cgroup, class);
	uid = class_set(s->slot, GMEM_CLASS_uid, class_of_uid(s));
	exe = class_set(s->slot, GMEM_CLASS_exe, class_of_exe(work, s->slot, &tag->exe));
	verity = class_set(s->slot, GMEM_CLASS_exe, class_of_exe(work, s->slot, &tag->verity));
	any = gmem_set(pool_of(s->slot), GMEM_POOL_ANY);
	if (!exe || !verity || !uid || !cgroup || !any)
		return -1;
	GMEM_UNROLL
	for (int k = 0; k < GMEM_SET_WORDS; k++) {
		work->subjects.w[k] = (exe->w[k] | verity->w[k]) & uid->w[k] & cgroup->w[k];
		work->mine.w[k] = any->w[k];
	}
	return 0;
}

/**
 * resolve - which rules are for a task: into s->work->mine
 *
 * Return: 0, -1: something is missing.
 */
static __noinline int resolve(const struct subject *s)
{
	struct collect c = { .slot = s->slot, .work = s->work };

	if (find_subjects(s))
		return -1;
	bpf_loop(GMEM_MAX_SUBJECTS + GMEM_SET_WORDS, collect_rules, &c, 0);
	return c.broken ? -1 : 0;
}

#endif /* GMEM_SUBJECT_H */

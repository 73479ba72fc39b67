/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All tasks, as one or two policies distinguish them: tasks of one class are the same subjects of
 * each policy. There are finitely many classes, so that a statement about all of them is a
 * statement about all tasks.
 */
#ifndef GMEM_POLICY_TASKS_H
#define GMEM_POLICY_TASKS_H

#include "decide.h"

#define POLICIES_MAX 2 /* that are compared */

struct task_class {
	/* A task of the class that has as few of the named attributes as possible. */
	struct who who;
	struct gmem_set subjects[POLICIES_MAX]; /* by policy */
	unsigned int named;			/* attributes that a policy names */
};

struct task_classes {
	struct task_class *list; /* by the number of named attributes */
	size_t nr;
};

/* More classes than this are not computed: each needs about 500 bytes. */
#define TASK_CLASSES_MAX 200000

/**
 * task_classes_find - the classes of all tasks
 * @policies: @nr of them; the classes borrow texts from them
 * @classes: the result, to be passed to task_classes_free(), also on error
 *
 * A task has an executable that a policy names by path, by digest or both, with the host's root
 * directory or another one, or another executable; a user and a cgroup that a policy names, or
 * others. All combinations are included.
 *
 * Return: 0, -E2BIG, -ENOMEM.
 */
int task_classes_find(const struct compiled *const policies[], unsigned int nr,
		      struct task_classes *classes);
void task_classes_free(struct task_classes *classes);

static inline bool set_is_empty(const struct gmem_set *set)
{
	__u64 any = 0;
	int k;

	for (k = 0; k < GMEM_SET_WORDS; k++)
		any |= set->w[k];
	return !any;
}

#endif /* GMEM_POLICY_TASKS_H */

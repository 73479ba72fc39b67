// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "tasks.h"

/* Classes while they are found, each with different subjects. */
struct builder {
	const struct compiled *const *policies;
	unsigned int nr_policies;
	struct task_classes found;
	size_t room;
	size_t *slots; /* index plus 1, by hash of the subjects */
	size_t nr_slots;
};

static size_t hash_of(const struct task_class *class)
{
	const __u64 *words = class->subjects[0].w;
	__u64 hash = 0;
	int i;

	for (i = 0; i < POLICIES_MAX * GMEM_SET_WORDS; i++)
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
	return (size_t)(hash >> 24);
}

static int grow_slots(struct builder *builder)
{
	size_t nr = builder->nr_slots ? 2 * builder->nr_slots : 1024, i, at;
	size_t *slots = calloc(nr, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (i = 0; i < builder->found.nr; i++) {
		for (at = hash_of(&builder->found.list[i]) % nr; slots[at]; at = (at + 1) % nr)
			;
		slots[at] = i + 1;
	}
	free(builder->slots);
	builder->slots = slots;
	builder->nr_slots = nr;
	return 0;
}

/* Of two tasks of one class the one with fewer named attributes stands for it. */
static int add(struct builder *builder, const struct task_class *class)
{
	struct task_class *same;
	size_t at;
	int ret;

	if (2 * (builder->found.nr + 1) > builder->nr_slots) {
		ret = grow_slots(builder);
		if (ret)
			return ret;
	}
	at = hash_of(class) % builder->nr_slots;
	for (; builder->slots[at]; at = (at + 1) % builder->nr_slots) {
		same = &builder->found.list[builder->slots[at] - 1];
		if (memcmp(same->subjects, class->subjects, sizeof(same->subjects)))
			continue;
		if (class->named < same->named)
			*same = *class;
		return 0;
	}
	if (builder->found.nr == TASK_CLASSES_MAX)
		return -E2BIG;
	ret = grow(&builder->found.list, &builder->room, builder->found.nr + 1,
		   sizeof(*builder->found.list));
	if (ret)
		return ret;
	builder->found.list[builder->found.nr++] = *class;
	builder->slots[at] = builder->found.nr;
	return 0;
}

static void builder_free(struct builder *builder)
{
	free(builder->found.list);
	free(builder->slots);
}

/* Add the task with the subjects that it can be by one dimension. */
static int add_atom(struct builder *builder, struct task_class *atom,
		    enum gmem_class_dimension dimension)
{
	unsigned int i;

	memset(atom->subjects, 0, sizeof(atom->subjects));
	for (i = 0; i < builder->nr_policies; i++)
		policy_subjects_by(builder->policies[i], &atom->who, dimension, &atom->subjects[i]);
	return add(builder, atom);
}

/* --- executables --- */

/* A file, or no file that is named. NULL: none. */
static void set_file(struct task_class *atom, const struct policy_subject *subject)
{
	if (!subject)
		return;
	atom->named++;
	atom->who.exe = subject->exe;
	atom->who.exe_untrusted_fs = subject->exe_untrusted_fs;
	atom->who.has_exe_identity = subject->exe_known;
	atom->who.exe_identity = subject->exe_identity;
}

static int add_exe(struct builder *builder, const struct policy_subject *file,
		   const struct policy_subject *digest)
{
	struct task_class atom;
	int root, ret = 0;

	for (root = GMEM_ROOT_host; root <= GMEM_ROOT_other && !ret; root++) {
		memset(&atom, 0, sizeof(atom));
		set_file(&atom, file);
		if (digest) {
			atom.named++;
			atom.who.has_verity = true;
			atom.who.verity = digest->verity;
		}
		atom.who.root = (enum gmem_root)root;
		atom.named += root == GMEM_ROOT_other;
		ret = add_atom(builder, &atom, GMEM_CLASS_exe);
	}
	return ret;
}

/* A file, alone and with each digest that a policy names. */
static int add_file(struct builder *builder, const struct policy_subject *file)
{
	unsigned int p;
	size_t i;
	int ret;

	ret = add_exe(builder, file, NULL);
	for (p = 0; p < builder->nr_policies; p++) {
		const struct policy *policy = builder->policies[p]->policy;

		for (i = 0; i < policy->nr_subjects && !ret; i++) {
			if (policy->subjects[i].has_verity)
				ret = add_exe(builder, file, &policy->subjects[i]);
		}
	}
	return ret;
}

static int add_exes(struct builder *builder)
{
	unsigned int p;
	size_t i;
	int ret;

	ret = add_file(builder, NULL);
	for (p = 0; p < builder->nr_policies; p++) {
		const struct policy *policy = builder->policies[p]->policy;

		for (i = 0; i < policy->nr_subjects && !ret; i++) {
			if (policy->subjects[i].exe)
				ret = add_file(builder, &policy->subjects[i]);
		}
	}
	return ret;
}

/* --- users, cgroups --- */

static int add_users_of(struct builder *builder, const struct policy_subject *subject)
{
	struct task_class atom;
	size_t i;
	int ret = 0;

	for (i = 0; i < subject->nr_uids && !ret; i++) {
		memset(&atom, 0, sizeof(atom));
		atom.named = 1;
		atom.who.has_uid = subject->uids[i].known;
		atom.who.uid = subject->uids[i].uid;
		atom.who.user = subject->uids[i].name;
		ret = add_atom(builder, &atom, GMEM_CLASS_uid);
	}
	return ret;
}

static int add_cgroup_of(struct builder *builder, const struct policy_subject *subject)
{
	struct task_class atom = { .named = 1, .who.cgroup = subject->cgroup };

	return subject->cgroup ? add_atom(builder, &atom, GMEM_CLASS_cgroup) : 0;
}

static int add_attributes(struct builder *builder, enum gmem_class_dimension dimension)
{
	struct task_class other = { .named = 0 };
	unsigned int p;
	size_t i;
	int ret;

	if (dimension == GMEM_CLASS_exe)
		return add_exes(builder);
	ret = add_atom(builder, &other, dimension);
	for (p = 0; p < builder->nr_policies; p++) {
		const struct policy *policy = builder->policies[p]->policy;

		for (i = 0; i < policy->nr_subjects && !ret; i++)
			ret = dimension == GMEM_CLASS_uid
				      ? add_users_of(builder, &policy->subjects[i])
				      : add_cgroup_of(builder, &policy->subjects[i]);
	}
	return ret;
}

/* --- combinations --- */

static void combine(struct task_class *class, const struct task_class *by,
		    enum gmem_class_dimension dimension)
{
	int i, k;

	if (dimension == GMEM_CLASS_uid) {
		class->who.has_uid = by->who.has_uid;
		class->who.uid = by->who.uid;
		class->who.user = by->who.user;
	} else {
		class->who.cgroup = by->who.cgroup;
	}
	class->named += by->named;
	for (i = 0; i < POLICIES_MAX; i++) {
		for (k = 0; k < GMEM_SET_WORDS; k++)
			class->subjects[i].w[k] &= by->subjects[i].w[k];
	}
}

/* All classes so far, with each value of a further dimension. */
static int multiply(struct builder *all, const struct builder *by,
		    enum gmem_class_dimension dimension)
{
	struct builder product = { .policies = all->policies, .nr_policies = all->nr_policies };
	struct task_class class;
	size_t i, j;
	int ret = 0;

	for (i = 0; i < all->found.nr; i++) {
		for (j = 0; j < by->found.nr && !ret; j++) {
			class = all->found.list[i];
			combine(&class, &by->found.list[j], dimension);
			ret = add(&product, &class);
		}
	}
	builder_free(all);
	*all = product;
	return ret;
}

static int compare_named(const void *x, const void *y)
{
	const struct task_class *a = x, *b = y;

	if (a->named != b->named)
		return a->named < b->named ? -1 : 1;
	/* qsort() is not stable, and the order must not depend on it. */
	return memcmp(b->subjects, a->subjects, sizeof(a->subjects));
}

int task_classes_find(const struct compiled *const policies[], unsigned int nr,
		      struct task_classes *classes)
{
	struct builder all = { .policies = policies, .nr_policies = nr }, by;
	int ret, dimension;

	ret = add_attributes(&all, GMEM_CLASS_exe);
	for (dimension = GMEM_CLASS_uid; dimension < GMEM_CLASS_MAX && !ret; dimension++) {
		by = (struct builder){ .policies = policies, .nr_policies = nr };
		ret = add_attributes(&by, (enum gmem_class_dimension)dimension);
		if (!ret)
			ret = multiply(&all, &by, (enum gmem_class_dimension)dimension);
		builder_free(&by);
	}
	*classes = all.found;
	free(all.slots);
	if (!ret)
		qsort(classes->list, classes->nr, sizeof(*classes->list), compare_named);
	return ret;
}

void task_classes_free(struct task_classes *classes)
{
	free(classes->list);
	memset(classes, 0, sizeof(*classes));
}

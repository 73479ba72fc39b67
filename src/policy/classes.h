/* SPDX-License-Identifier: GPL-2.0-only */
/* The classes of a compiled policy: what tasks are told apart by. */
#ifndef GMEM_POLICY_CLASSES_H
#define GMEM_POLICY_CLASSES_H

#include "compile.h"

/* Gives classes to what the subjects name, and fills their sets. Return: 0, -EBADMSG, -ENOMEM. */
int classes_fill(struct compiled *compiled, struct diags *diags);

/* One is the other, or below it: as cgroups are. */
bool is_below(const char *path, const char *ancestor);

/*
 * The class of what a subject names; 0 if it is not in the policy. What is here goes by what the
 * kernel knows of it, what is not here by its name.
 */
__u32 class_of_identity(const struct compiled *compiled, const struct gmem_identity *identity,
			enum gmem_root root);
__u32 class_of_missing_exe(const struct compiled *compiled, const char *path, enum gmem_root root);
__u32 class_of_uid(const struct compiled *compiled, __u32 uid);
__u32 class_of_missing_user(const struct compiled *compiled, const char *name);
/* Of the innermost cgroup that it is, or is in. */
__u32 class_of_cgroup(const struct compiled *compiled, const char *path);

/* The subjects of a class. */
static inline struct gmem_set *class_set(const struct compiled *compiled,
					 enum gmem_class_dimension dimension, __u32 class)
{
	return compiled->pool + GMEM_POOL_CLASS + dimension * (GMEM_MAX_SUBJECTS + 1) + class;
}

#endif /* GMEM_POLICY_CLASSES_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* The classes of a compiled policy: what distinguishes tasks. */
#ifndef GMEM_POLICY_CLASSES_H
#define GMEM_POLICY_CLASSES_H

#include "compile.h"

/* Assign classes to executables, users and cgroups, and fill their sets. Return: 0, -EBADMSG,
 * -ENOMEM. */
int classes_fill(struct compiled *compiled, struct diags *diags);

/* Is @path the cgroup @ancestor or a descendant of it? */
bool is_below(const char *path, const char *ancestor);

/*
 * The class of an executable or user; 0 if no subject names it. What exists on this host is
 * compared by the kernel's identity, what does not exist by name.
 */
__u32 class_of_identity(const struct compiled *compiled, const struct gmem_identity *identity,
			enum gmem_root root);
__u32 class_of_missing_exe(const struct compiled *compiled, const char *path, enum gmem_root root);
__u32 class_of_uid(const struct compiled *compiled, __u32 uid);
__u32 class_of_missing_user(const struct compiled *compiled, const char *name);
/* The class of the innermost cgroup that is @path or contains it. */
__u32 class_of_cgroup(const struct compiled *compiled, const char *path);

/* The subjects of a class. */
static inline struct gmem_set *class_set(const struct compiled *compiled,
					 enum gmem_class_dimension dimension, __u32 class)
{
	return compiled->pool + GMEM_POOL_CLASS + dimension * (GMEM_MAX_SUBJECTS + 1) + class;
}

#endif /* GMEM_POLICY_CLASSES_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel knows of users and executables. */
#ifndef GMEM_POLICY_RESOLVE_H
#define GMEM_POLICY_RESOLVE_H

#include "../../bpf/gmem_policy.h"

/* The number of a user. Return: 0, -ENOENT, or what the lookup failed with. */
int resolve_user(const char *name, __u32 *uid);

/*
 * The inode of an executable: device, number and, where the file system tells it, generation.
 * Return: 0, -ENOEXEC if it is no regular file, or a negative errno.
 */
int resolve_exe(const char *path, struct gmem_identity *identity);

#endif /* GMEM_POLICY_RESOLVE_H */

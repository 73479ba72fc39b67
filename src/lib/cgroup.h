/* SPDX-License-Identifier: GPL-2.0-only */
/* Cgroups (version 2) by path and by the number that the kernel knows them by. */
#ifndef GMEM_CGROUP_H
#define GMEM_CGROUP_H

#include <stddef.h>
#include <stdint.h>

/* Open the root of the cgroups. Return: a directory, the caller's, -ENOENT if there is none, or
 * another negative errno. */
int cgroup_root(void);

/**
 * cgroup_open - open a cgroup
 * @root: as of cgroup_root()
 * @path: as in /proc/PID/cgroup, or as a file name below the mount
 *
 * Return: a directory, the caller's, or a negative errno.
 */
int cgroup_open(int root, const char *path);

/**
 * cgroup_id - the kernel's number of a cgroup
 * @root: as of cgroup_root()
 * @path: as in /proc/PID/cgroup
 * @id: the result
 *
 * Return: 0 or a negative errno.
 */
int cgroup_id(int root, const char *path, uint64_t *id);

/**
 * cgroup_path - the path of a cgroup, as in /proc/PID/cgroup
 * @root: as of cgroup_root()
 * @id: the kernel's number
 *
 * Return: 0, -ESTALE if it is gone, or another negative errno.
 */
int cgroup_path(int root, uint64_t id, char *path, size_t size);

#endif /* GMEM_CGROUP_H */

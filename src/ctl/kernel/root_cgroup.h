/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory of BPF maps, and which cgroup it is charged to. */
#ifndef GMEM_CTL_KERNEL_ROOT_CGROUP_H
#define GMEM_CTL_KERNEL_ROOT_CGROUP_H

#include <stdbool.h>

/**
 * root_cgroup_run - call a function in a child that is in the root memory cgroup
 *
 * The kernel charges all that is ever put into a map to the memory cgroup of the process that made
 * the map. In the root cgroup no limit applies, so nobody can fill it. The caller stays in its own
 * cgroup: systemd ends a unit whose cgroup becomes empty.
 *
 * Where the root cgroup cannot be reached, as in a cgroup namespace, this is reported, and the
 * child stays in the caller's cgroup. @quiet: it is not reported.
 *
 * Return: what @fn returned (0 or a negative errno), or a negative errno that has been explained.
 */
int root_cgroup_run(int (*fn)(void *data), void *data, bool quiet);

#endif /* GMEM_CTL_KERNEL_ROOT_CGROUP_H */

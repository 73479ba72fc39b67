/* SPDX-License-Identifier: GPL-2.0-only */
/* What this host knows of a user, an executable, a process. */
#ifndef GMEM_CTL_KERNEL_WHO_H
#define GMEM_CTL_KERNEL_WHO_H

#include "../../policy/request.h"

/* Users, inodes and fs-verity digests of this host. */
extern const struct who_lookup who_of_host;

/* Executable, cgroup and user of a process, read from /proc. */
struct who_process {
	char exe[4096], cgroup[4096], uid[16];
	struct who who; /* points into this */
};

/* The identity of a process, with its fs-verity digest. Return: 0, -ESRCH, or a negative errno. */
int who_of_process(unsigned int pid, struct who_process *process);

#endif /* GMEM_CTL_KERNEL_WHO_H */

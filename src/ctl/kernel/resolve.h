/* SPDX-License-Identifier: GPL-2.0-only */
/* Resolution of the names in a policy on this host. */
#ifndef GMEM_CTL_KERNEL_RESOLVE_H
#define GMEM_CTL_KERNEL_RESOLVE_H

#include <stdbool.h>
#include <stdio.h>

#include "../../../bpf/abi/policy.h"
#include "../../policy/model.h"

/* The number of a user. Return: 0, -ENOENT, or what the lookup failed with. */
int resolve_user(const char *name, __u32 *uid);

/*
 * The inode of an executable: device, number and, if the file system provides it, generation.
 * Return: 0; EXE_MADE_UP; -ENOEXEC if it is not a regular file, or a negative errno.
 */
int resolve_exe(const char *path, struct gmem_identity *identity);

/*
 * A file of FUSE, whose server chooses its device and inode number: it identifies no task. The same
 * holds for file systems that were mounted in a user namespace; only the kernel knows which these
 * are.
 */
#define EXE_MADE_UP 1
#define EXE_UNTRUSTED_FS_TEXT \
	"the file identifies no task: it is on FUSE, or on a mount of a user namespace"
#define EXE_MADE_UP_ADVICE "copy it to a trusted file system, and name the copy"

/**
 * mount_is_untrusted - is a mount one of FUSE?
 * @mountinfo: as /proc/self/mountinfo, read from its current position
 * @id: of the mount
 */
bool mount_is_untrusted(FILE *mountinfo, int id);

/**
 * policy_resolve - look up the users, executables and cgroups that a policy names
 * @required: a name that does not exist is an error; otherwise a warning, and it matches no task
 *
 * Return: 0, -EBADMSG if @diags has errors now, -ENOMEM.
 */
int policy_resolve(struct policy *policy, bool required, struct diags *diags);

#endif /* GMEM_CTL_KERNEL_RESOLVE_H */

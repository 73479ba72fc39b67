/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel knows of users and executables. */
#ifndef GMEM_CTL_KERNEL_RESOLVE_H
#define GMEM_CTL_KERNEL_RESOLVE_H

#include <stdbool.h>
#include <stdio.h>

#include "../../../bpf/abi/policy.h"
#include "../../policy/model.h"

/* The number of a user. Return: 0, -ENOENT, or what the lookup failed with. */
int resolve_user(const char *name, __u32 *uid);

/*
 * The inode of an executable: device, number and, where the file system tells it, generation.
 * Return: 0; EXE_MADE_UP; -ENOEXEC if it is no regular file, or a negative errno.
 */
int resolve_exe(const char *path, struct gmem_identity *identity);

/*
 * A file of FUSE: what it says of itself is up to whoever serves it, and no task has an identity by
 * it. So it is with file systems that were mounted in a user namespace, which only the kernel knows.
 */
#define EXE_MADE_UP 1
#define EXE_UNTRUSTED_FS_TEXT                                                                     \
	"no task is known by the file that stands there: it is of FUSE, or of a mount of a user " \
	"namespace"
#define EXE_MADE_UP_ADVICE "copy it to a file system of the host's own, and name that file"

/**
 * mount_is_untrusted - is a mount one of FUSE?
 * @mountinfo: as /proc/self/mountinfo, read from where it stands
 * @id: of the mount
 */
bool mount_is_untrusted(FILE *mountinfo, int id);

/**
 * policy_resolve - look up the users, executables and cgroups that a policy names
 * @required: what is not there is an error; otherwise a warning, and no task will be it
 *
 * Return: 0, -EBADMSG if @diags has errors now, -ENOMEM.
 */
int policy_resolve(struct policy *policy, bool required, struct diags *diags);

#endif /* GMEM_CTL_KERNEL_RESOLVE_H */

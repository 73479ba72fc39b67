/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a file is to a policy. Included by the programs that stamp tasks and by those that name the
 * files of a policy: both must come to the same.
 */
#ifndef GMEM_KERNEL_FILE_IDENTITY_H
#define GMEM_KERNEL_FILE_IDENTITY_H

#include "../abi/policy.h"
#include "inode.h"
#include "policy_types.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct file_system_type {
	const char *name;
};

struct super_block___identity {
	struct user_namespace *s_user_ns;
	struct file_system_type *s_type;
};

#pragma clang attribute pop

/*
 * The generation tells apart the files that have had a number one after the other. Some file
 * systems (overlayfs, 9p, NFS) have none: there a file is another one as soon as it is changed.
 * Where the subvolume is unknown the identity has no kind: it matches no subject.
 */
static __always_inline void identify(struct gmem_identity *id, struct inode *inode)
{
	id->subvolume = subvolume_of(inode);
	if (id->subvolume == GMEM_SUBVOLUME_UNKNOWN)
		return;
	id->kind = GMEM_BY_INODE;
	id->ino = BPF_CORE_READ(inode, i_ino);
	id->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	id->generation = BPF_CORE_READ((struct inode___policy *)inode, i_generation);
	if (!id->generation)
		id->changed = changed_at(inode);
}

/*
 * Numbers and generations of files are what the file system says. What FUSE says is up to a
 * process, and what is mounted in a user namespace to whoever made that.
 */
static __noinline __attribute__((unused)) bool is_untrusted_fs(struct file *file)
{
	struct super_block___identity *sb = (void *)BPF_CORE_READ(file, f_inode, i_sb);
	char type[5] = ""; /* how it begins: fuse, fuseblk */

	bpf_probe_read_kernel_str(type, sizeof(type), BPF_CORE_READ(sb, s_type, name));
	return BPF_CORE_READ(sb, s_user_ns, level) || !bpf_strncmp(type, sizeof(type), "fuse");
}

#endif /* GMEM_KERNEL_FILE_IDENTITY_H */

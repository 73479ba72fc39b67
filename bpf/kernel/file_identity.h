/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a file is to a policy. Included by the programs that stamp tasks and by those that name the
 * files of a policy: both must come to the same.
 */
#ifndef GMEM_KERNEL_FILE_IDENTITY_H
#define GMEM_KERNEL_FILE_IDENTITY_H

#include "../abi/policy.h"
#include "policy_types.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inode___policy {
	unsigned int i_generation;
	long long i_ctime_sec;
	unsigned int i_ctime_nsec;
};

/* Before Linux 6.11. */
struct timespec64 {
	long long tv_sec;
	long tv_nsec;
};

struct inode___old {
	struct timespec64 __i_ctime;
};

struct file_system_type {
	const char *name;
};

/* btrfs, as a rule a module: its types are known if it is there when a program is loaded. */
struct btrfs_key {
	unsigned long long objectid;
} __attribute__((packed));

struct btrfs_root {
	struct btrfs_key root_key;
};

struct btrfs_inode {
	struct btrfs_root *root;
	struct inode vfs_inode;
};

struct super_block___identity {
	struct user_namespace *s_user_ns;
	struct file_system_type *s_type;
};

#pragma clang attribute pop

#define BTRFS_SUPER_MAGIC    0x9123683eUL
#define BCACHEFS_SUPER_MAGIC 0xca451a4eUL

#define I_CTIME_QUERIED (1U << 31)
#define NS_PER_S	1000000000ULL

/* When the inode was last changed, as a number that is another after each change. */
static __always_inline __u64 changed_at(struct inode *inode)
{
	struct inode___policy *i = (void *)inode;
	struct inode___old *old = (void *)inode;

	if (bpf_core_field_exists(i->i_ctime_sec))
		return BPF_CORE_READ(i, i_ctime_sec) * NS_PER_S +
		       (BPF_CORE_READ(i, i_ctime_nsec) & ~I_CTIME_QUERIED);
	if (bpf_core_field_exists(old->__i_ctime))
		return BPF_CORE_READ(old, __i_ctime.tv_sec) * NS_PER_S +
		       BPF_CORE_READ(old, __i_ctime.tv_nsec);
	return 0;
}

/*
 * Subvolumes of one file system have one device, and inode numbers of their own; a snapshot has the
 * numbers and generations of what it is a snapshot of. Return: 0 where there are no subvolumes, or
 * GMEM_SUBVOLUME_UNKNOWN: then device, number and generation do not identify a file.
 */
static __always_inline __u64 subvolume_of(struct inode *inode)
{
	unsigned long magic = BPF_CORE_READ(inode, i_sb, s_magic);
	struct btrfs_inode *of;

	if (magic == BCACHEFS_SUPER_MAGIC)
		return GMEM_SUBVOLUME_UNKNOWN;
	if (magic != BTRFS_SUPER_MAGIC)
		return 0;
	if (!bpf_core_type_exists(struct btrfs_inode))
		return GMEM_SUBVOLUME_UNKNOWN;
	of = (void *)inode - bpf_core_field_offset(struct btrfs_inode, vfs_inode);
	return BPF_CORE_READ(of, root, root_key.objectid) ?: GMEM_SUBVOLUME_UNKNOWN;
}

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

/* SPDX-License-Identifier: GPL-2.0-only */
/* What tells one file from another that had, or has, the same device and inode number. */
#ifndef GMEM_KERNEL_INODE_H
#define GMEM_KERNEL_INODE_H

#include "../abi/trace.h"
#include "types.h"

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

#endif /* GMEM_KERNEL_INODE_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* What gmem_policy_find.bpf.c writes. */
#ifndef GMEM_POLICY_FIND_H
#define GMEM_POLICY_FIND_H

#include "gmem_policy.h"

/* How the kernel names an open file: its inode, as the programs see it. */
struct gmem_file_name {
	__u32 fd;
	__u32 pad;
	struct gmem_identity identity;
};

#define GMEM_HELD_BY_FD	     1
#define GMEM_HELD_BY_MAPPING 2

/* An instance, and one of those who hold it. */
struct gmem_found {
	__u64 ino;
	__u64 size;
	__u32 dev;
	__u32 pid, tgid;
	__u32 how; /* GMEM_HELD_BY_* */
	char comm[16];
};

#endif /* GMEM_POLICY_FIND_H */

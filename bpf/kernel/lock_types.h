/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's types that only the lock looks at, see bpf/kernel/types.h. */
#ifndef GMEM_KERNEL_LOCK_TYPES_H
#define GMEM_KERNEL_LOCK_TYPES_H

#include "types.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct btf {
	unsigned int id;
};

struct bpf_prog;

struct bpf_prog_aux {
	unsigned int id;
	unsigned int attach_btf_id;
	struct btf *attach_btf;
	struct bpf_prog *dst_prog; /* that it is attached to, or replaces */
	bool kprobe_write_ctx;
	const char *attach_func_name;
	char name[16];
};

struct bpf_prog {
	unsigned short kprobe_override : 1;
	enum bpf_prog_type type;
	enum bpf_attach_type expected_attach_type;
	struct bpf_prog_aux *aux;
};

typedef struct {
	long long counter;
} atomic64_t;

/* With the values of the kernel that it runs on. */
enum lockdown_reason {
	LOCKDOWN_BPF_WRITE_USER = 1,
};

struct bpf_map {
	unsigned int id;
	atomic64_t refcnt;  /* of all: descriptors, pins, programs */
	atomic64_t usercnt; /* of descriptors and pins */
};

struct bpf_link {
	unsigned int id;
};

struct vfsmount;

struct inode___lock {
	struct {
		int counter;
	} i_writecount;
};

/* Before Linux 6.18. */
struct mm_struct___word {
	unsigned long flags;
};

typedef struct {
	unsigned long __mm_flags[1];
} mm_flags_t;

struct mm_struct___lock {
	mm_flags_t flags;
};

struct dentry___lock {
	struct dentry___lock *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

struct path___lock {
	struct vfsmount *mnt;
	struct dentry___lock *dentry;
};

struct file___lock {
	struct path___lock f_path;
	struct inode *f_inode;
	unsigned int f_mode;
	void *private_data;
};

struct vfsmount {
	struct dentry___lock *mnt_root;
};

struct list_head___lock {
	struct list_head___lock *next;
};

struct mnt_namespace;

struct mount {
	struct mount *mnt_parent;
	struct dentry___lock *mnt_mountpoint;
	struct vfsmount mnt;
	struct list_head___lock mnt_mounts;
	struct list_head___lock mnt_child;
	struct mount *mnt_master;
	struct mnt_namespace *mnt_ns;
	int mnt_group_id; /* 0: not shared */
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

struct task_struct___lock {
	struct nsproxy *nsproxy;
};

struct iattr {
	unsigned int ia_valid;
};

struct bpf_iter__bpf_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
};

struct bpf_iter__bpf_prog {
	struct bpf_iter_meta *meta;
	struct bpf_prog *prog;
};

#pragma clang attribute pop

#define BPF_FS_MAGIC	 0xcafe4a11
#define PROC_SUPER_MAGIC 0x9fa0
#define FMODE_WRITE	 2
#define PROT_EXEC	 4
#define MAP_DENYWRITE	 0x800
#define S_IFMT		 0170000
#define S_IFDIR		 0040000
#define MMF_HAS_UPROBES	 19
#define ATTR_SIZE	 (1 << 3)

/* mount(2), as include/uapi/linux/mount.h has them */
#define MS_REMOUNT     32
#define MS_BIND	       4096
#define MS_MOVE	       8192
#define MS_PROPAGATION (1UL << 17 | 1UL << 18 | 1UL << 19 | 1UL << 20)
#define MNT_DETACH     2

/* Newer kernels let a program write to the registers of a user's task (uprobes). */
static __always_inline bool writes_registers(struct bpf_prog_aux *aux)
{
	return bpf_core_field_exists(aux->kprobe_write_ctx) && BPF_CORE_READ(aux, kprobe_write_ctx);
}

/*
 * Says what a system call comes to, in the kernel's place: functions that may be made to fail are
 * among those that programs may answer for. Known when the verifier is done.
 */
static __always_inline bool answers_calls(struct bpf_prog *prog)
{
	char name[16] = "";
	__u32 i;

	if (BPF_CORE_READ_BITFIELD_PROBED(prog, kprobe_override))
		return true;
	if (BPF_CORE_READ(prog, type) != BPF_PROG_TYPE_TRACING ||
	    BPF_CORE_READ(prog, expected_attach_type) != BPF_MODIFY_RETURN)
		return false;
	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(prog, aux, attach_func_name));
	/* __x64_sys_bpf, __arm64_sys_bpf, sys_bpf; the manager makes no compat calls */
	for (i = 0; i + 4 <= sizeof(name); i++) {
		if (name[i] == 's' && name[i + 1] == 'y' && name[i + 2] == 's' &&
		    name[i + 3] == '_')
			return true;
	}
	return false;
}

static __always_inline struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

#endif /* GMEM_KERNEL_LOCK_TYPES_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's types that only the policy looks at, see bpf/kernel/types.h. A name ends in
 * ___policy where the other programs know the type too, with other members: the kernel's is what
 * stands before it.
 */
#ifndef GMEM_KERNEL_POLICY_TYPES_H
#define GMEM_KERNEL_POLICY_TYPES_H

#include "types.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	unsigned int val;
} kuid_t;

struct user_namespace {
	int level; /* 0: the initial one */
};

struct cred {
	kuid_t euid;
	struct user_namespace *user_ns;
};

struct mnt_namespace___policy {
	struct user_namespace *user_ns; /* that owns it */
};

struct nsproxy___policy {
	struct mnt_namespace___policy *mnt_ns;
};

struct notification;

struct sock_filter {
	unsigned short code;
	unsigned char jt, jf;
	unsigned int k;
};

struct sock_fprog_kern {
	unsigned short len;
	struct sock_filter *filter;
};

struct bpf_prog___policy {
	struct sock_fprog_kern *orig_prog; /* CONFIG_CHECKPOINT_RESTORE */
};

struct seccomp_filter {
	struct seccomp_filter *prev;
	struct bpf_prog___policy *prog;
	struct notification *notif; /* somebody answers system calls in the task's place */
};

/* With another name its member is looked for where it is. */
struct seccomp___policy {
	struct seccomp_filter *filter; /* CONFIG_SECCOMP */
};

/* The root directory of a task, and where the file system of that directory is mounted. */
struct vfsmount___root {
	struct dentry *mnt_root;
};

struct path___root {
	struct vfsmount___root *mnt;
	struct dentry *dentry;
};

struct fs_struct___root {
	struct path___root root;
};

struct mount___root {
	struct mount___root *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount___root mnt;
};

struct task_struct___policy;

struct pid_namespace___root {
	struct task_struct___policy *child_reaper; /* its process 1 */
};

struct upid___root {
	struct pid_namespace___root *ns;
};

struct pid___root {
	struct upid___root numbers[1]; /* from the initial namespace on */
};

struct mm_struct___policy;

struct task_struct___policy {
	int pid;
	int tgid;
	unsigned int flags;
	struct mm_struct___policy *mm;
	struct cred *cred;
	struct cred *real_cred;
	struct css_set *cgroups;
	struct task_struct___policy *group_leader;
	unsigned int ptrace; /* somebody traces it */
	unsigned int in_execve : 1;
	struct nsproxy___policy *nsproxy;
	struct fs_struct___root *fs;
	struct pid___root *thread_pid;
	struct seccomp___policy seccomp;
};

struct mm_struct___policy {
	struct task_struct___policy *owner; /* CONFIG_MEMCG */
	struct file *exe_file;
};

struct vm_area_struct___policy {
	struct mm_struct___policy *vm_mm;
};

/* With in-place conversion the attributes belong to the instance. */
struct gmem_inode___later {
	void *attributes;
};

struct linux_binprm {
	unsigned long p; /* the first argument in the new address space; the environment follows */
	int argc, envc;
	unsigned int unsafe;
	struct file *file;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#define KVM_CREATE_GUEST_MEMFD 0xc040aed4

/* Of asm-generic/ioctls.h and linux/fs.h. */
#define FIONREAD 0x541b
#define FIONBIO	 0x5421
#define FIONCLEX 0x5450
#define FIOCLEX	 0x5451
#define FIOASYNC 0x5452
#define FIOQSIZE 0x5460
#define FIGETBSZ 0x00000002

#define CLONE_VM	   0x00000100
#define CLONE_THREAD	   0x00010000
#define PF_IO_WORKER	   0x00000010
#define LSM_UNSAFE_SHARE   1
#define LSM_UNSAFE_PTRACE  2
#define SECCOMP_RET_ERRNO  0x00050000 /* and the errno */
#define BPF_CLASS_OF_CODE  0x07
#define PTRACE_MODE_ATTACH 0x02

#endif /* GMEM_KERNEL_POLICY_TYPES_H */

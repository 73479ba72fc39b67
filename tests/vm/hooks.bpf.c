// SPDX-License-Identifier: GPL-2.0-only
/*
 * The LSM hooks of kernel-patches/, driven by hooks_test.c: each notes what it was called with, and
 * answers with the verdict that the test put there, for the test's own processes alone. Everybody
 * else is allowed.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "hooks.h"

char LICENSE[] SEC("license") = "GPL";

struct inode {
	unsigned long long i_ino;
} __attribute__((preserve_access_index));

struct file {
	struct inode *f_inode;
} __attribute__((preserve_access_index));

struct vm_area_struct {
	struct file *vm_file;
	unsigned long vm_start;
} __attribute__((preserve_access_index));

struct qstr;

/* The process to judge, 0 for none. */
__u32 judged_pid;
int verdict[HOOK_MAX];
struct hook_call calls[HOOK_MAX];

static int judge(enum hook hook, __u64 ino, __u64 a, __u64 b, __u64 c)
{
	if (bpf_get_current_pid_tgid() >> 32 != judged_pid)
		return 0;
	calls[hook].count++;
	calls[hook].ino = ino;
	calls[hook].arg[0] = a;
	calls[hook].arg[1] = b;
	calls[hook].arg[2] = c;
	return verdict[hook];
}

/* The kernel must know that a program returns an errno or 0. */
static int deny_or_allow(int verdict)
{
	if (verdict < -4095 || verdict > 0)
		return -1;
	return verdict;
}

SEC("lsm.s/guest_memfd_create")
int BPF_PROG(create, struct inode *inode, long long size, __u64 flags)
{
	return deny_or_allow(judge(HOOK_CREATE, inode->i_ino, size, flags, 0));
}

SEC("lsm.s/guest_memfd_bind")
int BPF_PROG(bind, struct file *file, __u64 offset, __u64 size, __u64 gpa)
{
	return deny_or_allow(judge(HOOK_BIND, file->f_inode->i_ino, offset, size, gpa));
}

SEC("lsm.s/kvm_memory_attributes")
int BPF_PROG(attributes, struct file *file, __u64 start, __u64 size, __u64 attributes)
{
	return deny_or_allow(judge(HOOK_ATTRIBUTES, 0, start, size, attributes));
}

SEC("lsm/guest_memfd_fault")
int BPF_PROG(fault, struct vm_area_struct *vma, unsigned long pgoff, unsigned int fault_flags)
{
	struct file *file = vma->vm_file;

	/* A mapping of an instance has a file: a fault without one would be a bug in the call. */
	if (!file)
		return -1;
	return deny_or_allow(
		judge(HOOK_FAULT, file->f_inode->i_ino, pgoff, fault_flags, vma->vm_start));
}

/* The two hooks that the series only puts on the list of those that may sleep. */
SEC("lsm.s/inode_init_security_anon")
int BPF_PROG(anon, struct inode *inode, const struct qstr *name)
{
	return deny_or_allow(judge(HOOK_ANON, 0, 0, 0, 0));
}

SEC("lsm.s/file_ioctl_compat")
int BPF_PROG(compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	return deny_or_allow(judge(HOOK_COMPAT, 0, cmd, 0, 0));
}

/*
 * fmod_ret may return what no LSM program may, a positive value. The callers must take that for a
 * denial as well.
 */
SEC("?fmod_ret/security_guest_memfd_create")
int BPF_PROG(create_positive)
{
	return bpf_get_current_pid_tgid() >> 32 == judged_pid ? 7 : 0;
}

SEC("?fmod_ret/security_guest_memfd_bind")
int BPF_PROG(bind_positive)
{
	return bpf_get_current_pid_tgid() >> 32 == judged_pid ? 7 : 0;
}

SEC("?fmod_ret/security_kvm_memory_attributes")
int BPF_PROG(attributes_positive)
{
	return bpf_get_current_pid_tgid() >> 32 == judged_pid ? 7 : 0;
}

SEC("?fmod_ret/security_guest_memfd_fault")
int BPF_PROG(fault_positive)
{
	return bpf_get_current_pid_tgid() >> 32 == judged_pid ? 7 : 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs on the tracepoints of kernel-patches/ that pass an inode only if there is one, driven by
 * nullable_test.c: each event once with a check of the pointer and once without.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct inode {
	unsigned long long i_ino;
} __attribute__((preserve_access_index));

struct kvm;

/* Events with and without an inode, and what keeps the compiler from leaving the loads out. */
unsigned long long with, without, sum;

static __always_inline int count(struct inode *inode)
{
	if (!inode) {
		without++;
		return 0;
	}
	with++;
	sum += inode->i_ino;
	return 0;
}

#define EVENT(event)                                                          \
	SEC("?tp_btf/kvm_gmem_" #event)                                       \
	int BPF_PROG(event##_checked, struct kvm *kvm, struct inode *inode)   \
	{                                                                     \
		return count(inode);                                          \
	}                                                                     \
	SEC("?tp_btf/kvm_gmem_" #event)                                       \
	int BPF_PROG(event##_unchecked, struct kvm *kvm, struct inode *inode) \
	{                                                                     \
		sum += inode->i_ino;                                          \
		return 0;                                                     \
	}

EVENT(create)
EVENT(bind)
EVENT(guest_fault)
EVENT(populate)

// SPDX-License-Identifier: GPL-2.0-only
/* guest_memfd inodes that were allocated and destroyed: equal when none is left. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

long allocated, destroyed;

struct super_block;
struct inode;

SEC("fexit/kvm_gmem_alloc_inode")
int BPF_PROG(alloc_inode, struct super_block *sb, struct inode *inode)
{
	if (inode)
		__sync_fetch_and_add(&allocated, 1);
	return 0;
}

SEC("fentry/kvm_gmem_destroy_inode")
int BPF_PROG(destroy_inode, struct inode *inode)
{
	__sync_fetch_and_add(&destroyed, 1);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What gmemctl asks the kernel for when it loads a policy: how the kernel names a file, and which
 * instances there are already. Nothing here stays.
 */
#include <stdbool.h>

#include "gmem_core.h"
#include "gmem_policy_core.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "gmem_trace.h"
#include "gmem_kvm.h"
#include "gmem_policy_find.h"

char LICENSE[] SEC("license") = "GPL";

/* Whose files are to be named. */
const volatile int self;

SEC("iter/task_file")
int name_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct gmem_file_name name = {};
	struct inode *inode;

	if (!file || !task || task->tgid != self || task->pid != self)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	name.fd = ctx->fd;
	name.identity.kind = GMEM_BY_INODE;
	name.identity.ino = BPF_CORE_READ(inode, i_ino);
	name.identity.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	name.identity.generation = BPF_CORE_READ((struct inode___policy *)inode, i_generation);
	bpf_seq_write(ctx->meta->seq, &name, sizeof(name));
	return 0;
}

static __always_inline void write_found(struct seq_file *seq, struct task_struct *task,
					struct file *file, __u32 how)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct gmem_found found = {};

	found.ino = BPF_CORE_READ(inode, i_ino);
	found.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	found.size = BPF_CORE_READ(inode, i_size);
	found.pid = task->pid;
	found.tgid = task->tgid;
	found.how = how;
	BPF_CORE_READ_STR_INTO(&found.comm, task, comm);
	bpf_seq_write(seq, &found, sizeof(found));
}

SEC("iter/task_file")
int find_fds(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	if (file && task && is_instance(file))
		write_found(ctx->meta->seq, task, file, GMEM_HELD_BY_FD);
	return 0;
}

/* Those whose fds are closed live on in mappings. */
SEC("iter/task_vma")
int find_mappings(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *task = ctx->task;
	struct file *file;

	if (!vma || !task)
		return 0;
	file = vma->vm_file;
	if (file && is_instance(file))
		write_found(ctx->meta->seq, task, file, GMEM_HELD_BY_MAPPING);
	return 0;
}

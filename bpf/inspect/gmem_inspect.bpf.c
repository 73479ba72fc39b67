// SPDX-License-Identifier: GPL-2.0-only
/*
 * What gmemctl asks the kernel for: how the kernel names a file, which instances there are, and who
 * holds them, by file descriptors, mappings and VMs. Nothing here stays.
 */
#include <stdbool.h>

#include "../kernel/types.h"
#include "../kernel/policy_types.h"

#include "../abi/trace.h"
#include "../kernel/kvm.h"
#include "../kernel/memslots.h"
#include "../abi/inspect.h"
#include "../kernel/file_identity.h"
#include "inflight.h"

char LICENSE[] SEC("license") = "GPL";

/* This kernel's types of KVM are known. */
const volatile bool knows_kvm;

#define PROC_SUPER_MAGIC 0x9fa0

/* Of the one task that the iterator was made for. It is pinned, and outlives who loaded it. */
SEC("iter/task_file")
int gmem_name_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct gmem_file_name name = {};

	if (!file || !task)
		return 0;
	name.fd = ctx->fd;
	if (!is_untrusted_fs(file))
		identify(&name.identity, BPF_CORE_READ(file, f_inode));
	bpf_seq_write(ctx->meta->seq, &name, sizeof(name));
	return 0;
}

#define NAME_KVM_VCPU 0x757063762d6d766bULL /* "kvm-vcpu", then a colon */

/* Not its statistics, "kvm-vcpu-stats:". */
static __always_inline bool is_vcpu(struct file *file)
{
	return magic_of(file) == ANON_INODE_FS_MAGIC &&
	       name_begins(name_of(file), NAME_KVM_VCPU, sizeof(__u64)) &&
	       name_begins(name_of(file) + sizeof(__u64), ':', 1);
}

static bool is_bound_here(struct kvm *kvm, struct inode *inode, struct file *file, __u64 *flags)
{
	if (!is_instance(file) || kvm_of(file) != kvm)
		return false;
	*flags = flags_of(inode);
	return true;
}

static __always_inline void describe_vm(struct gmem_found *found, struct kvm *kvm, __u64 mm)
{
	found->kvm = (__u64)kvm;
	found->mm = (__u64)BPF_CORE_READ(kvm, mm);
	found->vm_pid = creator_of(kvm);
	if (bpf_core_field_exists(kvm->arch.vm_type))
		found->type = BPF_CORE_READ(kvm, arch.vm_type);
	found->same_mm = found->mm && found->mm == mm;
}

static __always_inline void describe_task(struct gmem_found *found, struct task_struct *task,
					  __u32 how)
{
	found->how = how;
	found->pid = task->pid;
	found->tgid = task->tgid;
	BPF_CORE_READ_STR_INTO(&found->comm, task, comm);
}

static __always_inline void describe(struct gmem_found *found, struct file *file, __u64 mm)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	found->ino = BPF_CORE_READ(inode, i_ino);
	found->inode = (__u64)inode;
	found->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	found->size = BPF_CORE_READ(inode, i_size);
	found->flags = GMEM_UNKNOWN;
	if (knows_kvm) {
		found->flags = flags_of(inode);
		describe_vm(found, kvm_of(file), mm);
	}
}

static __noinline void tell_in_flight(struct socket_walk *walk, struct file *file)
{
	describe(&walk->found, file, 0);
	bpf_seq_write(walk->seq, &walk->found, sizeof(walk->found));
}

static __always_inline void find_in_flight(struct bpf_iter__task_file *ctx, struct file *file,
					   struct task_struct *task)
{
	struct socket_walk walk = { .seq = ctx->meta->seq };

	walk.found.table = (__u64)task->files;
	walk.found.at = ctx->fd;
	describe_task(&walk.found, task, GMEM_HELD_BY_socket);
	walk_socket(&walk, file);
}

SEC("iter/task_file")
int gmem_find_fds(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct gmem_found found = {};
	struct file *file = ctx->file;
	struct kvm_vcpu *vcpu;
	__u64 mm;

	if (!file || !task)
		return 0;
	if (is_socket(file)) {
		find_in_flight(ctx, file, task);
		return 0;
	}
	found.table = (__u64)task->files;
	found.at = ctx->fd;
	mm = (__u64)task->mm;
	if (is_instance(file)) {
		describe_task(&found, task, GMEM_HELD_BY_fd);
		describe(&found, file, mm);
	} else if (knows_kvm && is_vm(file)) {
		describe_task(&found, task, GMEM_HELD_BY_vm);
		describe_vm(&found, file->private_data, mm);
	} else if (knows_kvm && is_vcpu(file)) {
		vcpu = file->private_data;
		describe_task(&found, task, GMEM_HELD_BY_vm);
		describe_vm(&found, BPF_CORE_READ(vcpu, kvm), mm);
	} else {
		return 0;
	}
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}

/* Those whose fds are closed live on in mappings. */
SEC("iter/task_vma")
int gmem_find_maps(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *task = ctx->task;
	struct gmem_found found = {};
	struct file *file;

	if (!vma || !task)
		return 0;
	file = vma->vm_file;
	if (!file || !is_instance(file))
		return 0;
	found.table = (__u64)task->mm;
	found.at = vma->vm_start;
	found.end = vma->vm_end;
	found.offset = vma->vm_pgoff << PAGE_SHIFT;
	found.prot = vma->vm_flags & VM_ACCESS_FLAGS;
	describe_task(&found, task, GMEM_HELD_BY_mapping);
	describe(&found, file, (__u64)task->mm);
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}

/*
 * Descriptors of the memory of processes (/proc/PID/mem, /proc/PID/task/TID/mem), and the processes
 * that have the memory. Descriptors that are in a message or in a ring are not found.
 */
SEC("iter/task_file")
int gmem_find_mems(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct gmem_memory memory = {};
	struct file *file = ctx->file;
	char name[8] = "";

	if (!file || !task || BPF_CORE_READ(file, f_inode, i_sb, s_magic) != PROC_SUPER_MAGIC)
		return 0;
	bpf_probe_read_kernel_str(name, sizeof(name),
				  BPF_CORE_READ(file, f_path.dentry, d_name.name));
	if (bpf_strncmp(name, sizeof(name), "mem"))
		return 0;
	memory.mm = (__u64)file->private_data;
	memory.tgid = task->tgid;
	memory.held = 1;
	bpf_seq_write(ctx->meta->seq, &memory, sizeof(memory));
	return 0;
}

SEC("iter/task")
int gmem_memory(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct gmem_memory memory = {};

	if (!task || task->pid != task->tgid)
		return 0;
	memory.mm = (__u64)task->mm;
	memory.tgid = task->tgid;
	if (memory.mm)
		bpf_seq_write(ctx->meta->seq, &memory, sizeof(memory));
	return 0;
}

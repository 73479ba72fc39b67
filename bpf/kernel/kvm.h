/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What BPF programs ask of KVM's objects: which file is what, whose it is, what an inode says. No
 * maps here, so that every object can include it.
 */
#ifndef GMEM_KERNEL_KVM_H
#define GMEM_KERNEL_KVM_H

#include "../abi/trace.h"
#include "types.h"

#include <stdbool.h>
#include <asm-generic/errno.h>

/* What user space passes: the ABI, not to be relocated. */
struct attributes_abi {
	__u64 address;
	__u64 size;
	__u64 attributes;
	__u64 flags;
};

struct region_abi {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
};

/* The process that made a VM; where only its thread is known, that is the best guess. */
static __always_inline int creator_of(struct kvm *kvm)
{
	return bpf_core_field_exists(kvm->tgid) ? BPF_CORE_READ(kvm, tgid)
						: BPF_CORE_READ(kvm, userspace_pid);
}

static __always_inline __u64 resident_pages_of(struct inode *inode)
{
	return BPF_CORE_READ(inode, i_mapping, nrpages);
}

static __always_inline __u64 flags_of(struct inode *inode)
{
	struct gmem_inode *gmem;
	void *container;

	if (!bpf_core_type_exists(struct gmem_inode))
		return (__u64)BPF_CORE_READ(inode, i_private);
	container = (void *)inode - bpf_core_field_offset(struct gmem_inode, vfs_inode);
	gmem = container;
	return BPF_CORE_READ(gmem, flags);
}

/* The number of its type, GMEM_TYPE_NONE where the architecture has none. */
static __always_inline __u32 kvm_type_of(struct kvm *kvm)
{
	return bpf_core_field_exists(kvm->arch.vm_type) ? BPF_CORE_READ(kvm, arch.vm_type)
							: GMEM_TYPE_NONE;
}

/* The VM of an instance's file, which must be known to be one. */
static __always_inline struct kvm *kvm_of(struct file *file)
{
	void *private = BPF_CORE_READ(file, private_data);

	if (bpf_core_type_exists(struct gmem_file))
		return BPF_CORE_READ((struct gmem_file *)private, kvm);
	return BPF_CORE_READ((struct kvm_gmem *)private, kvm);
}

/* Files of anon_inodefs get their name from the kernel: nobody can forge it. */
static __always_inline bool anon_name_is(struct file *file, const char *name, const __u32 size)
{
	char buf[16] = {};
	__u32 i;

	bpf_probe_read_kernel_str(buf, sizeof(buf),
				  BPF_CORE_READ(file, f_path.dentry, d_name.name));
	for (i = 0; i < size; i++) {
		if (buf[i] != name[i])
			return false;
	}
	return true;
}

static __always_inline bool is_vm(struct file *file)
{
	return BPF_CORE_READ(file, f_inode, i_sb, s_magic) == ANON_INODE_FS_MAGIC &&
	       anon_name_is(file, "kvm-vm", 7);
}

static __always_inline bool is_instance(struct file *file)
{
	__u64 magic = BPF_CORE_READ(file, f_inode, i_sb, s_magic);

	return magic == GUEST_MEMFD_MAGIC ||
	       (magic == ANON_INODE_FS_MAGIC && anon_name_is(file, "[kvm-gmem]", 11));
}

static __always_inline void inst_key(struct gmem_inst_key *key, struct inode *inode)
{
	key->ino = inode->i_ino;
	key->dev = inode->i_sb->s_dev;
	key->pad = 0;
}

/* Which direction a change of attributes has; GMEM_DIRECTIONS: neither. */
static __always_inline __u32 direction_of(__u64 attributes)
{
	if (attributes == KVM_MEMORY_ATTRIBUTE_PRIVATE)
		return 0;
	return attributes ? GMEM_DIRECTIONS : 1;
}

/* Refused before KVM looked at it: another process, unreadable, unknown. */
static __always_inline bool not_looked_at(long ret)
{
	return ret == -EIO || ret == -EFAULT || ret == -ENOTTY;
}

/* The file behind a descriptor of the current process. */
static __always_inline struct file *file_of_fd(int fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = NULL;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return file;
}

#endif /* GMEM_KERNEL_KVM_H */

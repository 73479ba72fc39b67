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

/*
 * What tells a VM from all others of this boot. @kind: enum gmem_key. The number of an inode in
 * debugfs has 32 bits and comes again after as many inodes; for one creator it does not.
 */
static __always_inline __u64 key_of(struct kvm *kvm, __u32 *kind)
{
	struct dentry *dir;
	__u64 ino = 0;

	if (bpf_core_field_exists(kvm->id)) {
		*kind = GMEM_KEY_NUMBER;
		return BPF_CORE_READ(kvm, id);
	}
	dir = bpf_core_field_exists(kvm->debugfs_dentry) ? BPF_CORE_READ(kvm, debugfs_dentry)
							 : NULL;
	if (dir && (__u64)dir < (__u64)-4095)
		ino = BPF_CORE_READ(dir, d_inode, i_ino);
	if (ino) {
		*kind = GMEM_KEY_DIR;
		return ino << 32 | (__u32)creator_of(kvm);
	}
	*kind = GMEM_KEY_SEEN;
	return bpf_ktime_get_ns();
}

/* Is this still the VM that was seen first? Its memory may be somebody else's by now. */
static __always_inline bool is_alive(struct kvm *kvm, __u64 mm)
{
	return BPF_CORE_READ(kvm, users_count.refs.counter) > 0 &&
	       (__u64)BPF_CORE_READ(kvm, mm) == mm;
}

/* The same of an inode: another one may be where it was. */
static __always_inline bool inode_is(struct inode *inode, __u64 ino, __u32 dev)
{
	return BPF_CORE_READ(inode, i_ino) == ino && BPF_CORE_READ(inode, i_count.counter) > 0 &&
	       BPF_CORE_READ(inode, i_sb, s_dev) == dev;
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

/* The number of its type (GMEM_VM_TYPE_NAMES), GMEM_TYPE_NONE where it cannot be told. */
static __always_inline __u32 kvm_type_of(struct kvm *kvm)
{
	if (bpf_core_field_exists(kvm->arch.vm_type))
		return BPF_CORE_READ(kvm, arch.vm_type);
	if (bpf_core_field_exists(kvm->arch.pkvm.is_protected))
		return BPF_CORE_READ(kvm, arch.pkvm.is_protected) ? GMEM_VM_TYPE_protected
								  : GMEM_VM_TYPE_normal;
	return GMEM_TYPE_NONE;
}

/* The VM of an instance's file, which must be known to be one. */
static __always_inline struct kvm *kvm_of(struct file *file)
{
	void *private = BPF_CORE_READ(file, private_data);

	if (bpf_core_type_exists(struct gmem_file))
		return BPF_CORE_READ((struct gmem_file *)private, kvm);
	return BPF_CORE_READ((struct kvm_gmem *)private, kvm);
}

/*
 * The names of anon_inodefs come from the kernel, so no process can forge one: the first bytes as a
 * number, and of the longer name the rest.
 */
#define NAME_KVM_VM	0x006d762d6d766bULL /* "kvm-vm" and the end */
#define NAME_KVM_VM_LEN 7
#define NAME_KVM_GMEM	0x656d672d6d766b5bULL /* "[kvm-gme" */
#define NAME_M_END	0x005d6dU	      /* "m]" and the end */
#define NAME_M_END_LEN	3

static __always_inline bool name_begins(const unsigned char *name, __u64 with, __u32 len)
{
	__u64 start = 0;

	return !bpf_probe_read_kernel(&start, len, name) && start == with;
}

static __always_inline bool is_name_of_instance(const unsigned char *name)
{
	return name_begins(name, NAME_KVM_GMEM, sizeof(__u64)) &&
	       name_begins(name + sizeof(__u64), NAME_M_END, NAME_M_END_LEN);
}

/* How the name of a file is read: by name_of(), or as is cheaper where the caller has the file. */
typedef const unsigned char *(*read_name_fn)(struct file *file);

static __always_inline const unsigned char *name_of(struct file *file)
{
	return BPF_CORE_READ(file, f_path.dentry, d_name.name);
}

static __always_inline unsigned long magic_of(struct file *file)
{
	return BPF_CORE_READ(file, f_inode, i_sb, s_magic);
}

/*
 * Is a file an instance, or a VM? @magic: of its file system, which the caller reads in the way
 * that is cheapest there. Kernels with the type have a file system of its own for instances.
 */
static __always_inline bool is_instance_on(unsigned long magic, struct file *file,
					   read_name_fn read_name)
{
	return magic == GUEST_MEMFD_MAGIC ||
	       (magic == ANON_INODE_FS_MAGIC && !bpf_core_type_exists(struct gmem_inode) &&
		is_name_of_instance(read_name(file)));
}

static __always_inline bool is_instance(struct file *file)
{
	return is_instance_on(magic_of(file), file, name_of);
}

static __always_inline bool is_vm_on(unsigned long magic, struct file *file, read_name_fn read_name)
{
	return magic == ANON_INODE_FS_MAGIC &&
	       name_begins(read_name(file), NAME_KVM_VM, NAME_KVM_VM_LEN);
}

static __always_inline bool is_vm(struct file *file)
{
	return is_vm_on(magic_of(file), file, name_of);
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

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's types, as far as the BPF programs look at them: relocated at load time, so that one
 * object fits every kernel. What a kernel does not have is tested with bpf_core_field_exists() or
 * bpf_core_type_exists() and never read.
 */
#ifndef GMEM_KERNEL_TYPES_H
#define GMEM_KERNEL_TYPES_H

#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct file;
struct seq_file;

struct mm_struct {
	struct file *exe_file;
	struct task_struct *owner; /* CONFIG_MEMCG */
	struct {
		int counter;
	} mm_users;
	unsigned long arg_start, arg_end;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct refcount_struct {
	struct {
		int counter;
	} refs;
};

struct xarray {
	void *xa_head;
};

struct xa_node {
	unsigned char shift;
	unsigned char count;
	unsigned char nr_values;
	void *slots[64];
};

struct kernfs_node {
	unsigned long long id;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[0]; /* from the root on; [level] is this one */
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

/* Of whom a task is; the policy knows more of it. */
struct cred___who {
	struct {
		unsigned int val;
	} uid;
};

struct task_struct {
	struct cred___who *cred;
	unsigned int flags;
	struct css_set *cgroups;
	int exit_code;
	int pid;
	int tgid;
	char comm[16];
	struct mm_struct *mm;
	struct files_struct *files;
	struct task_struct *group_leader;
	unsigned long long start_boottime;
	unsigned long long self_exec_id;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct super_block {
	unsigned int s_dev;
	unsigned long s_magic;
};

struct list_head {
	struct list_head *next;
};

struct address_space {
	struct inode *host;
	struct xarray i_pages;
	unsigned long nrpages;
	struct list_head i_private_list;
};

struct folio {
	unsigned long index;
	unsigned long memcg_data;
	unsigned long _flags_1;
};

/* A word with the node in its highest bits: a number in older kernels, a struct of one in newer. */
struct page___word {
	unsigned long flags;
};

typedef struct {
	unsigned long f;
} memdesc_flags_t;

struct page___struct {
	memdesc_flags_t flags;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
};

struct obj_cgroup {
	struct mem_cgroup *memcg;
	bool is_root;
};

struct zoneref {
	int zone_idx;
};

struct zonelist {
	struct zoneref _zonerefs[1];
};

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	struct address_space *i_mapping;
	unsigned long i_ino;
	unsigned int i_generation;
	long long i_size;
	struct {
		int counter;
	} i_count;
	void *i_private;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct inode *d_inode;
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	struct address_space *f_mapping;
	void *private_data;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
};

/* What an mmap() asks for, before there is a vm_area_struct. Absent in older kernels. */
typedef struct {
	unsigned long __vma_flags[1];
} vma_flags_t;

struct vm_area_desc {
	unsigned long start;
	unsigned long end;
	unsigned long pgoff;
	vma_flags_t vma_flags;
};

enum fault_flag {
	FAULT_FLAG_WRITE = 1 << 0,
};

struct vm_fault {
	struct vm_area_struct *vma;
	unsigned long pgoff;
	unsigned long address;
	enum fault_flag flags;
};

/* virt/kvm: in the BTF of kvm.ko where KVM is a module. */

struct kvm_vm_stat_generic {
	unsigned long long private_pages; /* kernel-patches/ */
};

struct kvm_vm_stat {
	struct kvm_vm_stat_generic generic;
};

/* Page tables of the guest: of x86; older kernels count those of shadow paging apart. */
struct kvm_arch___mmu {
	unsigned long n_used_mmu_pages;
	struct {
		long long counter;
	} tdp_mmu_pages;
};

/* arm64 */
struct kvm_protected_vm {
	_Bool is_protected;
};

struct kvm_arch {
	unsigned char vm_type; /* an unsigned long before 6.10: its lowest byte says the same */
	struct kvm_protected_vm pkvm;
	unsigned long long gfn_direct_bits; /* of TDX: set in addresses of shared memory */
};

struct kvm_memslots {
	unsigned long long generation;
	struct hlist_head id_hash[128];
	int node_idx;
};

struct mutex {
};

struct kvm {
	struct mm_struct *mm;
	struct mutex slots_lock;
	struct kvm_memslots *memslots[1]; /* one for each address space */
	struct refcount_struct users_count;
	int userspace_pid;     /* of the thread that made the VM */
	int tgid;	       /* kernel-patches/: of its process */
	unsigned long long id; /* kernel-patches/: never reused */
	struct dentry *debugfs_dentry;
	struct xarray mem_attr_array;
	struct kvm_vm_stat stat;
	struct kvm_arch arch;
};

struct kvm_vcpu {
	struct kvm *kvm;
	int vcpu_id;
};

struct kvm_memory_slot {
	struct hlist_node id_node[2];
	unsigned long long base_gfn;
	unsigned long npages;
	unsigned long userspace_addr;
	short id;
	unsigned short as_id;
	struct {
		struct file *file;
		unsigned long pgoff;
	} gmem;
};

/* A VM's view of an instance, file->private_data: struct kvm_gmem in older kernels. */
struct gmem_file {
	struct kvm *kvm;
	struct list_head entry;
};

struct kvm_gmem {
	struct kvm *kvm;
	struct list_head entry;
};

/* Absent in older kernels, where an instance is a plain inode with its flags in i_private. */
struct gmem_inode {
	struct inode vfs_inode;
	struct list_head gmem_file_list;
	unsigned long long flags;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key;
	void *value;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	unsigned int fd;
	struct file *file;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

#pragma clang attribute pop

enum zone_type {
	__MAX_NR_ZONES = 1,
};

enum pageflags {
	PG_head = 1,
};

/* uapi: the same in each kernel, which none of them need be searched for. */

struct kvm_memory_attributes {
	unsigned long long address;
	unsigned long long size;
	unsigned long long attributes;
	unsigned long long flags;
};

struct kvm_userspace_memory_region2 {
	unsigned int slot;
	unsigned int flags;
	unsigned long long guest_phys_addr;
	unsigned long long memory_size;
	unsigned long long userspace_addr;
	unsigned long long guest_memfd_offset;
};

struct kvm_create_guest_memfd {
	unsigned long long size;
	unsigned long long flags;
};

/* enum kvm_gmem_invalidate_reason of kernel-patches/ */
enum kvm_gmem_invalidate_reason {
	KVM_GMEM_INVALIDATE_PUNCH,
	KVM_GMEM_INVALIDATE_ERROR,
	KVM_GMEM_INVALIDATE_RELEASE,
};

#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000

#define ANON_INODE_FS_MAGIC	     0x09041934
#define GUEST_MEMFD_MAGIC	     0x474d454d
#define KVM_MEMORY_ATTRIBUTE_PRIVATE (1ULL << 3)
#define KVM_MEM_GUEST_MEMFD	     (1U << 2)
#define KVM_SET_MEMORY_ATTRIBUTES    0x4020aed2
#define KVM_SET_MEMORY_ATTRIBUTES2   0xc080aed2 /* of later kernels, on an instance */
#define KVM_SET_USER_MEMORY_REGION2  0x40a0ae49
#define FALLOC_FL_KEEP_SIZE	     0x01
#define FALLOC_FL_PUNCH_HOLE	     0x02
#define VM_ACCESS_FLAGS		     0x07 /* read, write, execute: the same bits as in PROT_* */
#define VM_FAULT_RETRY		     0x0400
#define PAGE_SHIFT		     12
/* VM_FAULT_: OOM, SIGBUS, HWPOISON, HWPOISON_LARGE, SIGSEGV, FALLBACK */
#define VM_FAULT_ERROR 0x0873

#endif /* GMEM_KERNEL_TYPES_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decides who may create, bind, map, touch, convert, punch and receive guest_memfd.
 *
 * With no policy in force every program allows and counts nothing. Under a policy each of them
 * denies when in doubt, with EACCES, and only ever about guest_memfd: what is no instance (or no VM
 * that converts) is left alone before anything is looked up.
 *
 * Only LSM programs decide: unlike tracing programs they are never left out when they recur. The
 * kernel stops at the first program that denies, so that the others' denials need no care here.
 * They do not sleep, which makes them cheaper, and some of their hooks may not; the two that make
 * tags do, for then there is memory.
 */
#include "policy/evaluate.h"
#include "policy/guards.h"
#include "policy/identity.h"

char LICENSE[] SEC("license") = "GPL";

/* --- what is asked for --- */

/* Loads instead of calls: these are the paths of every file of the host. */
static __always_inline unsigned long fs_of(struct file *file)
{
	return file->f_inode->i_sb->s_magic;
}

static __always_inline const unsigned char *name_in(struct file *file)
{
	return file->f_path.dentry->d_name.name;
}

/* What is to be known of an instance is read when it is wanted. */
static __always_inline void ask_about(struct question *q, struct file *file)
{
	q->file = file;
	q->inode = file->f_inode;
	q->r.flags = GMEM_FLAGS_unknown;
	q->r.type = GMEM_TYPE_unknown;
}

static __always_inline void ask_about_new(struct question *q, struct inode *inode)
{
	q->inode = inode;
	q->ino = inode->i_ino;
	q->dev = inode->i_sb->s_dev;
	q->r.type = GMEM_TYPE_unknown;
	q->fresh = 1;
}

/* --- the hooks of kernel-patches/ --- */

/* Denied: there is no instance, and no fd. */
SEC("?lsm/guest_memfd_create")
int BPF_PROG(gmem_create, struct inode *inode, long long size, __u64 flags)
{
	struct question q = {
		.r = { .op = GMEM_DO_create, .flags = GMEM_FLAGS_OF(flags), .size = size }
	};

	ask_about_new(&q, inode);
	return evaluate(&q);
}

/* Denied: the memslot is not made. Ending a binding is never asked about. */
SEC("?lsm/guest_memfd_bind")
int BPF_PROG(gmem_bind, struct file *file, __u64 offset, __u64 size, __u64 gpa)
{
	struct question q = { .r = { .op = GMEM_DO_bind,
				     .start = gpa,
				     .end = gpa + size,
				     .offset = offset,
				     .offset_end = offset + size } };

	ask_about(&q, file);
	return evaluate(&q);
}

/* Denied: the attributes stay as they are. The file is the VM, in later kernels an instance. */
SEC("?lsm/kvm_memory_attributes")
int BPF_PROG(gmem_convert, struct file *file, __u64 start, __u64 size, __u64 attributes)
{
	struct question q = { .r = { .op = GMEM_DO_convert,
				     .flags = GMEM_FLAGS_unknown,
				     .direction = GMEM_DIR_other,
				     .start = start,
				     .end = start + size } };

	if (attributes == KVM_MEMORY_ATTRIBUTE_PRIVATE)
		q.r.direction = GMEM_DIR_to_private;
	else if (!attributes)
		q.r.direction = GMEM_DIR_to_shared;
	q.r.type = GMEM_TYPE_unknown;
	q.file = file;
	q.vm = 1;
	if (bpf_core_field_exists(((struct gmem_inode___later *)0)->attributes) &&
	    file->f_inode->i_sb->s_magic == GUEST_MEMFD_MAGIC)
		q.inode = file->f_inode;
	return evaluate(&q);
}

/*
 * Denied: SIGBUS, or EFAULT for who reaches in from elsewhere. Who asks is who has the memory,
 * which is another than the current task where a kernel thread, a tracer or a device works for it.
 */
SEC("?lsm/guest_memfd_fault")
int BPF_PROG(gmem_fault, struct vm_area_struct *vma, unsigned long pgoff, unsigned int fault_flags)
{
	struct question q = { .r = { .op = GMEM_DO_fault } };
	struct task_struct *task = bpf_get_current_task_btf(), *owner;
	struct task_struct___policy *t = (void *)task;
	struct mm_struct___policy *mm = ((struct vm_area_struct___policy *)vma)->vm_mm;
	struct file *file = vma->vm_file;
	int ret, pid;

	/* A mapping of an instance has both: this is for the verifier. */
	if (!file || !mm)
		return -EACCES;
	q.r.prot = fault_flags & FAULT_FLAG_WRITE ? 1 << 1 : 1 << 0;
	ask_about(&q, file);
	if (t->mm == mm && !(t->flags & PF_KTHREAD))
		return evaluate(&q);
	q.other = 1;
	owner = NULL;
	/* Without CONFIG_MEMCG it is unknown, and the fault is denied. */
	pid = bpf_core_field_exists(mm->owner) ? BPF_CORE_READ(mm, owner, pid) : 0;
	if (has_task_from_pid && pid)
		owner = bpf_task_from_pid(pid);
	q.nobody = !owner || BPF_CORE_READ((struct task_struct___policy *)owner, mm) != mm;
	ret = evaluate_request(owner, &q);
	if (owner)
		bpf_task_release(owner);
	return ret;
}

/* --- the hooks that every kernel has --- */

/*
 * Creation without its own hook: neither size nor flags are known yet. Denied: there is no
 * instance. A memfd of that name is on tmpfs, and is "[memfd]" here.
 */
SEC("?lsm/inode_init_security_anon")
int BPF_PROG(gmem_creat_anon, struct inode *inode, const struct qstr *name)
{
	struct question q = {
		.r = { .op = GMEM_DO_create, .flags = GMEM_FLAGS_unknown, .size = ~0ULL }
	};

	if (!is_name_of_instance(name->name))
		return 0;
	ask_about_new(&q, inode);
	return evaluate(&q);
}

/* Denied: no mapping. What is mapped is mapped: see mprotect and fault. */
SEC("?lsm/mmap_file")
int BPF_PROG(gmem_map_file, struct file *file, unsigned long reqprot, unsigned long prot)
{
	struct question q = { .r = { .op = GMEM_DO_mmap } };
	__u64 there = 0;

	/* Anonymous memory has no file, and older verifiers take a plain compare away. */
	bpf_get_func_arg(ctx, 0, &there);
	if (!there || !file || !is_instance_on(fs_of(file), file, name_in))
		return 0;
	q.r.prot = prot & (GMEM_PROT_MAX - 1);
	ask_about(&q, file);
	return evaluate(&q);
}

/* Denied: the mapping keeps its protection. */
SEC("?lsm/file_mprotect")
int BPF_PROG(gmem_mprotect, struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot)
{
	struct question q = { .r = { .op = GMEM_DO_mmap } };
	struct file *file = vma->vm_file;

	if (!file || !is_instance_on(fs_of(file), file, name_in))
		return 0;
	q.r.prot = prot & (GMEM_PROT_MAX - 1);
	ask_about(&q, file);
	return evaluate(&q);
}

/*
 * fallocate, also by way of madvise(MADV_REMOVE) and io_uring. An instance has no other operation
 * that asks for this; should it get one, that is as privileged. Denied: nothing is punched.
 */
SEC("?lsm/file_permission")
int BPF_PROG(gmem_punch, struct file *file, int mask)
{
	struct question q = { .r = { .op = GMEM_DO_punch } };

	if (!is_instance_on(fs_of(file), file, name_in))
		return 0;
	ask_about(&q, file);
	return evaluate(&q);
}

/*
 * SCM_RIGHTS, pidfd_getfd and the like. Denied: the fd does not arrive; with SCM_RIGHTS the
 * receiver sees only that the message was cut.
 */
SEC("?lsm/file_receive")
int BPF_PROG(gmem_receive, struct file *file)
{
	struct question q = { .r = { .op = GMEM_DO_receive } };

	if (!is_instance_on(fs_of(file), file, name_in))
		return 0;
	ask_about(&q, file);
	return evaluate(&q);
}

/*
 * Binder passes descriptors by itself, and this asks the sender. Who receives is not known but for
 * his credentials: nobody does. Denied: there is no transaction (EPERM).
 */
SEC("?lsm/binder_transfer_file")
int BPF_PROG(gmem_binder, const struct cred *from, const struct cred *to, struct file *file)
{
	struct question q = { .r = { .op = GMEM_DO_receive }, .nobody = 1 };

	if (!is_instance_on(fs_of(file), file, name_in))
		return 0;
	ask_about(&q, file);
	return evaluate_request(bpf_get_current_task_btf(), &q);
}

/* --- ioctls --- */

/*
 * Numbers that the kernel answers for any file before it asks the file's own handler, and which
 * only concern the descriptor or what stat(2) reports as well. FIONREAD can reach the handler,
 * which has always refused it.
 */
static __always_inline bool is_generic_ioctl(unsigned int cmd)
{
	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
	case FIONBIO:
	case FIOASYNC:
	case FIOQSIZE:
	case FIGETBSZ:
	case FIONREAD: return true;
	}
	return false;
}

/*
 * An ioctl on an instance. Linux 7.3 has none. In later kernels one of them converts, and it is
 * open to whoever holds the descriptor; what it asks for is in the caller's memory and can change
 * after a look at it. That needs a rule that allows conversions without conditions; a default does
 * not allow it, since a policy for a kernel without conversions leaves their default open. No
 * policy allows other numbers: what they do is not known.
 *
 * Denied: the file's handler is not called.
 */
static __always_inline int evaluate_instance_ioctl(struct file *file, unsigned int cmd)
{
	struct question q = { .r = { .op = GMEM_DO_convert,
				     .direction = GMEM_DIR_other,
				     .start = ~0ULL,
				     .end = ~0ULL },
			      .by_rule = 1 };

	if (is_generic_ioctl(cmd))
		return 0;
	ask_about(&q, file);
	if (cmd != KVM_SET_MEMORY_ATTRIBUTES2) {
		q.unknown = 1;
		q.r.start = cmd;
	}
	return evaluate_request(bpf_get_current_task_btf(), &q);
}

/*
 * For which type of VM the task is creating an instance: the hooks of creation do not say. If the
 * type is unknown afterwards, no rule allows the creation by its type.
 */
static __always_inline int note_type(struct file *file)
{
	struct gmem_decision_cache *cache;

	if (!knows_kvm)
		return 0;
	cache = cache_of(bpf_get_current_task_btf(), BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (cache) {
		cache->vm_type = type_of_vm(file->private_data) + 1;
		cache->type_taken = 0;
	}
	return 0;
}

/*
 * --strict-ioctl: binding and conversion by the number of the ioctl alone, since what it asks for
 * is in the caller's memory and can change after a look at it. This also hits VMs that have no
 * guest_memfd, and the end of a binding. Policies that were loaded without it do not notice.
 */
static __always_inline int evaluate_vm_ioctl(struct file *file, __u32 op)
{
	struct question q = { .r = { .op = op,
				     .flags = GMEM_FLAGS_unknown,
				     .type = GMEM_TYPE_unknown,
				     .direction = GMEM_DIR_other,
				     .size = ~0ULL,
				     .start = ~0ULL,
				     .end = ~0ULL,
				     .offset = ~0ULL,
				     .offset_end = ~0ULL },
			      .strict = 1 };

	q.file = file;
	q.vm = 1;
	return evaluate_request(bpf_get_current_task_btf(), &q);
}

/* Of every ioctl of the host: read the magic number once. */
static __always_inline int evaluate_ioctl(struct file *file, unsigned int cmd)
{
	if (is_instance_on(fs_of(file), file, name_in))
		return evaluate_instance_ioctl(file, cmd);
	return 0;
}

SEC("?lsm/file_ioctl")
int BPF_PROG(gmem_ioctl, struct file *file, unsigned int cmd, unsigned long arg)
{
	return evaluate_ioctl(file, cmd);
}

SEC("?lsm/file_ioctl_compat")
int BPF_PROG(gmem_ioctl32, struct file *file, unsigned int cmd, unsigned long arg)
{
	return evaluate_ioctl(file, cmd);
}

/* Attached for policies that need it only: a rule looks at the type of VMs, or --strict-ioctl. */
static __always_inline int look_at_vm_ioctl(struct file *file, unsigned int cmd)
{
	switch (cmd) {
	case KVM_CREATE_GUEST_MEMFD:
		return is_vm_on(fs_of(file), file, name_in) ? note_type(file) : 0;
	case KVM_SET_USER_MEMORY_REGION2:
		return is_vm_on(fs_of(file), file, name_in) ? evaluate_vm_ioctl(file, GMEM_DO_bind)
							    : 0;
	case KVM_SET_MEMORY_ATTRIBUTES:
		return is_vm_on(fs_of(file), file, name_in)
			       ? evaluate_vm_ioctl(file, GMEM_DO_convert)
			       : 0;
	}
	return 0;
}

SEC("?lsm/file_ioctl")
int BPF_PROG(gmem_vm_ioctl, struct file *file, unsigned int cmd, unsigned long arg)
{
	return look_at_vm_ioctl(file, cmd);
}

SEC("?lsm/file_ioctl_compat")
int BPF_PROG(gmem_vm_ioctl32, struct file *file, unsigned int cmd, unsigned long arg)
{
	return look_at_vm_ioctl(file, cmd);
}

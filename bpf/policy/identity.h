/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who a task is: the tag, which is stamped at exec and inherited. Included by gmem_policy.bpf.c
 * only.
 *
 * An identity is that of the file that really runs: of the interpreter where a script is run, of
 * the loader where that is run by hand, of what binfmt_misc puts there. In doubt there is none.
 */
#ifndef GMEM_POLICY_IDENTITY_H
#define GMEM_POLICY_IDENTITY_H

#include "guards.h"

#include "../kernel/file_identity.h"
#include "../kernel/opaque.h"

/* The kernel's struct fsverity_digest. */
struct verity_digest {
	__u16 algorithm;
	__u16 size;
	__u8 digest[GMEM_DIGEST_SIZE];
};

/* @tag: without a digest */
static __always_inline void identify_by_digest(struct gmem_tag *tag, struct file *file)
{
	/* The kernel accepts only memory of a map: it writes the digest to its place in the tag. */
	struct verity_digest *verity = (void *)&tag->verity.size;
	__u32 algorithm, size;
	struct bpf_dynptr ptr;

	_Static_assert(__builtin_offsetof(struct gmem_identity, size) + sizeof(*verity) ==
			       sizeof(struct gmem_identity),
		       "the kernel's digest fits");
	_Static_assert(__builtin_offsetof(struct gmem_identity, size) +
				       __builtin_offsetof(struct verity_digest, digest) ==
			       __builtin_offsetof(struct gmem_identity, digest),
		       "the kernel's digest is in its place");
	if (!has_verity || bpf_dynptr_from_mem(verity, sizeof(*verity), 0, &ptr) ||
	    bpf_get_fsverity_digest(file, &ptr)) {
		__builtin_memset(&tag->verity, 0, sizeof(tag->verity));
		return;
	}
	algorithm = verity->algorithm;
	size = verity->size;
	tag->verity.algorithm = algorithm;
	tag->verity.size = size;
	tag->verity.kind = GMEM_BY_VERITY;
}

/* So many instructions of a filter are looked at in a step. */
#define FILTER_PART 16

struct filters {
	struct seccomp_filter *at;
	struct sock_filter *code; /* of the one before, what was not looked at yet */
	__u32 left;
	__u32 answered;
};

/* 1 where two numbers are the same, else 0, without a branch: the verifier would follow each. */
static __always_inline __u64 same_number(__u32 a, __u32 b)
{
	__u64 differ = a ^ b;

	return gmem_top_bit(differ - 1);
}

/* Whoever made it said what a call came to: 0, without making it; or it says that when it runs. */
static __always_inline __u64 answers(const struct sock_filter *insn)
{
	__u64 returns = same_number(insn->code & BPF_CLASS_OF_CODE, BPF_RET);
	__u64 number = same_number(insn->code, BPF_RET);

	return returns & (same_number(insn->k, SECCOMP_RET_ERRNO) | (number ^ 1));
}

static long look_at_filter(__u32 i, struct filters *walk)
{
	struct sock_filter part[FILTER_PART] = {};
	struct seccomp_filter *filter = walk->at;
	struct sock_fprog_kern *text;
	__u32 nr = walk->left;

	if (nr) {
		nr = nr < FILTER_PART ? nr : FILTER_PART;
		/* What is behind its end is not read, and is no instruction that returns. */
		walk->answered = !!bpf_probe_read_kernel(part, nr * sizeof(part[0]), walk->code);
		GMEM_ROLLED
		for (int k = 0; k < FILTER_PART; k++)
			walk->answered |= answers(&part[k]);
		walk->code += nr;
		walk->left -= nr;
		return walk->answered ? 1 : 0;
	}
	if (!filter)
		return 1;
	text = BPF_CORE_READ(filter, prog, orig_prog);
	walk->answered = BPF_CORE_READ(filter, notif) || !text;
	walk->left = BPF_CORE_READ(text, len);
	walk->code = BPF_CORE_READ(text, filter);
	walk->at = BPF_CORE_READ(filter, prev);
	return walk->answered ? 1 : 0;
}

/* The kernel counts four instructions more for each filter, and takes 32,768 in all. */
#define MAX_FILTER_STEPS 16384

/*
 * Its system calls are answered by somebody else: by who listens (seccomp's user notification), or
 * by a filter. Neither needs rights, and both can hand it another file than the library that it
 * opens: 0 is standard input. Filters that let calls fail, as those of containers, are none of it.
 */
static __noinline bool is_answered(struct task_struct *task)
{
	struct task_struct___policy *t = (void *)task;
	struct filters walk = {};

	if (!bpf_core_field_exists(t->seccomp.filter))
		return false;
	walk.at = BPF_CORE_READ(t, seccomp.filter);
	if (walk.at)
		bpf_loop(MAX_FILTER_STEPS, look_at_filter, &walk, 0);
	return walk.answered || walk.at || walk.left;
}

/* Who is root in a user namespace of his own chooses the loader and the libraries of a file. */
static __noinline bool is_in_user_namespace(struct task_struct *task)
{
	struct task_struct___policy *t = (void *)task;
	struct user_namespace *own, *owner;

	own = BPF_CORE_READ(t, real_cred, user_ns);
	owner = BPF_CORE_READ(t, nsproxy, mnt_ns, user_ns);
	return !own || !owner || BPF_CORE_READ(own, level) || BPF_CORE_READ(owner, level);
}

/* A task's root directory, and where the file system that has it is mounted. */
struct task_root {
	struct dentry *dir;
	struct dentry *at; /* the mount point */
	struct mount___root *mount;
};

static __always_inline void read_root(struct task_struct___policy *task, struct task_root *root)
{
	struct vfsmount___root *mnt = BPF_CORE_READ(task, fs, root.mnt);
	struct mount___root *mount;

	mount = (void *)mnt - bpf_core_field_offset(struct mount___root, mnt);
	root->dir = mnt ? BPF_CORE_READ(task, fs, root.dentry) : NULL;
	root->at = BPF_CORE_READ(mount, mnt_mountpoint);
	root->mount = mount;
}

/* So many mounts, one over the other, are looked at. */
#define MAX_OVER 4

/*
 * Is this the root of its namespace, mounted there over nothing but roots? What is mounted over the
 * root of another mount has its place where that one is.
 */
static __noinline bool is_root_of_namespace(struct mount___root *mount)
{
	struct mount___root *parent;

	for (int i = 0; i < MAX_OVER; i++) {
		parent = BPF_CORE_READ(mount, mnt_parent);
		if (parent == mount)
			return true;
		if (!parent ||
		    BPF_CORE_READ(mount, mnt_mountpoint) != BPF_CORE_READ(parent, mnt.mnt_root))
			return false;
		mount = parent;
	}
	return false;
}

/*
 * Is a task's root directory that of process 1 of the host? If not, the task's loader and libraries
 * are those of a container or a chroot. Process 1 is asked at each exec, so nothing goes stale when
 * it changes its root (switch_root, soft-reboot).
 *
 * The directory is compared, not the mount: libvirt and systemd give a VMM a mount namespace, in
 * which the same directory is mounted once more. It must be mounted where process 1 has it, or at
 * the root of its namespace (pivot_root). A container that has the host's root directory below its
 * own root, with mounts of its own in it, can change to it, but cannot move it there.
 */
static __noinline bool has_host_root(struct task_struct *task)
{
	struct task_struct___policy *t = (void *)task, *first;
	struct task_root own, host;

	first = BPF_CORE_READ(t, thread_pid, numbers[0].ns, child_reaper);
	read_root(t, &own);
	read_root(first, &host);
	return own.dir && own.dir == host.dir && own.at &&
	       (own.at == host.at || is_root_of_namespace(own.mount));
}

/* Arguments and variables are read in steps of at most so many bytes. */
#define STRING_STEP 64
/* More than the kernel accepts of either: 6 MiB. */
#define MAX_STRING_STEPS (1 << 17)

struct strings {
	unsigned long at;
	int args, variables; /* that are still to come */
	__u32 inside;	     /* the last step ended within a string */
	__u32 loads;	     /* a variable says what the loader is to load */
};

#define EIGHT(a, b, c, d, e, f, g, h)                                                            \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

/*
 * By its first eight bytes, is it LD_PRELOAD, LD_AUDIT, LD_LIBRARY_PATH or GLIBC_TUNABLES? The
 * loader ignores these variables in a program that is secure.
 */
static __always_inline bool is_for_loader(const char text[STRING_STEP])
{
	__u64 start = *(const __u64 *)text;

	return start == EIGHT('L', 'D', '_', 'P', 'R', 'E', 'L', 'O') ||
	       start == EIGHT('L', 'D', '_', 'A', 'U', 'D', 'I', 'T') ||
	       start == EIGHT('L', 'D', '_', 'L', 'I', 'B', 'R', 'A') ||
	       start == EIGHT('G', 'L', 'I', 'B', 'C', '_', 'T', 'U');
}

static long look_at_string(__u32 i, struct strings *s)
{
	char text[STRING_STEP] __attribute__((aligned(8))) = {};
	long len;

	if (s->args <= 0 && s->variables <= 0)
		return 1;
	len = bpf_probe_read_user_str(text, sizeof(text), (void *)s->at);
	if (len < 0)
		return 1;
	/* Linux 6.12 says 0 of an empty string, newer kernels count its end. */
	if (!len)
		len = 1;
	if (!s->inside && s->args <= 0 && is_for_loader(text)) {
		s->loads = 1;
		return 1;
	}
	s->inside = len == sizeof(text);
	/* The last byte is the end of the string, or stands for what follows. */
	s->at += s->inside ? sizeof(text) - 1 : len;
	if (s->inside)
		return 0;
	if (s->args > 0)
		s->args--;
	else
		s->variables--;
	return 0;
}

/* Does the environment of a new program name code for its loader? */
static __noinline bool is_preloaded(struct linux_binprm *bprm)
{
	struct strings s = { .at = BPF_CORE_READ(bprm, p),
			     .args = BPF_CORE_READ(bprm, argc),
			     .variables = BPF_CORE_READ(bprm, envc) };

	bpf_loop(MAX_STRING_STEPS, look_at_string, &s, 0);
	return s.loads;
}

/* Does the file that a task runs say what the task does? */
static __always_inline bool file_identifies(struct task_struct *task, struct file *file)
{
	return !is_in_user_namespace(task) && !is_answered(task) && !is_untrusted_fs(file);
}

/*
 * A task begins a program. From mm->exe_file its identity is never taken again: who has a user
 * namespace can change that. One that is traced runs what its tracer wants: its tag says so. Where
 * only its executable says nothing, it has a tag without: it can be what its user and cgroup are.
 */
SEC("?lsm.s/bprm_committed_creds")
int BPF_PROG(gmem_tag_exec, struct linux_binprm *bprm)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = bprm->file;
	struct own_guards own = {};
	struct gmem_tag *tag;

	/* What was decided for the program before is void. */
	bpf_task_storage_delete(&gmem_caches, task);
	/* The other threads have ended: this task is the leader of its process. */
	tag = bpf_task_storage_get(&gmem_tags, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!tag) {
		count_no_memory();
		return 0;
	}
	__builtin_memset(tag, 0, sizeof(*tag));
	if (bprm->unsafe & LSM_UNSAFE_PTRACE) {
		tag->flags = GMEM_TAG_TRACED;
		return 0;
	}
	/* Who shares its fs_struct says where its relative paths lead. */
	if (bprm->unsafe & LSM_UNSAFE_SHARE || !file_identifies(task, file))
		return 0;
	identify(&tag->exe, file->f_inode);
	identify_by_digest(tag, file);
	if (!has_host_root(task))
		tag->exe.root = tag->verity.root = GMEM_ROOT_other;
	/* As early as the loader and libraries look at it, and after the file is certain. */
	own.tag = tag;
	tag->enforced = guards_at_exec(&own);
	if (tag->enforced >> GMEM_GUARD_preload & 1)
		bpf_bprm_opts_set(bprm, BPF_F_BPRM_SECUREEXEC);
	if (!(own.guards >> GMEM_GUARD_preload & 1) || !is_preloaded(bprm))
		return 0;
	bpf_rcu_read_lock();
	guard_account(GMEM_GUARD_preload, own.word, task, 0, GMEM_LOCK_DOES_none);
	bpf_rcu_read_unlock();
	return 0;
}

/* No tag for the child of this process: is the fork to fail? */
static __noinline bool must_be_tagged(const struct gmem_tag *tag)
{
	struct own_guards own = { .tag = tag };
	struct gmem_journal *log;
	__u32 zero = 0;

	find_own_guards(&own);
	log = bpf_map_lookup_elem(&gmem_journal, &zero);
	if (!log || !GMEM_ACTIVE_ENFORCES(own.word) || !own.guarded)
		return false;
	__sync_fetch_and_add(&log->forks_refused, 1);
	return true;
}

/*
 * A new process is what its parent is; a thread needs no tag of its own. Where two processes share
 * their memory, who controls one controls both, and the guards would have to look at all of them:
 * the new one's executable does not count until it executes a program. The new task has no pid
 * yet: only the task itself is a key. Without memory a guarded process has no child: nothing would
 * guard it, and it has its parent's mappings. Other children have no tag, and are denied everything.
 */
SEC("?lsm.s/task_alloc")
int BPF_PROG(gmem_tag_fork, struct task_struct *task, unsigned long clone_flags)
{
	struct gmem_tag *tag, *own;

	if (clone_flags & CLONE_THREAD)
		return 0;
	bpf_rcu_read_lock();
	tag = tag_of(bpf_get_current_task_btf());
	bpf_rcu_read_unlock();
	if (!tag)
		return 0;
	own = bpf_task_storage_get(&gmem_tags, task, tag, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (own) {
		if (clone_flags & CLONE_VM)
			own->enforced = 0;
		return 0;
	}
	count_no_memory();
	return must_be_tagged(tag) ? -ENOMEM : 0;
}

/*
 * Processes that are older than the programs, once, before a policy is in force: then mm->exe_file
 * is all there is. A process that has a traced thread gets no identity. What is read belongs
 * together if the mm and its file are still the task's afterwards. Writes one byte for each process
 * that got a tag.
 */
SEC("iter/task")
int gmem_tag_old(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_struct___policy *t = (void *)task;
	struct mm_struct___policy *mm;
	struct gmem_tag *had, tag = {};
	struct file *file;
	char one = 1;

	if (!task)
		return 0;
	had = tag_of(task);
	if (had && BPF_CORE_READ(t, ptrace))
		__sync_fetch_and_or(&had->flags, GMEM_TAG_TRACED);
	mm = BPF_CORE_READ(t, mm);
	if (had || task->pid != task->tgid || !mm || BPF_CORE_READ(t, flags) & PF_KTHREAD)
		return 0;
	file = BPF_CORE_READ(mm, exe_file);
	if (!file)
		return 0;
	if (BPF_CORE_READ(t, ptrace)) {
		tag.flags = GMEM_TAG_TRACED;
	} else if (file_identifies(task, file)) {
		identify(&tag.exe, BPF_CORE_READ(file, f_inode));
		tag.exe.root = has_host_root(task) ? GMEM_ROOT_host : GMEM_ROOT_other;
	}
	if (BPF_CORE_READ(mm, exe_file) != file || BPF_CORE_READ(t, mm) != mm)
		return 0;
	if (bpf_task_storage_get(&gmem_tags, task, &tag, BPF_LOCAL_STORAGE_GET_F_CREATE))
		bpf_seq_write(ctx->meta->seq, &one, sizeof(one));
	return 0;
}

#endif /* GMEM_POLICY_IDENTITY_H */

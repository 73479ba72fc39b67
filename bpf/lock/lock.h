/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lock of maps, programs, pins and files. Included by gmem_lock.bpf.c only.
 *
 * Each of these hooks is everybody's path. What is kept stands in the map `locked_ids`; all else is
 * left alone. Who touches what is kept and is not known to be the manager is denied, whatever the
 * policy's mode; the manager opens it and adds to it, and is denied the rest as everybody is.
 *
 * There is no hook for a descriptor of a link. Who opens the pin of one gets a descriptor that can
 * do nothing: the kernel can neither detach nor update the link of an LSM program.
 */
#ifndef GMEM_LOCK_LOCK_H
#define GMEM_LOCK_LOCK_H

#include "../kernel/file_identity.h"
#include "../kernel/lock_types.h"
#include "../policy/account.h"
#include "../policy/in_force.h"

static __noinline bool is_kept(__u32 kind, __u64 id, __u32 of, __u64 more)
{
	struct gmem_locked_key key = { .id = id, .kind = kind, .of = of, .more = more };

	return bpf_map_lookup_elem(&gmem_locked_ids, &key);
}

static __always_inline unsigned long flags_of_memory(struct mm_struct___policy *mm)
{
	struct mm_struct___word *old = (void *)mm;
	struct mm_struct___lock *m = (void *)mm;

	return bpf_core_field_exists(m->flags.__mm_flags) ? BPF_CORE_READ(m, flags.__mm_flags[0])
							  : BPF_CORE_READ(old, flags);
}

/*
 * Does somebody else have a hand in what a task does? A filter says what its system calls come to.
 * A uprobe counts (ref_ctr_offset) in whatever word of its memory is asked for.
 */
static __always_inline bool is_meddled_with(struct task_struct *task)
{
	struct task_struct___policy *t = (void *)task;

	if (bpf_core_field_exists(t->seccomp.filter) && BPF_CORE_READ(t, seccomp.filter))
		return true;
	return flags_of_memory(BPF_CORE_READ(t, mm)) >> MMF_HAS_UPROBES & 1;
}

/*
 * Is the current task the manager that the policy in force names, with a program that was there
 * when it was locked? In doubt it is not.
 */
static __noinline bool is_manager(__u64 word)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct gmem_head *head;
	struct gmem_tag *tag;
	struct gmem_work *work;
	__u32 slot = GMEM_ACTIVE_SLOT(word), manager;

	head = word ? bpf_map_lookup_elem(&gmem_heads, &slot) : NULL;
	tag = identity_of(task);
	work = bpf_task_storage_get(&gmem_others, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!head || !tag || !work || is_meddled_with(task) || has_other_user(task) ||
	    !is_kept(GMEM_LOCKED_file, tag->exe.ino, tag->exe.dev,
		     GMEM_LOCKED_MORE(tag->exe.subvolume, tag->exe.generation)))
		return false;
	manager = head->manager - 1;
	if (manager >= GMEM_MAX_SUBJECTS)
		return false;
	if (find_subjects(tag, work, word, euid_of(task, false), cgroup_at(task)) ||
	    !(work->subjects.w[manager / 64 & (GMEM_SET_WORDS - 1)] >> manager % 64 & 1))
		return false;
	/* Replaced meanwhile: then it was another policy's subject. */
	return is_still_in(head, word);
}

static __noinline __u32 class_of_key(const struct gmem_identity *identity, __u32 slot)
{
	struct gmem_identity key;
	const __u32 *class;

	if (!identity || !identity->kind)
		return 0;
	key = *identity;
	key.slot = slot;
	class = bpf_map_lookup_elem(&gmem_exes, &key);
	return class ? GMEM_CLASS(*class) : 0;
}

/* Does a task run the executable of the manager, whoever it is otherwise? */
static __noinline bool runs_manager(struct task_struct *task, __u64 word)
{
	__u32 slot = GMEM_ACTIVE_SLOT(word), manager, at;
	const struct gmem_set *exe, *verity;
	const struct gmem_head *head;
	struct gmem_tag *tag;

	head = bpf_map_lookup_elem(&gmem_heads, &slot);
	tag = tag_of(task);
	if (!head || !tag)
		return false;
	manager = head->manager - 1;
	exe = class_set(slot, GMEM_CLASS_exe, class_of_key(&tag->exe, slot));
	verity = class_set(slot, GMEM_CLASS_exe, class_of_key(&tag->verity, slot));
	at = manager / 64 & (GMEM_SET_WORDS - 1);
	return manager < GMEM_MAX_SUBJECTS && exe && verity &&
	       (exe->w[at] | verity->w[at]) >> manager % 64 & 1;
}

/* The same under the policy in force, whichever that is; see was_in_force(). */
struct manager_question {
	struct task_struct *task;
	__u64 word; /* of the policy that was asked */
	bool runs, certain;
};

static long ask_manager(__u32 i, struct manager_question *q)
{
	q->word = policy_word();
	q->runs = q->word && runs_manager(q->task, q->word);
	q->certain = was_in_force(q->word);
	return q->certain;
}

static __always_inline const struct gmem_lock *lock_held(void)
{
	const struct gmem_lock *lock;
	__u32 zero = 0;

	lock = bpf_map_lookup_elem(&gmem_locked, &zero);
	return lock && *(volatile __u32 *)&lock->on ? lock : NULL;
}

/* Counted, reported, and -EACCES: what the manager has no use for either, and could be talked into.
 */
static __noinline int lock_refuse_all(__u32 action, __u64 what)
{
	return guard_account(GMEM_GUARD_lock, policy_word(), bpf_get_current_task_btf(), what,
			     action);
}

/* Return: 0 for the manager; else as lock_refuse_all(). */
static __noinline int lock_refuse(__u32 action, __u64 what)
{
	return is_manager(policy_word()) ? 0 : lock_refuse_all(action, what);
}

static __always_inline int lock_keep(__u32 action, __u32 kind, __u64 id, __u32 of)
{
	if (!lock_held() || !is_kept(kind, id, of, 0))
		return 0;
	return lock_refuse(action, id);
}

/* --- maps and programs by descriptor --- */

/* By pin or by id: each new descriptor comes by here. */
SEC("?lsm/bpf_map")
int BPF_PROG(gmem_lk_map, struct bpf_map *map)
{
	return lock_keep(GMEM_LOCK_DOES_open_map, GMEM_LOCKED_map, map->id, 0);
}

/*
 * One that writes to registers, or says what system calls come to, would have the manager do what
 * it wants. It gets its first descriptor here, when the verifier has seen what it does.
 */
SEC("?lsm/bpf_prog")
int BPF_PROG(gmem_lk_prog, struct bpf_prog *prog)
{
	if (lock_held() && (writes_registers(prog->aux) || answers_calls(prog)))
		return lock_refuse_all(GMEM_LOCK_DOES_change_process, prog->aux->id);
	return lock_keep(GMEM_LOCK_DOES_open_program, GMEM_LOCKED_program, prog->aux->id, 0);
}

/* What the system call asks for is the kernel's own copy here: it cannot change any more. */
SEC("?lsm/bpf")
int BPF_PROG(gmem_lk_bpf, int cmd, void *attr)
{
	__u32 id = 0;

	if (cmd != BPF_LINK_GET_FD_BY_ID || bpf_probe_read_kernel(&id, sizeof(id), attr))
		return 0;
	return lock_keep(GMEM_LOCK_DOES_open_link, GMEM_LOCKED_link, id, 0);
}

/*
 * Programs that would decide what we decide, or what the kernel asks us: one that replaces a
 * function of ours, and one that returns another value for a function on the way. A plain LSM
 * program cannot: it may deny, and what denies first is what counts; the verifier keeps it from
 * returning more than 0, which the kernel takes for an answer too. Not every kernel's does that for
 * programs of cgroups.
 */
SEC("?lsm/bpf_prog_load")
int BPF_PROG(gmem_lk_load, struct bpf_prog *prog)
{
	struct bpf_prog_aux *aux = prog->aux;
	struct bpf_prog *dst = BPF_CORE_READ(aux, dst_prog);
	__u32 type = prog->type, attach = prog->expected_attach_type;

	if (dst)
		return lock_keep(GMEM_LOCK_DOES_replace_program, GMEM_LOCKED_program,
				 BPF_CORE_READ(dst, aux, id), 0);
	if (!(type == BPF_PROG_TYPE_TRACING && attach == BPF_MODIFY_RETURN) &&
	    !(type == BPF_PROG_TYPE_LSM && attach == BPF_LSM_CGROUP))
		return 0;
	return lock_keep(GMEM_LOCK_DOES_modify_return, GMEM_LOCKED_function, aux->attach_btf_id,
			 BPF_CORE_READ(aux, attach_btf, id));
}

/*
 * The same for programs that write to the memory of processes: the verifier asks for each of them,
 * and takes none where this denies (EINVAL).
 */
SEC("?lsm/locked_down")
int BPF_PROG(gmem_lk_write, enum lockdown_reason what)
{
	if (what != bpf_core_enum_value(enum lockdown_reason, LOCKDOWN_BPF_WRITE_USER) ||
	    !lock_held())
		return 0;
	return lock_refuse_all(GMEM_LOCK_DOES_write_memory, 0);
}

/* --- pins, and what keeps them where they are --- */

static __always_inline __u64 more_of(__u32 kind, struct inode *inode)
{
	struct inode___policy *i = (void *)inode;

	return GMEM_LOCKED_MORE(subvolume_of(inode),
				kind == GMEM_LOCKED_file ? BPF_CORE_READ(i, i_generation) : 0);
}

/* Of an inode that the verifier does not know to be one. */
static __always_inline bool read_inode_kept(__u32 kind, struct inode *inode)
{
	return inode && is_kept(kind, BPF_CORE_READ(inode, i_ino),
				BPF_CORE_READ(inode, i_sb, s_dev), more_of(kind, inode));
}

/*
 * Of one that a hook was given, or that such a thing points to: loads instead of calls, on paths
 * that are everybody's.
 */
static __always_inline bool inode_kept(__u32 kind, struct inode *inode)
{
	return inode && is_kept(kind, inode->i_ino, inode->i_sb->s_dev, more_of(kind, inode));
}

static __always_inline bool is_pin_dir(struct inode *dir)
{
	return dir && dir->i_sb->s_magic == BPF_FS_MAGIC && inode_kept(GMEM_LOCKED_dir, dir);
}

static __always_inline int lock_dir(__u32 action, struct inode *dir)
{
	return is_pin_dir(dir) && lock_held() ? lock_refuse_all(action, dir->i_ino) : 0;
}

/* The manager makes pins, and replaces those of texts of policies. */
static __always_inline int lock_dir_for_others(__u32 action, struct inode *dir)
{
	return is_pin_dir(dir) && lock_held() ? lock_refuse(action, dir->i_ino) : 0;
}

/* What a mount is on the way is a directory. */
static __always_inline int lock_way(__u32 action, struct dentry *dentry)
{
	struct inode *inode = ((struct dentry___lock *)dentry)->d_inode;

	if (!inode || (inode->i_mode & S_IFMT) != S_IFDIR || !inode_kept(GMEM_LOCKED_way, inode))
		return 0;
	return lock_held() ? lock_refuse_all(action, inode->i_ino) : 0;
}

/* Is it the pin of a program that is to replace another one? See src/ctl/kernel/upgrade.h. */
static __always_inline bool is_new_pin(struct dentry *dentry)
{
	struct dentry___lock *d = (void *)dentry;
	char name[8] = "";

	bpf_probe_read_kernel_str(name, sizeof(name), d->d_name.name);
	return !bpf_strncmp(name, sizeof(GMEM_PINS_NEW) - 1, GMEM_PINS_NEW);
}

/* Of the others in a full directory the manager removes none either. */
SEC("?lsm/inode_unlink")
int BPF_PROG(gmem_lk_unlink, struct inode *dir, struct dentry *dentry)
{
	if (!is_pin_dir(dir) || !lock_held())
		return 0;
	return inode_kept(GMEM_LOCKED_full, dir) && !is_new_pin(dentry)
		       ? lock_refuse_all(GMEM_LOCK_DOES_remove_pin, dir->i_ino)
		       : lock_refuse(GMEM_LOCK_DOES_remove_pin, dir->i_ino);
}

/*
 * Also by who has nothing mounted there, in a mount namespace of its own: for all the others the
 * kernel takes down what is mounted on a directory that is removed.
 */
SEC("?lsm/inode_rmdir")
int BPF_PROG(gmem_lk_rmdir, struct inode *dir, struct dentry *dentry)
{
	return lock_dir(GMEM_LOCK_DOES_remove_dir, dir)
		       ?: lock_way(GMEM_LOCK_DOES_remove_dir, dentry);
}

SEC("?lsm/inode_rename")
int BPF_PROG(gmem_lk_rename, struct inode *old_dir, struct dentry *old_dentry,
	     struct inode *new_dir, struct dentry *new_dentry)
{
	__u32 action = GMEM_LOCK_DOES_rename;

	/* The manager replaces the link of a program by a new one, in one step. */
	if (old_dir == new_dir && is_pin_dir(old_dir) && is_new_pin(old_dentry))
		return lock_held() ? lock_refuse(action, old_dir->i_ino) : 0;
	return lock_dir(action, old_dir) ?: lock_dir(action, new_dir)
		       ?: lock_way(action, old_dentry) ?: lock_way(action, new_dentry);
}

SEC("?lsm/inode_create")
int BPF_PROG(gmem_lk_create, struct inode *dir)
{
	return lock_dir_for_others(GMEM_LOCK_DOES_create, dir);
}

SEC("?lsm/inode_mkdir")
int BPF_PROG(gmem_lk_mkdir, struct inode *dir)
{
	return lock_dir(GMEM_LOCK_DOES_mkdir, dir);
}

SEC("?lsm/inode_symlink")
int BPF_PROG(gmem_lk_symlink, struct inode *dir)
{
	return lock_dir(GMEM_LOCK_DOES_symlink, dir);
}

/* A pin by another name, among those of others, would be taken for one of theirs. */
SEC("?lsm/inode_link")
int BPF_PROG(gmem_lk_link, struct dentry *old_dentry, struct inode *dir)
{
	struct dentry___lock *old = (void *)old_dentry;

	return lock_dir(GMEM_LOCK_DOES_link, dir)
		       ?: lock_dir(GMEM_LOCK_DOES_link, old->d_parent->d_inode);
}

/* Owner and mode of pins and their directories; the size of the manager's executable. */
SEC("?lsm/inode_setattr")
int BPF_PROG(gmem_lk_setattr, void *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct dentry___lock *d = (void *)dentry;
	struct inode *inode = d->d_inode;

	if (!inode)
		return 0;
	if (attr->ia_valid & ATTR_SIZE)
		return lock_held() && inode_kept(GMEM_LOCKED_file, inode)
			       ? lock_refuse_all(GMEM_LOCK_DOES_write_file, inode->i_ino)
			       : 0;
	return lock_dir(GMEM_LOCK_DOES_set_attributes, inode)
		       ?: lock_dir(GMEM_LOCK_DOES_set_attributes, d->d_parent->d_inode);
}

/* The file system shows what is in a map that it has a pin of. */
static __always_inline int lock_pin_shown(struct file___lock *file, struct inode *inode)
{
	if ((inode->i_mode & S_IFMT) == S_IFDIR)
		return 0;
	return lock_dir_for_others(GMEM_LOCK_DOES_read_pin, file->f_path.dentry->d_parent->d_inode);
}

/*
 * Opened to be written. The files that the manager runs stay what they are. And where the kernel
 * still heeds kernel.ftrace_enabled=0 (newer ones refuse it), it ends the calls of all programs on
 * its functions, LSM programs among them. This file is proc's alone by its name.
 */
SEC("?lsm/file_open")
int BPF_PROG(gmem_lk_open, struct file *file)
{
	struct file___lock *f = (void *)file;
	struct inode *inode = f->f_inode;
	char name[16] = "";

	if (inode->i_sb->s_magic == BPF_FS_MAGIC)
		return lock_pin_shown(f, inode);
	if (!(f->f_mode & FMODE_WRITE) || !lock_held())
		return 0;
	if (inode->i_sb->s_magic != PROC_SUPER_MAGIC)
		return inode_kept(GMEM_LOCKED_file, inode)
			       ? lock_refuse_all(GMEM_LOCK_DOES_write_file, inode->i_ino)
			       : 0;
	bpf_probe_read_kernel_str(name, sizeof(name), f->f_path.dentry->d_name.name);
	if (bpf_strncmp(name, sizeof(name), "ftrace_enabled"))
		return 0;
	return lock_refuse_all(GMEM_LOCK_DOES_stop_calls, inode->i_ino);
}

/*
 * What the manager runs is its executable, the loader and libraries: those that there were when it
 * was locked, and no others that somebody has put in their place or before them. One without code
 * is no better: what it says are functions may be any place in the others. The C library's loader
 * says so of all that it loads (MAP_DENYWRITE), and of nothing else.
 */
SEC("?lsm/mmap_file")
int BPF_PROG(gmem_lk_code, struct file *file, unsigned long reqprot, unsigned long prot,
	     unsigned long flags)
{
	struct manager_question q = { .task = bpf_get_current_task_btf() };
	struct inode *inode;
	__u64 there = 0;

	if (!(prot & PROT_EXEC || flags & MAP_DENYWRITE) || !lock_held())
		return 0;
	/* Anonymous memory has no file, and older verifiers take a plain compare away. */
	bpf_get_func_arg(ctx, 0, &there);
	if (!there || !file)
		return 0;
	inode = file->f_inode;
	bpf_loop(GUARD_TRIES, ask_manager, &q, 0);
	if ((q.certain && !q.runs) || inode_kept(GMEM_LOCKED_file, inode))
		return 0;
	return guard_account(GMEM_GUARD_lock, q.word, q.task, inode->i_ino,
			     GMEM_LOCK_DOES_run_code);
}

#endif /* GMEM_LOCK_LOCK_H */

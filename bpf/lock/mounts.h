/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lock's part about mounts: with the last mount of the BPF file system its pins end. Included
 * by gmem_lock.bpf.c only.
 */
#ifndef GMEM_LOCK_MOUNTS_H
#define GMEM_LOCK_MOUNTS_H

#include "lock.h"

#define MAX_MOUNTS  (1 << 18) /* of a tree that is looked through */
#define MAX_MASTERS (1 << 18) /* mounts that are slaves of each other */

/* From a mount to its master, to the master of that, and so on, until one is in the group. */
struct ascent {
	struct mount *at;
	int group;
	__u32 found;
	__u32 done;
};

static long ascend(__u32 i, struct ascent *a)
{
	struct mount *at = a->at;

	if (!at) {
		a->done = 1;
		return 1;
	}
	if (BPF_CORE_READ(at, mnt_group_id) == a->group) {
		a->found = 1;
		return 1;
	}
	a->at = BPF_CORE_READ(at, mnt_master);
	return 0;
}

/*
 * Does what happens below a mount happen below one of those on the way too? That is so for the
 * mount itself, for its peers, and for those that are slaves of these, directly or not. It is asked
 * of the mounts as they are now: propagation can be changed without a hook (mount_setattr).
 *
 * Not static, nor is the next one, see bpf/policy/subject.h; hence a mount is a number. The kernel
 * gives such a function no memory that programs must not write to, such as the lock.
 */
__noinline int reaches_way(__u64 number)
{
	const struct gmem_lock *lock = lock_held();
	struct mount *mount = (struct mount *)number;
	struct ascent a = {};
	__u64 at;
	int i;

	if (!lock)
		return 0;
	a.group = BPF_CORE_READ(mount, mnt_group_id);
	for (i = 0; i < GMEM_LOCK_MOUNTS && i < lock->nr_mounts; i++) {
		at = lock->mounts[i & (GMEM_LOCK_MOUNTS - 1)];
		if (at == number)
			return 1;
		if (!a.group)
			continue;
		a.at = (struct mount *)at;
		a.done = 0;
		bpf_loop(MAX_MASTERS, ascend, &a, 0);
		if (a.found || !a.done)
			return 1;
	}
	return 0;
}

/* Would the end of this mount be one of a mount on the way? */
__noinline int ends_way(__u64 number)
{
	struct mount *mount = (struct mount *)number;
	struct inode *inode = BPF_CORE_READ(mount, mnt_mountpoint, d_inode);

	return read_inode_kept(GMEM_LOCKED_way, inode) &&
	       reaches_way((__u64)BPF_CORE_READ(mount, mnt_parent));
}

/* The way through a tree of mounts, as the kernel's next_mnt() goes it. */
struct walk {
	struct mount *top, *at;
	__u32 up;
	__u32 found; /* or it cannot be found out */
	__u32 done;
	__u32 pad;
};

static __always_inline struct mount *by_child(struct list_head___lock *entry)
{
	return (void *)entry - bpf_core_field_offset(struct mount, mnt_child);
}

static long walk_step(__u32 i, struct walk *w)
{
	struct mount *at = w->at, *parent;
	struct list_head___lock *next;

	if (!w->up) {
		next = BPF_CORE_READ(at, mnt_mounts.next);
		if ((void *)next == (void *)at + bpf_core_field_offset(struct mount, mnt_mounts)) {
			w->up = 1;
			return 0;
		}
	} else {
		if (at == w->top) {
			w->done = 1;
			return 1;
		}
		parent = BPF_CORE_READ(at, mnt_parent);
		next = BPF_CORE_READ(at, mnt_child.next);
		if (parent == at)
			return 1;
		if ((void *)next ==
		    (void *)parent + bpf_core_field_offset(struct mount, mnt_mounts)) {
			w->at = parent;
			return 0;
		}
	}
	if (!next)
		return 1;
	w->up = 0;
	w->at = by_child(next);
	if (!ends_way((__u64)w->at))
		return 0;
	w->found = 1;
	return 1;
}

/*
 * A whole tree is taken down at once: is there a mount in it that would take one of ours with it?
 * It is looked at without the kernel's locks: who puts such a mount into it between this look and
 * the end is not seen. Where the tree changes under the look the answer is yes.
 */
static __noinline bool tree_ends_way(struct mount *top)
{
	struct walk w = { .top = top, .at = top };

	bpf_loop(MAX_MOUNTS, walk_step, &w, 0);
	return w.found || !w.done;
}

static __always_inline bool is_on_way(const struct gmem_lock *lock, struct mount *mount)
{
	for (int i = 0; i < GMEM_LOCK_MOUNTS && i < lock->nr_mounts; i++) {
		if (lock->mounts[i & (GMEM_LOCK_MOUNTS - 1)] == (__u64)mount)
			return true;
	}
	return false;
}

static __always_inline bool in_own_namespace(const struct gmem_lock *lock)
{
	struct task_struct___lock *task = (void *)bpf_get_current_task();

	return (__u64)BPF_CORE_READ(task, nsproxy, mnt_ns) == lock->mount_ns;
}

/* Something is mounted here: would it hide what is on the way? */
static __always_inline bool hides_way(struct path___lock *path)
{
	return read_inode_kept(GMEM_LOCKED_way, BPF_CORE_READ(path, dentry, d_inode)) &&
	       reaches_way((__u64)mount_of(BPF_CORE_READ(path, mnt)));
}

SEC("?lsm/sb_umount")
int BPF_PROG(gmem_lk_umount, struct vfsmount *mnt, int flags)
{
	const struct gmem_lock *lock = lock_held();
	struct mount *mount;
	__u64 number = 0;

	/* As a number: a pointer that the verifier knows must not be made one. */
	bpf_get_func_arg(ctx, 0, &number);
	mount = mount_of((struct vfsmount *)number);
	if (!lock || !(is_on_way(lock, mount) || ends_way((__u64)mount) ||
		       (flags & MNT_DETACH && tree_ends_way(mount))))
		return 0;
	return lock_refuse_all(GMEM_LOCK_DOES_unmount,
			       (__u64)BPF_CORE_READ(mount, mnt_mountpoint, d_inode, i_ino));
}

/* mount(2) with MS_MOVE names what is moved by a path that is not known here. */
static __noinline bool may_move_way(const struct gmem_lock *lock)
{
	struct mount *mount;

	if (!lock || !in_own_namespace(lock))
		return false;
	for (int i = 0; i < GMEM_LOCK_MOUNTS && i < lock->nr_mounts; i++) {
		mount = (struct mount *)lock->mounts[i & (GMEM_LOCK_MOUNTS - 1)];
		/* From a shared mount the kernel moves nothing away. */
		if (!BPF_CORE_READ(mount, mnt_parent, mnt_group_id))
			return true;
	}
	return false;
}

SEC("?lsm/sb_mount")
int BPF_PROG(gmem_lk_mount, const char *dev_name, const struct path *path, const char *type,
	     unsigned long flags)
{
	const struct gmem_lock *lock = lock_held();
	struct path___lock *at = (void *)path;

	if (!lock || flags & MS_REMOUNT)
		return 0;
	if (!(flags & MS_BIND)) {
		if (flags & MS_PROPAGATION)
			return 0;
		if (flags & MS_MOVE && may_move_way(lock))
			return lock_refuse_all(GMEM_LOCK_DOES_mount, 0);
	}
	if (!hides_way(at))
		return 0;
	return lock_refuse_all(GMEM_LOCK_DOES_mount, BPF_CORE_READ(at, dentry, d_inode, i_ino));
}

/*
 * The new way to mount, and to make a mount a peer of another (MOVE_MOUNT_SET_GROUP), which is not
 * told apart here: that could make a tree one that takes ours down after it was looked at.
 */
SEC("?lsm/move_mount")
int BPF_PROG(gmem_lk_move, const struct path *from_path, const struct path *to_path)
{
	struct path___lock *from = (void *)from_path, *to = (void *)to_path;
	const struct gmem_lock *lock = lock_held();
	struct mount *mount;

	if (!lock)
		return 0;
	mount = mount_of(BPF_CORE_READ(from, mnt));
	if (!is_on_way(lock, mount) && !hides_way(to) &&
	    !(BPF_CORE_READ(to, mnt, mnt_root) == BPF_CORE_READ(to, dentry) &&
	      reaches_way((__u64)mount)))
		return 0;
	return lock_refuse_all(GMEM_LOCK_DOES_move_mount,
			       BPF_CORE_READ(to, dentry, d_inode, i_ino));
}

/* Elsewhere the kernel refuses it where it would be seen here. */
SEC("?lsm/sb_pivotroot")
int BPF_PROG(gmem_lk_pivot)
{
	const struct gmem_lock *lock = lock_held();

	return lock && in_own_namespace(lock) ? lock_refuse_all(GMEM_LOCK_DOES_pivot_root, 0) : 0;
}

#endif /* GMEM_LOCK_MOUNTS_H */

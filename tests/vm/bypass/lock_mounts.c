// SPDX-License-Identifier: GPL-2.0-only
/* Ways of root to a locked policy by mounts: pins end with the last mount of their file system. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lock.h"

#define BPFFS	  "/sys/fs/bpf"
#define ELSEWHERE BYPASS_DIR "/elsewhere"

static int propagation(unsigned long flags)
{
	return mount(NULL, "/", NULL, MS_REC | flags, NULL) ? broken("propagation of /") : 0;
}

/* --- the end of a mount --- */

static int end_of(const char *path)
{
	return umount2(path, MNT_DETACH) ? errno : lock_policy_ends();
}

static int umount_bpffs(void)
{
	return end_of(BPFFS);
}

static int umount_parent(void)
{
	return end_of("/sys");
}

/* In a child with a mount namespace of its own. */
static int in_namespace(int (*fn)(void))
{
	pid_t pid = fork();

	if (!pid)
		_exit(unshare(CLONE_NEWNS) ? broken("unshare") : fn());
	return player_wait(pid);
}

static int umount_here(void)
{
	return result_of(umount2(BPFFS, MNT_DETACH));
}

static int umount_parent_here(void)
{
	return result_of(umount2("/sys", MNT_DETACH));
}

/* What is taken down there is taken down here too, where mounts are shared. */
static int shared_umount(int (*fn)(void))
{
	int ret = propagation(MS_SHARED);

	ret = ret ?: in_namespace(fn) ?: lock_policy_ends();
	propagation(MS_PRIVATE);
	return ret;
}

static int propagated_umount(void)
{
	return shared_umount(umount_here);
}

static int propagated_umount_of_parent(void)
{
	return shared_umount(umount_parent_here);
}

/* mount_setattr() asks no security module. */
static int umount_after_setattr(void)
{
	struct mount_attr attr = { .propagation = MS_SHARED };
	int ret;

	if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)))
		return broken("mount_setattr");
	ret = in_namespace(umount_here) ?: lock_policy_ends();
	propagation(MS_PRIVATE);
	return ret;
}

#define MASTERS 24

static int umount_when_told(int peer)
{
	uint64_t go;

	if (unshare(CLONE_NEWNS) || tell(peer, 0))
		return broken("unshare");
	if (hear(peer, &go))
		return 0;
	return umount_here();
}

/*
 * Each namespace is the master of the next one, and this one is the last: what happens in the first
 * one reaches it by way of all of them.
 */
static int chain_of_masters(void)
{
	int pairs[MASTERS][2], ret = 0, n;
	pid_t pids[MASTERS];
	uint64_t there;

	for (n = 0; n < MASTERS && !ret; n++) {
		if (socket_pair(pairs[n]) || propagation(MS_SHARED))
			return ENDED_BROKEN;
		pids[n] = fork();
		if (!pids[n]) {
			for (int i = 0; i <= n; i++)
				close(pairs[i][1]);
			_exit(umount_when_told(pairs[n][0]));
		}
		ret = hear(pairs[n][1], &there) ?: propagation(MS_SLAVE);
	}
	ret = ret ?: tell(pairs[0][1], 0) ?: player_wait(pids[0]) ?: lock_policy_ends();
	for (int i = 1; i < n; i++)
		kill(pids[i], SIGKILL);
	propagation(MS_PRIVATE);
	return ret;
}

/* A copy of the tree, whose mounts are peers of those that it was made from. */
static int umount_of_copy(void)
{
	int ret = propagation(MS_SHARED);

	mkdir(ELSEWHERE, 0755);
	if (ret || mount("/sys", ELSEWHERE, NULL, MS_BIND | MS_REC, NULL))
		return broken("bind mount");
	ret = umount2(ELSEWHERE "/fs/bpf", MNT_DETACH) ? errno : lock_policy_ends();
	propagation(MS_PRIVATE);
	umount2(ELSEWHERE, MNT_DETACH);
	return ret;
}

/* --- something over it --- */

/* Can the pins not be seen any more? */
static int hidden(void)
{
	return access(ACTIVE_PIN, F_OK) ? 0 : ENDED_NOTHING;
}

static int cover(const char *path)
{
	int ret;

	if (mount("cover", path, "tmpfs", 0, NULL))
		return errno;
	ret = hidden();
	return umount2(path, MNT_DETACH) ? broken(path) : ret;
}

#define COVER(name, path)             \
	static int cover_##name(void) \
	{                             \
		return cover(path);   \
	}

COVER(pins, PINS)
COVER(maps, PINS "/maps")
COVER(bpffs, BPFFS)
COVER(sys, "/sys")
COVER(fs, "/sys/fs")

static int bind_over(void)
{
	int ret;

	mkdir(ELSEWHERE, 0755);
	if (mount(ELSEWHERE, PINS, NULL, MS_BIND, NULL))
		return errno;
	ret = hidden();
	return umount2(PINS, MNT_DETACH) ? broken(PINS) : ret;
}

/* The same with the system calls that take descriptors. */
static int new_mount(void)
{
	int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	int ret;

	if (context < 0)
		return -broken("fsopen");
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -broken("fsconfig");
	ret = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	close(context);
	return ret < 0 ? -broken("fsmount") : ret;
}

static int move_mount_over(void)
{
	int fd = new_mount(), ret;

	if (fd < 0)
		return ENDED_BROKEN;
	if (syscall(SYS_move_mount, fd, "", AT_FDCWD, PINS, MOVE_MOUNT_F_EMPTY_PATH))
		ret = errno;
	else
		ret = hidden() ?: result_of(umount2(PINS, MNT_DETACH));
	close(fd);
	return ret;
}

#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x200
#endif

/* Under the BPF file system, which then can be taken away from it. */
static int move_mount_beneath(void)
{
	int fd = new_mount(), ret;

	if (fd < 0)
		return ENDED_BROKEN;
	ret = result_of(syscall(SYS_move_mount, fd, "", AT_FDCWD, BPFFS,
				MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH));
	close(fd);
	/* The upper one is ours. */
	if (!ret)
		ret = end_of(BPFFS);
	return ret;
}

static int move_away(void)
{
	int ret;

	mkdir(ELSEWHERE, 0755);
	if (mount(BPFFS, ELSEWHERE, NULL, MS_MOVE, NULL))
		return errno;
	ret = hidden();
	return mount(ELSEWHERE, BPFFS, NULL, MS_MOVE, NULL) ? broken(BPFFS) : ret;
}

static int move_parent_away(void)
{
	int ret;

	mkdir(ELSEWHERE, 0755);
	if (mount("/sys", ELSEWHERE, NULL, MS_MOVE, NULL))
		return errno;
	ret = hidden();
	return mount(ELSEWHERE, "/sys", NULL, MS_MOVE, NULL) ? broken("/sys") : ret;
}

/* --- what must go on --- */

/* As `ip netns exec` does it. */
static int netns_like(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) || umount2("/sys", MNT_DETACH) ||
	    mount("netns", "/sys", "sysfs", 0, NULL))
		return errno;
	return 0;
}

static int like_ip_netns(void)
{
	int ret = propagation(MS_SHARED);

	ret = ret ?: in_namespace(netns_like);
	propagation(MS_PRIVATE);
	return ret;
}

/* As a container begins: a root of its own, and the old one taken away. */
static int container_like(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("root", ELSEWHERE, "tmpfs", 0, NULL) || mkdir(ELSEWHERE "/sys", 0755) ||
	    mkdir(ELSEWHERE "/old", 0755) ||
	    mount("/sys", ELSEWHERE "/sys", NULL, MS_BIND | MS_REC, NULL) || chdir(ELSEWHERE) ||
	    syscall(SYS_pivot_root, ".", "old") || umount2("/old", MNT_DETACH) ||
	    umount2("/sys", MNT_DETACH))
		return errno;
	return 0;
}

static int like_a_container(void)
{
	int ret;

	mkdir(ELSEWHERE, 0755);
	ret = propagation(MS_SHARED) ?: in_namespace(container_like);
	propagation(MS_PRIVATE);
	return ret;
}

static int other_mounts(void)
{
	mkdir(ELSEWHERE, 0755);
	if (mount("other", ELSEWHERE, "tmpfs", 0, NULL) ||
	    mount(NULL, ELSEWHERE, NULL, MS_REMOUNT | MS_RDONLY, NULL) || umount(ELSEWHERE) ||
	    mount("other", ELSEWHERE, "bpf", 0, NULL) || mkdir(ELSEWHERE "/gmem", 0700) ||
	    rmdir(ELSEWHERE "/gmem") || umount(ELSEWHERE) ||
	    mount(BPFFS, ELSEWHERE, NULL, MS_BIND, NULL) || umount(ELSEWHERE))
		return errno;
	return 0;
}

const struct bypass_case bypass_lock_mounts[] = {
	LOCK_CASE("40d", "lock: umount of the BPF file system", umount_bpffs, LOCKED),
	LOCK_CASE("130", "lock: umount of a tree that it stands in", umount_parent, LOCKED),
	LOCK_CASE("131", "lock: umount in another namespace that propagates here",
		  propagated_umount, LOCKED),
	LOCK_CASE("131b", "lock: the same with a tree", propagated_umount_of_parent, LOCKED),
	LOCK_CASE("91", "lock: the same, shared by mount_setattr, which has no hook",
		  umount_after_setattr, LOCKED),
	LOCK_CASE("132", "lock: umount in a bind mount of the tree", umount_of_copy, LOCKED),
	LOCK_CASE("40e", "lock: mount over the pins", cover_pins, LOCKED),
	LOCK_CASE("133", "lock: mount over a directory of the pins", cover_maps, LOCKED),
	LOCK_CASE("133b", "lock: mount over the BPF file system", cover_bpffs, LOCKED),
	LOCK_CASE("133c", "lock: mount over /sys/fs", cover_fs, LOCKED),
	LOCK_CASE("133d", "lock: mount over /sys", cover_sys, LOCKED),
	LOCK_CASE("134", "lock: bind mount over the pins", bind_over, LOCKED),
	LOCK_CASE("134b", "lock: move_mount over the pins", move_mount_over, LOCKED),
	LOCK_CASE("134c", "lock: move_mount beneath the BPF file system, and umount",
		  move_mount_beneath, LOCKED),
	LOCK_CASE("135", "lock: the BPF file system moved away", move_away, LOCKED),
	LOCK_CASE("135b", "lock: /sys moved away", move_parent_away, LOCKED),
	LOCK_CASE("97", "lock: the same, by way of 24 namespaces, each the next one's master",
		  chain_of_masters, LOCKED),
	LOCK_CASE("F80", "lock: ip netns exec: /sys taken down in another namespace", like_ip_netns,
		  EVERYWHERE(ALLOWED)),
	LOCK_CASE("F81", "lock: a container begins: pivot_root, the old root taken down",
		  like_a_container, EVERYWHERE(ALLOWED)),
	LOCK_CASE("F82", "lock: mounts elsewhere, a BPF file system among them", other_mounts,
		  EVERYWHERE(ALLOWED)),
	{ 0 },
};

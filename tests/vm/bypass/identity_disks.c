// SPDX-License-Identifier: GPL-2.0-only
/* Passing for another program by what a file system says of a file: numbers, generations, devices. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/policies.h"
#include "puppet.h"

#define DISK BYPASS_DIR "/disk"

/* A file whose number is @wanted, as the file system gives numbers of removed files again. */
static int file_with_number(ino_t wanted_number, const char *dir, char *path, size_t size)
{
	struct stat st;

	for (int i = 0; i < 64; i++) {
		snprintf(path, size, "%s/%d", dir, i);
		if (copy_file(who_paths[WHO_x], path) || stat(path, &st))
			return ENDED_BROKEN;
		if (st.st_ino == wanted_number)
			return 0;
	}
	return failed("no file has the number %lu again", (unsigned long)wanted_number);
}

static char numbered[128];

static int be_numbered(int peer)
{
	(void)peer;
	return become_file(numbered, make, -1);
}

#define EXT4_GET_GENERATION _IOR('f', 3, long)
#define EXT4_SET_GENERATION _IOW('f', 4, long)

/* Ask for the generation of a file, or say it. Return: 0, ENDED_BROKEN. */
static int generation_of(const char *path, unsigned long request, long *generation)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = ioctl(fd, request, generation);

	close(fd);
	return ret ? broken(path) : 0;
}

/* The file is removed, and another one has its number; @generation: and generation. */
static int number_again(const char *dir, bool generation)
{
	struct counts before;
	long value = 0;
	char path[64];
	struct stat st;
	pid_t pid;
	int ret;

	snprintf(path, sizeof(path), "%s/vmm", dir);
	if (copy_file(who_paths[WHO_a], path) || stat(path, &st) || stage_load_for(path))
		return ENDED_BROKEN;
	snprintf(numbered, sizeof(numbered), "%s", path);
	pid = fork();
	if (!pid)
		_exit(be_numbered(-1));
	if (player_wait(pid))
		return failed("%s itself may not", path);
	if (generation && generation_of(path, EXT4_GET_GENERATION, &value))
		return ENDED_BROKEN;
	if (unlink(path) || file_with_number(st.st_ino, dir, numbered, sizeof(numbered)))
		return ENDED_BROKEN;
	if (generation && generation_of(numbered, EXT4_SET_GENERATION, &value))
		return ENDED_BROKEN;
	drop_events();
	counts_read(&before);
	pid = fork();
	if (!pid)
		_exit(be_numbered(-1));
	ret = player_wait(pid);
	if (check_ledger(&before, GMEM_DO_create, ret ? 1 : 0))
		return ENDED_BROKEN;
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	return ret;
}

/* --- 178 to 180: btrfs, whose subvolumes have inode numbers of their own --- */

/* Run a file as a player. Return: 0, the errno. */
static int play_file(const char *path)
{
	pid_t pid;

	snprintf(numbered, sizeof(numbered), "%s", path);
	pid = fork();
	if (!pid)
		_exit(be_numbered(-1));
	return player_wait(pid);
}

/* @path has the number and the generation of what the policy names. Is it taken for that? */
static int play_twin(const char *path)
{
	struct counts before;
	int ret;

	drop_events();
	counts_read(&before);
	ret = play_file(path);
	if (check_ledger(&before, GMEM_DO_create, ret ? 1 : 0))
		return ENDED_BROKEN;
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	return ret;
}

/* A disk of btrfs, of which nothing is written while the case runs. @fn: what is done with it. */
static int on_btrfs(int (*fn)(void))
{
	int ret;

	if (system("command -v mkfs.btrfs >/dev/null"))
		return failed("there is no mkfs.btrfs: run make deps (Debian: btrfs-progs)");
	if (system("modprobe -qa loop btrfs; grep -qw btrfs /proc/filesystems"))
		return ENDED_ABSENT;
	ret = shell("mkdir -p " DISK " && rm -f " DISK ".img && truncate -s 256M " DISK ".img && "
		    "mkfs.btrfs -q " DISK ".img >/dev/null 2>&1 && losetup -f --show " DISK
		    ".img >" DISK ".dev && mount -t btrfs -o commit=300 $(cat " DISK ".dev) " DISK);
	if (ret)
		return ret;
	ret = fn();
	if (system("umount " DISK " && losetup -d $(cat " DISK ".dev)"))
		return broken("umount");
	return ret;
}

/*
 * The policy names host/vmm, which works. Programs of an earlier case may not know btrfs. Return: 0
 * or ENDED_BROKEN.
 */
static int policy_for_host(void)
{
	stage_unload();
	if (stage_load_for(DISK "/host/vmm"))
		return ENDED_BROKEN;
	return play_file(DISK "/host/vmm") ? failed("the file itself may not") : 0;
}

static int be_snapshot(void)
{
	int ret = shell("btrfs -q subvolume create " DISK "/host") ?:
		  copy_file(who_paths[WHO_a], DISK "/host/vmm") ?: policy_for_host();

	/* Other bytes in the file of the snapshot: the number and the generation stay. */
	ret = ret
		      ?: shell("btrfs -q subvolume snapshot " DISK "/host " DISK "/container && "
			       "cat %s >" DISK "/container/vmm && "
			       "printf x >>" DISK "/container/vmm",
			       who_paths[WHO_x]);
	return ret ?: play_twin(DISK "/container/vmm");
}

static int snapshot_on_btrfs(const struct bypass_case *c)
{
	(void)c;
	return on_btrfs(be_snapshot);
}

static int be_twin(void)
{
	char path[128];
	struct stat st, its = { 0 };
	long of_host = 0, of_user = 0;
	int ret;

	ret = shell("btrfs -q subvolume create " DISK "/host && "
		    "btrfs -q subvolume create " DISK "/user && sync");
	/* In one transaction: root installs the VMM, and the user makes files until one fits. */
	ret = ret ?: shell("for i in 1 2 3 4 5; do : >" DISK "/host/$i; done");
	ret = ret ?: copy_file(who_paths[WHO_a], DISK "/host/vmm");
	if (ret || stat(DISK "/host/vmm", &st))
		return ENDED_BROKEN;
	for (int i = 0; i < 64 && its.st_ino != st.st_ino; i++) {
		snprintf(path, sizeof(path), DISK "/user/%d", i);
		if (put_text(path, "", 0755) || stat(path, &its))
			return ENDED_BROKEN;
	}
	ret = copy_file(who_paths[WHO_x], path) ?: policy_for_host();
	if (ret || generation_of(DISK "/host/vmm", FS_IOC_GETVERSION, &of_host) ||
	    generation_of(path, FS_IOC_GETVERSION, &of_user))
		return ENDED_BROKEN;
	if (its.st_ino != st.st_ino || of_host != of_user)
		return failed("no twin: inode %lu and %lu, generation %ld and %ld",
			      (unsigned long)st.st_ino, (unsigned long)its.st_ino, of_host,
			      of_user);
	return play_twin(path);
}

static int twin_on_btrfs(const struct bypass_case *c)
{
	(void)c;
	return on_btrfs(be_twin);
}

/* The programs do not know the types of btrfs: they must not take one subvolume for another. */
static int load_unknown(void)
{
	char *text = policy_text(bypass_run.carried,
				 "subjects: { c: { exe: " DISK "/vmm } }\n"
				 "rules: [ { name: c, allow: all, subjects: [c] } ]\n");
	int ret = copy_file(who_paths[WHO_a], DISK "/vmm") ?: stage_load(text, false);

	free(text);
	bypass_is(ret == -EOPNOTSUPP ? BYPASS_unloadable : BYPASS_possible);
	return 0;
}

static int loaded_before_btrfs(const struct bypass_case *c)
{
	stage_unload();
	if (system("modprobe -qr btrfs; ! grep -qw btrfs /proc/filesystems"))
		return failed("the module btrfs is in use");
	if (stage_load_for(who_paths[WHO_a]))
		return ENDED_BROKEN;
	(void)c;
	return on_btrfs(load_unknown);
}

static int on_disk(const char *options, int (*fn)(void))
{
	int ret;

	if (system("command -v mkfs.ext4 >/dev/null"))
		return ENDED_ABSENT;
	/* Not mount -o loop: some kernels mount nothing that somebody has open for writing. */
	ret = shell("modprobe -qa loop ext4; mkdir -p " DISK " && truncate -s 64M " DISK ".img && "
		    "mkfs.ext4 -q -F %s " DISK ".img && losetup -f --show " DISK ".img >" DISK
		    ".dev && "
		    "mount -t ext4 $(cat " DISK ".dev) " DISK,
		    options);
	if (ret)
		return ret;
	ret = fn();
	if (system("umount " DISK " && losetup -d $(cat " DISK ".dev)"))
		return broken("umount");
	return ret;
}

static int number_on_ext4(void)
{
	return number_again(DISK, false);
}

static int number_again_on_ext4(const struct bypass_case *c)
{
	(void)c;
	return on_disk("", number_on_ext4);
}

static int generation_on_ext4(void)
{
	return number_again(DISK, true);
}

static int generation_again_on_ext4(const struct bypass_case *c)
{
	(void)c;
	return on_disk("-O ^metadata_csum", generation_on_ext4);
}

static int number_on_overlay(void)
{
	int ret;

	ret = shell("cd " DISK " && mkdir lower upper work merged && mount -t overlay overlay "
		    "-o lowerdir=lower,upperdir=upper,workdir=work merged");
	ret = ret ?: number_again(DISK "/merged", false);
	return shell("umount " DISK "/merged") ?: ret;
}

static int number_again_on_overlay(const struct bypass_case *c)
{
	(void)c;
	return on_disk("", number_on_overlay);
}

/* --- 230 to 234: other file systems, copies of disks, disks in the place of another --- */

/* A disk of another file system. @module: of the kernel; @fn: what is done with it */
static int on_fs(const char *fs, const char *module, const char *mkfs, int (*fn)(void))
{
	int ret;

	if (shell("command -v mkfs.%s >/dev/null", fs))
		return failed("there is no mkfs.%s: run make deps", fs);
	if (shell("modprobe -qa loop %s; grep -qw %s /proc/filesystems", module, fs))
		return ENDED_ABSENT;
	ret = shell("mkdir -p " DISK " && rm -f " DISK ".img && truncate -s 400M " DISK ".img && "
		    "%s " DISK ".img >/dev/null 2>&1 && losetup -f --show " DISK ".img >" DISK
		    ".dev && mount -t %s $(cat " DISK ".dev) " DISK,
		    mkfs, fs);
	if (ret)
		return ret;
	ret = fn();
	if (system("umount " DISK " && losetup -d $(cat " DISK ".dev) && rm -f " DISK ".img"))
		return broken("umount");
	return ret;
}

static int number_again_on_xfs(const struct bypass_case *c)
{
	(void)c;
	return on_fs("xfs", "xfs", "mkfs.xfs -q", number_on_ext4);
}

/* A file that shares its blocks with the named one, until it is changed. */
static int be_reflink(void)
{
	if (copy_file(who_paths[WHO_a], DISK "/vmm") || stage_load_for(DISK "/vmm") ||
	    play_file(DISK "/vmm"))
		return failed("the file itself may not");
	if (shell("cp --reflink=always " DISK "/vmm " DISK "/twin && printf x >>" DISK "/twin"))
		return ENDED_BROKEN;
	return play_twin(DISK "/twin");
}

static int reflink_on_xfs(const struct bypass_case *c)
{
	(void)c;
	return on_fs("xfs", "xfs", "mkfs.xfs -q", be_reflink);
}

/* f2fs gives a number again after all others: only the same number in a copy of the disk is left. */
static int copy_of_disk(bool same_device)
{
	struct stat st, its;
	int ret;

	if (copy_file(who_paths[WHO_a], DISK "/vmm") || stat(DISK "/vmm", &st) ||
	    stage_load_for(DISK "/vmm") || play_file(DISK "/vmm"))
		return failed("the file itself may not");
	/* The copy's file has other bytes, and the number and generation of the named one. */
	ret = shell("sync && umount " DISK " && losetup -d $(cat " DISK
		    ".dev) && cp --sparse=always " DISK ".img " DISK ".copy && mkdir -p " DISK
		    ".other && "
		    "losetup -f --show " DISK ".copy >" DISK ".by && mount $(cat " DISK ".by) " DISK
		    ".other && cat %s >" DISK ".other/vmm && printf x >>" DISK ".other/vmm && "
		    "umount " DISK ".other && losetup -d $(cat " DISK ".by)",
		    who_paths[WHO_x]);
	if (same_device)
		ret = ret ?: shell("losetup $(cat " DISK ".dev) " DISK ".copy");
	else
		ret = ret
			      ?: shell("losetup $(cat " DISK ".dev) " DISK
				       ".img && losetup -f --show " DISK ".copy >" DISK ".by");
	ret = ret ?: shell("mount $(cat " DISK ".%s) " DISK, same_device ? "dev" : "by");
	if (ret || stat(DISK "/vmm", &its) || st.st_ino != its.st_ino ||
	    (st.st_dev == its.st_dev) != same_device)
		return broken("the copy of the disk");
	ret = play_twin(DISK "/vmm");
	if (!same_device && system("umount " DISK " && losetup -d $(cat " DISK
				   ".by) && mount $(cat " DISK ".dev) " DISK))
		return broken("the copy of the disk");
	return ret;
}

static int copy_elsewhere(void)
{
	return copy_of_disk(false);
}

static int copy_in_place(void)
{
	return copy_of_disk(true);
}

static int copy_of_f2fs(const struct bypass_case *c)
{
	(void)c;
	return on_fs("f2fs", "f2fs", "mkfs.f2fs -q", copy_elsewhere);
}

static int copy_of_ext4(const struct bypass_case *c)
{
	(void)c;
	return on_fs("ext4", "ext4", "mkfs.ext4 -q -F", copy_elsewhere);
}

static int device_again(const struct bypass_case *c)
{
	(void)c;
	return on_fs("ext4", "ext4", "mkfs.ext4 -q -F", copy_in_place);
}

const struct bypass_case bypass_identity_disks[] = {
	{ .id = "35b",
	  .path = "another file with the number of the removed one: ext4",
	  .whole = number_again_on_ext4,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "162",
	  .path = "the same, with its generation (EXT4_IOC_SETVERSION)",
	  .whole = generation_again_on_ext4,
	  EVERYWHERE(POSSIBLE("On ext2, and on ext4 without metadata_csum, the owner of a file "
			      "can choose its generation.")) },
	{ .id = "86",
	  .path = "another file with the number of the removed one: overlayfs",
	  .whole = number_again_on_overlay,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "178",
	  .path = "a changed file of a snapshot, on btrfs",
	  .whole = snapshot_on_btrfs,
	  .first_load = true,
	  LANES(ABSENT, ABSENT, STOPPED(EACCES), STOPPED(EACCES)) },
	{ .id = "179",
	  .path = "the same inode number and generation in another subvolume",
	  .whole = twin_on_btrfs,
	  .first_load = true,
	  LANES(ABSENT, ABSENT, STOPPED(EACCES), STOPPED(EACCES)) },
	{ .id = "180",
	  .path = "a policy that names a file of btrfs, and was loaded before btrfs",
	  .whole = loaded_before_btrfs,
	  .first_load = true,
	  LANES(ABSENT, ABSENT, UNLOADABLE, UNLOADABLE) },
	{ .id = "230",
	  .path = "another file with the number of the removed one: xfs",
	  .whole = number_again_on_xfs,
	  LANES(ABSENT, ABSENT, STOPPED(EACCES), STOPPED(EACCES)) },
	{ .id = "231",
	  .path = "a changed file that shares blocks with the named one (reflink): xfs",
	  .whole = reflink_on_xfs,
	  LANES(ABSENT, ABSENT, STOPPED(EACCES), STOPPED(EACCES)) },
	{ .id = "232",
	  .path = "the changed file of a copy of the disk, with its number and generation: f2fs",
	  .whole = copy_of_f2fs,
	  LANES(ABSENT, ABSENT, STOPPED(EACCES), STOPPED(EACCES)) },
	{ .id = "233",
	  .path = "the changed file of a copy of the disk, with its number and generation: ext4",
	  .whole = copy_of_ext4,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "234",
	  .path = "the same, mounted by the device number of the disk, which is unmounted",
	  .whole = device_again,
	  EVERYWHERE(POSSIBLE(
		  "Do not name files of a file system that is unmounted while the policy is in "
		  "force: the next one can get its device number")) },
	{ 0 },
};

// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/log.h"
#include "root_cgroup.h"

/* The inode number of the root of a cgroup hierarchy, of whatever part of it is mounted. */
#define ROOT_INODE 1

/* The memory controller's hierarchy: one of its own (version 1), or that of cgroup2. */
static bool has_memory(const struct mntent *mount)
{
	char path[PATH_MAX], controllers[512] = "";
	FILE *file;
	bool has;

	if (!strcmp(mount->mnt_type, "cgroup"))
		return hasmntopt(mount, "memory");
	if (strcmp(mount->mnt_type, "cgroup2"))
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.controllers", mount->mnt_dir);
	file = fopen(path, "re");
	if (!file)
		return false;
	has = fgets(controllers, sizeof(controllers), file) && strstr(controllers, "memory");
	fclose(file);
	return has;
}

static int enter(const char *dir)
{
	struct stat st;
	int fd, ret = 0;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		ret = -errno;
	else if (st.st_ino != ROOT_INODE)
		ret = -EXDEV;
	if (!ret) {
		int procs = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

		if (procs < 0 || write(procs, "0", 1) != 1)
			ret = -errno;
		if (procs >= 0)
			close(procs);
	}
	close(fd);
	return ret;
}

/* Return: 0, or why not. -ENOENT: no such hierarchy is mounted. */
static int enter_root(void)
{
	struct mntent *mount;
	int ret = -ENOENT;
	FILE *mounts;

	mounts = setmntent("/proc/self/mounts", "re");
	if (!mounts)
		return -errno;
	while (ret && (mount = getmntent(mounts))) {
		if (has_memory(mount))
			ret = enter(mount->mnt_dir);
	}
	endmntent(mounts);
	return ret;
}

int root_cgroup_run(int (*fn)(void *data), void *data, bool quiet)
{
	pid_t pid, self = getpid();
	int status = 0, ret;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		/* EAGAIN would mean that the kernel refused a program, see programs.c. */
		return log_error(errno == EAGAIN ? -ENOMEM : -errno, strerror(errno), NULL,
				 "start a child that makes the maps of the policy");
	if (!pid) {
		/* It leaves nothing behind that its parent would have removed. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != self)
			_exit(EINTR);
		ret = enter_root();
		if (ret && !quiet && !access("/proc/self/cgroup", F_OK))
			log_note(
				"identities of processes are charged to the memory cgroup of this "
				"process, since the root cgroup cannot be entered (%s): where that "
				"is full, processes get none, and are denied everything",
				strerror(-ret));
		_exit(-fn(data));
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return log_error(-errno, NULL, NULL, "wait for a child");
	}
	if (WIFEXITED(status))
		return -WEXITSTATUS(status);
	return log_error(-EIO, NULL, NULL, "make the maps of the policy in a child");
}

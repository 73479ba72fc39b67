// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"

#define HANDLE_KERNFS 0xfe

/* The number is all that it says. */
struct kernfs_handle {
	struct file_handle head;
	uint64_t id;
};

int cgroup_root(void)
{
	struct mntent *mount;
	int fd = -ENOENT;
	FILE *mounts;

	mounts = setmntent("/proc/self/mounts", "re");
	if (!mounts)
		return -errno;
	while ((mount = getmntent(mounts))) {
		if (strcmp(mount->mnt_type, "cgroup2"))
			continue;
		fd = open(mount->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			break;
		fd = -errno;
	}
	endmntent(mounts);
	return fd;
}

/* The name of an open directory. */
static int name_of(int fd, char *name, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, size - 1);
	if (n < 0)
		return -errno;
	name[n] = '\0';
	return 0;
}

/* What stands in @path behind @root, which is a name of a directory; NULL if it is not below. */
static const char *below(const char *path, const char *root)
{
	size_t n = strlen(root);

	if (strncmp(path, root, n) || (path[n] && path[n] != '/'))
		return NULL;
	return path + n;
}

int cgroup_open(int root, const char *path)
{
	char name[PATH_MAX];
	const char *rest;
	int ret, fd;

	ret = name_of(root, name, sizeof(name));
	if (ret)
		return ret;
	rest = below(path, name);
	path = rest ? rest : path;
	while (*path == '/')
		path++;
	fd = openat(root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cgroup_id(int root, const char *path, uint64_t *id)
{
	struct kernfs_handle handle = { .head.handle_bytes = sizeof(*id) };
	int mount;

	while (*path == '/')
		path++;
	if (name_to_handle_at(root, *path ? path : ".", &handle.head, &mount, 0))
		return errno == EOVERFLOW ? -EOPNOTSUPP : -errno;
	if (handle.head.handle_bytes != sizeof(*id))
		return -EOPNOTSUPP;
	memcpy(id, handle.head.f_handle, sizeof(*id));
	return 0;
}

int cgroup_path(int root, uint64_t id, char *path, size_t size)
{
	struct kernfs_handle handle = { .head = { .handle_bytes = sizeof(id),
						  .handle_type = HANDLE_KERNFS } };
	char name[PATH_MAX], top[PATH_MAX];
	const char *rest;
	int fd, ret;

	memcpy(handle.head.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(root, &handle.head, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = name_of(fd, name, sizeof(name));
	close(fd);
	if (!ret)
		ret = name_of(root, top, sizeof(top));
	if (ret)
		return ret;
	rest = below(name, top);
	if (!rest)
		return -ENOENT;
	ret = snprintf(path, size, "%s", *rest ? rest : "/");
	return ret < (int)size ? 0 : -ENAMETOOLONG;
}

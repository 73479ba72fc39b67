// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../../lib/log.h"
#include "labels.h"

/* The kernel's dev_t, as programs see it. */
#define DEV_MAJOR(dev) ((dev) >> 20)
#define DEV_MINOR(dev) ((dev) & ((1U << 20) - 1))

/*
 * The instance that a place holds. O_PATH opens nothing, so that no hook decides about it, but it
 * is enough to name the inode. The place may hold something else by now.
 *
 * Return: a descriptor or a negative errno.
 */
static int open_place(const struct gmem_found *place)
{
	char path[96];
	struct stat st;
	int fd;

	if (place->how == GMEM_HELD_BY_fd)
		snprintf(path, sizeof(path), "/proc/%u/fd/%llu", place->pid,
			 (unsigned long long)place->at);
	else if (place->how == GMEM_HELD_BY_mapping)
		snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", place->pid,
			 (unsigned long long)place->at, (unsigned long long)place->end);
	else
		return -EOPNOTSUPP;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && st.st_ino == place->ino &&
	    major(st.st_dev) == DEV_MAJOR(place->dev) && minor(st.st_dev) == DEV_MINOR(place->dev))
		return fd;
	close(fd);
	return -ENOENT;
}

int label_read(const struct store *store, const struct gmem_found *place, bool enforce)
{
	struct gmem_label label;
	int fd, ret;

	if (!bpf_map_lookup_elem(store->fd[MAP_labels], &place->inode, &label))
		return !(label.denied && enforce);
	fd = open_place(place);
	if (fd < 0)
		return fd;
	if (!bpf_map_lookup_elem(store->fd[MAP_more_labels], &fd, &label))
		ret = !(label.denied && enforce);
	else
		ret = errno == ENOENT ? 0 : -errno;
	close(fd);
	return ret;
}

int label_adopt(const struct store *store, const struct gmem_found *place)
{
	struct gmem_label label = { 0 };
	int fd, ret = 0;

	/* Its creation may have been denied in audit mode. */
	if (!bpf_map_update_elem(store->fd[MAP_labels], &place->inode, &label, BPF_EXIST))
		return 1;
	fd = open_place(place);
	if (fd < 0)
		return fd;
	if (bpf_map_update_elem(store->fd[MAP_more_labels], &fd, &label, BPF_ANY))
		ret = log_error(-errno, NULL, NULL, "adopt the instance of inode %llu",
				(unsigned long long)place->ino);
	close(fd);
	return ret ?: 1;
}

// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/log.h"
#include "textfile.h"

#define MODE 0644

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	/* The umask is none of the readers' business. */
	return fchmod(fd, MODE) || fsync(fd) ? -errno : 0;
}

/* Relative to the directory, which nobody can replace in between. */
static int replace(int dir, const char *name, const char *temp, const char *data, size_t len)
{
	int fd, ret;

	/* Left by an exporter that was killed. */
	if (unlinkat(dir, temp, 0) && errno != ENOENT)
		return -errno;
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, data, len);
	if (close(fd) && !ret)
		ret = -errno;
	if (!ret && renameat(dir, temp, dir, name))
		ret = -errno;
	if (ret) {
		unlinkat(dir, temp, 0);
		return ret;
	}
	return fsync(dir) ? -errno : 0;
}

int textfile_write(const char *path, const char *data, size_t len)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char *directory = NULL, *temp = NULL;
	int dir = -1, ret = -ENOMEM;

	if (asprintf(&temp, ".%s.tmp", name) < 0)
		temp = NULL;
	directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	if (!temp || !directory)
		goto out;
	ret = -EISDIR;
	if (!*name)
		goto out;
	dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ret = dir < 0 ? -errno : replace(dir, name, temp, data, len);
out:
	if (dir >= 0)
		close(dir);
	free(directory);
	free(temp);
	return ret ? log_error(ret, NULL, NULL, "write %s", path) : 0;
}

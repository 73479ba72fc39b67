// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/btf.h>

#include "btf_names.h"

/* Return: 0, a negative errno; -EBADMSG if there is less than that. */
static int read_at(int fd, void *to, size_t len, off_t at)
{
	char *next = to;
	ssize_t n;

	while (len) {
		n = pread(fd, next, len, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		next += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_strings(int fd, char **strings, size_t *len)
{
	struct btf_header header;
	int ret;

	ret = read_at(fd, &header, sizeof(header), 0);
	if (ret)
		return ret;
	if (header.magic != BTF_MAGIC || header.hdr_len < sizeof(header))
		return -EBADMSG;
	*len = header.str_len;
	*strings = calloc(1, *len + 1);
	if (!*strings)
		return -ENOMEM;
	return read_at(fd, *strings, *len, (off_t)header.hdr_len + header.str_off);
}

int btf_names(const char *path, void (*take)(const char *name, void *data), void *data)
{
	char *strings = NULL, *at;
	size_t len = 0;
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = read_strings(fd, &strings, &len);
	close(fd);
	for (at = strings; !ret && at < strings + len; at += strlen(at) + 1) {
		if (*at)
			take(at, data);
	}
	free(strings);
	return ret;
}

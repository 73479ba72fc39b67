// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "iterate.h"

/* All of a descriptor. Return: 0 or a negative errno; then there is nothing to be freed. */
static int read_all(int fd, char **out, size_t *len)
{
	size_t have = 0, size = 1 << 16;
	char *buf = malloc(size), *more;
	ssize_t n;

	while (buf) {
		n = read(fd, buf + have, size - have);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0) {
			free(buf);
			return -errno;
		}
		if (!n) {
			*out = buf;
			*len = have;
			return 0;
		}
		have += (size_t)n;
		if (have < size)
			continue;
		size *= 2;
		more = realloc(buf, size);
		if (!more)
			free(buf);
		buf = more;
	}
	return -ENOMEM;
}

int iterate(int program, int tid, char **out, size_t *len)
{
	union bpf_iter_link_info info = { .task.tid = (__u32)tid };
	DECLARE_LIBBPF_OPTS(bpf_link_create_opts, opts);
	int link, fd, ret;

	opts.iter_info = &info;
	opts.iter_info_len = sizeof(info);
	link = bpf_link_create(program, 0, BPF_TRACE_ITER, tid ? &opts : NULL);
	if (link < 0)
		return -errno;
	fd = bpf_iter_create(link);
	ret = fd < 0 ? -errno : read_all(fd, out, len);
	if (fd >= 0)
		close(fd);
	close(link);
	return ret;
}

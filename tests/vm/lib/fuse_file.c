// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse_file.h"

static struct fuse_attr attr_of(const struct fuse_file *s, uint64_t node)
{
	struct fuse_attr attr = { .ino = node, .nlink = 1, .blksize = 4096 };

	attr.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0755;
	attr.size = node == FUSE_ROOT_ID ? 0 : s->size;
	return attr;
}

static void reply(const struct fuse_file *s, uint64_t unique, int error, const void *body,
		  size_t len)
{
	static char buf[(1 << 20) + 64];
	struct fuse_out_header head = { .len = (uint32_t)(sizeof(head) + len),
					.error = -error,
					.unique = unique };

	memcpy(buf, &head, sizeof(head));
	memcpy(buf + sizeof(head), body, len);
	/* It was not waited for any more. */
	if (write(s->fuse, buf, head.len) < 0 && errno != ENOENT)
		_exit(1);
}

static void reply_read(const struct fuse_file *s, uint64_t unique, const struct fuse_read_in *in)
{
	static char bytes[1 << 20];
	size_t size = in->size < sizeof(bytes) ? in->size : sizeof(bytes);
	ssize_t n = pread(s->bytes, bytes, size, (off_t)in->offset);

	reply(s, unique, n < 0 ? EIO : 0, bytes, n < 0 ? 0 : (size_t)n);
}

static void answer(const struct fuse_file *s, const struct fuse_in_header *in, const void *body)
{
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
				      .minor = FUSE_KERNEL_MINOR_VERSION,
				      .max_readahead = 1 << 17,
				      .max_write = 1 << 17 };
	struct fuse_attr_out attr = { .attr_valid = 3600, .attr = attr_of(s, in->nodeid) };
	struct fuse_entry_out entry = { .nodeid = s->ino,
					.generation = s->generation,
					.entry_valid = 3600,
					.attr_valid = 3600,
					.attr = attr_of(s, s->ino) };
	struct fuse_open_out open_out = { .open_flags = FOPEN_KEEP_CACHE };

	switch (in->opcode) {
	case FUSE_INIT: reply(s, in->unique, 0, &init, sizeof(init)); break;
	case FUSE_GETATTR: reply(s, in->unique, 0, &attr, sizeof(attr)); break;
	case FUSE_LOOKUP:
		if (strcmp(body, s->name))
			reply(s, in->unique, ENOENT, "", 0);
		else
			reply(s, in->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR: reply(s, in->unique, 0, &open_out, sizeof(open_out)); break;
	case FUSE_READ: reply_read(s, in->unique, body); break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR: reply(s, in->unique, 0, "", 0); break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: break;
	default: reply(s, in->unique, ENOSYS, "", 0);
	}
}

pid_t fuse_file_serve(struct fuse_file *s)
{
	static char buf[(1 << 20) + 4096];
	struct stat st;
	pid_t pid;

	if (fstat(s->bytes, &st))
		return -1;
	s->size = (uint64_t)st.st_size;
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(s->fuse, buf, sizeof(buf)) > 0)
		answer(s, (struct fuse_in_header *)buf, buf + sizeof(struct fuse_in_header));
	_exit(0);
}

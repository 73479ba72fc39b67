// SPDX-License-Identifier: GPL-2.0-only
/*
 * Passing for another program by a file system that a process makes up: FUSE takes the numbers of
 * its files from whoever serves it, and every user may mount one in a user namespace. Only the
 * number of the file system is the kernel's, and that is given again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "puppet.h"

#define GONE  BYPASS_DIR "/gone"  /* where the file is that the policy names, for a while */
#define FORGE BYPASS_DIR "/forge" /* and the one that is made up */
#define NAME  "vmm"

/* What the made up file is to be, as it was found out of the true one: it can be read. */
struct forged {
	uint64_t dev, ino, generation;
};

/* --- a file system with one file, whose bytes are those of @bytes --- */

struct served {
	int fuse, bytes;
	struct forged as;
	uint64_t size;
};

static struct fuse_attr attr_of(const struct served *s, uint64_t node)
{
	struct fuse_attr attr = { .ino = node, .nlink = 1, .blksize = 4096 };

	attr.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0755;
	attr.size = node == FUSE_ROOT_ID ? 0 : s->size;
	return attr;
}

static void reply(const struct served *s, uint64_t unique, int error, const void *body, size_t len)
{
	static char buf[(1 << 20) + 64];
	struct fuse_out_header head = { .len = (uint32_t)(sizeof(head) + len),
					.error = -error,
					.unique = unique };

	memcpy(buf, &head, sizeof(head));
	memcpy(buf + sizeof(head), body, len);
	if (write(s->fuse, buf, head.len) < 0 && errno != ENOENT)
		broken("an answer to FUSE");
}

static void reply_read(const struct served *s, uint64_t unique, const struct fuse_read_in *in)
{
	static char bytes[1 << 20];
	size_t size = in->size < sizeof(bytes) ? in->size : sizeof(bytes);
	ssize_t n = pread(s->bytes, bytes, size, (off_t)in->offset);

	reply(s, unique, n < 0 ? EIO : 0, bytes, n < 0 ? 0 : (size_t)n);
}

static void answer(const struct served *s, const struct fuse_in_header *in, const void *body)
{
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
				      .minor = FUSE_KERNEL_MINOR_VERSION,
				      .max_readahead = 1 << 17,
				      .max_write = 1 << 17 };
	struct fuse_attr_out attr = { .attr_valid = 3600, .attr = attr_of(s, in->nodeid) };
	struct fuse_entry_out entry = { .nodeid = s->as.ino,
					.generation = s->as.generation,
					.entry_valid = 3600,
					.attr_valid = 3600,
					.attr = attr_of(s, s->as.ino) };
	struct fuse_open_out open_out = { .open_flags = FOPEN_KEEP_CACHE };

	switch (in->opcode) {
	case FUSE_INIT: reply(s, in->unique, 0, &init, sizeof(init)); break;
	case FUSE_GETATTR: reply(s, in->unique, 0, &attr, sizeof(attr)); break;
	case FUSE_LOOKUP:
		if (strcmp(body, NAME))
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

/*
 * A process of its own: one that uses what it serves would wait for itself when it ends. Return:
 * its pid, -1.
 */
static pid_t serve(const struct served *s)
{
	static char buf[(1 << 20) + 4096];
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(s->fuse, buf, sizeof(buf)) > 0)
		answer(s, (struct fuse_in_header *)buf, buf + sizeof(struct fuse_in_header));
	_exit(0);
}

/* --- who makes it up --- */

/* One mount after the other, until one of them has the number. Return: 0 or ENDED_BROKEN. */
static int mount_with_number(struct served *s)
{
	struct stat st;
	char options[128];

	for (int i = 0; i < 16; i++) {
		s->fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
		snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0",
			 s->fuse);
		if (s->fuse < 0 || mount("made-up", FORGE, "fuse", MS_NOSUID | MS_NODEV, options))
			return broken("mount of FUSE");
		if (serve(s) < 0 || close(s->fuse) || stat(FORGE, &st))
			return broken(FORGE);
		if (st.st_dev == s->as.dev)
			return 0;
	}
	return failed("no file system has the number %u:%u again", major((dev_t)s->as.dev),
		      minor((dev_t)s->as.dev));
}

/* A user: shows a file as the other one, and hands it to whoever runs it. */
static int make_up(int peer)
{
	struct served s = { .bytes = open(who_paths[WHO_x], O_RDONLY | O_CLOEXEC) };
	struct stat st;
	int fd, ret;

	if (recv(peer, &s.as, sizeof(s.as), 0) != sizeof(s.as) || fstat(s.bytes, &st))
		return broken("what it is to be");
	s.size = (uint64_t)st.st_size;
	ret = own_mounts() ?: mount_with_number(&s);
	if (ret)
		return ret;
	fd = open(FORGE "/" NAME, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return broken(FORGE "/" NAME);
	ret = send_fd(peer, fd);
	close(fd);
	if (!ret)
		wait_gone(peer);
	return ret;
}

/* The same user, in no namespace of his own: runs it. */
static int run_made_up(int peer)
{
	char path[64];
	int fd = recv_fd(peer, 0);

	if (fd < 0)
		return -fd;
	/* become() closes the lowest one. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fcntl(fd, F_DUPFD, 100));
	return become_file(path, make, -1);
}

/* --- the true file --- */

/* Where its generation can be had by whoever can open it. */
static int generation_of(const char *path, uint64_t *generation)
{
	struct {
		struct file_handle head;
		uint32_t words[32];
	} handle = { .head.handle_bytes = sizeof(handle.words) };
	int mount_id;

	if (name_to_handle_at(AT_FDCWD, path, &handle.head, &mount_id, 0))
		return broken("name_to_handle_at");
	/* Of tmpfs: the first word. */
	*generation = handle.words[0];
	return 0;
}

static int true_file(struct forged *as)
{
	struct stat st;

	if (shell("mkdir -p " GONE " " FORGE "; chmod 777 " FORGE "; mount -t tmpfs gone " GONE) ||
	    copy_file(who_paths[WHO_a], GONE "/" NAME) || stat(GONE "/" NAME, &st))
		return broken(GONE);
	as->dev = st.st_dev;
	as->ino = st.st_ino;
	return generation_of(GONE "/" NAME, &as->generation);
}

static int made_up(const struct bypass_case *c)
{
	int with_maker[2], with_runner[2], fd, ret;
	struct counts before;
	struct forged as;
	pid_t maker, runner;

	(void)c;
	if (system("modprobe -q fuse; test -c /dev/fuse && chmod 666 /dev/fuse"))
		return ENDED_ABSENT;
	ret = true_file(&as) ?: stage_load_for(GONE "/" NAME);
	/* The policy is still about it when it is gone. */
	if (umount(GONE) || ret || socket_pair(with_maker) || socket_pair(with_runner))
		return broken(GONE);
	drop_events();
	counts_read(&before);
	maker = player_start_as(OTHER_USER, WHO_x, make_up, with_maker[1]);
	close(with_maker[1]);
	if (send(with_maker[0], &as, sizeof(as), MSG_NOSIGNAL) != sizeof(as))
		return broken("send");
	fd = recv_fd(with_maker[0], 0);
	if (fd < 0)
		return failed("nothing was made up: %d", player_wait(maker));
	runner = player_start_as(OTHER_USER, WHO_x, run_made_up, with_runner[1]);
	ret = send_fd(with_runner[0], fd) ?: player_wait(runner);
	close(fd);
	close(with_maker[0]);
	player_wait(maker);
	if (check_ledger(&before, GMEM_DO_create, ret ? 1 : 0))
		return ENDED_BROKEN;
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	return ret;
}

const struct bypass_case bypass_identity_fuse[] = {
	{ .id = "88",
	  .path = "a file of FUSE in a user namespace with the numbers of one that may",
	  .whole = made_up,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ 0 },
};

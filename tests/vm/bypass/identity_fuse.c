// SPDX-License-Identifier: GPL-2.0-only
/*
 * Passing for another program by a file system that a process makes up: FUSE takes the numbers of
 * its files from whoever serves it, and every user may mount one in a user namespace. Only the
 * number of the file system is the kernel's, and that is given again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../lib/fuse_file.h"
#include "puppet.h"

#define GONE  BYPASS_DIR "/gone"  /* where the file is that the policy names, for a while */
#define FORGE BYPASS_DIR "/forge" /* and the one that is made up */
#define NAME  "vmm"

/* What the made up file is to be, as it was found out of the true one: it can be read. */
struct forged {
	uint64_t dev, ino, generation;
};

/* --- who makes it up --- */

/* One mount after the other, until one of them has the number. Return: 0 or ENDED_BROKEN. */
static int mount_with_number(struct fuse_file *s, uint64_t dev)
{
	struct stat st;
	char options[128];

	for (int i = 0; i < 16; i++) {
		s->fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
		snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0",
			 s->fuse);
		if (s->fuse < 0 || mount("made-up", FORGE, "fuse", MS_NOSUID | MS_NODEV, options))
			return broken("mount of FUSE");
		if (fuse_file_serve(s) < 0 || close(s->fuse) || stat(FORGE, &st))
			return broken(FORGE);
		if (st.st_dev == dev)
			return 0;
	}
	return failed("no file system has the number %u:%u again", major((dev_t)dev),
		      minor((dev_t)dev));
}

/* A user: shows a file as the other one, and hands it to whoever runs it. */
static int make_up(int peer)
{
	struct fuse_file s = { .name = NAME,
			       .bytes = open(who_paths[WHO_x], O_RDONLY | O_CLOEXEC) };
	struct forged as;
	int fd, ret;

	if (recv(peer, &as, sizeof(as), 0) != sizeof(as))
		return broken("what it is to be");
	s.ino = as.ino;
	s.generation = as.generation;
	ret = own_mounts() ?: mount_with_number(&s, as.dev);
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
static int run_untrusted_fs(int peer)
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
	runner = player_start_as(OTHER_USER, WHO_x, run_untrusted_fs, with_runner[1]);
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

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures the cost of operations that have nothing to do with guest_memfd but pass hooks where a
 * policy or a locked policy has programs, see measure.h.
 *
 *   bench_files [-r ROUNDS] [OPERATION...]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/fs.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

#define PAGE 4096

static int file_fd = -1, map_fd = -1, busy_fd = -1;
static char dir[] = "/tmp/bench_files.XXXXXX";

static void mount_teardown(void)
{
	if (busy_fd < 0)
		return;
	close(busy_fd);
	busy_fd = -1;
	umount2("mnt", 0);
}

static void teardown(void)
{
	close(file_fd);
	close(map_fd);
	file_fd = map_fd = -1;
	mount_teardown();
}

static int file_setup(void)
{
	char path[] = "/tmp/bench_files.XXXXXX";

	file_fd = mkstemp(path);
	if (file_fd < 0)
		return -errno;
	unlink(path);
	return ftruncate(file_fd, PAGE) ? -errno : 0;
}

static int read_round(unsigned int ops)
{
	char byte;

	for (unsigned int i = 0; i < ops; i++)
		if (pread(file_fd, &byte, 1, 0) != 1)
			return -errno;
	return 0;
}

static int map_file(unsigned int ops, int prot, int flags)
{
	for (unsigned int i = 0; i < ops; i++) {
		void *m = mmap(NULL, PAGE, prot, flags, file_fd, 0);

		if (m == MAP_FAILED || munmap(m, PAGE))
			return -errno;
	}
	return 0;
}

static int mmap_file_round(unsigned int ops)
{
	return map_file(ops, PROT_READ | PROT_WRITE, MAP_SHARED);
}

/* As a loader maps a library. */
static int mmap_code_round(unsigned int ops)
{
	return map_file(ops, PROT_READ | PROT_EXEC, MAP_PRIVATE);
}

static int ioctl_round(unsigned int ops)
{
	int size;

	for (unsigned int i = 0; i < ops; i++)
		if (ioctl(file_fd, FIGETBSZ, &size))
			return -errno;
	return 0;
}

/* In a directory of its own, which is the working directory then. */
static int dir_setup(void)
{
	static bool made;
	int fd;

	if (!made && !mkdtemp(dir))
		return -errno;
	made = true;
	if (chdir(dir))
		return -errno;
	fd = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int open_close(unsigned int ops, int flags)
{
	for (unsigned int i = 0; i < ops; i++) {
		int fd = open("file", flags);

		if (fd < 0)
			return -errno;
		close(fd);
	}
	return 0;
}

static int open_read_round(unsigned int ops)
{
	return open_close(ops, O_RDONLY);
}

static int open_write_round(unsigned int ops)
{
	return open_close(ops, O_WRONLY);
}

static int create_unlink_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++) {
		int fd = open("another", O_WRONLY | O_CREAT | O_EXCL, 0600);

		if (fd < 0 || close(fd) || unlink("another"))
			return -errno;
	}
	return 0;
}

/* There and back: two. */
static int rename_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i += 2)
		if (rename("file", "another") || rename("another", "file"))
			return -errno;
	return 0;
}

static int mkdir_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++)
		if (mkdir("directory", 0700) || rmdir("directory"))
			return -errno;
	return 0;
}

static int chmod_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++)
		if (chmod("file", 0600 | (i & 1)))
			return -errno;
	return 0;
}

static int mount_setup(void)
{
	int r = dir_setup();

	if (!r && mkdir("mnt", 0700) && errno != EEXIST)
		r = -errno;
	if (!r && mount(dir, "mnt", NULL, MS_BIND, NULL))
		r = -errno;
	if (r)
		return r;
	busy_fd = open("mnt", O_RDONLY | O_CLOEXEC);
	return busy_fd < 0 ? -errno : 0;
}

/*
 * Passes the hooks of mount and umount. A mount that is made and removed passes the same, but takes
 * from 15,000 to 28,000 instructions: what the kernel needs to allocate a mount depends on what was
 * allocated and freed before.
 */
static int remount_round(unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++) {
		if (mount(NULL, "mnt", NULL, MS_BIND | MS_REMOUNT, NULL))
			return -errno;
		if (!umount2("mnt", 0))
			return -EIO;
		if (errno != EBUSY)
			return -errno;
	}
	return 0;
}

static long bpf_call(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int map_setup(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1
	};

	map_fd = (int)bpf_call(BPF_MAP_CREATE, &attr);
	return map_fd < 0 ? -errno : 0;
}

/* As any tool that reads its counters. */
static int map_round(unsigned int ops)
{
	uint64_t value;
	uint32_t key = 0;
	union bpf_attr attr = { .map_fd = (uint32_t)map_fd,
				.key = (uintptr_t)&key,
				.value = (uintptr_t)&value };

	for (unsigned int i = 0; i < ops; i++)
		if (bpf_call(BPF_MAP_LOOKUP_ELEM, &attr))
			return -errno;
	return 0;
}

/* The costs of the parent and of the child. */
static int exec_round(unsigned int ops)
{
	char *argv[] = { "true", NULL };
	int status;
	pid_t pid;

	for (unsigned int i = 0; i < ops; i++) {
		errno = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, argv + 1);
		if (errno || waitpid(pid, &status, 0) != pid)
			return -errno;
		if (status)
			return -ECHILD;
	}
	return 0;
}

/* Apart, since the child of vfork() shares the stack. */
static __attribute__((noinline)) int fork_once(void)
{
	pid_t pid = vfork();
	int status;

	if (!pid)
		_exit(0);
	return pid < 0 || waitpid(pid, &status, 0) != pid ? -errno : 0;
}

/* The costs of the parent and of the child, without an address space to copy. */
static int fork_round(unsigned int ops)
{
	int r = 0;

	for (unsigned int i = 0; i < ops && !r; i++)
		r = fork_once();
	return r;
}

static const struct bench benches[] = {
	{ "read_file", 2048, file_setup, NULL, read_round, NULL, 0 },
	{ "mmap_file", 512, file_setup, NULL, mmap_file_round, NULL, 0 },
	{ "ioctl_file", 2048, file_setup, NULL, ioctl_round, NULL, 0 },
	{ "mmap_code", 512, file_setup, NULL, mmap_code_round, NULL, 0 },
	{ "open_read", 1024, dir_setup, NULL, open_read_round, NULL, 0 },
	{ "open_write", 1024, dir_setup, NULL, open_write_round, NULL, 0 },
	{ "create_unlink", 256, dir_setup, NULL, create_unlink_round, NULL, 0 },
	{ "rename", 256, dir_setup, NULL, rename_round, NULL, 0 },
	{ "mkdir_rmdir", 256, dir_setup, NULL, mkdir_round, NULL, 0 },
	{ "chmod", 512, dir_setup, NULL, chmod_round, NULL, 0 },
	{ "remount_umount", 256, mount_setup, NULL, remount_round, NULL, 0 },
	{ "bpf_lookup", 1024, map_setup, NULL, map_round, NULL, 0 },
	{ "fork", 64, NULL, NULL, fork_round, NULL, 0 },
	{ "exec", 8, NULL, NULL, exec_round, NULL, 0 },
};

int main(int argc, char **argv)
{
	(void)argc;
	return measure(argv + 1, benches, sizeof(benches) / sizeof(benches[0]), teardown);
}

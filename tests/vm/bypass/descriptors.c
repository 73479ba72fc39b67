// SPDX-License-Identifier: GPL-2.0-only
/* Ways to an instance that somebody else has, and what can be done with a descriptor of one. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/loop.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../lib/fds.h"
#include "../lib/kvm.h"
#include "bypass.h"

#ifndef SO_RIGHTS_NOTRUNC
#define SO_RIGHTS_NOTRUNC 85
#endif
/* Values of the ABI that headers of distributions lack. */
struct attributes2 {
	uint64_t offset, size, attributes, flags, error_offset, reserved[11];
};

#ifndef KVM_SET_MEMORY_ATTRIBUTES2
#define KVM_SET_MEMORY_ATTRIBUTES2 _IOWR(KVMIO, 0xd2, struct attributes2)
#endif
_Static_assert(KVM_SET_MEMORY_ATTRIBUTES2 == 0xc080aed2, "as in later kernels");
#define SYS_open_tree_nr       428
#define OPEN_TREE_CLONE_FLAG   1
#define SYS_process_madvise_nr 440
#define SYS_pidfd_open_nr      434

/* --- 11, 73, 12: sent through a socket --- */

static int take(int peer)
{
	int fd = recv_fd(peer, 0);

	return fd < 0 ? -fd : 0;
}

static int peek(int peer)
{
	int fd = recv_fd(peer, MSG_PEEK);

	return fd < 0 ? -fd : 0;
}

/* Where the kernel tells of each fd: an errno in its place. */
static int take_told(int peer)
{
	int one = 1, fd;

	if (setsockopt(peer, SOL_SOCKET, SO_RIGHTS_NOTRUNC, &one, sizeof(one))) {
		recv_fd(peer, 0);
		return ENDED_ABSENT;
	}
	fd = fd_take(peer, 0);
	if (fd >= 0)
		return 0;
	return errno == EMSGSIZE ? ENDED_CUT : errno;
}

/* --- 15, 16, 63, 79: opened anew --- */

/* A tells what it is, which fd the instance is, and where it is mapped (0: not). */
static int have_one(int peer)
{
	struct vmm v;
	char *mem = NULL;
	int ret = vmm_make(&v, VIEW);

	if (ret == ENDED_ABSENT) {
		ret = vmm_make(&v, PLAIN);
	} else if (!ret) {
		mem = map_instance(v.fd, PROT_READ);
		ret = mem ? 0 : errno;
	}
	ret = ret ?: tell(peer, (uint64_t)getpid());
	ret = ret ?: tell(peer, (uint64_t)v.fd) ?: tell(peer, (uint64_t)(uintptr_t)mem);
	if (!ret)
		wait_gone(peer);
	return ret;
}

struct other {
	uint64_t pid, fd, mem;
};

static int hear_of(int peer, struct other *other)
{
	return hear(peer, &other->pid) ?: hear(peer, &other->fd) ?: hear(peer, &other->mem);
}

static int reopen(int peer)
{
	struct other a;
	char path[64];
	int ret = hear_of(peer, &a);

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)a.pid, (int)a.fd);
	return ret ?: result_of(open(path, O_RDWR | O_CLOEXEC));
}

static void map_files_path(const struct other *a, char *path, size_t size)
{
	snprintf(path, size, "/proc/%d/map_files/%lx-%lx", (int)a->pid, (unsigned long)a->mem,
		 (unsigned long)a->mem + INSTANCE_SIZE);
}

static int reopen_mapping(int peer)
{
	struct other a;
	char path[128];
	int ret = hear_of(peer, &a);

	if (!ret && !a.mem)
		return ENDED_ABSENT;
	map_files_path(&a, path, sizeof(path));
	return ret ?: result_of(open(path, O_RDWR | O_CLOEXEC));
}

/* A path can be had; it cannot be mapped, and it takes no request. */
static int reopen_path(int peer)
{
	struct attributes2 attrs = { .size = KVM_PAGE };
	struct other a;
	char path[64];
	int ret = hear_of(peer, &a), fd;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)a.pid, (int)a.fd);
	fd = ret ? -1 : open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return ret ?: broken(path);
	if (!ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, &attrs) || errno != EBADF)
		return failed("an ioctl on a path");
	if (!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, KVM_PAGE) ||
	    errno != EBADF)
		return failed("fallocate on a path");
	return map_instance(fd, PROT_READ) ? 0 : errno;
}

static int advise_other(int peer)
{
	struct other a;
	struct iovec iov = { .iov_len = KVM_PAGE };
	int ret = hear_of(peer, &a), pidfd;

	if (!ret && !a.mem)
		return ENDED_ABSENT;
	pidfd = ret ? -1 : (int)syscall(SYS_pidfd_open_nr, (pid_t)a.pid, 0);
	if (pidfd < 0)
		return ret ?: broken("pidfd_open");
	iov.iov_base = (void *)(uintptr_t)a.mem;
	return result_of(syscall(SYS_process_madvise_nr, pidfd, &iov, 1UL, MADV_REMOVE, 0));
}

/* --- 21, 115: an fd that came over exec --- */

static int punch_inherited(int peer)
{
	(void)peer;
	return punch_hole(LEFT_INSTANCE);
}

static int allocate_inherited(int peer)
{
	(void)peer;
	return result_of(fallocate(LEFT_INSTANCE, FALLOC_FL_KEEP_SIZE, 0, KVM_PAGE));
}

/* Is what A wrote still there? Only A may look. */
static int look_for_a(int peer)
{
	char *mem = map_instance(LEFT_INSTANCE, PROT_READ);

	(void)peer;
	if (!mem)
		return broken("mmap");
	return mem[0] == 'a' ? ENDED_NOTHING : 0;
}

static int advise_inherited(int peer)
{
	if (posix_fadvise(LEFT_INSTANCE, 0, 0, POSIX_FADV_DONTNEED))
		return broken("posix_fadvise");
	sync_file_range(LEFT_INSTANCE, 0, 0, 7);
	return become(WHO_a, look_for_a, peer);
}

static int drop_caches(int peer)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "3", 1) != 1)
		return broken("drop_caches");
	close(fd);
	return become(WHO_a, look_for_a, peer);
}

static int leave_written_to_x(player_fn fn, int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	ret = ret ?: touch_write(mem, 'a');
	return ret ?: leave_open(v.fd, LEFT_INSTANCE) ?: become(WHO_x, fn, peer);
}

static int leave_then_punch(int peer)
{
	return vmm_leave_to(WHO_x, PLAIN, punch_inherited, peer);
}

static int leave_then_allocate(int peer)
{
	return vmm_leave_to(WHO_x, PLAIN, allocate_inherited, peer);
}

static int leave_then_advise(int peer)
{
	return leave_written_to_x(advise_inherited, peer);
}

static int leave_then_drop(int peer)
{
	return leave_written_to_x(drop_caches, peer);
}

/* --- what an instance's fd is not good for, by who may all --- */

/* With all of these, 0 means that one of them worked. */
static int only(int ret, int wanted_errno, const char *what)
{
	if (ret >= 0)
		return failed("%s works", what), 0;
	if (errno != wanted_errno)
		return broken(what);
	return wanted_errno;
}

static int read_and_write(int peer)
{
	char byte = 0, path[] = "/tmp/bypass-plain";
	struct vmm v;
	int ret = vmm_make(&v, PLAIN), pipes[2], file;
	loff_t at = 0;

	(void)peer;
	if (ret)
		return ret;
	file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	unlink(path);
	if (file < 0 || pipe(pipes) || write(file, "x", 1) != 1 || write(pipes[1], "x", 1) != 1)
		return broken("a file and a pipe");
	if (pread(v.fd, &byte, 1, 0) >= 0 || pwrite(v.fd, &byte, 1, 0) >= 0)
		return failed("pread or pwrite works"), 0;
	if (read(v.fd, &byte, 1) >= 0 || write(v.fd, &byte, 1) >= 0)
		return failed("read or write works"), 0;
	if (splice(v.fd, &at, pipes[1], NULL, 1, 0) >= 0 ||
	    splice(pipes[0], NULL, v.fd, &at, 1, 0) >= 0)
		return failed("splice works"), 0;
	if (sendfile(file, v.fd, &at, 1) >= 0 || sendfile(v.fd, file, &at, 1) >= 0)
		return failed("sendfile works"), 0;
	if (copy_file_range(v.fd, &at, file, NULL, 1, 0) >= 0 ||
	    copy_file_range(file, &at, v.fd, NULL, 1, 0) >= 0)
		return failed("copy_file_range works"), 0;
	return only((int)read(v.fd, &byte, 1), EINVAL, "read");
}

static int read_by_aio(int peer)
{
	char byte;
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);
	struct iocb iocb = { .aio_lio_opcode = IOCB_CMD_PREAD,
			     .aio_buf = (uintptr_t)&byte,
			     .aio_nbytes = 1 };
	struct iocb *iocbs[] = { &iocb };
	aio_context_t context = 0;

	(void)peer;
	if (ret)
		return ret;
	if (syscall(SYS_io_setup, 1, &context))
		return broken("io_setup");
	iocb.aio_fildes = (unsigned int)v.fd;
	return only((int)syscall(SYS_io_submit, context, 1L, iocbs), EINVAL, "io_submit");
}

static int resize(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);

	(void)peer;
	return ret ?: only(ftruncate(v.fd, 0), EINVAL, "ftruncate");
}

static int seal(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);

	(void)peer;
	return ret ?: only(fcntl(v.fd, F_ADD_SEALS, F_SEAL_SEAL), EINVAL, "F_ADD_SEALS");
}

static int handle(int peer)
{
	struct {
		struct file_handle head;
		char bytes[128];
	} handle = { .head.handle_bytes = 128 };
	struct vmm v;
	int ret = vmm_make(&v, PLAIN), mount_id;

	(void)peer;
	if (ret)
		return ret;
	return only(name_to_handle_at(v.fd, "", &handle.head, &mount_id, AT_EMPTY_PATH), EOPNOTSUPP,
		    "name_to_handle_at");
}

static int clone_mount(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);

	(void)peer;
	if (ret)
		return ret;
	return only((int)syscall(SYS_open_tree_nr, v.fd, "",
				 AT_EMPTY_PATH | OPEN_TREE_CLONE_FLAG | O_CLOEXEC),
		    EINVAL, "open_tree");
}

static int loop_device(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN), loop;

	(void)peer;
	if (ret)
		return ret;
	if (system("modprobe -q loop 2>/dev/null"))
		return ENDED_ABSENT;
	loop = open("/dev/loop0", O_RDWR | O_CLOEXEC);
	if (loop < 0)
		return ENDED_ABSENT;
	return only(ioctl(loop, LOOP_SET_FD, v.fd), EINVAL, "LOOP_SET_FD");
}

static int notify(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);

	(void)peer;
	return ret ?: result_of(fcntl(v.fd, F_NOTIFY, DN_ACCESS | DN_MODIFY));
}

static int dma_buffer(int peer)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = INSTANCE_SIZE };
	struct vmm v;
	int ret = vmm_make(&v, PLAIN), device;

	(void)peer;
	if (ret)
		return ret;
	if (system("modprobe -q udmabuf; test -c /dev/udmabuf"))
		return ENDED_ABSENT;
	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return broken("/dev/udmabuf");
	create.memfd = (__u32)v.fd;
	return only(ioctl(device, UDMABUF_CREATE, &create), EBADFD, "UDMABUF_CREATE");
}

const struct bypass_case bypass_descriptors[] = {
	{ .id = "11",
	  .path = "an fd by SCM_RIGHTS",
	  .op = GMEM_DO_receive,
	  PLAYERS(a, vmm_give, x, take),
	  EVERYWHERE(STOPPED(ENDED_CUT)) },
	{ .id = "73",
	  .path = "the same, with MSG_PEEK",
	  .op = GMEM_DO_receive,
	  PLAYERS(a, vmm_give, x, peek),
	  EVERYWHERE(STOPPED(ENDED_CUT)) },
	{ .id = "12",
	  .path = "the same, with SO_RIGHTS_NOTRUNC",
	  .op = GMEM_DO_receive,
	  PLAYERS(a, vmm_give, x, take_told),
	  LANES(STOPPED(EACCES), STOPPED(EACCES), STOPPED(EACCES), ABSENT) },
	{ .id = "15",
	  .path = "open of /proc/A/fd/N",
	  .op = BYPASS_NO_OP,
	  PLAYERS(a, have_one, x, reopen),
	  EVERYWHERE(REFUSED(ENXIO)) },
	{ .id = "16",
	  .path = "open of /proc/A/map_files/...",
	  .op = BYPASS_NO_OP,
	  PLAYERS(a, have_one, x, reopen_mapping),
	  WITH_MMAP(REFUSED(ENXIO)) },
	{ .id = "63",
	  .path = "/proc/A/fd/N as a path (O_PATH), then ioctl, fallocate, mmap",
	  .op = BYPASS_NO_OP,
	  PLAYERS(a, have_one, x, reopen_path),
	  EVERYWHERE(REFUSED(EBADF)) },
	{ .id = "78",
	  .path = "process_madvise(MADV_REMOVE) on A's mapping",
	  .op = BYPASS_NO_OP,
	  PLAYERS(a, have_one, x, advise_other),
	  WITH_MMAP(REFUSED(EINVAL)) },
	{ .id = "21",
	  .path = "a hole by an fd that came over exec",
	  .op = GMEM_DO_punch,
	  PLAYER(a, leave_then_punch),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "115",
	  .path = "allocation by an fd that came over exec",
	  .op = GMEM_DO_punch,
	  PLAYER(a, leave_then_allocate),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "105",
	  .path = "posix_fadvise(DONTNEED), sync_file_range on such an fd",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, leave_then_advise),
	  WITH_MMAP(REFUSED(ENDED_NOTHING)) },
	{ .id = "106",
	  .path = "drop_caches by root",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, leave_then_drop),
	  WITH_MMAP(REFUSED(ENDED_NOTHING)) },
	{ .id = "68",
	  .path = "A: read, write, splice, sendfile, copy_file_range",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, read_and_write),
	  EVERYWHERE(REFUSED(EINVAL)) },
	{ .id = "72",
	  .path = "A: asynchronous read (io_submit)",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, read_by_aio),
	  EVERYWHERE(REFUSED(EINVAL)) },
	{ .id = "102",
	  .path = "A: ftruncate",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, resize),
	  EVERYWHERE(REFUSED(EINVAL)) },
	{ .id = "100",
	  .path = "A: a seal",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, seal),
	  EVERYWHERE(REFUSED(EINVAL)) },
	{ .id = "79",
	  .path = "A: name_to_handle_at, to open it by handle",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, handle),
	  EVERYWHERE(REFUSED(EOPNOTSUPP)) },
	{ .id = "103",
	  .path = "A: open_tree(OPEN_TREE_CLONE), to mount it",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, clone_mount),
	  EVERYWHERE(REFUSED(EINVAL)) },
	{ .id = "104",
	  .path = "A: a loop device over it",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, loop_device),
	  EVERYWHERE(REFUSED(EINVAL)) },
	{ .id = "146",
	  .path = "A: F_NOTIFY, to be told of what others do",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, notify),
	  LANES(REFUSED(EINVAL), REFUSED(EINVAL), REFUSED(ENOTDIR), REFUSED(ENOTDIR)) },
	{ .id = "147",
	  .path = "A: a DMA buffer of it (udmabuf)",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, dma_buffer),
	  EVERYWHERE(REFUSED(EBADFD)) },
	{ 0 },
};

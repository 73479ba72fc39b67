// SPDX-License-Identifier: GPL-2.0-only
/* Ways to see or change an instance's pages from the host: mappings, and what can be done with one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/kvm.h"
#include "bypass.h"

/* --- 10, 114: an fd that came over exec --- */

static int map_inherited(int peer)
{
	char *mem = map_instance(LEFT_INSTANCE, PROT_READ);

	(void)peer;
	return mem ? touch_read(mem) : errno;
}

static int leave_then_map(int peer)
{
	return vmm_leave_to(WHO_x, VIEW, map_inherited, peer);
}

static int map_duplicate(int peer)
{
	int fd = fcntl(LEFT_INSTANCE, F_DUPFD_CLOEXEC, 40);
	char *mem;

	(void)peer;
	/* In the place of something that it may have. */
	if (fd < 0 || dup3(fd, 0, 0))
		return broken("dup3");
	mem = map_instance(0, PROT_READ);
	return mem ? touch_read(mem) : errno;
}

static int leave_then_duplicate(int peer)
{
	return vmm_leave_to(WHO_x, VIEW, map_duplicate, peer);
}

/* --- 24, 65, 70: more than a grant to read --- */

static int protect(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ, &ret);

	(void)peer;
	if (!mem)
		return ret;
	ret = result_of(mprotect(mem, INSTANCE_SIZE, PROT_READ | PROT_WRITE));
	return ret ?: touch_write(mem, 1);
}

static int protect_by_key(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ, &ret);

	(void)peer;
	if (!mem)
		return ret;
	/* No key is needed for that: -1 is mprotect() by another number. */
	ret = result_of(syscall(SYS_pkey_mprotect, mem, INSTANCE_SIZE, PROT_READ | PROT_WRITE, -1));
	return ret ?: touch_write(mem, 1);
}

static int write_by_proc(int peer)
{
	struct vmm v;
	int ret, fd;
	char *mem = vmm_map(&v, PROT_READ, &ret), byte = 1;

	(void)peer;
	if (!mem)
		return ret;
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return broken("/proc/self/mem");
	if (pwrite(fd, &byte, 1, (off_t)(uintptr_t)mem) < 0)
		return errno;
	return mem[0] == 1 ? 0 : ENDED_NOTHING;
}

/* --- 25, 26, 67: a mapping turned into another one --- */

static int remap_pages(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	ret = ret ?: touch_read(mem) ?: demote();
	if (ret)
		return ret;
	return result_of(syscall(SYS_remap_file_pages, mem, KVM_PAGE, 0, 1, 0));
}

static int map_twice(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	ret = ret ?: touch_read(mem) ?: demote();
	if (ret)
		return ret;
	mem = mremap(mem, 0, INSTANCE_SIZE, MREMAP_MAYMOVE);
	return mem == MAP_FAILED ? errno : touch_read(mem);
}

static int map_beyond(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	if (!mem)
		return ret;
	mem = mremap(mem, INSTANCE_SIZE, 2 * INSTANCE_SIZE, MREMAP_MAYMOVE);
	return mem == MAP_FAILED ? errno : touch_read(mem + INSTANCE_SIZE);
}

/* --- 27, 110, 47: a mapping that is older than the denial --- */

#define A_MAY_ALL                                      \
	"subjects: { a: { exe: " BYPASS_DIR "/a } }\n" \
	"rules: [ { name: a, allow: all, subjects: [a] } ]\n"
#define NOBODY_MAY "rules: []\n"

static int load_text(const char *policy)
{
	struct bypass_case c = { .policy = policy, .op = BYPASS_NO_OP };
	char *text = stage_policy(&c);
	int ret = stage_load_flags(text, true, 0);

	free(text);
	return ret ? failed("load: %s", strerror(-ret)) : 0;
}

/*
 * A, with all rights: maps, and touches the first page, there and in a child. Under another policy,
 * the child touches the page that it is told of.
 */
static int map_and_fork(int peer)
{
	struct vmm v;
	uint64_t page;
	int ret, status;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);
	pid_t pid;

	ret = ret ?: touch_write(mem, 'a');
	if (ret)
		return ret;
	pid = fork();
	if (!pid) {
		ret = touch_read(mem) ?: tell(peer, 0);
		_exit(ret ?: hear(peer, &page) ?: touch_read(mem + page * KVM_PAGE));
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return broken("fork");
	return WEXITSTATUS(status);
}

/*
 * Start A under a policy that allows all, take that back, and let it go on with @number. @before:
 * the counters from then on.
 */
static int take_back(player_fn fn, uint64_t number, struct counts *before)
{
	int pair[2], ret;
	uint64_t done;
	pid_t pid;

	ret = load_text(A_MAY_ALL) ?: socket_pair(pair);
	if (ret)
		return ret;
	pid = player_start(WHO_a, fn, pair[1]);
	close(pair[1]);
	if (recv(pair[0], &done, sizeof(done), 0) != sizeof(done))
		return player_wait(pid) == ENDED_ABSENT ? ENDED_ABSENT : broken("A ended");
	ret = load_text(NOBODY_MAY);
	drop_events();
	counts_read(before);
	return ret ?: tell(pair[0], number) ?: player_wait(pid);
}

static int touch_later(uint64_t page)
{
	struct counts before;
	int ret = take_back(map_and_fork, page, &before);

	if (ret == ENDED_SIGBUS && check_ledger(&before, GMEM_DO_fault, 1))
		return ENDED_BROKEN;
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	return ret;
}

static int touched_before(const struct bypass_case *c)
{
	(void)c;
	return touch_later(0);
}

static int not_touched_before(const struct bypass_case *c)
{
	(void)c;
	return touch_later(1);
}

static int splice_page(int peer)
{
	struct vmm v;
	uint64_t go;
	int ret, pipes[2];
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);
	struct iovec iov = { mem, KVM_PAGE };

	ret = ret ?: touch_write(mem, 'g');
	if (ret)
		return ret;
	if (pipe(pipes) || vmsplice(pipes[1], &iov, 1, 0) != (ssize_t)KVM_PAGE)
		return broken("vmsplice");
	munmap(mem, INSTANCE_SIZE);
	/* A pipe is not an instance: it can be handed on, to whoever. */
	return send_fd(peer, pipes[0]) ?: hear(peer, &go);
}

static int read_pipe(int peer)
{
	char byte = 0;
	int fd = recv_fd(peer, 0);

	if (fd < 0)
		return -fd;
	return read(fd, &byte, 1) == 1 && byte == 'g' ? 0 : broken("read");
}

static int spliced(const struct bypass_case *c)
{
	int with_a[2], with_x[2], fd, ret;
	pid_t a, x;

	(void)c;
	ret = load_text(A_MAY_ALL) ?: socket_pair(with_a) ?: socket_pair(with_x);
	if (ret)
		return ret;
	a = player_start(WHO_a, splice_page, with_a[1]);
	close(with_a[1]);
	fd = recv_fd(with_a[0], 0);
	if (fd < 0)
		return player_wait(a);
	ret = load_text(NOBODY_MAY);
	x = player_start(WHO_x, read_pipe, with_x[1]);
	ret = ret ?: send_fd(with_x[0], fd) ?: player_wait(x);
	bypass_is(ret ? BYPASS_refused : BYPASS_possible);
	return ret;
}

/* --- 48: memory of another VM --- */

static int memory_of_other_vm(int peer)
{
	struct kvm_userspace_memory_region region = { .slot = 1,
						      .guest_phys_addr = KVM_TEST_GPA,
						      .memory_size = INSTANCE_SIZE };
	struct vmm one, two;
	int ret;
	char *mem = vmm_map(&one, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	if (!mem)
		return ret;
	ret = vmm_open(&two, PLAIN);
	if (ret)
		return ret;
	region.userspace_addr = (uintptr_t)mem;
	return result_of(ioctl(two.vm, KVM_SET_USER_MEMORY_REGION, &region));
}

/* --- 55, 69, 71: what the kernel refuses to who may all --- */

static int touch_private(int peer)
{
	struct vmm v;
	int ret = vmm_open(&v, VIEW);
	char *mem;

	(void)peer;
	if (ret)
		return ret;
	vmm_close(&v);
	ret = vmm_open(&v, PRIVATE);
	if (ret == ENDED_ABSENT)
		ret = vmm_open(&v, PLAIN);
	if (ret)
		return ret;
	/* It can be mapped, and what is mapped is private. */
	v.fd = kvm_create_instance(v.vm, INSTANCE_SIZE, GUEST_MEMFD_FLAG_MMAP);
	mem = v.fd < 0 ? NULL : map_instance(v.fd, PROT_READ);
	return mem ? touch_read(mem) : errno;
}

static int map_private(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, VIEW);
	char *mem;

	(void)peer;
	if (ret)
		return ret;
	mem = mmap(NULL, INSTANCE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, v.fd, 0);
	return mem == MAP_FAILED ? errno : 0;
}

static int fault_in_user_space(int peer)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct vmm v;
	int ret, uffd;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	if (!mem)
		return ret;
	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		return broken("userfaultfd");
	range.range.start = (uintptr_t)mem;
	range.range.len = INSTANCE_SIZE;
	return result_of(ioctl(uffd, UFFDIO_REGISTER, &range));
}

/* --- 77: a hole without an fd --- */

static int remove_page(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);

	(void)peer;
	ret = ret ?: touch_write(mem, 1) ?: result_of(madvise(mem, KVM_PAGE, MADV_REMOVE));
	if (ret)
		return ret;
	return mem[0] ? failed("the page is still there") : 0;
}

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

/* --- 148, 149: a page that is said to be broken, or about to be --- */

/* Root says so, of a mapping. Return: 0: what was in the page is gone. */
static int break_page(int advice)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);
	pid_t pid;

	ret = ret ?: touch_write(mem, 'h');
	if (ret)
		return ret;
	/* Who says so is ended by it; it may fail, and the page is gone nevertheless. */
	pid = fork();
	if (!pid)
		_exit(result_of(madvise(mem, KVM_PAGE, advice)));
	ret = player_wait(pid);
	return touch_read(mem) || *(volatile char *)mem != 'h' ? 0 : ret ?: ENDED_NOTHING;
}

static int poison(int peer)
{
	(void)peer;
	return break_page(MADV_HWPOISON);
}

static int soft_offline(int peer)
{
	(void)peer;
	return break_page(MADV_SOFT_OFFLINE);
}

/* Rule for X, which may make instances of its own. */
#define X_READS "  - { name: x-reads, allow: [mmap], subjects: [x], when: { prot: [read] } }\n"

#define OLD_MAPPINGS                                                                         \
	"An existing mapping stays: neither a new policy nor another user or cgroup of the " \
	"process removes it."
#define POISONED \
	"Root can report a page that it maps as broken memory (MADV_HWPOISON); its contents are lost."
#define PINNED                                                                                       \
	"References to pages that were taken from a mapping (vmsplice, O_DIRECT, io_uring buffers) " \
	"outlive it."

const struct bypass_case bypass_mapping[] = {
	{ .id = "10",
	  .path = "mmap of an fd that came over exec",
	  .op = GMEM_DO_mmap,
	  PLAYER(a, leave_then_map),
	  WITH_MMAP(STOPPED(EACCES)) },
	{ .id = "114",
	  .path = "the same by a duplicate in another fd's place",
	  .op = GMEM_DO_mmap,
	  PLAYER(a, leave_then_duplicate),
	  WITH_MMAP(STOPPED(EACCES)) },
	{ .id = "24",
	  .path = "mprotect to write what may be read",
	  .op = GMEM_DO_mmap,
	  PLAYER(x, protect),
	  .rules = X_READS,
	  .x_may = "create, fault",
	  WITH_MMAP(STOPPED(EACCES)) },
	{ .id = "65",
	  .path = "pkey_mprotect to write what may be read",
	  .op = GMEM_DO_mmap,
	  PLAYER(x, protect_by_key),
	  .rules = X_READS,
	  .x_may = "create, fault",
	  WITH_MMAP(STOPPED(EACCES)) },
	{ .id = "70",
	  .path = "write through /proc/self/mem to what may be read",
	  .op = BYPASS_NO_OP,
	  PLAYER(x, write_by_proc),
	  .rules = X_READS,
	  .x_may = "create, fault",
	  WITH_MMAP(REFUSED(EIO)) },
	{ .id = "25",
	  .path = "A maps, changes to another user, remap_file_pages",
	  .op = GMEM_DO_mmap,
	  PLAYER(a, remap_pages),
	  .policy = A_AS_ROOT,
	  WITH_MMAP(STOPPED(EACCES)) },
	{ .id = "26",
	  .path = "A maps, changes to another user, mremap makes a second one",
	  .op = GMEM_DO_fault,
	  PLAYER(a, map_twice),
	  .policy = A_AS_ROOT,
	  LANES(STOPPED(ENDED_SIGBUS), POSSIBLE(OLD_MAPPINGS), POSSIBLE(OLD_MAPPINGS), ABSENT) },
	{ .id = "67",
	  .path = "mremap beyond the end of the instance",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, map_beyond),
	  WITH_MMAP(REFUSED(ENDED_SIGBUS)) },
	{ .id = "27",
	  .path = "a page that was touched before the denial, in a child of A",
	  .op = BYPASS_NO_OP,
	  .whole = touched_before,
	  WITH_MMAP(POSSIBLE(OLD_MAPPINGS)) },
	{ .id = "110",
	  .path = "a page that was not, in a mapping that is older",
	  .op = GMEM_DO_fault,
	  .whole = not_touched_before,
	  LANES(STOPPED(ENDED_SIGBUS), POSSIBLE(OLD_MAPPINGS), POSSIBLE(OLD_MAPPINGS), ABSENT) },
	{ .id = "47",
	  .path = "a page in a pipe (vmsplice), read by X after the denial",
	  .op = BYPASS_NO_OP,
	  .whole = spliced,
	  WITH_MMAP(POSSIBLE(PINNED)) },
	{ .id = "48",
	  .path = "an instance's mapping as the memory of another VM",
	  .op = GMEM_DO_mmap,
	  PLAYER(x, memory_of_other_vm),
	  .x_may = "create",
	  WITH_MMAP(STOPPED(EACCES)) },
	{ .id = "55",
	  .path = "A maps private memory and touches it",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, touch_private),
	  WITH_MMAP(REFUSED(ENDED_SIGBUS)) },
	{ .id = "69",
	  .path = "A maps with MAP_PRIVATE",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, map_private),
	  WITH_MMAP(REFUSED(EINVAL)) },
	{ .id = "71",
	  .path = "A has its faults served by userfaultfd",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, fault_in_user_space),
	  WITH_MMAP(REFUSED(EINVAL)) },
	{ .id = "77",
	  .path = "madvise(MADV_REMOVE): a hole without an fd",
	  .op = GMEM_DO_punch,
	  PLAYER(x, remove_page),
	  .x_may = "create, mmap, fault",
	  WITH_MMAP(STOPPED(EACCES)) },
	{ .id = "148",
	  .path = "madvise(MADV_HWPOISON) by root: the page is gone, without a hole",
	  .op = BYPASS_NO_OP,
	  PLAYER(x, poison),
	  .x_may = "create, mmap, fault",
	  WITH_MMAP(POSSIBLE(POISONED)) },
	{ .id = "149",
	  .path = "madvise(MADV_SOFT_OFFLINE) by root",
	  .op = BYPASS_NO_OP,
	  PLAYER(x, soft_offline),
	  .x_may = "create, mmap, fault",
	  WITH_MMAP(REFUSED(EBUSY)) },
	{ 0 },
};

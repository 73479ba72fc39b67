// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../bpf/abi/policy.h"
#include "fds.h"
#include "kvm.h"
#include "requests.h"

#define SIZE (4 * KVM_PAGE)
#define VIEW (GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define SLOT 3

const char *const request_names[REQUEST_MAX] = {
#define X(name, op) [REQUEST_##name] = #name,
	REQUESTS(X)
#undef X
};

const int request_ops[REQUEST_MAX] = {
#define X(name, op) [REQUEST_##name] = GMEM_DO_##op,
	REQUESTS(X)
#undef X
};

static int kvm_fd = -1;

static int result(int ret)
{
	return ret < 0 ? errno : 0;
}

/* Where the kernel has no flags yet, an instance is without. */
static int instance(int vm, uint64_t flags)
{
	int fd = kvm_create_instance(vm, SIZE, flags);

	if (fd < 0 && errno == EINVAL && flags)
		fd = kvm_create_instance(vm, SIZE, 0);
	return fd;
}

static int vm_with_private(void)
{
	int vm = kvm_create_vm(kvm_fd, KVM_X86_SW_PROTECTED_VM);

	return vm < 0 ? kvm_create_vm(kvm_fd, KVM_X86_DEFAULT_VM) : vm;
}

static sigjmp_buf on_sigbus;

static void sigbus(int sig)
{
	(void)sig;
	siglongjmp(on_sigbus, 1);
}

static int touch(volatile char *at)
{
	signal(SIGBUS, sigbus);
	if (sigsetjmp(on_sigbus, 1))
		return ASKED_SIGBUS;
	(void)*at;
	return 0;
}

static int receive_by_socket(int fd)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || fd_send(pair[0], fd))
		return ASKED_NOT;
	if (fd_take(pair[1], 0) >= 0)
		return 0;
	return errno == EMSGSIZE ? ASKED_CUT : ASKED_NOT;
}

static int receive_by_pidfd(int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (pidfd < 0)
		return ASKED_NOT;
	return result((int)syscall(SYS_pidfd_getfd, pidfd, fd, 0));
}

static int touch_in_child(volatile char *at)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(touch(at));
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return ASKED_NOT;
	return WEXITSTATUS(status);
}

/* Another process reaches in: who has the memory is asked about, not the one who reads. */
static int read_by_root(void *at)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { at, 1 };
	pid_t pid = getpid();
	int status;
	pid_t reader = fork();

	if (!reader) {
		if (seteuid(0))
			_exit(ASKED_NOT);
		_exit(process_vm_readv(pid, &here, 1, &there, 1, 0) == 1 ? 0 : errno);
	}
	if (waitpid(reader, &status, 0) != reader || !WIFEXITED(status))
		return ASKED_NOT;
	return WEXITSTATUS(status);
}

static int ask_of_mapping(enum request_kind kind, char *mem)
{
	switch (kind) {
	case REQUEST_fault: return touch(mem);
	case REQUEST_inherited: return touch_in_child(mem);
	case REQUEST_vm_readv: return read_by_root(mem);
	case REQUEST_madvise: return result(madvise(mem, KVM_PAGE, MADV_REMOVE));
	default: return ASKED_NOT;
	}
}

static int ask_of_instance(enum request_kind kind, int fd)
{
	char *mem;

	switch (kind) {
	case REQUEST_punch:
		return result(
			fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, KVM_PAGE));
	case REQUEST_receive: return receive_by_pidfd(fd);
	case REQUEST_scm_rights: return receive_by_socket(fd);
	case REQUEST_mprotect:
		mem = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
		if (mem == MAP_FAILED)
			return ASKED_NOT;
		return result(mprotect(mem, SIZE, PROT_READ | PROT_WRITE));
	default: break;
	}
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (kind == REQUEST_mmap)
		return mem == MAP_FAILED ? errno : 0;
	return mem == MAP_FAILED ? ASKED_NOT : ask_of_mapping(kind, mem);
}

int request(enum request_kind kind)
{
	int vm, fd;

	if (kvm_fd < 0)
		kvm_fd = kvm_open();
	if (kind == REQUEST_convert) {
		vm = vm_with_private();
		return result(kvm_convert(vm, KVM_TEST_GPA, KVM_PAGE, kvm_other_attributes(vm)));
	}
	vm = kind == REQUEST_bind ? vm_with_private() : kvm_create_vm(kvm_fd, KVM_X86_DEFAULT_VM);
	if (vm < 0)
		return ASKED_NOT;
	if (kind == REQUEST_create)
		return result(kvm_create_instance(vm, SIZE, 0));
	fd = instance(vm, kind == REQUEST_bind ? 0 : VIEW);
	if (fd < 0)
		return ASKED_NOT;
	if (kind == REQUEST_bind)
		return result(kvm_bind(vm, SLOT, fd, KVM_TEST_GPA, SIZE, 0));
	return ask_of_instance(kind, fd);
}

int request_as(uid_t uid, enum request_kind kind)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		/* The device is root's. */
		kvm_fd = kvm_open();
		if (kvm_fd < 0 || seteuid(uid))
			_exit(ASKED_NOT);
		_exit(request(kind));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return ASKED_NOT;
	return WEXITSTATUS(status);
}

int can_map(void)
{
	int kvm = kvm_open();
	int flags = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS);

	close(kvm);
	return flags > 0 && flags & GUEST_MEMFD_FLAG_MMAP;
}

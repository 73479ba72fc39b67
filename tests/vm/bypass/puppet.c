// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/arch.h"
#include "../lib/kvm.h"
#include "puppet.h"

/* Here, and nowhere else in the program: what injects needs to know where. */
extern char bypass_syscall[];
__asm__(".text\n"
	"bypass_syscall:\n"
	"\t" ARCH_CALL_INSN);

static struct kvm_create_guest_memfd args = { .size = INSTANCE_SIZE };

/* --- the puppet --- */

static int introduce(int peer, struct puppet *p)
{
	int ret;

	p->pid = (uint64_t)getpid();
	p->insn = (uint64_t)bypass_syscall;
	p->args = (uint64_t)&args;
	ret = puppet_introduce(peer, p);
	if (!ret)
		wait_gone(peer);
	return ret;
}

int puppet_hold(int peer)
{
	struct puppet p = { 0 };
	struct vmm v;
	char *memory;
	int ret;

	ret = vmm_open(&v, VIEW);
	if (ret && ret != ENDED_ABSENT)
		return ret;
	if (ret) {
		ret = vmm_make(&v, PLAIN);
		memory = mmap(NULL, KVM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
	} else {
		ret = vmm_create(&v);
		memory = map_instance(v.fd, PROT_READ | PROT_WRITE);
	}
	if (ret || !memory || memory == MAP_FAILED)
		return broken("an instance to hold");
	ret = touch_write(memory, PUPPET_SECRET);
	p.memory = (uint64_t)memory;
	p.fd = (uint64_t)v.fd;
	p.vm = (uint64_t)v.vm;
	return ret ?: introduce(peer, &p);
}

int puppet_without(int peer)
{
	static char memory = PUPPET_SECRET;
	struct puppet p = { .memory = (uint64_t)&memory };
	struct vmm v;
	int ret = vmm_open(&v, PLAIN);

	p.vm = (uint64_t)v.vm;
	return ret ?: introduce(peer, &p);
}

/* --- who pulls the strings --- */

int puppet_meet(int peer, struct puppet *p)
{
	return recv(peer, p, sizeof(*p), 0) == sizeof(*p) ? 0 : broken("no puppet");
}

int puppet_introduce(int peer, const struct puppet *p)
{
	return send(peer, p, sizeof(*p), MSG_NOSIGNAL) == sizeof(*p) ? 0 : broken("send");
}

static int is_secret(char byte)
{
	return byte == PUPPET_SECRET ? 0 : failed("read %d", byte);
}

int puppet_read(const struct puppet *p)
{
	char byte = 0;
	struct iovec here = { &byte, 1 }, there = { (void *)p->memory, 1 };

	if (process_vm_readv((pid_t)p->pid, &here, 1, &there, 1, 0) != 1)
		return errno;
	return is_secret(byte);
}

int puppet_open_mem(const struct puppet *p)
{
	char path[64], byte = 0;
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)p->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (pread(fd, &byte, 1, (off_t)p->memory) != 1)
		ret = errno;
	close(fd);
	return ret ?: is_secret(byte);
}

static int stopped(const struct puppet *p)
{
	int status;

	if (waitpid((pid_t)p->pid, &status, __WALL) != (pid_t)p->pid || !WIFSTOPPED(status))
		return broken("it did not stop");
	return 0;
}

int puppet_attach(const struct puppet *p)
{
	return ptrace(PTRACE_ATTACH, (pid_t)p->pid, NULL, NULL) ? errno : stopped(p);
}

int puppet_seize(const struct puppet *p)
{
	if (ptrace(PTRACE_SEIZE, (pid_t)p->pid, NULL, NULL))
		return errno;
	if (ptrace(PTRACE_INTERRUPT, (pid_t)p->pid, NULL, NULL))
		return broken("PTRACE_INTERRUPT");
	return stopped(p);
}

int puppet_peek(const struct puppet *p)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, (pid_t)p->pid, (void *)p->memory, NULL);
	if (errno)
		return errno;
	return is_secret((char)word);
}

int puppet_inject(const struct puppet *p)
{
	const uint64_t call[3] = { p->vm, KVM_CREATE_GUEST_MEMFD, p->args };
	pid_t pid = (pid_t)p->pid;
	arch_regs was, regs;
	long ret;

	if (arch_get_regs(pid, &was))
		return broken("PTRACE_GETREGSET");
	regs = was;
	arch_prepare_call(&regs, p->insn, SYS_ioctl, call);
	if (arch_set_regs(pid, &regs) || ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) || stopped(p) ||
	    arch_get_regs(pid, &regs) || arch_set_regs(pid, &was))
		return broken("injecting");
	ret = arch_call_result(&regs);
	return ret < 0 ? (int)-ret : 0;
}

int puppet_detach(const struct puppet *p)
{
	return ptrace(PTRACE_DETACH, (pid_t)p->pid, NULL, NULL) ? broken("PTRACE_DETACH") : 0;
}

int puppet_getfd(const struct puppet *p, uint64_t fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)p->pid, 0);
	int got, ret;

	if (pidfd < 0)
		return broken("pidfd_open");
	got = (int)syscall(SYS_pidfd_getfd, pidfd, (int)fd, 0);
	ret = got < 0 ? errno : 0;
	close(pidfd);
	if (got >= 0)
		close(got);
	return ret;
}

/* --- foreign code --- */

int evil_ready(void)
{
	char exe[256], cmd[640];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len < 0)
		return broken("/proc/self/exe");
	exe[len] = '\0';
	snprintf(cmd, sizeof(cmd), "cp -f %s_evil.so " EVIL, exe);
	return system(cmd) ? broken(cmd) : 0;
}

int idle(int peer)
{
	(void)peer;
	return ENDED_NOTHING;
}

int make(int peer)
{
	struct vmm v;

	(void)peer;
	return vmm_make(&v, PLAIN);
}

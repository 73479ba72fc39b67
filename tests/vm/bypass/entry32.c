// SPDX-License-Identifier: GPL-2.0-only
/* Requests through the kernel's entry for 32-bit programs. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "../lib/kvm.h"
#include "../lib/policies.h"
#include "bypass.h"

#define IA32_ioctl 54

#ifndef MAP_32BIT /* x86's */
#define MAP_32BIT 0
#endif

static sigjmp_buf no_entry;

static void on_no_entry(int sig)
{
	(void)sig;
	siglongjmp(no_entry, 1);
}

int ioctl32(int fd, unsigned int cmd, void *arg)
{
	struct sigaction act = { .sa_handler = on_no_entry };
	long ret = IA32_ioctl;

	sigaction(SIGSEGV, &act, NULL);
	if (sigsetjmp(no_entry, 1))
		return -ENOSYS;
#ifdef __x86_64__
	asm volatile("int $0x80"
		     : "+a"(ret)
		     : "b"((long)fd), "c"((long)cmd), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
#else
	(void)fd;
	(void)cmd;
	(void)arg;
	ret = -ENOSYS;
#endif
	return (int)ret;
}

static void *low_memory(void)
{
	void *mem = mmap(NULL, KVM_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static int result32(int ret)
{
	if (ret == -ENOSYS)
		return ENDED_ABSENT;
	return ret < 0 ? -ret : 0;
}

static int create32(int peer)
{
	struct kvm_create_guest_memfd *args = low_memory();
	struct vmm v;
	int ret = vmm_open(&v, PLAIN);

	(void)peer;
	if (ret)
		return ret;
	if (!args)
		return broken("memory below 4 GiB");
	args->size = INSTANCE_SIZE;
	return result32(ioctl32(v.vm, KVM_CREATE_GUEST_MEMFD, args));
}

static int bind32(int peer)
{
	struct kvm_userspace_memory_region2 *region = low_memory();
	struct vmm v;
	int ret = vmm_make_bindable(&v);

	(void)peer;
	if (ret)
		return ret;
	if (!region)
		return broken("memory below 4 GiB");
	*region = (struct kvm_userspace_memory_region2){
		.slot = BYPASS_SLOT,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = KVM_TEST_GPA,
		.memory_size = INSTANCE_SIZE,
		.guest_memfd = v.fd,
	};
	ret = result32(ioctl32(v.vm, KVM_SET_USER_MEMORY_REGION2, region));
	return ret == EINVAL ? ENDED_ABSENT : ret;
}

static int convert32(int peer)
{
	struct kvm_memory_attributes *attrs = low_memory();
	struct vmm v;
	int ret = vmm_open(&v, PRIVATE);

	(void)peer;
	if (ret)
		return ret;
	if (!attrs)
		return broken("memory below 4 GiB");
	*attrs = (struct kvm_memory_attributes){ .address = KVM_TEST_GPA,
						 .size = KVM_PAGE,
						 .attributes = kvm_other_attributes(v.vm) };
	return result32(ioctl32(v.vm, KVM_SET_MEMORY_ATTRIBUTES, attrs));
}

const struct bypass_case bypass_entry32[] = {
	{ .id = "2",
	  .path = "creation through the 32-bit entry (int 0x80)",
	  .no_arm64 = NO_ENTRY32,
	  .op = GMEM_DO_create,
	  PLAYER(x, create32),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "3",
	  .path = "binding through the 32-bit entry",
	  .no_arm64 = NO_ENTRY32,
	  .op = GMEM_DO_bind,
	  PLAYER(x, bind32),
	  .x_may = "create",
	  .strict = true,
	  WITH_BINDING(STOPPED(EACCES)) },
	{ .id = "60",
	  .path = "conversion through the 32-bit entry",
	  .no_arm64 = NO_ENTRY32,
	  .op = GMEM_DO_convert,
	  PLAYER(x, convert32),
	  .strict = true,
	  WITH_PRIVATE(STOPPED(EACCES)) },
	{ 0 },
};

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One vCPU that writes one word into page after page and then says so: the least guest that can
 * fault. It runs in flat 32-bit mode without paging, in the caller's thread.
 */
#ifndef BENCH_VCPU_H
#define BENCH_VCPU_H

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../vm/lib/kvm.h"

#define VCPU_CODE_GPA  0x1000
#define VCPU_CODE_SLOT 1
#define VCPU_DONE_PORT 0x10

struct vcpu {
	int fd;
	struct kvm_run *run;
	size_t run_size;
	void *code;
};

/* ebx: where, ecx: how many pages. */
static const uint8_t vcpu_code[] = {
	0x89, 0x0b,				      /* 1: mov %ecx,(%ebx) */
	0x81, 0xc3,	      0x00, 0x10, 0x00, 0x00, /* add $0x1000,%ebx */
	0x49,					      /* dec %ecx */
	0x75, 0xf5,				      /* jnz 1b */
	0xe6, VCPU_DONE_PORT,			      /* out %al,$port */
};

static inline int vcpu_set_flat_mode(struct vcpu *vcpu)
{
	struct kvm_segment code = {
		.selector = 0x8,
		.limit = ~0U,
		.type = 11,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1,
	};
	struct kvm_segment data = code;
	struct kvm_sregs sregs;

	data.selector = 0x10;
	data.type = 3;
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= 1;
	return ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) ? -errno : 0;
}

/**
 * vcpu_close - give back what vcpu_open() took, also after it failed
 * @vcpu: the vCPU
 */
static inline void vcpu_close(struct vcpu *vcpu)
{
	if (vcpu->run && vcpu->run != MAP_FAILED)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->code && vcpu->code != MAP_FAILED)
		munmap(vcpu->code, KVM_PAGE);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	*vcpu = (struct vcpu){ .fd = -1 };
}

/**
 * vcpu_open - give a VM its vCPU and the memory with the guest's program
 * @vcpu: to be filled
 * @kvm: /dev/kvm
 * @vm: the VM, which has no vCPU yet
 *
 * Return: 0 or -errno.
 */
static inline int vcpu_open(struct vcpu *vcpu, int kvm, int vm)
{
	struct kvm_userspace_memory_region region = {
		.slot = VCPU_CODE_SLOT,
		.guest_phys_addr = VCPU_CODE_GPA,
		.memory_size = KVM_PAGE,
	};
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), ret;

	*vcpu = (struct vcpu){ .fd = -1 };
	if (size < 0)
		return -errno;
	vcpu->run_size = (size_t)size;
	vcpu->code =
		mmap(NULL, KVM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vcpu->code == MAP_FAILED)
		return -errno;
	memcpy(vcpu->code, vcpu_code, sizeof(vcpu_code));
	region.userspace_addr = (uintptr_t)vcpu->code;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		goto err;
	vcpu->fd = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu->fd < 0)
		goto err;
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		goto err;
	ret = vcpu_set_flat_mode(vcpu);
	if (ret)
		vcpu_close(vcpu);
	return ret;
err:
	ret = -errno;
	vcpu_close(vcpu);
	return ret;
}

/**
 * vcpu_touch - let the guest write into pages
 * @vcpu: the vCPU
 * @gpa: the first page, below 4 GiB
 * @pages: how many
 *
 * Return: 0, -errno of KVM_RUN, or -EIO if the guest did something else.
 */
static inline int vcpu_touch(struct vcpu *vcpu, uint64_t gpa, uint64_t pages)
{
	struct kvm_regs regs = {
		.rip = VCPU_CODE_GPA,
		.rbx = gpa,
		.rcx = pages,
		.rflags = 2,
	};

	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return -errno;
	while (ioctl(vcpu->fd, KVM_RUN, 0)) {
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != VCPU_DONE_PORT)
		return -EIO;
	return 0;
}

#endif /* BENCH_VCPU_H */

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

/* ebx: where, esi: how many pages: ask for the conversion of each (KVM_HC_MAP_GPA_RANGE). */
static const uint8_t vcpu_asking_code[] = {
	0xb8, 12,
	0x00, 0x00,
	0x00, /* 1: mov $12,%eax */
	0xb9, 1,
	0x00, 0x00,
	0x00, /* mov $1,%ecx */
	0x0f, 0x01,
	0xd9, /* vmmcall */
#define VCPU_TOUCH_AT 13
	0x90, 0x90, /* nothing, or: mov %eax,(%ebx) */
	0x81, 0xc3,
	0x00, 0x10,
	0x00, 0x00,	      /* add $0x1000,%ebx */
	0x4e,		      /* dec %esi */
	0x75, 0xe8,	      /* jnz 1b */
	0xe6, VCPU_DONE_PORT, /* out %al,$port */
};

static const uint8_t vcpu_touch_code[] = { 0x89, 0x03 };

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

/**
 * vcpu_ask - let the guest ask for the conversion of pages, and make each as a VMM does
 * @vcpu: the vCPU
 * @vm: its VM, which exits to user space for hypercalls (vcpu_exit_for_hypercalls())
 * @gpa: the first page, below 4 GiB
 * @pages: how many
 * @touch: the guest writes to each page when it is private
 *
 * Return: 0, -errno, or -EIO if the guest did something else.
 */
static inline int vcpu_ask(struct vcpu *vcpu, int vm, uint64_t gpa, uint64_t pages, int touch)
{
	struct kvm_regs regs = {
		.rip = VCPU_CODE_GPA,
		.rbx = gpa,
		.rsi = pages,
		.rflags = 2,
	};

	memcpy(vcpu->code, vcpu_asking_code, sizeof(vcpu_asking_code));
	if (touch)
		memcpy((char *)vcpu->code + VCPU_TOUCH_AT, vcpu_touch_code,
		       sizeof(vcpu_touch_code));
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return -errno;
	for (;;) {
		if (ioctl(vcpu->fd, KVM_RUN, 0)) {
			if (errno != EINTR && errno != EAGAIN)
				return -errno;
			continue;
		}
		if (vcpu->run->exit_reason != KVM_EXIT_HYPERCALL)
			break;
		if (kvm_convert(vm, vcpu->run->hypercall.args[0], KVM_PAGE,
				KVM_MEMORY_ATTRIBUTE_PRIVATE))
			return -errno;
		vcpu->run->hypercall.ret = 0;
	}
	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != VCPU_DONE_PORT)
		return -EIO;
	return 0;
}

static inline int vcpu_exit_for_hypercalls(int vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_HYPERCALL, .args[0] = 1 << 12, /* KVM_HC_MAP_GPA_RANGE */
	};

	return ioctl(vm, KVM_ENABLE_CAP, &cap) ? -errno : 0;
}

#endif /* BENCH_VCPU_H */

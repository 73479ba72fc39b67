// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "in_place.h"

/* Of kernels that are newer than the headers. */
struct attributes2 {
	uint64_t offset;
	uint64_t size;
	uint64_t attributes;
	uint64_t flags;
	uint64_t reserved[12];
};

#define SET_ATTRIBUTES2 _IOWR(KVMIO, 0xd2, struct attributes2)
_Static_assert(SET_ATTRIBUTES2 == 0xc080aed2, "as bpf/kernel/types.h has it");

struct create_guest_memfd {
	uint64_t size;
	uint64_t flags;
	uint64_t reserved[6];
};

#define CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct create_guest_memfd)

#define SW_PROTECTED_VM 1 /* KVM_X86_SW_PROTECTED_VM */

/* One that can have private pages, if there are such VMs without special hardware. */
static int create_vm(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, SW_PROTECTED_VM);

	return vm < 0 ? ioctl(kvm, KVM_CREATE_VM, 0) : vm;
}

int in_place_try(void)
{
	struct create_guest_memfd args = { .size = (uint64_t)sysconf(_SC_PAGESIZE) };
	struct attributes2 nothing = { 0 };
	int kvm, vm = -1, inst = -1, ret;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm >= 0)
		vm = create_vm(kvm);
	if (vm >= 0)
		inst = ioctl(vm, CREATE_GUEST_MEMFD, &args);
	/* A range without pages is an error for whoever knows the request. */
	ret = inst < 0 ? -errno : ioctl(inst, SET_ATTRIBUTES2, &nothing) == 0 || errno != ENOTTY;
	if (inst >= 0)
		close(inst);
	if (vm >= 0)
		close(vm);
	if (kvm >= 0)
		close(kvm);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's requests around guest_memfd, one function each, for tests that ask for them one by one. All
 * return what the ioctl returns: -1 with errno where it failed.
 */
#ifndef VM_KVM_H
#define VM_KVM_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../workload/kvm_compat.h"

#define KVM_PAGE 4096UL
/* Where tests bind: far from what a guest needs for itself. */
#define KVM_TEST_GPA (4ULL << 30)

static inline int kvm_open(void)
{
	return open("/dev/kvm", O_RDWR | O_CLOEXEC);
}

/* @type: KVM_X86_DEFAULT_VM or KVM_X86_SW_PROTECTED_VM. */
static inline int kvm_create_vm(int kvm, unsigned long type)
{
	return ioctl(kvm, KVM_CREATE_VM, type);
}

/* An instance of @size bytes; its fd belongs to the caller. */
static inline int kvm_create_instance(int vm, uint64_t size, uint64_t flags)
{
	struct kvm_create_guest_memfd args = { .size = size, .flags = flags };

	return ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args);
}

/* Bind @size bytes of @instance from @offset on at @gpa; size 0 ends the binding of @slot. */
static inline int kvm_bind(int vm, uint32_t slot, int instance, uint64_t gpa, uint64_t size,
			   uint64_t offset)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = slot,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.guest_memfd = instance,
		.guest_memfd_offset = offset,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region);
}

/* @attributes: KVM_MEMORY_ATTRIBUTE_PRIVATE or 0 for shared. */
static inline int kvm_convert(int vm, uint64_t gpa, uint64_t size, uint64_t attributes)
{
	struct kvm_memory_attributes attrs = {
		.address = gpa,
		.size = size,
		.attributes = attributes,
	};

	return ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
}

/*
 * The attributes that change something in a new VM: private, where the VM has private memory. The
 * hook of kernel-patches/ does not see a request that changes nothing.
 */
static inline uint64_t kvm_other_attributes(int vm)
{
	int supported = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_MEMORY_ATTRIBUTES);

	return supported > 0 ? supported & KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;
}

/*
 * How many pages of the VM are private, by its own statistics; -1 with errno, ENOENT where a kernel
 * without the series does not count them.
 */
static inline long kvm_private_pages(int vm)
{
	struct kvm_stats_header header;
	char buf[sizeof(struct kvm_stats_desc) + 256];
	struct kvm_stats_desc *desc = (void *)buf;
	uint64_t value = 0;
	long pages = -1;
	int fd = ioctl(vm, KVM_GET_STATS_FD, NULL);

	if (fd < 0)
		return -1;
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		header.num_desc = 0;
	for (uint32_t i = 0; i < header.num_desc; i++) {
		size_t len = sizeof(*desc) + header.name_size;

		if (len > sizeof(buf) ||
		    pread(fd, buf, len, header.desc_offset + i * len) != (ssize_t)len)
			break;
		if (strcmp(desc->name, "private_pages"))
			continue;
		if (pread(fd, &value, sizeof(value), header.data_offset + desc->offset) ==
		    sizeof(value))
			pages = value;
		break;
	}
	close(fd);
	errno = ENOENT;
	return pages;
}

/*
 * Does the instance that is mapped at @page have memory there? 1, 0, or -1 with errno. Its
 * st_blocks does not tell, they are always 0.
 */
static inline int kvm_resident(void *page)
{
	unsigned char resident;

	return mincore(page, KVM_PAGE, &resident) ? -1 : resident & 1;
}

#endif /* VM_KVM_H */

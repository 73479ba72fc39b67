/* SPDX-License-Identifier: GPL-2.0-only */
/* Who holds what: from places that were found to processes and instances. Pure. */
#ifndef GMEM_CTL_KERNEL_HOLDERS_H
#define GMEM_CTL_KERNEL_HOLDERS_H

#include "find.h"

/* A process that holds an instance: its places, by kind and then by number or address. */
struct holder {
	const struct gmem_found *places;
	size_t nr;
	bool runs; /* it has the address space of the VM that the instance is bound to */
};

struct held_instance {
	__u32 dev;
	__u64 ino;
	__u64 size;  /* 0: not known, it is only bound */
	__u64 flags; /* GMEM_UNKNOWN: not known */
	__u64 kvm;
	__u32 vm_pid, type; /* with kvm */
	struct holder *holders;
	size_t nr;
};

struct held {
	struct held_instance *instances;
	size_t nr;
	struct holder *holders;	   /* all of them */
	struct gmem_found *places; /* all of them; the ones of VMs are bindings now */
};

/**
 * holders_group - instances with their holders, and those with their places
 * @held: the result, to be given to held_free()
 *
 * Who holds a VM or a vCPU holds what is bound to the VM: its places say where it is in the guest
 * (at, end) and in the instance (offset).
 *
 * Return: 0 or -ENOMEM.
 */
int holders_group(const struct found_holders *found, struct held *held);
void held_free(struct held *held);

/* The type of the VM in a request (GMEM_TYPE_*); GMEM_TYPE_unknown: the instance has no VM. */
__u32 held_type(const struct held_instance *instance);

#endif /* GMEM_CTL_KERNEL_HOLDERS_H */

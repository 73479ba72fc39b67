/* SPDX-License-Identifier: GPL-2.0-only */
/* What bpf/inspect/gmem_inspect.bpf.c writes. */
#ifndef GMEM_ABI_INSPECT_H
#define GMEM_ABI_INSPECT_H

#include "policy.h"
#include "trace.h"

/*
 * How the kernel names an open file: its inode, as the programs see it. Kind 0: no task has an
 * identity by it.
 */
struct gmem_file_name {
	__u32 fd;
	__u32 pad;
	struct gmem_identity identity;
};

/* The memory of a process, or a descriptor of it (/proc/PID/mem), which writes to it. */
struct gmem_memory {
	__u64 mm;   /* an address of the kernel, only to be compared */
	__u32 tgid; /* the process that has the memory, or the descriptor */
	__u32 held; /* by a descriptor */
};

/* X(name, what it is): ways to hold an instance, or a VM */
#define GMEM_HOLDS(X)                                                   \
	X(fd, "a file descriptor of the instance")                      \
	X(mapping, "a mapping of the instance")                         \
	X(vm, "a file descriptor of a VM, or of a vCPU")                \
	X(socket, "the instance is under way in a socket that is held") \
	X(binding, "the instance is memory of a VM that is held")

enum gmem_held_by {
#define X(name, ...) GMEM_HELD_BY_##name,
	GMEM_HOLDS(X)
#undef X
		GMEM_HELD_BY_MAX
};

/* An instance (or a VM, then without a number), and one of those who hold it. */
struct gmem_found {
	__u64 ino;
	__u64 size;
	__u64 flags; /* of the instance, GMEM_UNKNOWN: the kernel's types are not known */
	__u64 inode; /* of the instance: the address, which names its label */
	__u64 kvm;   /* its VM, 0: not known */
	__u64 mm;    /* that made the VM */
	__u64 table; /* where the place is: threads may have one of their own */
	__u64 at;    /* the descriptor, or the address */
	__u64 end;   /* of the mapping */
	__u64 offset;
	__u32 dev;
	__u32 pid, tgid;
	__u32 how;	    /* enum gmem_held_by */
	__u32 prot;	    /* of the mapping: bits of GMEM_PROTS */
	__u32 vm_pid, type; /* of the VM; type: KVM's number */
	__u32 same_mm;	    /* the task may run the VM: it has the address space that made it */
	char comm[16];
};

#endif /* GMEM_ABI_INSPECT_H */

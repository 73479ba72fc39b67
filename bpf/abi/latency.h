/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What gmem_latency.bpf.c and user space share: the phases of a conversion that a guest asked for,
 * from its exit to user space on.
 */
#ifndef GMEM_ABI_LATENCY_H
#define GMEM_ABI_LATENCY_H

#include "trace.h"

/*
 * The phases, in the order in which they end. The first four add up to `total`: calls for the
 * conversion are what the thread of the vCPU makes between the exit and its next KVM_RUN.
 * X(name, fact, what it is)
 */
#define GMEM_PHASES(X)                                                                         \
	X(vmm, phases, "the VMM's own time: from the exit until KVM_RUN, without these calls") \
	X(lock, phase_lock, "wait for slots_lock in KVM_SET_MEMORY_ATTRIBUTES")                \
	X(set, phases, "the rest of KVM_SET_MEMORY_ATTRIBUTES")                                \
	X(memory, phase_memory, "fallocate and madvise, in conversions that call them")        \
	X(total, phases, "from the exit to user space until KVM_RUN")                          \
	X(fault, phase_fault, "from KVM_RUN until the vCPU first faults on the range")

/* X(name, KVM_EXIT_*, what it is): exits to user space that can be followed by a conversion. */
#define GMEM_GUEST_EXITS(X)                                                          \
	X(hypercall, 3, "KVM_EXIT_HYPERCALL: the guest asks (KVM_HC_MAP_GPA_RANGE)") \
	X(hyperv, 27, "KVM_EXIT_HYPERV: a hypercall of Hyper-V")                     \
	X(memory_fault, 39, "KVM_EXIT_MEMORY_FAULT: the guest touches it otherwise") \
	X(tdx, 40, "KVM_EXIT_TDX: a request of a TDX guest")

enum gmem_phase_id {
#define X(name, ...) GMEM_PHASE_##name,
	GMEM_PHASES(X)
#undef X
		GMEM_PHASE_MAX
};

enum gmem_guest_exit {
#define X(name, ...) GMEM_GUEST_EXIT_##name,
	GMEM_GUEST_EXITS(X)
#undef X
		GMEM_GUEST_EXIT_MAX
};

struct gmem_phase {
	__u64 count, sum_ns;
	struct gmem_latency latency; /* judged is not used */
};

/* One conversion. */
struct gmem_slow {
	__u64 exit_ns; /* CLOCK_MONOTONIC, 0: a free entry */
	__u64 gfn, pages;
	__u64 ns[GMEM_PHASE_MAX]; /* GMEM_UNKNOWN: it had no such phase */
	__u32 direction;
	__u32 exit; /* KVM_EXIT_*; in a sample enum gmem_guest_exit */
};

#define GMEM_SLOWEST   8     /* that are kept of each vCPU, in no order */
#define GMEM_MAX_VCPUS 16384 /* that converted; an entry is made when it is needed */

/*
 * Under the sum of the vCPU's address and of a number that tells its VM from those that had the
 * address before. Written by the thread that runs the vCPU only, as KVM lets one thread do that at
 * a time.
 */
struct gmem_vcpu {
	__u64 ended; /* updates that ended; together with `begun` it shows what was read in one */
	__u64 kvm;   /* struct kvm */
	__u64 vm;    /* its key, as in struct gmem_vm */
	__u32 key_kind;
	__u32 id;      /* vcpu_id */
	__u32 slowest; /* entry with the shortest total time */
	__u32 pad;
	struct gmem_phase phase[GMEM_PHASE_MAX];
	struct gmem_slow slow[GMEM_SLOWEST];
	__u64 begun; /* updates that began */
};

_Static_assert(sizeof(struct gmem_phase) == 16 + sizeof(struct gmem_latency), "phase");
_Static_assert(sizeof(struct gmem_slow) == 32 + 8 * GMEM_PHASE_MAX, "slow conversion");
_Static_assert(sizeof(struct gmem_vcpu) == 48 + GMEM_PHASE_MAX * sizeof(struct gmem_phase) +
						   GMEM_SLOWEST * sizeof(struct gmem_slow),
	       "vCPU");

#endif /* GMEM_ABI_LATENCY_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a source reports of VMs, instances, bindings and holders in one frame: raw values, from
 * which the model derives the rest. A live source makes them from the records of its BPF programs,
 * a recording from lines of JSON; neither knows the form of the other.
 */
#ifndef GMEM_SAMPLE_H
#define GMEM_SAMPLE_H

#include <stdint.h>

#include "../../bpf/abi/latency.h"
#include "../../bpf/abi/trace.h"

/* Histograms, errors and heat have the form of bpf/abi/trace.h; what is not reported is 0. */
struct sample_vm {
	uint64_t id;	   /* unique in the source */
	uint64_t key;	   /* see key.h, 0: none */
	uint64_t kvm, mm;  /* by which a live source asks the kernel about it, 0 in a recording */
	uint64_t first_ns; /* CLOCK_MONOTONIC when it was first seen */
	uint64_t cgroup;   /* id of the VMM's cgroup, 0: unknown */
	uint64_t private_pages; /* GMEM_UNKNOWN: not reported */
	uint32_t tgid;		/* of the VMM */
	uint32_t type;
	uint32_t error_op, error; /* its last operation that failed; 0: none, err is empty */
	uint64_t error_ns;
	/* Its end: when, the process that released it (0: unknown), whether that was ending too. */
	uint64_t ended_ns;
	uint32_t ended_by, exiting, exit_code;
	uint32_t vmm_gone; /* the VMM has ended, and another process keeps the VM */
	char comm[16];	   /* of the VMM */
	/* Copied at once from a record: in the order of struct gmem_vm. */
	__u64 c[GMEM_VM_MAX];
	__u64 folded[GMEM_INST_MAX]; /* of instances that are not reported any more */
	struct gmem_latency latency[GMEM_DIRECTIONS];
	struct gmem_errno err[GMEM_OP_MAX][GMEM_ERRNOS];
	__u64 err_other[GMEM_OP_MAX];
	struct gmem_heat heat;
};

struct sample_inst {
	uint64_t id;
	uint64_t vm_id;
	uint64_t size; /* bytes */
	uint64_t flags;
	uint64_t resident; /* pages */
	uint64_t ino;
	uint32_t dev;  /* major << 20 | minor */
	uint32_t born; /* its counters are complete */
	__u64 c[GMEM_INST_MAX];
};

/* A memslot with an instance behind it. */
struct sample_binding {
	uint64_t ino;
	uint64_t gfn;
	uint64_t pages;
	uint64_t pgoff;	    /* page of the instance with which it begins */
	uint64_t userspace; /* address of the shared backing in the VMM */
	uint64_t flags;	    /* of the instance */
	uint32_t dev;
	uint16_t slot, space;
};

/* A process and an instance that it holds; reported once for both. */
struct sample_holder {
	uint64_t ino;
	uint32_t dev;
	uint32_t tgid;
	uint32_t fds, mappings;
	char comm[16];
};

/* The conversions that a vCPU asked for; reported with WANT_LATENCY. */
struct sample_vcpu {
	uint64_t vm_id;
	uint32_t id; /* of the vCPU */
	struct gmem_phase phase[GMEM_PHASE_MAX];
	struct gmem_slow slow[GMEM_SLOWEST]; /* in no order, those with exit_ns 0 are free */
};

#endif /* GMEM_SAMPLE_H */

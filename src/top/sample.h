/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A sample: what a source reports in one frame of VMs, instances, bindings, holders and vCPUs. Raw
 * values, owned by the sample; the model derives the rest from two of them (model_step()). A live
 * source makes it from the records of its BPF programs, a recording from a line of JSON; neither
 * knows the form of the other.
 *
 * VMs and instances have ids that are unique in the source, and may be reported twice: first as
 * living, then, when they end while the source is read, as ended.
 */
#ifndef GMEM_SAMPLE_H
#define GMEM_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/abi/latency.h"
#include "../../bpf/abi/ledger.h"
#include "../../bpf/abi/trace.h"
#include "latency.h"
#include "policy.h"

#define NAME_LEN 96
#define END_LEN	 48

#define INSTANCE_MMAP 1 /* GUEST_MEMFD_FLAG_MMAP */

/* What is only looked at when somebody wants to see it. */
enum want {
	WANT_BINDINGS = 1 << 0, /* what is bound where */
	WANT_HOLDERS = 1 << 1,	/* which processes have descriptors or mappings of instances */
	WANT_WASTE = 1 << 2,	/* page by page: what is private, in memory, and held twice */
	WANT_HEAT = 1 << 3,	/* where conversions happen */
	WANT_RATES = 1 << 4,	/* of each instance too; from the first frame on or never */
	WANT_LATENCY = 1 << 5,	/* what guests' conversions spend their time on */
};

struct sample_errors {
	struct gmem_errno err[GMEM_OP_MAX][GMEM_ERRNOS];
	__u64 other[GMEM_OP_MAX]; /* with an errno for which there was no place */
};

/* What a VM is called. */
struct sample_identity {
	uint32_t version; /* another one when the texts are; 0: not known yet */
	char name[NAME_LEN];
	const char *cgroup; /* path; NULL: unknown */
};

/* What a recording has of a VM beyond the values from which a model derives it. */
struct sample_recorded {
	uint64_t size, resident, nr_instances, mappable;
	uint64_t bound, bound_private, holders, waste_instance, waste_backing;
	uint64_t backing[GMEM_BACKING_MAX], twice[GMEM_BACKING_MAX]; /* waste_backing by kind */
	bool unbinds_unknown;
	uint32_t wraps[GMEM_DIRECTIONS * GMEM_HIST_BUCKETS]; /* upper halves of the histograms */
};

/* Histograms have the form of bpf/abi/trace.h: 32 bits, which wrap. What is not reported is 0. */
struct sample_vm {
	uint64_t id;
	uint64_t key;		/* see key.h, 0: none */
	uint64_t kvm, mm;	/* by which a live source asks the kernel about it */
	uint64_t first_ns;	/* CLOCK_MONOTONIC when it was first seen */
	uint64_t cgroup;	/* id of the VMM's cgroup, 0: unknown */
	uint64_t private_pages; /* GMEM_UNKNOWN: not reported */
	/* The sums begin with these: 0, or GMEM_UNKNOWN where nobody looked, or could. */
	uint64_t bound, bound_private, waste_instance, waste_backing;
	uint64_t error_ns;
	uint64_t ended_ns;
	const struct sample_identity *identity; /* until the next sample of this source, or NULL */
	const struct sample_recorded *recorded; /* the same */
	uint32_t tgid;				/* of the VMM */
	uint32_t type;
	uint32_t error_op, error; /* its last operation that failed, 0: none */
	/* The process that released it (0: unknown), and whether that was ending too. */
	uint32_t ended_by, exiting, exit_code;
	uint32_t vmm_gone; /* the VMM has ended, and another process keeps the VM */
	uint32_t parts;	   /* GMEM_PART_*: what follows, see sample_errors_of() */
	uint32_t ended;	   /* this is its last report */
	char comm[16];	   /* of the VMM */
	/* Copied at once from a record: in the order of struct gmem_vm. */
	__u64 c[GMEM_VM_MAX];
	__u64 folded[GMEM_INST_MAX]; /* of instances that are not reported any more */
	struct gmem_latency latency[GMEM_DIRECTIONS];
};

struct sample_inst {
	uint64_t id;
	uint64_t vm_id;
	uint64_t size; /* bytes */
	uint64_t flags;
	uint64_t resident; /* pages */
	uint64_t ino;
	uint32_t dev;	/* major << 20 | minor */
	uint16_t born;	/* its counters are complete */
	uint16_t ended; /* this is its last report */
	__u64 c[GMEM_INST_MAX];
};

/* A memslot with an instance behind it. */
struct sample_binding {
	uint64_t vm_id;
	uint64_t ino;
	uint64_t gfn;
	uint64_t pages;
	uint64_t pgoff;	    /* page of the instance with which it begins */
	uint64_t userspace; /* address of the shared backing in the VMM */
	uint64_t flags;	    /* of the instance */
	uint32_t dev;
	uint16_t slot, space;
	/* Pages, with WANT_WASTE; GMEM_UNKNOWN where that could not be told. */
	uint64_t private, resident, backing, waste_instance, waste_backing;
	uint64_t private_resident;				     /* private, and in memory */
	uint64_t by_kind[GMEM_BACKING_MAX], twice[GMEM_BACKING_MAX]; /* backing, waste_backing */
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
	/*
	 * [phase][bucket]: how often a bucket wrapped, from a source that counts wider than 32
	 * bits, by sample_alloc(); NULL: to be found out.
	 */
	const uint32_t *wraps;
};

/* A VM that ended. */
struct model_ended {
	uint64_t vm_id, key;
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	uint64_t error_ns;
	uint32_t tgid, error_op, error; /* as in struct sample_vm */
	uint64_t refused;		/* host faults */
	char name[NAME_LEN], why[END_LEN];
};

#define MODEL_ENDED 10 /* VMs */

/* What all VMs had done at the first sample of a recording, those that had ended before included. */
struct sample_host {
	__u64 c[GMEM_VM_MAX];
	__u64 inst[GMEM_INST_MAX];
	bool adopted; /* one of them had an instance older than the recording gmemtop */
	struct sample_errors errors;
	struct latency latency[GMEM_DIRECTIONS];
};

struct sample_block;

struct sample {
	uint64_t now_ns; /* CLOCK_MONOTONIC, or one that runs like it */
	uint64_t number; /* of the frame as its recorder counted; 0: it follows the one before */
	uint32_t looked; /* enum want: what was looked at */
	/* VMs and vCPUs are in blocks, the one that is being filled and those before it. */
	struct sample_block *blocks, *filled;
	struct sample_vm **vms;
	struct sample_vcpu **vcpus;
	struct sample_inst *insts;
	struct sample_binding *bindings;
	struct sample_holder *holders;
	size_t nr_vms, room_vms, nr_vcpus, room_vcpus, nr_insts, room_insts;
	size_t nr_bindings, room_bindings, nr_holders, room_holders;
	__u64 lost[GMEM_LOST_MAX];
	uint64_t missed;
	/* Pages of bindings: to be looked at for their waste, and how many were, in this round. */
	uint64_t waste_pages, waste_done;
	uint64_t programs_runs, programs_ns; /* see struct programs_use */
	bool restart;			     /* nothing follows from the samples before */
	bool silenced;			     /* sources were switched off at some time */
	bool complete;			     /* an instance that is not in it has ended */
	const struct sample_host *host;	     /* in a first sample only, or NULL */
	struct policy_counts policy;
	/* A recording may have the list of VMs that ended; else the model makes it. */
	bool ended_listed;
	struct model_ended ended[MODEL_ENDED];
	unsigned int nr_ended;
	uint64_t ended_lately;
};

/* Begin a new sample in the memory of the one before. @looked: enum want */
void sample_begin(struct sample *sample, uint64_t now_ns, uint32_t looked);

/* Memory that is valid until the next sample begins, not zeroed. @size: 32 KiB at most */
void *sample_alloc(struct sample *sample, size_t size);

/**
 * sample_add_vm - another VM
 * @parts: GMEM_PART_*, what is reported beside struct sample_vm
 *
 * Return: the VM; the caller fills in all of it but parts, and what sample_errors_of() and
 * sample_heat_of() return. NULL: no memory.
 */
struct sample_vm *sample_add_vm(struct sample *sample, uint32_t parts);

/* Its errors and its heat map; NULL: not reported. */
struct sample_errors *sample_errors_of(const struct sample_vm *vm);
struct gmem_heat *sample_heat_of(const struct sample_vm *vm);

/* Another vCPU, after its VM. Return: the vCPU, all 0, or NULL: no memory. */
struct sample_vcpu *sample_add_vcpu(struct sample *sample);

/* Return: 0 or -ENOMEM. */
int sample_add_instance(struct sample *sample, const struct sample_inst *inst);
int sample_add_binding(struct sample *sample, const struct sample_binding *binding);
int sample_add_holder(struct sample *sample, const struct sample_holder *holder);

/* What was added as living has ended after all. */
void sample_end_vm(struct sample *sample, uint64_t id);
void sample_end_instance(struct sample *sample, uint64_t id);

void sample_free(struct sample *sample);

#endif /* GMEM_SAMPLE_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of VMs and instances at the moment: sums, rates and ends, derived from what a
 * source reports (sample.h). Knows neither BPF nor the terminal.
 *
 * A frame: model_begin(), any number of model_add_*(), model_end(); then the views may read.
 */
#ifndef GMEM_MODEL_H
#define GMEM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/abi/trace.h"
#include "latency.h"
#include "policy.h"
#include "sample.h"

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

/* Over which time latencies are looked at. */
enum span { SINCE_START, LAST_INTERVAL, NR_SPANS };

struct model_vm {
	struct sample_vm now;			     /* as last reported */
	struct gmem_latency before[GMEM_DIRECTIONS]; /* now.latency of the frame before */
	bool changed[GMEM_DIRECTIONS];		     /* between these two */
	struct latency_range range[GMEM_DIRECTIONS]; /* of now.latency */
	uint32_t *wraps; /* [direction][bucket]: how often now.latency wrapped, NULL: never */
	__u64 inst[GMEM_INST_MAX];  /* sum over its instances, those that ended included */
	__u64 rate_vm[GMEM_VM_MAX]; /* millionths per second, of the last interval */
	__u64 rate_inst[GMEM_INST_MAX];
	__u64 rate_err[GMEM_OP_MAX];
	__u64 rate_denied;
	__u64 ended[GMEM_INST_MAX]; /* of instances that ended */
	uint64_t prev_vm[GMEM_VM_MAX];
	uint64_t prev_inst[GMEM_INST_MAX];
	uint64_t prev_err[GMEM_OP_MAX];
	uint64_t prev_denied;
	uint64_t size, resident; /* pages, of the instances that live */
	uint32_t nr_instances;
	uint64_t mappable; /* instances that the host can map; GMEM_UNKNOWN in old recordings */
	/* Of this frame; each is GMEM_UNKNOWN where nobody looked, or could. */
	uint64_t bound, bound_private; /* pages bound now, and those of them that are private */
	uint64_t holders;	       /* processes */
	uint64_t waste_instance;       /* resident pages of instances that are not private */
	uint64_t waste_backing;	       /* resident pages of the shared backing that are private */
	uint64_t dead_ns;     /* since when the kernel does not know it any more, 0: it does */
	uint32_t absent;      /* frames in which it was not seen */
	bool gone;	      /* ended since the frame before */
	bool noted;	      /* its end is in model.ended */
	bool adopted;	      /* has or had an instance older than gmemtop */
	bool unbinds_unknown; /* in a recording */
	bool rated;	      /* there was a frame before, so that rates are known */
	bool named, named_by_option; /* by a look at the VMM, see proc.h */
	uint64_t named_cgroup;	     /* the cgroup at that time */
	uint64_t key;		     /* see key.h, 0: none */
	char name[NAME_LEN];
	char *cgroup;
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
#define MINUTE	    60 /* seconds */

struct model_inst {
	struct sample_inst now;
	__u64 rate[GMEM_INST_MAX];
	uint64_t prev[GMEM_INST_MAX];
	uint64_t bound_resident; /* pages that are in memory and bound, with WANT_WASTE */
	uint32_t absent;
	bool ended;
};

struct model_binding {
	struct sample_binding now;
	uint64_t vm_id;
	uint64_t inst_id; /* filled in by model_end() */
	/* Pages, with WANT_WASTE; GMEM_UNKNOWN where that could not be told. */
	uint64_t private, resident, backing, waste_instance, waste_backing;
};

struct model_holder {
	struct sample_holder now;
	uint64_t vm_id, inst_id; /* filled in by model_end() */
};

/* The conversions that a vCPU asked for, see model_phases.h. */
struct model_vcpu {
	struct sample_vcpu now;
	struct gmem_latency before[GMEM_PHASE_MAX]; /* of the frame before */
	uint32_t *wraps; /* [phase][bucket]: how often a bucket wrapped, NULL: never */
};

struct model {
	struct model_vm **vms; /* by id */
	struct model_inst **insts;
	size_t nr_vms, room_vms, nr_insts, room_insts;
	/* By VM, then by slot or by instance and process; of this frame, if somebody wants them. */
	struct model_binding *bindings;
	struct model_holder *holders;
	size_t nr_bindings, room_bindings, nr_holders, room_holders;
	struct model_vcpu **vcpus; /* by VM and id */
	size_t nr_vcpus, room_vcpus;
	uint32_t looked;	   /* enum want: what was looked at */
	struct model_inst **index; /* instances in another order */
	size_t room_index;
	/* Pages of bindings: to be looked at for their waste, and how many were, in this round. */
	uint64_t waste_pages, waste_done;
	bool by_vm;	      /* the index is, and by id */
	struct model_vm past; /* sum over VMs that are no longer in the table */
	struct latency host[GMEM_DIRECTIONS][NR_SPANS]; /* of all VMs, those that ended too */
	struct model_ended ended[MODEL_ENDED];		/* those that ended last, newest first */
	unsigned int nr_ended;
	uint64_t ended_lately; /* how many ended in the last minute */
	struct {
		uint64_t second;
		uint32_t nr;
	} ends[MINUTE];		     /* the same by seconds */
	struct policy_counts policy; /* of the host */
	__u64 lost[GMEM_LOST_MAX];
	uint64_t missed;
	/* Of the programs of the live source, see struct programs_use. */
	uint64_t programs_runs, programs_ns;
	bool programs_timed; /* the kernel kept their time during the last interval */
	bool complete;	     /* set by its source: an instance that is not in a frame has ended */
	bool silenced;	     /* sources were switched off for a time */
	uint64_t now_ns, interval_ns; /* CLOCK_MONOTONIC; 0 in the first frame */
	uint64_t frame;		      /* 1 is the first */
};

/* @looked: enum want, what this frame is to tell */
void model_begin(struct model *model, uint64_t now_ns, uint32_t looked);

/**
 * model_add_vm - a VM as read from the source
 * @vm: what is reported of it; the heat map at its end is only there with WANT_HEAT
 * @ended: it is the last one
 *
 * Return: 0 or -ENOMEM.
 */
int model_add_vm(struct model *model, const struct sample_vm *vm, bool ended);
int model_add_instance(struct model *model, const struct sample_inst *inst, bool ended);

/* What was added as living has ended after all, by its id. Nothing if there is no such entry. */
void model_end_vm(struct model *model, uint64_t id);
void model_end_instance(struct model *model, uint64_t id);

/**
 * model_host - what all VMs have done since gmemtop started, those that ended included
 * @sum: the result, of which counters, errors and rates are filled in
 *
 * Its counters never decrease.
 */
void model_host(const struct model *model, struct model_vm *sum);

/**
 * model_set_host - what all VMs had done at a frame from which on a recording is read
 * @host: as model_host() tells it of that frame
 * @latency: their conversions, by direction
 *
 * After model_end() of that frame. VMs that ended before it are the difference to those in it.
 */
void model_set_host(struct model *model, const struct model_vm *host,
		    const struct latency latency[GMEM_DIRECTIONS]);

void model_set_lost(struct model *model, const __u64 *lost, uint64_t missed);

/**
 * model_add_binding - a binding of a VM that was added before
 *
 * Return: the entry, in which only what was read is known, until the next call; NULL: no memory.
 */
struct model_binding *model_add_binding(struct model *model, uint64_t vm_id,
					const struct sample_binding *binding);

/* Holders of instances that the model does not know are dropped. Return: 0 or -ENOMEM. */
int model_add_holder(struct model *model, const struct sample_holder *holder);

/* Return: 0 or -ENOMEM. */
int model_end(struct model *model);
void model_free(struct model *model);

/* A VM by its id, or NULL. */
struct model_vm *model_vm(const struct model *model, uint64_t id);

/* The instances, bindings and holders of a VM. Return: the first of @nr. */
struct model_inst **model_insts_of(struct model *model, uint64_t vm_id, size_t *nr);
struct model_binding *model_bindings_of(const struct model *model, uint64_t vm_id, size_t *nr);
struct model_holder *model_holders_of(const struct model *model, uint64_t vm_id, size_t *nr);

/* Events are known to be in no number: what is shown is the least that happened. */
bool model_lower_bounds(const struct model *model);

/* Has the VM ever had to do with guest_memfd? */
bool model_is_used(const struct model_vm *vm);

/* Keep what is known of VMs that ended in this frame. After model_end(), when they have names. */
void model_note_ends(struct model *model);

/* An operation and why it failed; "" if none failed. */
void model_error_text(uint32_t op, uint32_t error, char *buf, size_t size);

/* For a source whose records are no 32 bits wide: model_vm.wraps is this. Return: 0 or -ENOMEM. */
int model_set_wraps(struct model *model, uint64_t id, const uint32_t *wraps);

/* How long the conversions of a VM took. @direction: 0: to private, 1: to shared */
void model_latency(const struct model_vm *vm, int direction, enum span span,
		   struct latency *latency);

/* A VM that lives longer than its entry in the model. Return: 0 or -ENOMEM. */
int model_copy_vm(struct model_vm *to, const struct model_vm *from);
void model_free_copy(struct model_vm *copy);

/* All failures of the operation, whatever the errno. */
uint64_t errors_of(const struct sample_vm *vm, enum gmem_op op);

/* What a security module refused: operations with EACCES or EPERM, and denied host faults. */
uint64_t denials_of(const struct model_vm *vm);

/* All failures of all operations, and refused host faults. */
uint64_t all_errors_of(const struct model_vm *vm);

#endif /* GMEM_MODEL_H */

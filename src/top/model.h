/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of VMs and instances at the moment: sums, rates and ends, derived from the sample
 * of a source and from the one before. Knows neither BPF nor the terminal.
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

/* Over which time latencies are looked at. */
enum span { SINCE_START, LAST_INTERVAL, NR_SPANS };

struct model_vm {
	struct sample_vm now;			     /* as last reported */
	struct sample_errors *errors;		     /* NULL: none failed, see errors_in() */
	struct gmem_heat *heat;			     /* NULL: nobody looked, see heat_in() */
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
	uint64_t unbound;	       /* resident pages of instances that no memslot has */
	uint64_t backing[GMEM_BACKING_MAX]; /* resident pages of the shared backing, by kind */
	uint64_t twice[GMEM_BACKING_MAX];   /* waste_backing by kind */
	uint32_t absent;		    /* frames in which it was not seen */
	bool gone;			    /* ended since the frame before */
	bool noted;			    /* its end is in model.ended */
	bool adopted;			    /* has or had an instance older than gmemtop */
	bool unbinds_unknown;		    /* in a recording */
	bool rated;			    /* there was a frame before, so that rates are known */
	uint64_t key;			    /* see key.h, 0: none */
	uint32_t identity;		    /* version of the texts */
	char name[NAME_LEN];
	char *cgroup;
};

#define MINUTE 60 /* seconds */

struct model_inst {
	struct sample_inst now;
	__u64 rate[GMEM_INST_MAX];
	uint64_t prev[GMEM_INST_MAX];
	uint64_t bound_resident; /* pages that are in memory and bound, with WANT_WASTE */
	uint64_t unbound_ns;	 /* since when no memslot is seen to have it, 0: one has */
	uint32_t absent;
	bool ended;
};

struct model_binding {
	struct sample_binding now;
	uint64_t inst_id; /* 0: unknown */
};

struct model_holder {
	struct sample_holder now;
	uint64_t vm_id, inst_id;
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
	bool by_vm;			   /* the index is, and by id */
	struct model_vm past;		   /* sum over VMs that are no longer in the table */
	struct sample_errors *host_errors; /* for model_host() */
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
	bool programs_timed;	      /* the kernel kept their time during the last interval */
	bool complete;		      /* an instance that is not in a frame has ended */
	bool silenced;		      /* sources were switched off for a time */
	uint64_t now_ns, interval_ns; /* CLOCK_MONOTONIC; 0 in the first frame */
	uint64_t frame;		      /* 1 is the first */
};

/**
 * model_step - from one frame to the next
 * @sample: the new one; the one before is the sample of the call before
 *
 * Return: 0 or -ENOMEM; then the model must only be freed.
 */
int model_step(struct model *model, const struct sample *sample);
void model_free(struct model *model);

/**
 * model_host - what all VMs have done since gmemtop started, those that ended included
 * @sum: the result, of which counters, errors and rates are filled in; valid until the next call
 *
 * Its counters never decrease.
 */
void model_host(const struct model *model, struct model_vm *sum);

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

/* An operation and why it failed; "" if none failed. */
void model_error_text(uint32_t op, uint32_t error, char *buf, size_t size);

/* How long the conversions of a VM took. @direction: 0: to private, 1: to shared */
void model_latency(const struct model_vm *vm, int direction, enum span span,
		   struct latency *latency);

/* A VM that lives longer than its entry in the model. Return: 0 or -ENOMEM. */
int model_copy_vm(struct model_vm *to, const struct model_vm *from);
void model_free_copy(struct model_vm *copy);

/* All failures of the operation, whatever the errno. */
uint64_t errors_of(const struct model_vm *vm, enum gmem_op op);

/* Its errors by operation and errno, all 0 if there were none. */
const struct sample_errors *errors_in(const struct model_vm *vm);

/* Its heat map, all 0 if nobody looked. */
const struct gmem_heat *heat_in(const struct model_vm *vm);

/* What a security module refused: operations with EACCES or EPERM, and denied host faults. */
uint64_t denials_of(const struct model_vm *vm);

/* All failures of all operations, and refused host faults. */
uint64_t all_errors_of(const struct model_vm *vm);

#endif /* GMEM_MODEL_H */

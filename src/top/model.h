/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of VMs and instances at the moment: sums, rates and ends, made from the records of
 * a source. Knows neither BPF nor the terminal.
 *
 * A frame: model_begin(), any number of model_add_*(), model_end(); then the views may read.
 */
#ifndef GMEM_MODEL_H
#define GMEM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/gmem_trace.h"

#define NAME_LEN 96

struct model_vm {
	struct gmem_vm now;	    /* as last read */
	__u64 inst[GMEM_INST_MAX];  /* sum over its instances, those that ended included */
	__u64 rate_vm[GMEM_VM_MAX]; /* hundredths per second, of the last interval */
	__u64 rate_inst[GMEM_INST_MAX];
	__u64 ended[GMEM_INST_MAX]; /* of instances that ended */
	uint64_t prev_vm[GMEM_VM_MAX];
	uint64_t prev_inst[GMEM_INST_MAX];
	uint64_t size, resident; /* pages, of the instances that live */
	uint32_t nr_instances;
	uint32_t absent; /* frames in which it was not seen */
	bool gone;	 /* ended since the frame before */
	bool adopted;	 /* has or had an instance older than gmemtop */
	bool named;
	char name[NAME_LEN];
	char *cgroup;
};

struct model_inst {
	struct gmem_inst now;
	uint32_t absent;
	bool ended;
};

struct model {
	struct model_vm **vms; /* by id */
	struct model_inst **insts;
	size_t nr_vms, room_vms, nr_insts, room_insts;
	__u64 lost[GMEM_LOST_MAX];
	uint64_t missed;
	uint64_t now_ns, interval_ns; /* CLOCK_MONOTONIC; 0 in the first frame */
	uint64_t frame;		      /* 1 is the first */
};

void model_begin(struct model *model, uint64_t now_ns);

/**
 * model_add_vm - a VM as read from the source
 * @vm: its record
 * @ended: it is the last one
 *
 * Return: 0 or -ENOMEM.
 */
int model_add_vm(struct model *model, const struct gmem_vm *vm, bool ended);
int model_add_instance(struct model *model, const struct gmem_inst *inst, bool ended);
void model_set_lost(struct model *model, const __u64 *lost, uint64_t missed);
void model_end(struct model *model);
void model_free(struct model *model);

/**
 * latency_percentile - nanoseconds below which a part of all durations lies
 * @percent: 1 to 100
 *
 * Exact to the width of a slot: the upper end of the slot, or the maximum where that is less.
 * Return: 0 if there is none.
 */
uint64_t latency_percentile(const struct gmem_latency *latency, unsigned int percent);

/* The same for @nr rising percentages at once. */
void latency_percentiles(const struct gmem_latency *latency, const unsigned int *percents,
			 unsigned int nr, uint64_t *ns);

/* All failures of the operation, whatever the errno. */
uint64_t errors_of(const struct gmem_vm *vm, enum gmem_op op);

#endif /* GMEM_MODEL_H */

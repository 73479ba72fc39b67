/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of the model that knows what guests' conversions spend their time on. Pure. */
#ifndef GMEM_MODEL_PHASES_H
#define GMEM_MODEL_PHASES_H

#include "model.h"

/* The vCPUs of a VM that converted, by their number. Return: the first of @nr. */
struct model_vcpu **model_vcpus_of(const struct model *model, uint64_t vm_id, size_t *nr);

/* One phase of a VM or a vCPU: of all conversions, and of those of the last interval. */
struct model_phase {
	uint64_t count, sum_ns;
	struct latency span[NR_SPANS];
};

/* @result: of all vCPUs of a VM together; empty if none converted */
void model_vm_phase(const struct model *model, uint64_t vm_id, enum gmem_phase_id phase,
		    struct model_phase *result);
void model_vcpu_phase(const struct model_vcpu *vcpu, enum gmem_phase_id phase,
		      struct model_phase *result);

struct model_slow {
	struct gmem_slow now;
	uint32_t vcpu;
};

/* The conversions of a VM that took longest, slowest first. Return: how many, GMEM_SLOWEST at most.
 */
unsigned int model_slowest(const struct model *model, uint64_t vm_id,
			   struct model_slow slow[GMEM_SLOWEST]);

/* --- for model.c: when a frame begins, when its VMs are there, and at the end --- */

void phases_begin(struct model *model);

/* vCPUs of VMs that the model does not know are dropped. Return: 0 or -ENOMEM. */
int phases_take(struct model *model, const struct sample *sample);
void phases_free(struct model *model);

extern const char *const phase_names[GMEM_PHASE_MAX];
extern const char *const phase_texts[GMEM_PHASE_MAX];
extern const enum gmem_fact phase_facts[GMEM_PHASE_MAX];
extern const char *const exit_names[GMEM_GUEST_EXIT_MAX];

#endif /* GMEM_MODEL_PHASES_H */

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "model_phases.h"

#define NR_WRAPS (GMEM_PHASE_MAX * GMEM_HIST_BUCKETS)

const char *const phase_names[GMEM_PHASE_MAX] = {
#define X(name, ...) #name,
	GMEM_PHASES(X)
#undef X
};

const char *const phase_texts[GMEM_PHASE_MAX] = {
#define X(name, fact, text) text,
	GMEM_PHASES(X)
#undef X
};

const enum gmem_fact phase_facts[GMEM_PHASE_MAX] = {
#define X(name, fact, text) GMEM_FACT_##fact,
	GMEM_PHASES(X)
#undef X
};

const char *const exit_names[GMEM_GUEST_EXIT_MAX] = {
#define X(name, ...) #name,
	GMEM_GUEST_EXITS(X)
#undef X
};

static int order(const struct model_vcpu *vcpu, uint64_t vm_id, uint32_t id)
{
	if (vcpu->now.vm_id != vm_id)
		return vcpu->now.vm_id < vm_id ? -1 : 1;
	return vcpu->now.id < id ? -1 : vcpu->now.id > id;
}

/* Where the vCPU is, or belongs. */
static size_t position(const struct model *model, uint64_t vm_id, uint32_t id)
{
	size_t low = 0, high = model->nr_vcpus, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (order(model->vcpus[mid], vm_id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct model_vcpu *get(struct model *model, uint64_t vm_id, uint32_t id)
{
	size_t at = position(model, vm_id, id);
	struct model_vcpu *vcpu;

	if (at < model->nr_vcpus && !order(model->vcpus[at], vm_id, id))
		return model->vcpus[at];
	if (grow(&model->vcpus, &model->room_vcpus, model->nr_vcpus + 1, sizeof(*model->vcpus)))
		return NULL;
	vcpu = calloc(1, sizeof(*vcpu));
	if (!vcpu)
		return NULL;
	vcpu->now.vm_id = vm_id;
	vcpu->now.id = id;
	memmove(model->vcpus + at + 1, model->vcpus + at,
		(model->nr_vcpus - at) * sizeof(*model->vcpus));
	model->vcpus[at] = vcpu;
	model->nr_vcpus++;
	return vcpu;
}

/* No bucket can have wrapped that counts part of less than 2^32 conversions. */
static int note_wraps(struct model_vcpu *vcpu, const struct sample_vcpu *next)
{
	unsigned int p, i;
	bool any = vcpu->wraps;

	for (p = 0; p < GMEM_PHASE_MAX; p++)
		any |= next->phase[p].count >> 32 != 0;
	if (!any)
		return 0;
	if (!vcpu->wraps)
		vcpu->wraps = calloc(NR_WRAPS, sizeof(*vcpu->wraps));
	if (!vcpu->wraps)
		return -ENOMEM;
	if (next->wraps) {
		memcpy(vcpu->wraps, next->wraps, NR_WRAPS * sizeof(*next->wraps));
		return 0;
	}
	for (p = 0; p < GMEM_PHASE_MAX; p++) {
		for (i = 0; i < GMEM_HIST_BUCKETS; i++)
			vcpu->wraps[p * GMEM_HIST_BUCKETS + i] +=
				next->phase[p].latency.hist[i] < vcpu->now.phase[p].latency.hist[i];
	}
	return 0;
}

static int take_vcpu(struct model *model, const struct sample_vcpu *next)
{
	struct model_vcpu *vcpu;

	if (!model_vm(model, next->vm_id))
		return 0;
	vcpu = get(model, next->vm_id, next->id);
	if (!vcpu || note_wraps(vcpu, next))
		return -ENOMEM;
	vcpu->now = *next;
	/* They are the sample's. */
	vcpu->now.wraps = NULL;
	return 0;
}

int phases_take(struct model *model, const struct sample *sample)
{
	int ret = 0;
	size_t i;

	for (i = 0; i < sample->nr_vcpus && !ret; i++)
		ret = take_vcpu(model, sample->vcpus[i]);
	return ret;
}

struct model_vcpu **model_vcpus_of(const struct model *model, uint64_t vm_id, size_t *nr)
{
	size_t at = position(model, vm_id, 0), end = at;

	while (end < model->nr_vcpus && model->vcpus[end]->now.vm_id == vm_id)
		end++;
	*nr = end - at;
	return model->vcpus + at;
}

static void add(struct model_phase *sum, const struct model_vcpu *vcpu, enum gmem_phase_id phase)
{
	static const struct latency_range all = { 0, GMEM_HIST_BUCKETS };
	const struct gmem_phase *now = &vcpu->now.phase[phase];
	struct latency_range range;
	struct latency latency;

	if (!now->count)
		return;
	range = vcpu->wraps ? all : latency_range(&now->latency);
	sum->count += now->count;
	sum->sum_ns += now->sum_ns;
	latency_total(&now->latency, vcpu->wraps ? vcpu->wraps + phase * GMEM_HIST_BUCKETS : NULL,
		      range, &latency);
	latency_add(&sum->span[SINCE_START], &latency);
	latency_since(&now->latency, &vcpu->before[phase], range, &latency);
	latency_add(&sum->span[LAST_INTERVAL], &latency);
}

static void make_empty(struct model_phase *phase)
{
	int span;

	phase->count = phase->sum_ns = 0;
	for (span = 0; span < NR_SPANS; span++)
		phase->span[span].max_ns = phase->span[span].low = phase->span[span].high = 0;
}

void model_vcpu_phase(const struct model_vcpu *vcpu, enum gmem_phase_id phase,
		      struct model_phase *result)
{
	make_empty(result);
	add(result, vcpu, phase);
}

void model_vm_phase(const struct model *model, uint64_t vm_id, enum gmem_phase_id phase,
		    struct model_phase *result)
{
	struct model_vcpu **vcpus;
	size_t nr, i;

	make_empty(result);
	vcpus = model_vcpus_of(model, vm_id, &nr);
	for (i = 0; i < nr; i++)
		add(result, vcpus[i], phase);
}

static bool is_slower(const struct gmem_slow *a, const struct gmem_slow *b)
{
	if (a->ns[GMEM_PHASE_total] != b->ns[GMEM_PHASE_total])
		return a->ns[GMEM_PHASE_total] > b->ns[GMEM_PHASE_total];
	return a->exit_ns < b->exit_ns;
}

unsigned int model_slowest(const struct model *model, uint64_t vm_id,
			   struct model_slow slow[GMEM_SLOWEST])
{
	unsigned int nr = 0, at, s;
	struct model_vcpu **vcpus;
	const struct gmem_slow *one;
	size_t nr_vcpus, i;

	vcpus = model_vcpus_of(model, vm_id, &nr_vcpus);
	for (i = 0; i < nr_vcpus; i++) {
		for (s = 0; s < GMEM_SLOWEST; s++) {
			one = &vcpus[i]->now.slow[s];
			if (!one->exit_ns)
				continue;
			for (at = nr; at && is_slower(one, &slow[at - 1].now); at--) {
				if (at < GMEM_SLOWEST)
					slow[at] = slow[at - 1];
			}
			if (at == GMEM_SLOWEST)
				continue;
			slow[at] = (struct model_slow){ .now = *one, .vcpu = vcpus[i]->now.id };
			nr += nr < GMEM_SLOWEST;
		}
	}
	return nr;
}

static void free_vcpu(struct model_vcpu *vcpu)
{
	free(vcpu->wraps);
	free(vcpu);
}

/* Those of VMs that are no longer in the model go; the numbers of the others are from before. */
void phases_begin(struct model *model)
{
	size_t i, kept = 0;
	unsigned int p;

	for (i = 0; i < model->nr_vcpus; i++) {
		if (!(model->looked & WANT_LATENCY) ||
		    !model_vm(model, model->vcpus[i]->now.vm_id)) {
			free_vcpu(model->vcpus[i]);
			continue;
		}
		for (p = 0; p < GMEM_PHASE_MAX; p++)
			model->vcpus[i]->before[p] = model->vcpus[i]->now.phase[p].latency;
		model->vcpus[kept++] = model->vcpus[i];
	}
	model->nr_vcpus = kept;
}

void phases_free(struct model *model)
{
	size_t i;

	for (i = 0; i < model->nr_vcpus; i++)
		free_vcpu(model->vcpus[i]);
	free(model->vcpus);
}

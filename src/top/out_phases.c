// SPDX-License-Identifier: GPL-2.0-only
/* What conversions spend their time on, as JSON. */
#include "model_phases.h"
#include "out.h"

static void put_phases(struct json *json, const struct features *f, const struct model *model,
		       const struct model_vm *vm, const struct model_vcpu *vcpu, bool raw)
{
	struct model_phase phase;
	unsigned int p;

	json_open(json, FIELD(vm, phases), '{');
	for (p = 0; p < GMEM_PHASE_MAX; p++) {
		if (!(f->facts & 1U << phase_facts[p])) {
			json_null(json, phase_names[p]);
			continue;
		}
		if (vcpu)
			model_vcpu_phase(vcpu, p, &phase);
		else
			model_vm_phase(model, vm->now.id, p, &phase);
		json_open(json, phase_names[p], '{');
		json_u64(json, FIELD(phase, count), phase.count);
		json_u64(json, FIELD(phase, sum_ns), phase.sum_ns);
		out_durations(json, &phase.span[SINCE_START],
			      vm->rated && !raw ? &phase.span[LAST_INTERVAL] : NULL);
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void put_slowest(struct json *json, const struct frames *frames, const struct model *model,
			const struct model_vm *vm)
{
	struct model_slow slow[GMEM_SLOWEST];
	unsigned int nr = model_slowest(model, vm->now.id, slow), i, p;
	const struct gmem_slow *one;

	json_open(json, FIELD(vm, slowest), '[');
	for (i = 0; i < nr; i++) {
		one = &slow[i].now;
		json_open(json, NULL, '{');
		/* Times in records are of CLOCK_MONOTONIC. */
		json_u64(json, FIELD(slow, time_ns),
			 frames->time_ns - (model->now_ns - one->exit_ns));
		json_u64(json, FIELD(slow, vcpu), slow[i].vcpu);
		json_str(json, FIELD(slow, exit), exit_names[one->exit]);
		json_str(json, FIELD(slow, direction), direction_names[one->direction]);
		json_u64(json, FIELD(slow, gpa), one->gfn << 12);
		json_u64(json, FIELD(slow, pages), one->pages);
		json_open(json, FIELD(slow, phases_ns), '{');
		for (p = 0; p < GMEM_PHASE_MAX; p++) {
			if (one->ns[p] == GMEM_UNKNOWN)
				json_null(json, phase_names[p]);
			else
				json_u64(json, phase_names[p], one->ns[p]);
		}
		json_close(json, '}');
		json_close(json, '}');
	}
	json_close(json, ']');
}

void out_phases(struct json *json, const struct frames *frames, const struct model *model,
		const struct model_vm *vm, bool raw)
{
	const struct features *f = frames->features;
	struct model_vcpu **vcpus;
	size_t nr, i;

	if (!(f->facts & FACT(phases))) {
		json_null(json, FIELD(vm, phases));
		return;
	}
	put_phases(json, f, model, vm, NULL, raw);
	vcpus = model_vcpus_of(model, vm->now.id, &nr);
	json_open(json, FIELD(vm, vcpu_list), '[');
	for (i = 0; i < nr; i++) {
		json_open(json, NULL, '{');
		json_u64(json, FIELD(vcpu, id), vcpus[i]->now.id);
		put_phases(json, f, model, vm, vcpus[i], raw);
		json_close(json, '}');
	}
	json_close(json, ']');
	put_slowest(json, frames, model, vm);
}

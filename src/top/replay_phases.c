// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json.h>
#include <string.h>

#include "../../bpf/trace/buckets.h"
#include "columns.h"
#include "model_phases.h"
#include "replay_phases.h"
#include "replay_values.h"

#define WRAPS_SIZE (sizeof(uint32_t) * GMEM_PHASE_MAX * GMEM_HIST_BUCKETS)

/* @wraps: of this phase, by bucket */
static void read_phase(struct json_object *object, struct gmem_phase *phase, uint32_t *wraps)
{
	struct json_object *list = member(object, FIELD(direction, histogram)), *pair;
	unsigned int bucket;
	uint64_t nr;
	size_t i;

	phase->count = number(object, FIELD(phase, count));
	phase->sum_ns = number(object, FIELD(phase, sum_ns));
	phase->latency.max_ns = number(object, columns[COLUMN_max_ns].name);
	for (i = 0; i < length(list); i++) {
		pair = json_object_array_get_idx(list, i);
		if (length(pair) != 2)
			continue;
		bucket = gmem_bucket(json_object_get_uint64(json_object_array_get_idx(pair, 0)));
		nr = json_object_get_uint64(json_object_array_get_idx(pair, 1));
		phase->latency.hist[bucket] = (__u32)nr;
		wraps[bucket] = (uint32_t)(nr >> 32);
	}
}

/* The index of a name; @nr where it is unknown. */
static uint32_t index_of(struct json_object *name, const char *const *names, uint32_t nr)
{
	uint32_t i;

	for (i = 0; name && i < nr; i++) {
		if (!strcmp(json_object_get_string(name), names[i]))
			return i;
	}
	return nr;
}

/* A vCPU has its entries among the slowest of the VM. */
static void read_slowest(struct json_object *list, uint64_t now_ns, uint64_t realtime_ns,
			 struct sample_vcpu *vcpu)
{
	struct json_object *object, *ns, *value;
	struct gmem_slow *slow = vcpu->slow;
	unsigned int p;
	size_t i;

	for (i = 0; i < length(list) && slow < vcpu->slow + GMEM_SLOWEST; i++) {
		object = json_object_array_get_idx(list, i);
		if (number(object, FIELD(slow, vcpu)) != vcpu->id)
			continue;
		slow->exit = index_of(member(object, FIELD(slow, exit)), exit_names,
				      GMEM_GUEST_EXIT_MAX);
		slow->direction = index_of(member(object, FIELD(slow, direction)), direction_names,
					   GMEM_DIRECTIONS);
		if (slow->exit == GMEM_GUEST_EXIT_MAX || slow->direction == GMEM_DIRECTIONS)
			continue;
		slow->exit_ns = now_ns - (realtime_ns - number(object, FIELD(slow, time_ns)));
		slow->gfn = number(object, FIELD(slow, gpa)) >> 12;
		slow->pages = number(object, FIELD(slow, pages));
		ns = member(object, FIELD(slow, phases_ns));
		for (p = 0; p < GMEM_PHASE_MAX; p++) {
			value = member(ns, phase_names[p]);
			slow->ns[p] = value ? json_object_get_uint64(value) : GMEM_UNKNOWN;
		}
		/* 0 is a free entry. */
		slow->exit_ns += !slow->exit_ns;
		slow++;
	}
}

int replay_phases(struct sample *sample, struct json_object *vm, uint64_t vm_id,
		  uint64_t realtime_ns)
{
	struct json_object *list = member(vm, FIELD(vm, vcpu_list)), *object, *phases;
	struct json_object *slowest = member(vm, FIELD(vm, slowest));
	struct sample_vcpu *vcpu;
	uint32_t *wraps;
	unsigned int p;
	size_t i;

	for (i = 0; i < length(list); i++) {
		vcpu = sample_add_vcpu(sample);
		wraps = vcpu ? sample_alloc(sample, WRAPS_SIZE) : NULL;
		if (!wraps)
			return -ENOMEM;
		memset(wraps, 0, WRAPS_SIZE);
		object = json_object_array_get_idx(list, i);
		vcpu->vm_id = vm_id;
		vcpu->id = (uint32_t)number(object, FIELD(vcpu, id));
		vcpu->wraps = wraps;
		phases = member(object, FIELD(vcpu, phases));
		for (p = 0; p < GMEM_PHASE_MAX; p++)
			read_phase(member(phases, phase_names[p]), &vcpu->phase[p],
				   wraps + p * GMEM_HIST_BUCKETS);
		read_slowest(slowest, sample->now_ns, realtime_ns, vcpu);
	}
	return 0;
}

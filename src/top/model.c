// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "model_inner.h"
#include "model_phases.h"
#include "table.h"

/*
 * Something that neither lives nor has ended was taken out without a word (no room among the ended
 * ones). An iterator may miss a live entry in one frame, when the map changes below it.
 */
#define MAX_ABSENT 2
#define NS_PER_S   1000000000ULL
#define RATE_UNIT  1000000 /* a rate counts millionths per second */

static struct model_vm *get_vm(struct model *model, uint64_t id)
{
	_Static_assert(offsetof(struct model_vm, now.id) == 0, "id first");
	_Static_assert(offsetof(struct model_inst, now.id) == 0, "id first");
	return table_get((void ***)&model->vms, &model->nr_vms, &model->room_vms, id,
			 sizeof(struct model_vm));
}

void model_free_copy(struct model_vm *copy)
{
	free(copy->cgroup);
	free(copy->wraps);
	copy->cgroup = NULL;
	copy->wraps = NULL;
}

int model_copy_vm(struct model_vm *to, const struct model_vm *from)
{
	size_t size = sizeof(*from->wraps) * GMEM_DIRECTIONS * GMEM_HIST_BUCKETS;
	char *cgroup = from->cgroup ? strdup(from->cgroup) : NULL;
	uint32_t *wraps = from->wraps ? malloc(size) : NULL;

	if ((from->cgroup && !cgroup) || (from->wraps && !wraps)) {
		free(cgroup);
		free(wraps);
		return -ENOMEM;
	}
	if (wraps)
		memcpy(wraps, from->wraps, size);
	model_free_copy(to);
	*to = *from;
	to->cgroup = cgroup;
	to->wraps = wraps;
	return 0;
}

static void free_vm(struct model_vm *vm)
{
	model_free_copy(vm);
	free(vm);
}

static void forget_frame(struct model_vm *vm)
{
	vm->bound = vm->bound_private = vm->holders = GMEM_UNKNOWN;
	vm->waste_instance = vm->waste_backing = GMEM_UNKNOWN;
}

bool model_is_used(const struct model_vm *vm)
{
	int i;

	if (vm->nr_instances || (vm->now.private_pages && vm->now.private_pages != GMEM_UNKNOWN))
		return true;
	for (i = 0; i < GMEM_VM_MAX; i++) {
		if (vm->now.c[i])
			return true;
	}
	for (i = 0; i < GMEM_INST_MAX; i++) {
		if (vm->inst[i])
			return true;
	}
	for (i = 0; i < GMEM_OP_MAX; i++) {
		if (errors_of(&vm->now, i))
			return true;
	}
	return false;
}

/* What was counted until the last frame: copied where that frame had something new. */
static void keep_latency(struct model_vm *vm)
{
	int d;

	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		if (vm->changed[d])
			vm->before[d] = vm->now.latency[d];
	}
}

void model_begin(struct model *model, uint64_t now_ns, uint32_t looked)
{
	size_t i, kept = 0;

	model->waste_pages = model->waste_done = 0;
	model->nr_bindings = model->nr_holders = 0;
	model->looked = looked;
	model->by_vm = false;
	model->interval_ns = model->frame ? now_ns - model->now_ns : 0;
	model->now_ns = now_ns;
	model->frame++;
	for (i = 0; i < model->nr_vms; i++) {
		if (model->vms[i]->gone || model->vms[i]->absent >= MAX_ABSENT) {
			model_add_up(&model->past, model->vms[i]);
			free_vm(model->vms[i]);
			continue;
		}
		model->vms[i]->absent++;
		keep_latency(model->vms[i]);
		forget_frame(model->vms[i]);
		model->vms[kept++] = model->vms[i];
	}
	model->nr_vms = kept;
	phases_begin(model);
	for (i = 0; i < model->nr_insts; i++)
		model->insts[i]->absent++;
}

/* No bucket can have wrapped that counts part of less than 2^32 conversions. */
static int note_wraps(struct model_vm *vm, const struct sample_vm *record)
{
	int d, i, c = GMEM_VM_to_private;

	for (d = 0; d < GMEM_DIRECTIONS; d++, c += GMEM_PER_DIRECTION) {
		if (!(record->c[c] >> 32))
			continue;
		if (!vm->wraps)
			vm->wraps = calloc(GMEM_DIRECTIONS * GMEM_HIST_BUCKETS, sizeof(*vm->wraps));
		if (!vm->wraps)
			return -ENOMEM;
		for (i = 0; i < GMEM_HIST_BUCKETS; i++)
			vm->wraps[d * GMEM_HIST_BUCKETS + i] += record->latency[d].hist[i] <
								vm->now.latency[d].hist[i];
	}
	return 0;
}

int model_add_vm(struct model *model, const struct sample_vm *record, bool ended)
{
	struct model_vm *vm;

	/* Somebody is just making it. */
	if (!record->id)
		return 0;
	vm = get_vm(model, record->id);
	if (!vm)
		return -ENOMEM;
	if (!vm->now.first_ns)
		forget_frame(vm);
	if (note_wraps(vm, record))
		return -ENOMEM;
	memcpy(&vm->now, record,
	       model->looked & WANT_HEAT ? sizeof(*record) : offsetof(struct sample_vm, heat));
	if (!vm->key)
		vm->key = vm->now.key;
	vm->absent = 0;
	vm->gone = ended;
	return 0;
}

int model_add_instance(struct model *model, const struct sample_inst *record, bool ended)
{
	struct model_inst *inst;

	inst = table_get((void ***)&model->insts, &model->nr_insts, &model->room_insts, record->id,
			 sizeof(*inst));
	if (!inst)
		return -ENOMEM;
	inst->now = *record;
	inst->absent = 0;
	inst->ended = ended;
	return 0;
}

void model_end_vm(struct model *model, uint64_t id)
{
	struct model_vm *vm = model_vm(model, id);

	if (vm)
		vm->gone = true;
}

void model_end_instance(struct model *model, uint64_t id)
{
	struct model_inst *inst = table_find((void **)model->insts, model->nr_insts, id);

	if (inst)
		inst->ended = true;
}

void model_set_lost(struct model *model, const __u64 *lost, uint64_t missed)
{
	memcpy(model->lost, lost, sizeof(model->lost));
	model->missed = missed;
}

struct model_vm *model_vm(const struct model *model, uint64_t id)
{
	return table_find((void **)model->vms, model->nr_vms, id);
}

static void add_counters(__u64 *to, const __u64 *from)
{
	int i;

	for (i = 0; i < GMEM_INST_MAX; i++)
		to[i] += from[i];
}

/* Add every instance to its VM, and forget those that ended. */
static void sum_instances(struct model *model)
{
	struct model_inst *inst;
	struct model_vm *vm;
	size_t i, kept = 0;

	for (i = 0; i < model->nr_insts; i++) {
		inst = model->insts[i];
		/* What it counted is in its VM's record, as it is when the kernel has let it go. */
		if (model->complete && inst->absent) {
			free(inst);
			continue;
		}
		vm = model_vm(model, inst->now.vm_id);
		if (vm && inst->now.id != GMEM_ID_OTHER && !inst->now.born)
			vm->adopted = true;
		/* Of a VM that is so new that it comes in the next frame. */
		if (!vm && inst->absent < MAX_ABSENT) {
			model->insts[kept++] = inst;
			continue;
		}
		if (inst->absent >= MAX_ABSENT || inst->ended) {
			if (vm && inst->ended) {
				add_counters(vm->ended, inst->now.c);
				add_counters(vm->inst, inst->now.c);
			}
			free(inst);
			continue;
		}
		if (vm) {
			add_counters(vm->inst, inst->now.c);
			if (inst->now.id != GMEM_ID_OTHER) {
				vm->size += inst->now.size >> 12;
				vm->resident += inst->now.resident;
				vm->nr_instances++;
				vm->mappable += inst->now.flags & INSTANCE_MMAP;
			}
		}
		model->insts[kept++] = inst;
	}
	model->nr_insts = kept;
}

static void rates(__u64 *rate, uint64_t *prev, const __u64 *now, int nr, uint64_t interval_ns)
{
	int i;

	/* Most VMs do most things seldom. */
	if (!memcmp(prev, now, (size_t)nr * sizeof(*now))) {
		memset(rate, 0, (size_t)nr * sizeof(*rate));
		return;
	}
	for (i = 0; i < nr; i++) {
		rate[i] = 0;
		if (interval_ns && now[i] > prev[i])
			rate[i] = (uint64_t)((double)(now[i] - prev[i]) * RATE_UNIT * NS_PER_S /
						     (double)interval_ns +
					     0.5);
		prev[i] = now[i];
	}
}

/* In nearly all frames nothing fails. */
static void error_rates(struct model_vm *vm, uint64_t interval_ns)
{
	__u64 now[GMEM_OP_MAX], denied;
	int op;

	denied = denials_of(vm);
	rates(&vm->rate_denied, &vm->prev_denied, &denied, 1, interval_ns);
	if (!vm->now.error)
		return;
	for (op = 0; op < GMEM_OP_MAX; op++)
		now[op] = errors_of(&vm->now, op);
	rates(vm->rate_err, vm->prev_err, now, GMEM_OP_MAX, interval_ns);
}

int model_set_wraps(struct model *model, uint64_t id, const uint32_t *wraps)
{
	size_t nr = GMEM_DIRECTIONS * GMEM_HIST_BUCKETS, i;
	struct model_vm *vm = model_vm(model, id);

	for (i = 0; vm && i < nr && !wraps[i];)
		i++;
	if (!vm || (i == nr && !vm->wraps))
		return 0;
	if (!vm->wraps)
		vm->wraps = malloc(nr * sizeof(*wraps));
	if (!vm->wraps)
		return -ENOMEM;
	memcpy(vm->wraps, wraps, nr * sizeof(*wraps));
	return 0;
}

void model_latency(const struct model_vm *vm, int direction, enum span span,
		   struct latency *latency)
{
	const struct gmem_latency *now = &vm->now.latency[direction];

	if (span == LAST_INTERVAL)
		latency_since(now, &vm->before[direction], vm->range[direction], latency);
	else
		latency_total(now, vm->wraps ? vm->wraps + direction * GMEM_HIST_BUCKETS : NULL,
			      vm->range[direction], latency);
}

static void host_latency(struct model *model)
{
	static const struct latency_range all = { 0, GMEM_HIST_BUCKETS };
	struct latency latency;
	struct model_vm *vm;
	size_t i;
	int d;

	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		model->host[d][LAST_INTERVAL].max_ns = 0;
		model->host[d][LAST_INTERVAL].low = model->host[d][LAST_INTERVAL].high = 0;
		for (i = 0; i < model->nr_vms; i++) {
			vm = model->vms[i];
			vm->changed[d] = memcmp(&vm->now.latency[d], &vm->before[d],
						sizeof(vm->before[d])) != 0;
			if (!vm->changed[d])
				continue;
			vm->range[d] = vm->wraps ? all : latency_range(&vm->now.latency[d]);
			model_latency(vm, d, LAST_INTERVAL, &latency);
			latency_add(&model->host[d][LAST_INTERVAL], &latency);
		}
		latency_add(&model->host[d][SINCE_START], &model->host[d][LAST_INTERVAL]);
	}
}

int model_end(struct model *model)
{
	struct model_inst *inst;
	struct model_vm *vm;
	size_t i;
	int c;

	for (i = 0; i < model->nr_vms; i++) {
		vm = model->vms[i];
		for (c = 0; c < GMEM_INST_MAX; c++)
			vm->inst[c] = vm->now.folded[c] + vm->ended[c];
		vm->size = vm->resident = vm->nr_instances = vm->mappable = 0;
	}
	sum_instances(model);
	host_latency(model);
	for (i = 0; i < model->nr_vms; i++) {
		vm = model->vms[i];
		rates(vm->rate_vm, vm->prev_vm, vm->now.c, GMEM_VM_MAX, model->interval_ns);
		rates(vm->rate_inst, vm->prev_inst, vm->inst, GMEM_INST_MAX, model->interval_ns);
		error_rates(vm, model->interval_ns);
		vm->rated = model->interval_ns;
	}
	for (i = 0; i < model->nr_insts && model->looked & WANT_RATES; i++) {
		inst = model->insts[i];
		rates(inst->rate, inst->prev, inst->now.c, GMEM_INST_MAX, model->interval_ns);
	}
	return model_memory(model);
}

void model_free(struct model *model)
{
	size_t i;

	for (i = 0; i < model->nr_vms; i++)
		free_vm(model->vms[i]);
	for (i = 0; i < model->nr_insts; i++)
		free(model->insts[i]);
	phases_free(model);
	free(model->vms);
	free(model->insts);
	free(model->bindings);
	free(model->holders);
	free(model->index);
	memset(model, 0, sizeof(*model));
}

bool model_lower_bounds(const struct model *model)
{
	return model->silenced || model->missed || model->lost[GMEM_LOST_unread] ||
	       model->lost[GMEM_LOST_untracked];
}

uint64_t all_errors_of(const struct model_vm *vm)
{
	uint64_t sum = vm->inst[GMEM_INST_host_faults_refused];
	int op;

	for (op = 0; op < GMEM_OP_MAX && vm->now.error; op++)
		sum += errors_of(&vm->now, op);
	return sum;
}

uint64_t denials_of(const struct model_vm *vm)
{
	uint64_t sum = vm->inst[GMEM_INST_host_faults_denied];
	const struct gmem_errno *e;
	int op, i;

	if (!vm->now.error)
		return sum;
	for (op = 0; op < GMEM_OP_MAX; op++) {
		/* KVM's own refusals have these errnos, too. */
		if (op == GMEM_OP_guest_fault || op == GMEM_OP_populate)
			continue;
		for (i = 0; i < GMEM_ERRNOS && vm->now.err[op][i].err; i++) {
			e = &vm->now.err[op][i];
			if (e->err == EACCES || e->err == EPERM)
				sum += e->count;
		}
	}
	return sum;
}

uint64_t errors_of(const struct sample_vm *vm, enum gmem_op op)
{
	uint64_t sum = vm->err_other[op];
	int i;

	for (i = 0; i < GMEM_ERRNOS && vm->err[op][i].err; i++)
		sum += vm->err[op][i].count;
	return sum;
}

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
#define WRAPS_SIZE (sizeof(uint32_t) * GMEM_DIRECTIONS * GMEM_HIST_BUCKETS)
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
	free(copy->errors);
	free(copy->heat);
	copy->cgroup = NULL;
	copy->wraps = NULL;
	copy->errors = NULL;
	copy->heat = NULL;
}

/* NULL of nothing, or without memory. */
static void *duplicate(const void *from, size_t size)
{
	void *copy = from ? malloc(size) : NULL;

	return copy ? memcpy(copy, from, size) : NULL;
}

int model_copy_vm(struct model_vm *to, const struct model_vm *from)
{
	struct model_vm copy = *from;

	copy.cgroup = from->cgroup ? strdup(from->cgroup) : NULL;
	copy.wraps = duplicate(from->wraps, WRAPS_SIZE);
	copy.errors = duplicate(from->errors, sizeof(*from->errors));
	copy.heat = duplicate(from->heat, sizeof(*from->heat));
	if (!copy.cgroup != !from->cgroup || !copy.wraps != !from->wraps ||
	    !copy.errors != !from->errors || !copy.heat != !from->heat) {
		model_free_copy(&copy);
		return -ENOMEM;
	}
	model_free_copy(to);
	*to = copy;
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
	vm->waste_instance = vm->waste_backing = vm->unbound = GMEM_UNKNOWN;
	memset(vm->backing, 0xff, sizeof(vm->backing)); /* GMEM_UNKNOWN */
	memset(vm->twice, 0xff, sizeof(vm->twice));
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
		if (errors_of(vm, i))
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

/* What the last frame said of the frame itself is forgotten, and VMs that ended in it are. */
static int begin(struct model *model, const struct sample *sample)
{
	size_t i, kept = 0;

	if (!model->host_errors) {
		model->host_errors = calloc(1, sizeof(*model->host_errors));
		model->past.errors = calloc(1, sizeof(*model->past.errors));
	}
	if (!model->host_errors || !model->past.errors)
		return -ENOMEM;
	model->nr_bindings = model->nr_holders = 0;
	model->looked = sample->looked;
	model->by_vm = false;
	model->interval_ns = model->frame ? sample->now_ns - model->now_ns : 0;
	model->now_ns = sample->now_ns;
	model->frame = sample->number ? sample->number : model->frame + 1;
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
	return 0;
}

static int make_wraps(struct model_vm *vm)
{
	if (!vm->wraps)
		vm->wraps = calloc(1, WRAPS_SIZE);
	return vm->wraps ? 0 : -ENOMEM;
}

/* No bucket can have wrapped that counts part of less than 2^32 conversions. */
static int note_wraps(struct model_vm *vm, const struct sample_vm *record)
{
	int d, i, c = GMEM_VM_to_private;

	for (d = 0; d < GMEM_DIRECTIONS; d++, c += GMEM_PER_DIRECTION) {
		if (!(record->c[c] >> 32))
			continue;
		if (make_wraps(vm))
			return -ENOMEM;
		for (i = 0; i < GMEM_HIST_BUCKETS; i++)
			vm->wraps[d * GMEM_HIST_BUCKETS + i] += record->latency[d].hist[i] <
								vm->now.latency[d].hist[i];
	}
	return 0;
}

/* A recording has whole numbers. */
static int copy_wraps(struct model_vm *vm, const uint32_t *wraps)
{
	size_t nr = GMEM_DIRECTIONS * GMEM_HIST_BUCKETS, i;

	for (i = 0; i < nr && !wraps[i];)
		i++;
	if (i == nr && !vm->wraps)
		return 0;
	if (make_wraps(vm))
		return -ENOMEM;
	memcpy(vm->wraps, wraps, WRAPS_SIZE);
	return 0;
}

static int copy_errors(struct model_vm *vm, const struct sample_errors *errors)
{
	if (!errors) {
		if (vm->errors)
			memset(vm->errors, 0, sizeof(*vm->errors));
		return 0;
	}
	if (!vm->errors)
		vm->errors = malloc(sizeof(*vm->errors));
	if (!vm->errors)
		return -ENOMEM;
	*vm->errors = *errors;
	return 0;
}

static int copy_heat(struct model_vm *vm, const struct gmem_heat *heat)
{
	if (!vm->heat)
		vm->heat = malloc(sizeof(*vm->heat));
	if (!vm->heat)
		return -ENOMEM;
	*vm->heat = *heat;
	return 0;
}

static int copy_identity(struct model_vm *vm, const struct sample_identity *identity)
{
	char *cgroup = identity->cgroup ? strdup(identity->cgroup) : NULL;

	if (identity->cgroup && !cgroup)
		return -ENOMEM;
	vm->identity = identity->version;
	memcpy(vm->name, identity->name, sizeof(vm->name));
	free(vm->cgroup);
	vm->cgroup = cgroup;
	return 0;
}

static int add_vm(struct model *model, const struct sample_vm *record)
{
	const struct gmem_heat *heat = sample_heat_of(record);
	struct model_vm *vm;
	int ret;

	vm = get_vm(model, record->id);
	if (!vm)
		return -ENOMEM;
	ret = record->recorded ? copy_wraps(vm, record->recorded->wraps) : note_wraps(vm, record);
	if (!ret && (vm->errors || record->parts & GMEM_PART_ERRORS))
		ret = copy_errors(vm, sample_errors_of(record));
	if (!ret && heat)
		ret = copy_heat(vm, heat);
	if (!ret && record->identity && record->identity->version != vm->identity)
		ret = copy_identity(vm, record->identity);
	if (ret)
		return ret;
	vm->now = *record;
	if (!vm->key)
		vm->key = record->key;
	vm->bound = record->bound;
	vm->bound_private = record->bound_private;
	vm->waste_instance = record->waste_instance;
	vm->unbound = record->waste_instance; /* they are known together */
	vm->waste_backing = record->waste_backing;
	memset(vm->backing, vm->waste_backing == GMEM_UNKNOWN ? 0xff : 0, sizeof(vm->backing));
	memset(vm->twice, vm->waste_backing == GMEM_UNKNOWN ? 0xff : 0, sizeof(vm->twice));
	vm->holders = GMEM_UNKNOWN;
	vm->absent = 0;
	vm->gone = record->ended;
	return 0;
}

static int add_instance(struct model *model, const struct sample_inst *record)
{
	struct model_inst *inst;

	inst = table_get((void ***)&model->insts, &model->nr_insts, &model->room_insts, record->id,
			 sizeof(*inst));
	if (!inst)
		return -ENOMEM;
	inst->now = *record;
	inst->absent = 0;
	inst->ended = record->ended;
	return 0;
}

/* Return: 0 or -ENOMEM. */
static int take(struct model *model, const struct sample *sample)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < sample->nr_insts && !ret; i++)
		ret = add_instance(model, &sample->insts[i]);
	for (i = 0; i < sample->nr_vms && !ret; i++)
		ret = add_vm(model, sample->vms[i]);
	if (!ret)
		ret = phases_take(model, sample);
	memcpy(model->lost, sample->lost, sizeof(model->lost));
	model->missed = sample->missed;
	model->waste_pages = sample->waste_pages;
	model->waste_done = sample->waste_done;
	model->programs_timed = sample->programs_runs > model->programs_runs;
	model->programs_runs = sample->programs_runs;
	model->programs_ns = sample->programs_ns;
	model->silenced = sample->silenced;
	model->policy = sample->policy;
	model->complete = sample->complete;
	return ret ?: model_memory_take(model, sample);
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
		now[op] = errors_of(vm, op);
	rates(vm->rate_err, vm->prev_err, now, GMEM_OP_MAX, interval_ns);
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

static int derive(struct model *model)
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

/* What a recording says itself, which may not list all that it is the sum of. */
static void take_recorded(struct model_vm *vm, const struct sample_recorded *recorded)
{
	vm->unbinds_unknown = recorded->unbinds_unknown;
	vm->size = recorded->size;
	vm->resident = recorded->resident;
	vm->nr_instances = (uint32_t)recorded->nr_instances;
	vm->mappable = recorded->mappable;
	vm->bound = recorded->bound;
	vm->bound_private = recorded->bound_private;
	vm->holders = recorded->holders;
	vm->waste_instance = recorded->waste_instance;
	vm->waste_backing = recorded->waste_backing;
	memcpy(vm->backing, recorded->backing, sizeof(vm->backing));
	memcpy(vm->twice, recorded->twice, sizeof(vm->twice));
}

int model_step(struct model *model, const struct sample *sample)
{
	struct model_vm *vm;
	bool first;
	size_t i;
	int ret;

	if (sample->restart)
		model_free(model);
	first = !model->frame;
	ret = begin(model, sample);
	ret = ret ?: take(model, sample);
	ret = ret ?: derive(model);
	if (ret)
		return ret;
	for (i = 0; i < model->nr_vms; i++) {
		vm = model->vms[i];
		if (!vm->absent && vm->now.recorded)
			take_recorded(vm, vm->now.recorded);
		/* They belong to the source. */
		vm->now.recorded = NULL;
		vm->now.identity = NULL;
	}
	if (sample->host && first)
		model_set_host(model, sample->host);
	model_note_ends(model, sample);
	return 0;
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
	free(model->host_errors);
	model_free_copy(&model->past);
	memset(model, 0, sizeof(*model));
}

bool model_lower_bounds(const struct model *model)
{
	return model->silenced || model->missed || model->lost[GMEM_LOST_unread] ||
	       model->lost[GMEM_LOST_untracked];
}

const struct gmem_heat *heat_in(const struct model_vm *vm)
{
	static const struct gmem_heat none;

	return vm->heat ? vm->heat : &none;
}

const struct sample_errors *errors_in(const struct model_vm *vm)
{
	static const struct sample_errors none;

	return vm->errors ? vm->errors : &none;
}

uint64_t errors_of(const struct model_vm *vm, enum gmem_op op)
{
	uint64_t sum;
	int i;

	if (!vm->errors)
		return 0;
	sum = vm->errors->other[op];
	for (i = 0; i < GMEM_ERRNOS && vm->errors->err[op][i].err; i++)
		sum += vm->errors->err[op][i].count;
	return sum;
}

uint64_t all_errors_of(const struct model_vm *vm)
{
	uint64_t sum = vm->inst[GMEM_INST_host_faults_refused];
	int op;

	for (op = 0; op < GMEM_OP_MAX && vm->errors; op++)
		sum += errors_of(vm, op);
	return sum;
}

uint64_t denials_of(const struct model_vm *vm)
{
	uint64_t sum = vm->inst[GMEM_INST_host_faults_denied];
	const struct gmem_errno *e;
	int op, i;

	if (!vm->errors)
		return sum;
	for (op = 0; op < GMEM_OP_MAX; op++) {
		/* KVM's own refusals have these errnos, too. */
		if (op == GMEM_OP_guest_fault || op == GMEM_OP_populate)
			continue;
		for (i = 0; i < GMEM_ERRNOS && vm->errors->err[op][i].err; i++) {
			e = &vm->errors->err[op][i];
			if (e->err == EACCES || e->err == EPERM)
				sum += e->count;
		}
	}
	return sum;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Bindings, holders and waste: what is looked at anew in each frame, and only if it is wanted. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "model_inner.h"

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* --- instances in another order --- */

static int compare_keys(const struct sample_inst *inst, uint32_t dev, uint64_t ino)
{
	int order = compare_numbers(inst->dev, dev);

	return order ? order : compare_numbers(inst->ino, ino);
}

static int by_key(const void *a, const void *b)
{
	const struct model_inst *second = *(const struct model_inst *const *)b;

	return compare_keys(&(*(const struct model_inst *const *)a)->now, second->now.dev,
			    second->now.ino);
}

static int by_vm(const void *a, const void *b)
{
	const struct sample_inst *first = &(*(const struct model_inst *const *)a)->now;
	const struct sample_inst *second = &(*(const struct model_inst *const *)b)->now;
	int order = compare_numbers(first->vm_id, second->vm_id);

	return order ? order : compare_numbers(first->id, second->id);
}

static int sort_instances(struct model *model, int (*compare)(const void *a, const void *b))
{
	struct model_inst **larger;

	model->by_vm = false;
	if (!model->nr_insts)
		return 0;
	if (model->room_index < model->nr_insts) {
		larger = reallocarray(model->index, model->room_insts, sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		model->index = larger;
		model->room_index = model->room_insts;
	}
	memcpy(model->index, model->insts, model->nr_insts * sizeof(*model->index));
	qsort(model->index, model->nr_insts, sizeof(*model->index), compare);
	return 0;
}

/* The index must be in the order of keys. */
static struct model_inst *find_by_key(const struct model *model, uint32_t dev, uint64_t ino)
{
	size_t low = 0, high = model->nr_insts, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (compare_keys(&model->index[mid]->now, dev, ino) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < model->nr_insts && !compare_keys(&model->index[low]->now, dev, ino)
		       ? model->index[low]
		       : NULL;
}

/* --- adding --- */

int model_memory_take(struct model *model, const struct sample *sample)
{
	size_t i;

	if (grow(&model->bindings, &model->room_bindings, sample->nr_bindings,
		 sizeof(*model->bindings)) ||
	    grow(&model->holders, &model->room_holders, sample->nr_holders,
		 sizeof(*model->holders)))
		return -ENOMEM;
	model->nr_bindings = sample->nr_bindings;
	for (i = 0; i < sample->nr_bindings; i++)
		model->bindings[i] = (struct model_binding){ .now = sample->bindings[i] };
	model->nr_holders = sample->nr_holders;
	for (i = 0; i < sample->nr_holders; i++)
		model->holders[i] = (struct model_holder){ .now = sample->holders[i] };
	return 0;
}

/* --- adding up --- */

static int compare_bindings(const void *a, const void *b)
{
	const struct model_binding *first = a, *second = b;
	int order = compare_numbers(first->now.vm_id, second->now.vm_id);

	if (!order)
		order = compare_numbers(first->now.space, second->now.space);
	return order ? order : compare_numbers(first->now.slot, second->now.slot);
}

static void add_known(uint64_t *sum, uint64_t n)
{
	if (*sum != GMEM_UNKNOWN)
		*sum = n == GMEM_UNKNOWN ? GMEM_UNKNOWN : *sum + n;
}

static void sum_bindings(struct model *model)
{
	struct model_binding *b;
	struct model_inst *inst;
	struct model_vm *vm;
	size_t i, kind;

	for (i = 0; i < model->nr_insts; i++) {
		model->insts[i]->bound_resident = 0;
		if (!model->insts[i]->unbound_ns)
			model->insts[i]->unbound_ns = model->now_ns;
	}
	if (model->nr_bindings)
		qsort(model->bindings, model->nr_bindings, sizeof(*model->bindings),
		      compare_bindings);
	for (i = 0; i < model->nr_bindings; i++) {
		b = &model->bindings[i];
		vm = model_vm(model, b->now.vm_id);
		inst = find_by_key(model, b->now.dev, b->now.ino);
		if (inst) {
			b->inst_id = inst->now.id;
			inst->unbound_ns = 0;
			if (b->now.resident != GMEM_UNKNOWN)
				inst->bound_resident += b->now.resident;
		}
		if (!vm)
			continue;
		add_known(&vm->bound, b->now.pages);
		add_known(&vm->bound_private, b->now.private);
		add_known(&vm->waste_instance, b->now.waste_instance);
		add_known(&vm->waste_backing, b->now.waste_backing);
		for (kind = 0; kind < GMEM_BACKING_MAX; kind++) {
			add_known(&vm->backing[kind], b->now.by_kind[kind]);
			add_known(&vm->twice[kind], b->now.twice[kind]);
		}
	}
}

/*
 * What is in memory and not bound is not private either. Where the host may map an instance it is
 * the memory for what is shared too.
 */
static void add_unbound(struct model *model)
{
	struct model_inst *inst;
	struct model_vm *vm;
	uint64_t unbound;
	size_t i;

	for (i = 0; i < model->nr_insts; i++) {
		inst = model->insts[i];
		vm = model_vm(model, inst->now.vm_id);
		if (!vm || inst->ended || inst->now.id == GMEM_ID_OTHER ||
		    inst->now.resident <= inst->bound_resident)
			continue;
		unbound = inst->now.resident - inst->bound_resident;
		add_known(&vm->unbound, unbound);
		if (!(inst->now.flags & INSTANCE_MMAP))
			add_known(&vm->waste_instance, unbound);
	}
}

static int compare_holders(const void *a, const void *b)
{
	const struct model_holder *first = a, *second = b;
	int order = compare_numbers(first->vm_id, second->vm_id);

	if (!order)
		order = compare_numbers(first->inst_id, second->inst_id);
	return order ? order : compare_numbers(first->now.tgid, second->now.tgid);
}

/* The index must be in the order of keys. */
static void find_held(struct model *model)
{
	const struct model_inst *inst;
	struct model_holder *holder;
	size_t i, kept = 0;

	for (i = 0; i < model->nr_holders; i++) {
		holder = &model->holders[i];
		inst = find_by_key(model, holder->now.dev, holder->now.ino);
		if (!inst)
			continue;
		holder->vm_id = inst->now.vm_id;
		holder->inst_id = inst->now.id;
		model->holders[kept++] = *holder;
	}
	model->nr_holders = kept;
}

/* Processes that hold an instance of a VM, each counted once. */
static void count_holders(struct model *model)
{
	const struct model_holder *holder;
	uint64_t vm_id = 0;
	size_t i, first = 0, j;
	struct model_vm *vm = NULL;

	if (model->nr_holders)
		qsort(model->holders, model->nr_holders, sizeof(*model->holders), compare_holders);
	for (i = 0; i < model->nr_vms; i++)
		model->vms[i]->holders = model->vms[i]->now.id == GMEM_ID_OTHER ? GMEM_UNKNOWN : 0;
	for (i = 0; i < model->nr_holders; i++) {
		holder = &model->holders[i];
		if (!i || holder->vm_id != vm_id) {
			vm_id = holder->vm_id;
			vm = model_vm(model, vm_id);
			first = i;
		}
		for (j = first; j < i && model->holders[j].now.tgid != holder->now.tgid; j++)
			;
		if (vm && j == i)
			add_known(&vm->holders, 1);
	}
}

int model_memory(struct model *model)
{
	int ret;

	if (!(model->looked & (WANT_BINDINGS | WANT_HOLDERS | WANT_WASTE)))
		return 0;
	ret = sort_instances(model, by_key);
	if (ret)
		return ret;
	if (model->looked & WANT_HOLDERS) {
		find_held(model);
		count_holders(model);
	}
	if (model->looked & (WANT_BINDINGS | WANT_WASTE))
		sum_bindings(model);
	if (model->looked & WANT_WASTE)
		add_unbound(model);
	return 0;
}

/* --- reading --- */

struct model_inst **model_insts_of(struct model *model, uint64_t vm_id, size_t *nr)
{
	size_t low = 0, high = model->nr_insts, mid, end;

	*nr = 0;
	if (!model->by_vm && sort_instances(model, by_vm))
		return NULL;
	model->by_vm = true;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (model->index[mid]->now.vm_id < vm_id)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < model->nr_insts && model->index[end]->now.vm_id == vm_id; end++)
		;
	*nr = end - low;
	return model->index + low;
}

struct model_binding *model_bindings_of(const struct model *model, uint64_t vm_id, size_t *nr)
{
	size_t low = 0, high = model->nr_bindings, mid, end;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (model->bindings[mid].now.vm_id < vm_id)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < model->nr_bindings && model->bindings[end].now.vm_id == vm_id; end++)
		;
	*nr = end - low;
	return model->bindings + low;
}

struct model_holder *model_holders_of(const struct model *model, uint64_t vm_id, size_t *nr)
{
	size_t low = 0, high = model->nr_holders, mid, end;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (model->holders[mid].vm_id < vm_id)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < model->nr_holders && model->holders[end].vm_id == vm_id; end++)
		;
	*nr = end - low;
	return model->holders + low;
}

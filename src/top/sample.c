// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "sample.h"

/* Entries of VMs and vCPUs do not move: an array of 10,000 of them would be copied as it grows. */
#define BLOCK_SIZE 65536

struct sample_block {
	struct sample_block *next;
	size_t used;
	char data[] __attribute__((aligned(8)));
};

void sample_begin(struct sample *sample, uint64_t now_ns, uint32_t looked)
{
	sample->now_ns = now_ns;
	sample->looked = looked;
	sample->number = 0;
	sample->filled = NULL;
	sample->nr_vms = sample->nr_insts = sample->nr_bindings = sample->nr_holders = 0;
	sample->nr_vcpus = 0;
	sample->restart = sample->silenced = sample->complete = sample->ended_listed = false;
	sample->waste_pages = sample->waste_done = 0;
	sample->host = NULL;
	memset(&sample->policy, 0, sizeof(sample->policy));
}

/* The block behind the one that is being filled, which the sample before may have left. */
static struct sample_block *next_block(struct sample *sample)
{
	struct sample_block **link = sample->filled ? &sample->filled->next : &sample->blocks;

	if (!*link) {
		*link = malloc(BLOCK_SIZE);
		if (!*link)
			return NULL;
		(*link)->next = NULL;
	}
	(*link)->used = 0;
	return *link;
}

void *sample_alloc(struct sample *sample, size_t size)
{
	struct sample_block *block = sample->filled;
	void *result;

	size = (size + 7) & ~(size_t)7;
	if (!block || block->used + size > BLOCK_SIZE - sizeof(*block)) {
		block = next_block(sample);
		if (!block)
			return NULL;
		sample->filled = block;
	}
	result = block->data + block->used;
	block->used += size;
	return result;
}

static size_t heat_at(const struct sample_vm *vm)
{
	return sizeof(*vm) + (vm->parts & GMEM_PART_ERRORS ? sizeof(struct sample_errors) : 0);
}

static size_t size_of(const struct sample_vm *vm)
{
	return heat_at(vm) + (vm->parts & GMEM_PART_HEAT ? sizeof(struct gmem_heat) : 0);
}

struct sample_vm *sample_add_vm(struct sample *sample, uint32_t parts)
{
	struct sample_vm *vm, with = { .parts = parts };

	_Static_assert(sizeof(*vm) % 8 == 0 && sizeof(struct sample_errors) % 8 == 0 &&
			       sizeof(struct gmem_heat) % 8 == 0,
		       "parts follow one another");
	_Static_assert(sizeof(*vm) + sizeof(struct sample_errors) + sizeof(struct gmem_heat) <=
			       BLOCK_SIZE - sizeof(struct sample_block),
		       "a VM fits into a block");
	if (sample->nr_vms == sample->room_vms &&
	    grow(&sample->vms, &sample->room_vms, sample->nr_vms + 1, sizeof(*sample->vms)))
		return NULL;
	vm = sample_alloc(sample, size_of(&with));
	if (!vm)
		return NULL;
	vm->parts = parts;
	sample->vms[sample->nr_vms++] = vm;
	return vm;
}

struct sample_errors *sample_errors_of(const struct sample_vm *vm)
{
	return vm->parts & GMEM_PART_ERRORS ? (void *)(vm + 1) : NULL;
}

struct gmem_heat *sample_heat_of(const struct sample_vm *vm)
{
	return vm->parts & GMEM_PART_HEAT ? (void *)((char *)vm + heat_at(vm)) : NULL;
}

struct sample_vcpu *sample_add_vcpu(struct sample *sample)
{
	struct sample_vcpu *vcpu;

	_Static_assert(sizeof(*vcpu) <= BLOCK_SIZE - sizeof(struct sample_block),
		       "a vCPU fits into a block");
	if (grow(&sample->vcpus, &sample->room_vcpus, sample->nr_vcpus + 1, sizeof(*sample->vcpus)))
		return NULL;
	vcpu = sample_alloc(sample, sizeof(*vcpu));
	if (!vcpu)
		return NULL;
	memset(vcpu, 0, sizeof(*vcpu));
	sample->vcpus[sample->nr_vcpus++] = vcpu;
	return vcpu;
}

int sample_add_instance(struct sample *sample, const struct sample_inst *inst)
{
	if (sample->nr_insts == sample->room_insts &&
	    grow(&sample->insts, &sample->room_insts, sample->nr_insts + 1, sizeof(*inst)))
		return -ENOMEM;
	sample->insts[sample->nr_insts++] = *inst;
	return 0;
}

int sample_add_binding(struct sample *sample, const struct sample_binding *binding)
{
	if (grow(&sample->bindings, &sample->room_bindings, sample->nr_bindings + 1,
		 sizeof(*binding)))
		return -ENOMEM;
	sample->bindings[sample->nr_bindings++] = *binding;
	return 0;
}

int sample_add_holder(struct sample *sample, const struct sample_holder *holder)
{
	if (grow(&sample->holders, &sample->room_holders, sample->nr_holders + 1, sizeof(*holder)))
		return -ENOMEM;
	sample->holders[sample->nr_holders++] = *holder;
	return 0;
}

void sample_end_vm(struct sample *sample, uint64_t id)
{
	size_t i;

	for (i = 0; i < sample->nr_vms; i++) {
		if (sample->vms[i]->id == id)
			sample->vms[i]->ended = true;
	}
}

void sample_end_instance(struct sample *sample, uint64_t id)
{
	size_t i;

	for (i = 0; i < sample->nr_insts; i++) {
		if (sample->insts[i].id == id)
			sample->insts[i].ended = true;
	}
}

void sample_free(struct sample *sample)
{
	struct sample_block *block;

	while ((block = sample->blocks)) {
		sample->blocks = block->next;
		free(block);
	}
	free(sample->vms);
	free(sample->vcpus);
	free(sample->insts);
	free(sample->bindings);
	free(sample->holders);
	memset(sample, 0, sizeof(*sample));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shadow: what every page must look like after what was done, from the rules of KVM's source
 * and never from asking the kernel. It decides which touch is a guest fault, which conversion is
 * redundant, what a punch frees and what is still resident when an instance goes.
 *
 * A slice of pages belongs to one thread at a time, so bytes need no lock; the sums are atomic.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "workload.h"

#define atomic_add(p, v) __atomic_fetch_add(p, v, __ATOMIC_RELAXED)
#define atomic_sub(p, v) __atomic_fetch_sub(p, v, __ATOMIC_RELAXED)

/* The instance of that name, or NULL. */
struct instance *shadow_instance(struct vm *vm, const char *name)
{
	size_t i;

	for (i = 0; i < MAX_INSTANCES; i++) {
		if (vm->inst[i].used && !strcmp(vm->inst[i].name, name))
			return &vm->inst[i];
	}
	return NULL;
}

/* Room for one more instance of a name that is not in use, or NULL. */
struct instance *shadow_new_instance(struct vm *vm, const char *name)
{
	struct instance *inst;
	u8 *pages;
	size_t i;

	for (i = 0; i < MAX_INSTANCES; i++) {
		inst = &vm->inst[i];
		if (inst->used)
			continue;
		pages = inst->pages;
		/* Gives the shadow of the one before back, and reads as zero afterwards. */
		madvise(pages, INST_PAGES, MADV_REMOVE);
		memset(inst, 0, sizeof(*inst));
		inst->pages = pages;
		inst->fd = -1;
		memcpy(inst->name, name, strnlen(name, NAME_LEN - 1));
		return inst;
	}
	return NULL;
}

/* The memslot with that number, or NULL. */
struct slot *shadow_slot(struct vm *vm, u32 id)
{
	size_t i;

	for (i = 0; i < MAX_SLOTS; i++) {
		if (vm->slot[i].used && vm->slot[i].id == id)
			return &vm->slot[i];
	}
	return NULL;
}

/* The guest_memfd memslot that covers an address, or NULL. */
struct slot *shadow_slot_at(struct vm *vm, u64 gpa)
{
	struct slot *slot;
	size_t i;

	for (i = 0; i < MAX_SLOTS; i++) {
		slot = &vm->slot[i];
		if (slot->used && gpa >= slot->gpa && gpa - slot->gpa < slot->size)
			return slot;
	}
	return NULL;
}

/* 0 if the shadow knows this range, else -ERANGE. */
int shadow_in_model(u64 gpa, u64 size)
{
	if (gpa >> PAGE_SHIFT >= MODEL_PAGES || size > (MODEL_PAGES << PAGE_SHIFT) - gpa)
		return -ERANGE;
	return 0;
}

/* A conversion that succeeded: returns the pages that it changed. */
u64 shadow_set_private(struct vm *vm, u64 gpa, u64 size, bool private)
{
	u64 page = gpa >> PAGE_SHIFT, end = (gpa + size) >> PAGE_SHIFT, changed = 0;
	u8 want = private ? GPA_PRIVATE : 0;
	u64 i;

	for (i = page; i < end; i++)
		changed += (vm->gpa[i] & GPA_PRIVATE) != want;
	if (!changed)
		return 0;
	/* One page that changes: the whole range leaves the nested page table. */
	for (i = page; i < end; i++)
		vm->gpa[i] = want;
	if (private)
		atomic_add(&vm->private_pages, changed);
	else
		atomic_sub(&vm->private_pages, changed);
	return changed;
}

/* The range leaves the nested page table. */
void shadow_unmap(struct vm *vm, u64 gpa, u64 size)
{
	u64 i;

	for (i = gpa >> PAGE_SHIFT; i < (gpa + size) >> PAGE_SHIFT; i++) {
		if (vm->gpa[i] & GPA_MAPPED)
			vm->gpa[i] &= ~GPA_MAPPED;
	}
}

/* A memslot was created. */
void shadow_bound(struct vm *vm, struct slot *slot)
{
	slot->used = true;
	shadow_unmap(vm, slot->gpa, slot->size);
}

/* A memslot was deleted: a default VM drops its whole nested page table, others only the slot's
 * part. */
void shadow_unbound(struct vm *vm, struct slot *slot)
{
	size_t i;

	slot->used = false;
	shadow_unmap(vm, slot->gpa, slot->size);
	for (i = 0; cfg.type == KVM_X86_DEFAULT_VM && i < MAX_SLOTS; i++) {
		if (vm->slot[i].used)
			shadow_unmap(vm, vm->slot[i].gpa, vm->slot[i].size);
	}
}

/* An fallocate that succeeded: returns the pages that were not there before. */
u64 shadow_allocate(struct instance *inst, u64 offset, u64 len)
{
	u64 i, added = 0;

	for (i = offset >> PAGE_SHIFT; i < (offset + len) >> PAGE_SHIFT; i++) {
		added += !(inst->pages[i] & PG_PRESENT);
		inst->pages[i] |= PG_PRESENT;
	}
	atomic_add(&inst->resident, added);
	return added;
}

static void unmap_from_guest(struct vm *vm, struct instance *inst, u64 start, u64 end)
{
	struct slot *slot;
	u64 from, to;
	size_t i;

	for (i = 0; i < MAX_SLOTS; i++) {
		slot = &vm->slot[i];
		if (!slot->used || slot->inst != inst - vm->inst)
			continue;
		from = start > slot->offset ? start : slot->offset;
		to = end < slot->offset + slot->size ? end : slot->offset + slot->size;
		if (from < to)
			shadow_unmap(vm, slot->gpa + from - slot->offset, to - from);
	}
}

/* A punch that succeeded: returns the pages that it freed. It may reach beyond the end. */
u64 shadow_punch(struct vm *vm, struct instance *inst, u64 offset, u64 len)
{
	u64 i, end = offset + len, freed = 0;

	if (end > inst->size)
		end = inst->size;
	if (offset >= end)
		return 0;
	for (i = offset >> PAGE_SHIFT; i < end >> PAGE_SHIFT; i++) {
		freed += inst->pages[i] & PG_PRESENT;
		inst->pages[i] = 0;
	}
	atomic_sub(&inst->resident, freed);
	unmap_from_guest(vm, inst, offset, end);
	return freed;
}

static bool zero_page(struct instance *inst, u64 pgoff)
{
	bool zeroed = !(inst->pages[pgoff] & PG_ZEROED);

	if (!(inst->pages[pgoff] & PG_PRESENT))
		atomic_add(&inst->resident, 1);
	inst->pages[pgoff] |= PG_PRESENT | PG_ZEROED;
	return zeroed;
}

/**
 * shadow_guest_touch - count the guest faults that touches of the guest are about to cause
 * @ctx: the vCPU's context
 * @gpa: first page
 * @pages: how many
 * @prefault: KVM_PRE_FAULT_MEMORY, which looks at mapped pages too
 *
 * Faults that end in KVM_EXIT_MEMORY_FAULT are counted when the exit comes.
 */
void shadow_guest_touch(struct ctx *ctx, u64 gpa, u64 pages, bool prefault)
{
	struct cell *cell = &ctx->counts->cell[CELL_GUEST_FAULT];
	struct vm *vm = ctx->vm;
	struct instance *inst;
	struct slot *slot;
	u64 pgoff;
	bool zeroed;
	u8 *page;

	for (; pages--; gpa += PAGE_SIZE) {
		page = &vm->gpa[gpa >> PAGE_SHIFT];
		slot = shadow_slot_at(vm, gpa);
		if (!slot || slot->inst < 0 || (*page & GPA_MAPPED && !prefault))
			continue;
		inst = &vm->inst[slot->inst];
		pgoff = (gpa - slot->gpa + slot->offset) >> PAGE_SHIFT;
		/* An instance with the flag MMAP serves shared accesses too. */
		if (!(*page & GPA_PRIVATE) && !(inst->flags & GUEST_MEMFD_FLAG_MMAP))
			continue;
		if (inst->pages[pgoff] & PG_POISONED)
			continue;
		zeroed = zero_page(inst, pgoff);
		*page |= GPA_MAPPED;
		count_ok(cell, 1, zeroed);
		log_op(vm, "guest_fault slot=%u gfn=%#llx pgoff=%#llx zeroed=%d ret=0 inst=%u",
		       slot->id, (unsigned long long)gpa >> PAGE_SHIFT, (unsigned long long)pgoff,
		       zeroed, inst->number);
	}
}

/**
 * shadow_host_fault - a touch of the VMM's mapping that succeeded
 * @ctx: who touched
 * @inst: what
 * @pgoff: which page
 */
void shadow_host_fault(struct ctx *ctx, struct instance *inst, u64 pgoff)
{
	bool zeroed;

	zeroed = zero_page(inst, pgoff);
	count_ok(&ctx->counts->cell[CELL_HOST_FAULT], 1, zeroed);
	log_op(ctx->vm, "host_fault pgoff=%#llx result=LOCKED inst=%u", (unsigned long long)pgoff,
	       inst->number);
}

/**
 * shadow_put - one reference to an instance's file went; the last one releases it
 * @vm: the VM
 * @counts: where to count
 * @inst: the instance
 */
void shadow_put(struct vm *vm, struct counts *counts, struct instance *inst)
{
	struct slot *slot;
	size_t i;

	if (__atomic_sub_fetch(&inst->refs, 1, __ATOMIC_RELAXED))
		return;
	for (i = 0; i < MAX_SLOTS; i++) {
		slot = &vm->slot[i];
		if (!slot->used || slot->inst != inst - vm->inst)
			continue;
		count_ok(&counts->cell[CELL_UNBIND], slot->size >> PAGE_SHIFT, 0);
		log_op(vm, "unbind slot=%u gpa=%#llx size=%#llx offset=%#llx inst=%u", slot->id,
		       (unsigned long long)slot->gpa, (unsigned long long)slot->size,
		       (unsigned long long)slot->offset, inst->number);
		shadow_unmap(vm, slot->gpa, slot->size);
		slot->inst = -1;
	}
	count_ok(&counts->cell[CELL_RELEASE], inst->resident, 0);
	log_op(vm, "invalidate start=0 end=0xffffffffffffffff nr_pages=%llu reason=release inst=%u",
	       (unsigned long long)inst->resident, inst->number);
	log_op(vm, "release nrpages=%llu inst=%u", (unsigned long long)inst->resident,
	       inst->number);
	inst->used = false;
}

/**
 * shadow_exit - the process has gone without closing: the kernel has closed everything for it
 * @vm: the VM
 */
void shadow_exit(struct vm *vm)
{
	struct counts *counts = &vm->counts[MAX_VCPUS];
	struct instance *inst;
	size_t i;

	for (i = 0; i < MAX_INSTANCES; i++) {
		inst = &vm->inst[i];
		if (!inst->used)
			continue;
		inst->refs = 1;
		shadow_put(vm, counts, inst);
	}
}

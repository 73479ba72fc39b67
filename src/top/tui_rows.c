// SPDX-License-Identifier: GPL-2.0-only
/* Which lines the table has, in which order, and which of them is selected. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tui_state.h"

bool vm_matches(const struct model_vm *vm, const char *pattern)
{
	char pid[16];

	if (!*pattern)
		return true;
	snprintf(pid, sizeof(pid), "%u", vm->now.tgid);
	return strcasestr(vm->name, pattern) || strstr(pid, pattern) ||
	       (vm->cgroup && strcasestr(vm->cgroup, pattern)) ||
	       strcasestr(vm_type_name(vm->now.type), pattern);
}

static int compare_vms(const void *a, const void *b, void *arg)
{
	const struct model_vm *first = *(const struct model_vm *const *)a;
	const struct model_vm *second = *(const struct model_vm *const *)b;
	const struct tui *tui = arg;

	if (!tui->sort)
		return first->now.id < second->now.id ? -1 : first->now.id > second->now.id;
	return columns_compare(tui->sort, tui->frames->features, tui->reverse ? second : first,
			       tui->reverse ? first : second);
}

static int compare_insts(const void *a, const void *b)
{
	const struct model_inst *first = *(const struct model_inst *const *)a;
	const struct model_inst *second = *(const struct model_inst *const *)b;

	if (first->now.vm_id != second->now.vm_id)
		return first->now.vm_id < second->now.vm_id ? -1 : 1;
	return first->now.id < second->now.id ? -1 : first->now.id > second->now.id;
}

static int grow(void *array, size_t *room, size_t need, size_t size)
{
	void *larger;

	if (need <= *room)
		return 0;
	larger = reallocarray(*(void **)array, need + need / 2, size);
	if (!larger)
		return -ENOMEM;
	*(void **)array = larger;
	*room = need + need / 2;
	return 0;
}

static size_t choose_vms(struct tui *tui)
{
	const struct model *model = &tui->model;
	const struct model_vm *vm;
	size_t i, nr = 0;

	for (i = 0; i < model->nr_vms; i++) {
		vm = model->vms[i];
		if (batch_wanted(tui->opts->batch, vm) && vm_matches(vm, tui->filter))
			tui->shown[nr++] = vm;
	}
	if (nr)
		qsort_r(tui->shown, nr, sizeof(*tui->shown), compare_vms, tui);
	return nr;
}

static bool flipped(const struct tui *tui, uint64_t id, size_t *at)
{
	size_t i;

	for (i = 0; i < tui->nr_flipped; i++) {
		if (tui->flipped[i] == id) {
			if (at)
				*at = i;
			return true;
		}
	}
	return false;
}

void rows_flip(struct tui *tui)
{
	uint64_t *larger;
	size_t at;

	if (tui->cursor >= tui->nr_rows)
		return;
	if (flipped(tui, tui->selected_vm, &at)) {
		tui->flipped[at] = tui->flipped[--tui->nr_flipped];
	} else {
		larger = reallocarray(tui->flipped, tui->nr_flipped + 1, sizeof(*larger));
		if (!larger)
			return;
		tui->flipped = larger;
		tui->flipped[tui->nr_flipped++] = tui->selected_vm;
	}
	tui->selected_inst = 0;
}

static void add_instances(struct tui *tui, const struct model_vm *vm, size_t nr_insts)
{
	size_t low = 0, high = nr_insts, mid;
	struct row *row = NULL;

	while (low < high) {
		mid = (low + high) / 2;
		if (tui->insts[mid]->now.vm_id < vm->now.id)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < nr_insts && tui->insts[low]->now.vm_id == vm->now.id; low++) {
		row = &tui->rows[tui->nr_rows++];
		*row = (struct row){ .vm = vm, .inst = tui->insts[low] };
	}
	if (row)
		row->last = true;
}

/* Where is what was selected? If it is gone: the same line, or the last one. */
static void find_cursor(struct tui *tui)
{
	size_t i, vm = tui->nr_rows;
	uint64_t id;

	/* Who never chose looks at a place, not at a VM. */
	for (i = 0; tui->chosen && i < tui->nr_rows; i++) {
		if (tui->rows[i].vm->now.id != tui->selected_vm)
			continue;
		id = tui->rows[i].inst ? tui->rows[i].inst->now.id : 0;
		if (!id)
			vm = i;
		if (id == tui->selected_inst)
			break;
	}
	if (i == tui->nr_rows)
		i = vm;
	if (tui->chosen && i < tui->nr_rows)
		tui->cursor = i;
	rows_select(tui, tui->cursor);
}

int rows_build(struct tui *tui)
{
	const struct model *model = &tui->model;
	size_t i, nr_vms, nr_insts = 0;

	if (grow(&tui->shown, &tui->room_shown, model->nr_vms, sizeof(*tui->shown)) ||
	    grow(&tui->insts, &tui->room_insts, model->nr_insts, sizeof(*tui->insts)) ||
	    grow(&tui->rows, &tui->room_rows, model->nr_vms + model->nr_insts,
		 sizeof(*tui->rows))) {
		tui->nr_rows = 0;
		return -ENOMEM;
	}
	nr_vms = choose_vms(tui);
	if (tui->tree || tui->nr_flipped) {
		for (i = 0; i < model->nr_insts; i++) {
			if (model->insts[i]->now.id != GMEM_ID_OTHER)
				tui->insts[nr_insts++] = model->insts[i];
		}
		if (nr_insts)
			qsort(tui->insts, nr_insts, sizeof(*tui->insts), compare_insts);
	}
	tui->nr_rows = 0;
	for (i = 0; i < nr_vms; i++) {
		tui->rows[tui->nr_rows++] = (struct row){ .vm = tui->shown[i] };
		if (tui->tree != flipped(tui, tui->shown[i]->now.id, NULL))
			add_instances(tui, tui->shown[i], nr_insts);
	}
	find_cursor(tui);
	return 0;
}

void rows_select(struct tui *tui, size_t cursor)
{
	const struct row *row;

	if (!tui->nr_rows) {
		tui->cursor = 0;
		return;
	}
	tui->cursor = cursor < tui->nr_rows ? cursor : tui->nr_rows - 1;
	row = &tui->rows[tui->cursor];
	tui->selected_vm = row->vm->now.id;
	tui->selected_inst = row->inst ? row->inst->now.id : 0;
}

size_t rows_search(const struct tui *tui, size_t from, int step)
{
	size_t i, at = from;

	for (i = 0; i < tui->nr_rows; i++) {
		at = (from + (step > 0 ? i : tui->nr_rows - 1 - i)) % tui->nr_rows;
		if (!tui->rows[at].inst && vm_matches(tui->rows[at].vm, tui->search))
			return at;
	}
	return tui->nr_rows;
}

void rows_free(struct tui *tui)
{
	free(tui->rows);
	free(tui->shown);
	free(tui->insts);
	free(tui->flipped);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Which lines the table has, in which order, and which of them is selected. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "tui_state.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Letters of ASCII alone have two cases: strcasestr() would ask the locale, where I may be no i. */
static bool has(const char *text, const char *pattern)
{
	size_t i;

	for (; *text; text++) {
		for (i = 0; pattern[i] && lower(text[i]) == lower(pattern[i]); i++)
			;
		if (!pattern[i])
			return true;
	}
	return false;
}

bool vm_matches(const struct model_vm *vm, const char *pattern)
{
	char pid[16];

	if (!*pattern)
		return true;
	snprintf(pid, sizeof(pid), "%u", vm->now.tgid);
	return has(vm->name, pattern) || strstr(pid, pattern) ||
	       (vm->cgroup && has(vm->cgroup, pattern)) || has(vm_type_name(vm->now.type), pattern);
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
	tui->selected_inst = tui->selected_below = 0;
}

/* Bindings, then holders; @inst is the line of the instance. */
static void add_below(struct tui *tui, const struct row *inst)
{
	const struct model *model = &tui->model;
	struct model_binding *binding;
	struct model_holder *holder;
	unsigned int below = 0;
	struct row *row = NULL;
	size_t i, nr;

	binding = model_bindings_of(model, inst->vm->now.id, &nr);
	for (i = 0; i < nr; i++) {
		if (binding[i].inst_id != inst->inst->now.id)
			continue;
		row = &tui->rows[tui->nr_rows++];
		*row = (struct row){ inst->vm, inst->inst, .binding = &binding[i],
				     .below = ++below };
	}
	holder = model_holders_of(model, inst->vm->now.id, &nr);
	for (i = 0; i < nr; i++) {
		if (holder[i].inst_id != inst->inst->now.id)
			continue;
		row = &tui->rows[tui->nr_rows++];
		*row = (struct row){ inst->vm, inst->inst, .holder = &holder[i], .below = ++below };
	}
	if (row)
		row->last_below = true;
}

static void add_instances(struct tui *tui, const struct model_vm *vm, size_t nr_insts)
{
	size_t low = 0, high = nr_insts, mid, end, i;
	struct row *row;
	bool last;

	while (low < high) {
		mid = (low + high) / 2;
		if (tui->insts[mid]->now.vm_id < vm->now.id)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < nr_insts && tui->insts[end]->now.vm_id == vm->now.id; end++)
		;
	for (; low < end; low++) {
		last = low + 1 == end;
		row = &tui->rows[tui->nr_rows++];
		*row = (struct row){ .vm = vm, .inst = tui->insts[low] };
		add_below(tui, row);
		for (i = (size_t)(row - tui->rows); last && i < tui->nr_rows; i++)
			tui->rows[i].last = true;
	}
}

/* Where is what was selected? If it is gone: the same line, or the last one. */
static void find_cursor(struct tui *tui)
{
	size_t i, vm = tui->nr_rows;
	uint64_t id;

	/* Until the user selects a VM, the cursor stays at its line. */
	for (i = 0; tui->chosen && i < tui->nr_rows; i++) {
		if (tui->rows[i].vm->now.id != tui->selected_vm)
			continue;
		id = tui->rows[i].inst ? tui->rows[i].inst->now.id : 0;
		if (!id || (id == tui->selected_inst && !tui->rows[i].below))
			vm = i;
		if (id == tui->selected_inst && tui->rows[i].below == tui->selected_below)
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
	    grow(&tui->rows, &tui->room_rows,
		 model->nr_vms + model->nr_insts + model->nr_bindings + model->nr_holders,
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
	tui->selected_below = row->below;
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

// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "../lib/utf8.h"
#include "../top/columns.h"
#include "ledger.h"
#include "ledger_labels.h"
#include "ledger_tally.h"
#include "vms_choice.h"

#define NS_PER_S 1000000000ULL

/* Within this time a VM's activity counts half as much as that of now. */
#define HALF_LIFE_NS (60 * NS_PER_S)
/* A listed VM keeps its place until another one is twice as busy: each change makes new series. */
#define STAYS 2
/* A VM that ended is exported for this long, and in two frames at least. */
#define LINGER_NS     (120 * NS_PER_S)
#define LINGER_FRAMES 2
/* VMs that ended and are still exported, where the choice has no number of its own. */
#define LINGERING 1000
/* Labels that are no longer exported but whose counters go on if a VM of that name starts again. */
#define REMEMBERED 1000

/* A VM of the last frame that uses guest_memfd. */
struct watch {
	uint64_t id;
	uint64_t activity; /* conversions and faults */
	double score;	   /* the same, of late */
	uint64_t size;
	struct series *entry; /* NULL: it was never listed */
	const struct model_vm *vm;
	bool fresh, matches, wanted;
};

struct ledger {
	const struct vms_choice *choice;
	struct watch *watches, *before; /* by id */
	size_t nr_watches, room_watches, nr_before, room_before;
	struct watch **order;
	size_t room_order;
	struct labels labels;
	struct tally forgotten; /* sum over labels that were forgotten */
	struct row other, host;
	const struct row **rows;
	size_t nr_rows, room_rows;
	struct ledger_host numbers;
	uint64_t denied_before[2][POLICY_OPERATIONS];
	uint64_t since_ns, now_ns, time_ns;
	uint64_t frame;
};

struct ledger *ledger_new(const struct vms_choice *choice, uint64_t since_ns)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	if (!ledger)
		return NULL;
	ledger->choice = choice;
	ledger->since_ns = since_ns;
	ledger->other.label = OTHER_LABEL;
	return ledger;
}

void ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return;
	labels_free(&ledger->labels);
	free(ledger->watches);
	free(ledger->before);
	free(ledger->order);
	free(ledger->rows);
	free(ledger);
}

/* --- the VMs of the frame --- */

static uint64_t activity_of(const struct model_vm *vm)
{
	return vm->now.c[GMEM_VM_to_private] + vm->now.c[GMEM_VM_to_shared] +
	       vm->inst[GMEM_INST_guest_faults] + vm->inst[GMEM_INST_host_faults];
}

/* It ended: its counters stay as they are. */
static void end_entry(struct ledger *ledger, struct series *entry)
{
	entry->id = 0;
	entry->row.vm = NULL;
	entry->base = entry->row.now;
	entry->ended_ns = ledger->now_ns;
	entry->ended_frame = ledger->frame;
	memset(entry->row.gauges, 0xff, sizeof(entry->row.gauges));
}

static void end_watch(struct ledger *ledger, const struct watch *watch)
{
	ledger->numbers.vms_ended++;
	if (watch->entry)
		end_entry(ledger, watch->entry);
}

/* The kernel reports the longest duration of a VM's life exactly, that of an interval it does not. */
static void take_longest(struct row *row, const struct model_vm *vm, uint64_t time_ns)
{
	struct longest *longest;
	int d;

	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		longest = &row->longest[d];
		if (vm->now.latency[d].max_ns <= longest->ns)
			continue;
		longest->ns = vm->now.latency[d].max_ns;
		longest->time_ns = time_ns;
		longest->key = vm->key;
		utf8_copy(longest->vm, sizeof(longest->vm), vm->name);
	}
}

static void watch_vm(struct ledger *ledger, struct watch *watch, const struct watch *old,
		     const struct model_vm *vm, double keep)
{
	uint64_t activity = activity_of(vm);

	*watch = old ? *old : (struct watch){ .id = vm->now.id };
	watch->fresh = !old;
	if (!old)
		watch->matches = vms_choice_matches(ledger->choice, vm->name);
	watch->score *= keep;
	if (activity > watch->activity)
		watch->score += (double)(activity - watch->activity);
	watch->activity = activity;
	watch->size = vm->size;
	watch->vm = vm;
	watch->wanted = false;
	take_longest(&ledger->host, vm, ledger->time_ns);
}

/* Both tables are ordered by id. */
static int watch_all(struct ledger *ledger, const struct model *model)
{
	double keep = exp2(-(double)model->interval_ns / (double)HALF_LIFE_NS);
	struct watch *swap = ledger->before;
	size_t room = ledger->room_before, i, at = 0;
	const struct model_vm *vm;

	if (grow(&swap, &room, model->nr_vms ? model->nr_vms : 1, sizeof(*swap)))
		return -ENOMEM;
	ledger->before = ledger->watches;
	ledger->room_before = ledger->room_watches;
	ledger->nr_before = ledger->nr_watches;
	ledger->watches = swap;
	ledger->room_watches = room;
	ledger->nr_watches = 0;
	for (i = 0; i < model->nr_vms; i++) {
		vm = model->vms[i];
		if (vm->now.id == GMEM_ID_OTHER || !model_is_used(vm))
			continue;
		while (at < ledger->nr_before && ledger->before[at].id < vm->now.id)
			end_watch(ledger, &ledger->before[at++]);
		watch_vm(ledger, &ledger->watches[ledger->nr_watches++],
			 at < ledger->nr_before && ledger->before[at].id == vm->now.id
				 ? &ledger->before[at]
				 : NULL,
			 vm, keep);
		at += at < ledger->nr_before && ledger->before[at].id == vm->now.id;
	}
	while (at < ledger->nr_before)
		end_watch(ledger, &ledger->before[at++]);
	return 0;
}

/* --- what the rows of VMs show --- */

static void add_gauges(uint64_t *sum, const uint64_t *gauges)
{
	int i;

	for (i = 0; i < ROW_GAUGES; i++) {
		if (gauges[i] != GMEM_UNKNOWN)
			sum[i] = sum[i] == GMEM_UNKNOWN ? gauges[i] : sum[i] + gauges[i];
	}
}

static uint64_t bytes(uint64_t pages)
{
	return pages == GMEM_UNKNOWN ? GMEM_UNKNOWN : pages << 12;
}

static void gauges_of(uint64_t *gauges, const struct features *features, const struct model_vm *vm)
{
	struct value private = vm_private(features, vm);

	gauges[ROW_INSTANCES] = vm->nr_instances;
	gauges[ROW_SIZE] = bytes(vm->size);
	gauges[ROW_RESIDENT] = bytes(vm->resident);
	gauges[ROW_PRIVATE] = private.kind == VALUE_NONE ? GMEM_UNKNOWN : bytes(private.number);
	gauges[ROW_WASTE_INSTANCE] = bytes(vm->waste_instance);
	gauges[ROW_WASTE_BACKING] = bytes(vm->waste_backing);
	gauges[ROW_UNBOUND] = bytes(vm->unbound);
	gauges[ROW_VMM_GONE] = vm->now.vmm_gone;
}

/* With no VM at all a sum is 0 if it can be known. */
static void no_gauges(uint64_t *gauges, const struct features *features, uint32_t looked)
{
	memset(gauges, 0, ROW_GAUGES * sizeof(*gauges));
	if (!(features->facts & FACT(private_pages)))
		gauges[ROW_PRIVATE] = GMEM_UNKNOWN;
	if (!(looked & WANT_WASTE))
		gauges[ROW_WASTE_INSTANCE] = gauges[ROW_WASTE_BACKING] = gauges[ROW_UNBOUND] =
			GMEM_UNKNOWN;
}

static uint64_t errors_known(const struct features *features)
{
	uint64_t known = 0;
	int op;

	for (op = 0; op < GMEM_OP_MAX; op++)
		known |= (uint64_t)(features->facts >> op_facts[op] & 1) << op;
	return known;
}

static void know(struct row *row, const struct features *features, const struct model_vm *vm)
{
	row->known_vm = vm_counters_known(features, vm);
	row->known_inst = inst_counters_known(features, vm);
	row->known_errors = errors_known(features);
}

static void show_vm(struct watch *watch, const struct features *features, uint64_t time_ns)
{
	struct series *entry = watch->entry;
	struct tally sum;

	know(&entry->row, features, watch->vm);
	gauges_of(entry->row.gauges, features, watch->vm);
	entry->row.vm = watch->vm;
	take_longest(&entry->row, watch->vm, time_ns);
	tally_of(&sum, watch->vm);
	tally_sub(&sum, &entry->mark);
	tally_add(&sum, &entry->base);
	tally_raise(&entry->row.now, &sum);
}

/* --- which VMs are listed --- */

static double rank(const struct watch *watch)
{
	return watch->entry && watch->entry->listed ? watch->score * STAYS : watch->score;
}

/* Busy ones first, of idle ones those that are listed, then large ones, then old ones. */
static int by_rank(const void *a, const void *b)
{
	const struct watch *x = *(struct watch *const *)a, *y = *(struct watch *const *)b;
	bool listed_x = x->entry && x->entry->listed, listed_y = y->entry && y->entry->listed;

	if (rank(x) != rank(y))
		return rank(x) > rank(y) ? -1 : 1;
	if (listed_x != listed_y)
		return listed_x ? -1 : 1;
	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int choose(struct ledger *ledger)
{
	size_t i, nr = ledger->nr_watches;

	if (ledger->choice->kind != VMS_TOP) {
		for (i = 0; i < nr; i++)
			ledger->watches[i].wanted = ledger->watches[i].matches;
		return 0;
	}
	if (grow(&ledger->order, &ledger->room_order, nr ? nr : 1, sizeof(*ledger->order)))
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		ledger->order[i] = &ledger->watches[i];
	if (nr > ledger->choice->top)
		qsort(ledger->order, nr, sizeof(*ledger->order), by_rank);
	for (i = 0; i < nr && i < ledger->choice->top; i++)
		ledger->order[i]->wanted = true;
	return 0;
}

static uint64_t created(const struct ledger *ledger, const struct watch *watch)
{
	uint64_t age = ledger->now_ns - watch->vm->now.first_ns;

	if (!watch->fresh)
		return ledger->time_ns;
	if (ledger->frame == 1)
		return ledger->since_ns;
	if (!watch->vm->now.first_ns || watch->vm->now.first_ns > ledger->now_ns ||
	    age > ledger->time_ns - ledger->since_ns)
		return ledger->time_ns;
	return ledger->time_ns - age;
}

/* What it did while it was not listed stays with the other VMs. */
static int list_vm(struct ledger *ledger, struct watch *watch)
{
	struct series *entry = watch->entry;

	if (!entry) {
		entry = labels_claim(&ledger->labels, watch->vm);
		if (!entry)
			return -ENOMEM;
		entry->id = watch->id;
		if (!entry->row.created_ns)
			entry->row.created_ns = created(ledger, watch);
		watch->entry = entry;
	}
	entry->listed = true;
	entry->base = entry->row.now;
	memset(&entry->mark, 0, sizeof(entry->mark));
	if (!watch->fresh)
		tally_of(&entry->mark, watch->vm);
	return 0;
}

/* VMs that ended come first: a VM of the same name may have begun since. */
static int list_ended(struct ledger *ledger, const struct features *features)
{
	struct watch *watch;
	size_t i;
	int ret;

	for (i = 0; i < ledger->nr_watches; i++) {
		watch = &ledger->watches[i];
		if (!watch->vm->gone)
			continue;
		if (watch->wanted && !watch->entry) {
			ret = list_vm(ledger, watch);
			if (ret)
				return ret;
		}
		if (watch->entry && watch->entry->listed)
			show_vm(watch, features, ledger->time_ns);
		end_watch(ledger, watch);
	}
	return 0;
}

static int list_living(struct ledger *ledger)
{
	struct watch *watch;
	size_t i;
	int ret;

	for (i = 0; i < ledger->nr_watches; i++) {
		watch = &ledger->watches[i];
		if (watch->vm->gone)
			continue;
		if (!watch->wanted && watch->entry)
			watch->entry->listed = false;
		if (!watch->wanted || (watch->entry && watch->entry->listed))
			continue;
		ret = list_vm(ledger, watch);
		if (ret)
			return ret;
	}
	return 0;
}

/* --- the frame as a whole --- */

static void show_vms(struct ledger *ledger, const struct features *features, uint32_t looked)
{
	struct watch *watch;
	uint64_t gauges[ROW_GAUGES];
	size_t i, kept = 0, others = 0;

	memset(ledger->host.gauges, 0xff, sizeof(ledger->host.gauges));
	memset(ledger->other.gauges, 0xff, sizeof(ledger->other.gauges));
	for (i = 0; i < ledger->nr_watches; i++) {
		watch = &ledger->watches[i];
		if (watch->vm->gone)
			continue;
		ledger->numbers.vms++;
		ledger->numbers.vms_without_vmm += watch->vm->now.vmm_gone != 0;
		gauges_of(gauges, features, watch->vm);
		add_gauges(ledger->host.gauges, gauges);
		if (watch->entry && watch->entry->listed)
			show_vm(watch, features, ledger->time_ns);
		else if (++others)
			add_gauges(ledger->other.gauges, gauges);
		ledger->watches[kept++] = *watch;
	}
	if (!kept)
		no_gauges(ledger->host.gauges, features, looked);
	if (!others)
		no_gauges(ledger->other.gauges, features, looked);
	ledger->nr_watches = kept;
}

/* The other VMs did what no label counts. */
static void show_sums(struct ledger *ledger, const struct features *features,
		      const struct model *model)
{
	struct tally sum = { 0 }, other;
	struct model_vm host;
	size_t i;

	model_host(model, &host);
	tally_of_host(&sum, &host, model);
	know(&ledger->host, features, &host);
	know(&ledger->other, features, &host);
	tally_raise(&ledger->host.now, &sum);
	other = ledger->host.now;
	tally_sub(&other, &ledger->forgotten);
	for (i = 0; i < ledger->labels.nr; i++)
		tally_sub(&other, &ledger->labels.entries[i]->row.now);
	tally_raise(&ledger->other.now, &other);
	ledger->host.created_ns = ledger->other.created_ns = ledger->since_ns;
}

static bool lingers(const struct ledger *ledger, const struct series *entry)
{
	return ledger->now_ns - entry->ended_ns < LINGER_NS ||
	       ledger->frame - entry->ended_frame < LINGER_FRAMES;
}

/*
 * Those that ended long ago leave; of more than a bounded number the oldest ones.
 * Return: false if there is nothing more to do.
 */
static bool let_one_go(struct ledger *ledger, size_t room)
{
	struct series *entry, *oldest = NULL;
	size_t i, nr = 0;

	for (i = 0; i < ledger->labels.nr; i++) {
		entry = ledger->labels.entries[i];
		if (entry->id || !entry->listed)
			continue;
		if (!lingers(ledger, entry)) {
			entry->listed = false;
			continue;
		}
		nr++;
		if (ledger->frame - entry->ended_frame >= LINGER_FRAMES &&
		    (!oldest || entry->ended_ns < oldest->ended_ns))
			oldest = entry;
	}
	if (nr <= room || !oldest)
		return false;
	oldest->listed = false;
	return true;
}

static void let_go(struct ledger *ledger)
{
	size_t room = ledger->choice->kind == VMS_TOP ? ledger->choice->top : LINGERING;

	while (let_one_go(ledger, room))
		;
	labels_forget(&ledger->labels, REMEMBERED, &ledger->forgotten);
}

static int by_label(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;

	return strcmp(x->label, y->label);
}

static int collect_rows(struct ledger *ledger)
{
	size_t i;

	ledger->nr_rows = 0;
	if (ledger->choice->kind == VMS_NONE)
		return 0;
	if (grow(&ledger->rows, &ledger->room_rows, ledger->labels.nr + 1, sizeof(*ledger->rows)))
		return -ENOMEM;
	for (i = 0; i < ledger->labels.nr; i++) {
		if (ledger->labels.entries[i]->listed)
			ledger->rows[ledger->nr_rows++] = &ledger->labels.entries[i]->row;
	}
	qsort(ledger->rows, ledger->nr_rows, sizeof(*ledger->rows), by_label);
	ledger->rows[ledger->nr_rows++] = &ledger->other;
	return 0;
}

static void raise(uint64_t *to, uint64_t value)
{
	if (value > *to)
		*to = value;
}

/* A policy that is attached anew counts from 0 again. */
static void take_policy(struct ledger *ledger, const struct policy_counts *counts)
{
	int op, mode;
	uint64_t now, *before;

	for (op = 0; op < POLICY_OPERATIONS && counts->known; op++) {
		for (mode = 0; mode < 2; mode++) {
			now = mode ? counts->would_deny[op] : counts->denied[op];
			before = &ledger->denied_before[mode][op];
			ledger->numbers.denied[mode][op] += now < *before ? now : now - *before;
			*before = now;
		}
	}
}

static void take_numbers(struct ledger *ledger, const struct model *model)
{
	int i;

	for (i = 0; i < GMEM_LOST_MAX; i++)
		raise(&ledger->numbers.lost[i], model->lost[i]);
	raise(&ledger->numbers.missed, model->missed);
	take_policy(ledger, &model->policy);
	ledger->numbers.vms = ledger->numbers.vms_without_vmm = 0;
}

int ledger_step(struct ledger *ledger, const struct frames *frames, const struct model *model)
{
	int ret;

	ledger->frame++;
	ledger->now_ns = model->now_ns;
	ledger->time_ns = frames->time_ns;
	if (!ledger->since_ns || ledger->since_ns > ledger->time_ns)
		ledger->since_ns = ledger->time_ns;
	take_numbers(ledger, model);
	ret = watch_all(ledger, model);
	if (!ret)
		ret = choose(ledger);
	if (!ret)
		ret = list_ended(ledger, frames->features);
	if (!ret)
		ret = list_living(ledger);
	if (ret)
		return ret;
	show_vms(ledger, frames->features, model->looked);
	show_sums(ledger, frames->features, model);
	let_go(ledger);
	return collect_rows(ledger);
}

const struct row *const *ledger_rows(const struct ledger *ledger, size_t *nr)
{
	*nr = ledger->nr_rows;
	return ledger->rows;
}

const struct row *ledger_host(const struct ledger *ledger)
{
	return &ledger->host;
}

const struct ledger_host *ledger_numbers(const struct ledger *ledger)
{
	return &ledger->numbers;
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "columns.h"
#include "digest.h"
#include "digest_inner.h"
#include "heat.h"

/* An interval is one of a fault loop if the guest faulted again this often on each page. */
#define LOOP_FAULTS 10

/* What a frame added to a VM. */
struct step {
	uint64_t c[GMEM_VM_MAX], inst[GMEM_INST_MAX], failed;
	uint64_t conversions, pages, ns;
};

static void gauge(struct digest_gauge *to, uint64_t value)
{
	if (value == GMEM_UNKNOWN)
		return;
	if (to->frames++ && (value < to->last ? value : to->last) > to->held)
		to->held = value < to->last ? value : to->last;
	to->last = value;
	if (value > to->peak)
		to->peak = value;
}

/* --- errors --- */

static int add_error(struct digest_vm *to, enum gmem_op op, uint32_t error, uint64_t count)
{
	struct digest_error *e = to->errors, *end = to->errors + to->nr_errors;

	if (!count)
		return 0;
	while (e < end && (e->op != op || e->error != error))
		e++;
	if (e == end) {
		if (grow(&to->errors, &to->room_errors, to->nr_errors + 1, sizeof(*e)))
			return -ENOMEM;
		e = &to->errors[to->nr_errors++];
		*e = (struct digest_error){ .op = op, .error = error };
	}
	e->count += count;
	to->nr_failed += count;
	return 0;
}

/* An errno keeps its slot of an operation as long as a recorder runs. */
static int add_errors(struct digest_vm *to, const struct sample_errors *now, bool count)
{
	struct digest_before *before = to->before;
	const struct gmem_errno *e, *old;
	int op, i, ret = 0;

	if (!now)
		return 0;
	for (op = 0; op < GMEM_OP_MAX && !ret; op++) {
		for (i = 0; i < GMEM_ERRNOS && now->err[op][i].err && count && !ret; i++) {
			e = &now->err[op][i];
			for (old = before->err[op];
			     old < before->err[op] + GMEM_ERRNOS && old->err != e->err; old++)
				;
			ret = add_error(to, (enum gmem_op)op, e->err,
					old == before->err[op] + GMEM_ERRNOS
						? e->count
						: (uint32_t)(e->count - old->count));
		}
		if (!ret && count)
			ret = add_error(to, (enum gmem_op)op, 0,
					increase(now->other[op], before->err_other[op]));
	}
	memcpy(before->err, now->err, sizeof(before->err));
	memcpy(before->err_other, now->other, sizeof(before->err_other));
	return ret;
}

/* --- counters --- */

static void add_sizes(struct digest_vm *to, const struct step *step)
{
	unsigned int size;
	uint64_t n, mean;
	int d, c = 0;

	for (d = 0; d < GMEM_DIRECTIONS; d++, c += GMEM_PER_DIRECTION) {
		n = step->c[GMEM_VM_to_private + c];
		mean = n ? step->c[GMEM_VM_to_private_pages + c] / n : 0;
		size = mean ? 63 - (unsigned int)__builtin_clzll(mean) : 0;
		to->sizes[d][size < DIGEST_SIZES ? size : DIGEST_SIZES - 1] += n;
	}
}

/*
 * Faults on pages that were in memory already. How many different pages that can have been is
 * bounded by those that were there before and those that came.
 */
static void add_loop(struct digest_vm *to, const struct step *step)
{
	uint64_t again =
		increase(step->inst[GMEM_INST_guest_faults], step->inst[GMEM_INST_first_touches]);
	struct digest_loop *loop = &to->loop;
	uint64_t pages = to->resident.last + step->inst[GMEM_INST_first_touches] +
			 step->inst[GMEM_INST_host_faults] + step->inst[GMEM_INST_allocated_pages] +
			 step->c[GMEM_VM_populated_pages];

	/* How many there were before the first frame is unknown. */
	if (!to->resident.frames || !pages || !again || again < LOOP_FAULTS * pages)
		return;
	loop->faults += again;
	loop->conversions += step->conversions;
	loop->punches += step->inst[GMEM_INST_punches];
	loop->frames++;
	if (pages > loop->pages)
		loop->pages = pages;
}

/* @count: false: what the frame has is the base, from which increases count. */
static int add_counters(struct digest_vm *to, const struct model_vm *vm,
			const struct features *features, bool count, struct step *step)
{
	struct digest_before *before = to->before;
	uint64_t denials = denials_of(vm), failed = to->nr_failed;
	int c, ret;

	memset(step, 0, sizeof(*step));
	to->known_vm &= vm_counters_known(features, vm);
	to->known_inst &= inst_counters_known(features, vm);
	for (c = 0; c < GMEM_VM_MAX; c++) {
		step->c[c] = count ? increase(vm->now.c[c], before->c[c]) : 0;
		to->c[c] += step->c[c];
		before->c[c] = vm->now.c[c];
	}
	for (c = 0; c < GMEM_INST_MAX; c++) {
		step->inst[c] = count ? increase(vm->inst[c], before->inst[c]) : 0;
		to->inst[c] += step->inst[c];
		before->inst[c] = vm->inst[c];
	}
	to->denials += count ? increase(denials, before->denials) : 0;
	before->denials = denials;
	ret = add_errors(to, vm->errors, count);
	step->failed = to->nr_failed - failed + step->inst[GMEM_INST_host_faults_refused];
	for (c = 0; c < GMEM_DIRECTIONS * GMEM_PER_DIRECTION; c += GMEM_PER_DIRECTION) {
		step->conversions += step->c[GMEM_VM_to_private + c];
		step->pages += step->c[GMEM_VM_to_private_pages + c];
		step->ns += step->c[GMEM_VM_to_private_ns + c];
	}
	add_sizes(to, step);
	return ret;
}

static struct timeline_slot *slot_of(const struct digest *digest, struct digest_vm *to,
				     unsigned int *slot)
{
	*slot = timeline_at(&to->timeline, digest->first_ns, digest->last_ns);
	to->timeline.slots[*slot].seen = true;
	return &to->timeline.slots[*slot];
}

static void add_slot(struct timeline_slot *slot, const struct step *step)
{
	slot->conversions += step->conversions;
	slot->pages += step->pages;
	slot->ns += step->ns;
	slot->faults += step->inst[GMEM_INST_guest_faults];
	slot->errors += step->failed;
}

static void peak(uint64_t *to, uint64_t value)
{
	if (value != GMEM_UNKNOWN && value > *to)
		*to = value;
}

static uint64_t waste_of(const struct model_vm *vm)
{
	uint64_t waste = vm->waste_instance;

	if (vm->waste_backing == GMEM_UNKNOWN)
		return waste;
	return waste == GMEM_UNKNOWN ? vm->waste_backing : waste + vm->waste_backing;
}

/* --- VMs --- */

static struct digest_vm *new_vm(uint32_t run, uint64_t id)
{
	struct digest_vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->before = calloc(1, sizeof(*vm->before));
	if (!vm->before) {
		free(vm);
		return NULL;
	}
	vm->run = run;
	vm->id = id;
	vm->known_vm = vm->known_inst = ~0ULL;
	return vm;
}

/* Of a VM that is new in the digest, nothing but run and id is filled in. */
static struct digest_vm *get_vm(struct digest *digest, uint64_t id)
{
	size_t low = 0, high = digest->nr_vms, mid;
	struct digest_vm *vm;

	while (low < high) {
		mid = low + (high - low) / 2;
		vm = digest->vms[mid];
		if (vm->run == digest->runs && vm->id == id)
			return vm;
		if (vm->run < digest->runs || vm->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	if (grow(&digest->vms, &digest->room_vms, digest->nr_vms + 1, sizeof(vm)))
		return NULL;
	vm = new_vm(digest->runs, id);
	if (!vm)
		return NULL;
	memmove(digest->vms + low + 1, digest->vms + low, (digest->nr_vms - low) * sizeof(vm));
	digest->vms[low] = vm;
	digest->nr_vms++;
	return vm;
}

static void describe(struct digest_vm *to, const struct model_vm *vm)
{
	to->key = vm->key;
	/* The VMM may have ended before the VM. */
	if (vm->now.tgid)
		to->pid = vm->now.tgid;
	to->type = vm->now.type;
	memcpy(to->name, vm->name, sizeof(to->name));
	if (!to->cgroup && vm->cgroup)
		to->cgroup = strdup(vm->cgroup);
}

/* Which processes keep a VM whose VMM is gone. */
static void note_holders(struct digest_vm *to, const struct model *model, const struct model_vm *vm)
{
	const struct model_holder *holder;
	size_t nr, i, len = 0;
	int n;

	if (!vm->now.vmm_gone || !(model->looked & WANT_HOLDERS))
		return;
	holder = model_holders_of(model, vm->now.id, &nr);
	to->holders[0] = '\0';
	for (i = 0; i < nr; i++) {
		n = snprintf(to->holders + len, sizeof(to->holders) - len, "%s%u (%.16s)",
			     len ? ", " : "", holder[i].now.tgid, holder[i].now.comm);
		if (n < 0 || len + (size_t)n >= sizeof(to->holders))
			break;
		len += (size_t)n;
	}
}

static int add_heat(struct digest *digest, struct digest_vm *to, const struct model_vm *vm,
		    unsigned int slot, bool count)
{
	struct digest_before *before = to->before;
	const struct gmem_heat *heat = heat_in(vm);
	struct gmem_heat since = *heat;
	int ret = 0;

	if (before->has_heat)
		since = heat_since(heat, &before->heat);
	before->heat = *heat;
	before->has_heat = true;
	if (count && (heat_cells(&since) || since.elsewhere)) {
		ret = timeline_heat(&to->timeline, slot, &since);
		if (!ret)
			ret = timeline_heat(&digest->host.timeline,
					    timeline_at(&digest->host.timeline, digest->first_ns,
							digest->last_ns),
					    &since);
	}
	return ret;
}

static int add_vm(struct digest *digest, const struct frames *frames, const struct model *model,
		  const struct model_vm *vm, bool base)
{
	struct digest_vm *to = get_vm(digest, vm->now.id);
	struct timeline_slot *at;
	struct latency latency;
	unsigned int slot;
	struct step step;
	int d, ret;

	if (!to)
		return -ENOMEM;
	if (!to->first_ns)
		to->first_ns = digest->last_ns;
	to->last_ns = digest->last_ns;
	describe(to, vm);
	ret = add_counters(to, vm, frames->features, !base, &step);
	for (d = 0; d < GMEM_DIRECTIONS && !base; d++) {
		if (!vm->changed[d])
			continue;
		model_latency(vm, d, LAST_INTERVAL, &latency);
		latency_add(&to->latency[d], &latency);
	}
	gauge(&to->private, vm_private(frames->features, vm).kind == VALUE_NONE
				    ? GMEM_UNKNOWN
				    : vm->now.private_pages);
	add_loop(to, &step);
	gauge(&to->resident, vm->resident);
	gauge(&to->size, vm->size);
	gauge(&to->waste_instance, vm->waste_instance);
	gauge(&to->waste_backing, vm->waste_backing);
	gauge(&to->orphaned, vm->now.vmm_gone && !vm->gone ? vm->resident + 1 : 0);
	note_holders(to, model, vm);
	to->ended = vm->gone;
	at = slot_of(digest, to, &slot);
	add_slot(at, &step);
	peak(&at->private, vm->now.private_pages);
	peak(&at->resident, vm->resident);
	peak(&at->waste, waste_of(vm));
	if (!ret && model->looked & WANT_HEAT)
		ret = add_heat(digest, to, vm, slot, !base);
	if (!ret && model->looked & WANT_LATENCY)
		ret = digest_phases(digest, to, frames, model, !base);
	return ret;
}

/* What is shown of all VMs together: sums of the gauges. */
static void add_gauges(struct digest *digest, const struct model *model)
{
	uint64_t private = 0, resident = 0, size = 0;
	uint64_t instance = GMEM_UNKNOWN, backing = GMEM_UNKNOWN, waste = 0;
	struct digest_vm *host = &digest->host;
	const struct model_vm *vm;
	struct timeline_slot *at;
	unsigned int slot;
	size_t i;

	for (i = 0; i < model->nr_vms; i++) {
		vm = model->vms[i];
		if (vm->gone)
			continue;
		private += vm->now.private_pages == GMEM_UNKNOWN ? 0 : vm->now.private_pages;
		resident += vm->resident;
		size += vm->size;
		if (vm->waste_instance != GMEM_UNKNOWN)
			instance = (instance == GMEM_UNKNOWN ? 0 : instance) + vm->waste_instance;
		if (vm->waste_backing != GMEM_UNKNOWN)
			backing = (backing == GMEM_UNKNOWN ? 0 : backing) + vm->waste_backing;
		if (waste_of(vm) != GMEM_UNKNOWN)
			waste += waste_of(vm);
	}
	gauge(&host->private, digest->facts & FACT(private_pages) ? private : GMEM_UNKNOWN);
	gauge(&host->resident, resident);
	gauge(&host->size, size);
	gauge(&host->waste_instance, instance);
	gauge(&host->waste_backing, backing);
	at = slot_of(digest, host, &slot);
	peak(&at->private, private);
	peak(&at->resident, resident);
	peak(&at->waste, waste);
}

static int add_host(struct digest *digest, const struct frames *frames, const struct model *model,
		    bool base, bool begins)
{
	struct digest_vm *host = &digest->host;
	enum span span = begins ? SINCE_START : LAST_INTERVAL;
	struct model_vm sum;
	unsigned int slot;
	struct step step;
	int d, ret;

	if (!host->before) {
		host->before = calloc(1, sizeof(*host->before));
		host->known_vm = host->known_inst = ~0ULL;
	}
	if (!host->before)
		return -ENOMEM;
	/* Another run counts from 0. */
	if (begins)
		memset(host->before, 0, sizeof(*host->before));
	model_host(model, &sum);
	ret = add_counters(host, &sum, frames->features, !base, &step);
	for (d = 0; d < GMEM_DIRECTIONS && !base; d++)
		latency_add(&host->latency[d], &model->host[d][span]);
	host->first_ns = digest->first_ns;
	host->last_ns = digest->last_ns;
	add_gauges(digest, model);
	add_slot(slot_of(digest, host, &slot), &step);
	return ret;
}

static void add_lost(struct digest *digest, const struct model *model, bool base, bool begins)
{
	int n;

	for (n = 0; n < GMEM_LOST_MAX; n++) {
		if (begins)
			digest->before_lost[n] = 0;
		if (!base)
			digest->lost[n] += increase(model->lost[n], digest->before_lost[n]);
		digest->before_lost[n] = model->lost[n];
	}
	if (begins)
		digest->before_missed = 0;
	if (!base)
		digest->missed += increase(model->missed, digest->before_missed);
	digest->before_missed = model->missed;
	digest->lower_bounds |= model_lower_bounds(model);
}

/* VMs that ended since the frame before; the model has the last ten of them. */
static void add_ends(struct digest *digest, const struct model *model)
{
	const struct model_ended *ended;
	struct digest_vm *vm;
	unsigned int i;

	for (i = 0; i < model->nr_ended; i++) {
		ended = &model->ended[i];
		if (!model_vm(model, ended->vm_id))
			continue;
		vm = get_vm(digest, ended->vm_id);
		if (!vm)
			continue;
		vm->ended = true;
		memcpy(vm->why, ended->why, sizeof(vm->why));
	}
}

/* @base: what the frame has is the base, from which increases count */
static int add_frame(struct digest *digest, const struct frames *frames, const struct model *model,
		     bool *base)
{
	bool begins = !digest->runs || model->frame <= digest->number;
	size_t i;

	if (!digest->frames) {
		digest->first_ns = frames->time_ns;
		digest->facts = ~0U;
	}
	digest->number = model->frame;
	digest->runs += begins;
	*base = begins && model->frame > 1;
	digest->middle |= *base && digest->runs == 1;
	digest->watched_ns += begins ? 0 : model->interval_ns;
	digest->frames++;
	digest->last_ns = frames->time_ns;
	digest->facts &= frames->features->facts;
	digest->looked |= model->looked;
	memcpy(digest->kernel, frames->kernel, sizeof(digest->kernel));
	for (i = digest->live = 0; i < model->nr_vms; i++)
		digest->live += !model->vms[i]->gone && model_is_used(model->vms[i]);
	add_lost(digest, model, *base, begins);
	return add_host(digest, frames, model, *base, begins);
}

int digest_add_host(struct digest *digest, const struct frames *frames, const struct model *model)
{
	bool base;

	return add_frame(digest, frames, model, &base);
}

int digest_add(struct digest *digest, const struct frames *frames, const struct model *model)
{
	bool base;
	size_t i;
	int ret;

	ret = add_frame(digest, frames, model, &base);
	for (i = 0; i < model->nr_vms && !ret; i++) {
		if (model_is_used(model->vms[i]))
			ret = add_vm(digest, frames, model, model->vms[i], base);
	}
	if (!ret)
		add_ends(digest, model);
	return ret;
}

void digest_restart(struct digest *digest)
{
	struct digest_vm *host = &digest->host;
	struct digest_vm kept = { .before = host->before,
				  .errors = host->errors,
				  .room_errors = host->room_errors,
				  .known_vm = ~0ULL,
				  .known_inst = ~0ULL };

	timeline_free(&host->timeline);
	free(host->phases);
	*host = kept;
	digest->frames = digest->watched_ns = digest->missed = 0;
	digest->lower_bounds = false;
	memset(digest->lost, 0, sizeof(digest->lost));
}

void digest_end(struct digest *digest)
{
	size_t i;

	for (i = 0; i < digest->nr_vms; i++) {
		free(digest->vms[i]->before);
		digest->vms[i]->before = NULL;
	}
	free(digest->host.before);
	digest->host.before = NULL;
}

static void free_vm(struct digest_vm *vm)
{
	timeline_free(&vm->timeline);
	free(vm->phases);
	free(vm->before);
	free(vm->errors);
	free(vm->cgroup);
}

void digest_free(struct digest *digest)
{
	size_t i;

	for (i = 0; i < digest->nr_vms; i++) {
		free_vm(digest->vms[i]);
		free(digest->vms[i]);
	}
	free_vm(&digest->host);
	free(digest->vms);
	memset(digest, 0, sizeof(*digest));
}

/* --- sums --- */

uint64_t digest_errors(const struct digest_vm *vm)
{
	return vm->nr_failed + vm->inst[GMEM_INST_host_faults_refused];
}

uint64_t digest_conversions(const struct digest_vm *vm)
{
	return vm->c[GMEM_VM_to_private] + vm->c[GMEM_VM_to_shared];
}

uint64_t digest_asked(const struct digest_vm *vm)
{
	return vm->c[GMEM_VM_to_private_pages] + vm->c[GMEM_VM_to_shared_pages];
}

uint64_t digest_convert_ns(const struct digest_vm *vm)
{
	return vm->c[GMEM_VM_to_private_ns] + vm->c[GMEM_VM_to_shared_ns];
}

struct latency digest_latency(const struct digest_vm *vm)
{
	struct latency both = vm->latency[0];

	latency_add(&both, &vm->latency[1]);
	return both;
}

uint64_t digest_errno(const struct digest_vm *vm, enum gmem_op op, uint32_t error)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < vm->nr_errors; i++) {
		if (vm->errors[i].error == error && (op == GMEM_OP_MAX || vm->errors[i].op == op))
			sum += vm->errors[i].count;
	}
	return sum;
}

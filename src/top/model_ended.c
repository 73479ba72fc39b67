// SPDX-License-Identifier: GPL-2.0-only
/* VMs that ended: how many lately, which ones last, and why. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "columns.h"
#include "model_inner.h"

#define NS_PER_S 1000000000ULL

#define SIGNAL_OF(code) (0x7f & (code))
#define STATUS_OF(code) ((code) >> 8 & 0xff)

static void count_end(struct model *model)
{
	uint64_t second = model->now_ns / NS_PER_S;
	unsigned int at = (unsigned int)(second % MINUTE);

	if (model->ends[at].second != second)
		model->ends[at].nr = 0;
	model->ends[at].second = second;
	model->ends[at].nr++;
}

/* Why it ended: what the process did that released it, and which one if it was not the VMM. */
static void why_ended(const struct sample_vm *vm, char *buf, size_t size)
{
	const char *name = sigabbrev_np((int)SIGNAL_OF(vm->exit_code));
	char by[24] = "";

	if (vm->ended_by != vm->tgid)
		snprintf(by, sizeof(by), " (process %u)", vm->ended_by);
	if (!vm->ended_by)
		snprintf(buf, size, "unknown");
	else if (!vm->exiting)
		snprintf(buf, size, "closed%s", by);
	else if (!SIGNAL_OF(vm->exit_code))
		snprintf(buf, size, "exit %u%s", STATUS_OF(vm->exit_code), by);
	else if (name)
		snprintf(buf, size, "SIG%s%s", name, by);
	else
		snprintf(buf, size, "signal %u%s", SIGNAL_OF(vm->exit_code), by);
}

static void keep(struct model *model, const struct model_vm *vm)
{
	struct model_ended *ended = &model->ended[0];

	memmove(&model->ended[1], &model->ended[0], (MODEL_ENDED - 1) * sizeof(model->ended[0]));
	if (model->nr_ended < MODEL_ENDED)
		model->nr_ended++;
	*ended = (struct model_ended){
		.vm_id = vm->now.id,
		.key = vm->key,
		.at_ns = vm->now.ended_ns ? vm->now.ended_ns : model->now_ns,
		.error_ns = vm->now.error_ns,
		.tgid = vm->now.tgid,
		.error_op = vm->now.error_op,
		.error = vm->now.error,
		.refused = vm->inst[GMEM_INST_host_faults_refused],
	};
	memcpy(ended->name, vm->name, sizeof(ended->name));
	why_ended(&vm->now, ended->why, sizeof(ended->why));
}

static uint64_t ended_lately(const struct model *model)
{
	uint64_t second = model->now_ns / NS_PER_S, sum = 0;
	unsigned int i;

	for (i = 0; i < MINUTE; i++) {
		if (model->ends[i].second + MINUTE > second)
			sum += model->ends[i].nr;
	}
	return sum;
}

void model_note_ends(struct model *model, const struct sample *sample)
{
	struct model_vm *vm;
	size_t i;

	if (sample->ended_listed) {
		memcpy(model->ended, sample->ended, sizeof(model->ended));
		model->nr_ended = sample->nr_ended;
		model->ended_lately = sample->ended_lately;
		return;
	}

	for (i = 0; i < model->nr_vms; i++) {
		vm = model->vms[i];
		if (!vm->gone || vm->noted || vm->now.id == GMEM_ID_OTHER || !model_is_used(vm))
			continue;
		vm->noted = true;
		count_end(model);
		keep(model, vm);
	}
	model->ended_lately = ended_lately(model);
}

void model_error_text(uint32_t op, uint32_t error, char *buf, size_t size)
{
	const char *name = strerrorname_np((int)error);

	*buf = '\0';
	if (!error || op >= GMEM_OP_MAX)
		return;
	if (name)
		snprintf(buf, size, "%s %s", op_names[op], name);
	else
		snprintf(buf, size, "%s %u", op_names[op], error);
}

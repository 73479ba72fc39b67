// SPDX-License-Identifier: GPL-2.0-only
/* Through the time of a recording: step back, go to a moment, search the next alarm. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../lib/when.h"
#include "tui_state.h"

static bool can_travel(struct tui *tui)
{
	if (tui->frames->seek)
		return true;
	snprintf(tui->message, sizeof(tui->message),
		 tui->frames->recorded ? "Only in a file of gmemtop record, which has an index."
				       : "Only in a recording: gmemtop replay FILE.");
	return false;
}

/* The frame is taken at once, and stays. */
static void arrive(struct tui *tui)
{
	tui->frozen = true;
	tui->ended = false;
	tui->step = true;
}

void travel_back(struct tui *tui)
{
	int ret;

	if (!can_travel(tui))
		return;
	ret = tui->frames->back(tui->frames);
	if (ret == -ENODATA)
		snprintf(tui->message, sizeof(tui->message), "This is the first frame.");
	else if (ret)
		snprintf(tui->message, sizeof(tui->message), "The frame before cannot be read: %s",
			 strerror(-ret));
	else
		arrive(tui);
}

void travel_to_moment(struct tui *tui)
{
	struct frames *frames = tui->frames;
	uint64_t ns;

	if (!can_travel(tui))
		return;
	if (when_parse(tui->moment, true, frames->begin_ns, frames->end_ns, &ns)) {
		snprintf(tui->message, sizeof(tui->message),
			 "That is not a moment; 2026-11-30T16:05, 16:05, +60 and -60 are.");
		return;
	}
	/* Behind the end the last frame is shown. */
	frames->seek(frames, ns < frames->end_ns ? ns : frames->end_ns);
	arrive(tui);
}

void travel_to_alarm(struct tui *tui)
{
	if (!tui->frames->recorded) {
		can_travel(tui);
		return;
	}
	tui->frozen = true;
	tui->seeking = !tui->ended;
}

/* Something failed, was refused or was lost during the last interval. */
static bool has_alarm(const struct model *model)
{
	const struct model_vm *vm;
	size_t i;
	int op;

	for (i = 0; i < model->nr_vms; i++) {
		vm = model->vms[i];
		if (vm->rate_denied || vm->rate_inst[GMEM_INST_host_faults_refused] ||
		    vm->rate_inst[GMEM_INST_memory_failures])
			return true;
		for (op = 0; op < GMEM_OP_MAX && vm->now.error; op++) {
			if (vm->rate_err[op])
				return true;
		}
	}
	return false;
}

void travel_check_alarm(struct tui *tui)
{
	const struct model *model = &tui->model;
	uint64_t lost = model->missed;
	int n;

	for (n = 0; n < GMEM_LOST_MAX; n++)
		lost += model->lost[n];
	if (tui->seeking && (has_alarm(model) || (model->interval_ns && lost > tui->lost_before)))
		tui->seeking = false;
	tui->lost_before = lost;
}

// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "out.h"

/* --- choice and order --- */

bool batch_wanted(const struct batch *batch, const struct model_vm *vm)
{
	size_t n = batch->cgroup ? strlen(batch->cgroup) : 0;

	if (!model_is_used(vm))
		return false;
	if (batch->pid && vm->now.tgid != batch->pid)
		return false;
	if (batch->vm_pattern && fnmatch(batch->vm_pattern, vm->name, 0))
		return false;
	while (n && batch->cgroup[n - 1] == '/')
		n--;
	return !batch->cgroup || (vm->cgroup && !strncmp(vm->cgroup, batch->cgroup, n) &&
				  (!vm->cgroup[n] || vm->cgroup[n] == '/'));
}

struct order {
	const struct column *column;
	const struct features *features;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct order *order = arg;

	return columns_compare(order->column, order->features, *(const struct model_vm *const *)a,
			       *(const struct model_vm *const *)b);
}

uint32_t batch_wants(const struct batch *batch)
{
	uint32_t want = batch->want;
	unsigned int c;

	if (batch->sort)
		want |= batch->sort->wants;
	for (c = 0; c < batch->nr_columns && batch->format != BATCH_JSON; c++)
		want |= batch->columns[c]->wants;
	return want;
}

static int choose(struct batch *batch, const struct features *features, const struct model *model,
		  size_t *nr)
{
	struct order order = { batch->sort, features };
	const struct model_vm **larger;
	size_t i;

	*nr = 0;
	if (batch->room < model->nr_vms) {
		larger = reallocarray(batch->shown, model->nr_vms, sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		batch->shown = larger;
		batch->room = model->nr_vms;
	}
	for (i = 0; i < model->nr_vms; i++) {
		if (batch_wanted(batch, model->vms[i]))
			batch->shown[(*nr)++] = model->vms[i];
	}
	if (batch->sort)
		qsort_r(batch->shown, *nr, sizeof(*batch->shown), compare, &order);
	return 0;
}

int batch_print(struct batch *batch, const struct frames *frames, struct model *model)
{
	size_t nr;
	int ret;

	ret = choose(batch, frames->features, model, &nr);
	if (ret)
		return ret;
	if (batch->format == BATCH_JSON)
		return out_json(stdout, batch, frames, model, nr);
	if (batch->format == BATCH_CSV)
		return out_csv(stdout, batch, frames, model, nr);
	return out_text(stdout, batch, frames, model, nr);
}

int batch_line(struct batch *batch, const struct frames *frames, struct model *model,
	       const char **line, size_t *len)
{
	size_t nr;
	int ret;

	ret = choose(batch, frames->features, model, &nr);
	return ret ? ret : out_json_line(batch, frames, model, nr, line, len);
}

void batch_free(struct batch *batch)
{
	json_free(&batch->json);
	free(batch->shown);
}

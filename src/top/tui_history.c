// SPDX-License-Identifier: GPL-2.0-only
/* The conversion rates of the last frames, for every VM: the sparkline is there when it is asked
 * for. */
#include <errno.h>
#include <stdlib.h>

#include "tui_state.h"
#include "tui_text.h"

static void sample(struct history *history, const struct model_vm *vm, uint64_t frame)
{
	uint64_t rate;
	int d;

	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		rate = rate_hundredths(vm->rate_vm[GMEM_VM_to_private + d * GMEM_PER_DIRECTION]);
		history->samples[d][frame % SAMPLES] = rate > UINT32_MAX ? UINT32_MAX
									 : (uint32_t)rate;
	}
}

static void sample_host(struct tui *tui)
{
	struct model_vm host;

	if (!tui->host_history.first)
		tui->host_history.first = tui->model.frame;
	model_host(&tui->model, &host);
	sample(&tui->host_history, &host, tui->model.frame);
}

int history_add(struct tui *tui)
{
	const struct model *model = &tui->model;
	struct history **kept, *history;
	size_t i, old = 0;
	uint64_t id;

	/* After a leap, or with another recorder, what was before does not lead to this frame. */
	if (model->frame != tui->last_frame + 1) {
		history_free(tui);
		tui->host_history.first = 0;
	}
	tui->last_frame = model->frame;
	sample_host(tui);
	kept = calloc(model->nr_vms + 1, sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	/* Both are sorted by id. */
	for (i = 0; i < model->nr_vms; i++) {
		id = model->vms[i]->now.id;
		while (old < tui->nr_histories && tui->histories[old]->id < id)
			free(tui->histories[old++]);
		if (old < tui->nr_histories && tui->histories[old]->id == id) {
			history = tui->histories[old++];
		} else {
			history = calloc(1, sizeof(*history));
			if (!history) {
				/* What is lost is a picture of the past. */
				while (old < tui->nr_histories)
					free(tui->histories[old++]);
				break;
			}
			history->id = id;
			history->first = model->frame;
		}
		sample(history, model->vms[i], model->frame);
		kept[i] = history;
	}
	while (old < tui->nr_histories)
		free(tui->histories[old++]);
	free(tui->histories);
	tui->histories = kept;
	tui->nr_histories = i;
	return i < model->nr_vms ? -ENOMEM : 0;
}

static const struct history *find(const struct tui *tui, uint64_t id)
{
	size_t low = 0, high = tui->nr_histories, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (tui->histories[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < tui->nr_histories && tui->histories[low]->id == id ? tui->histories[low]
									: NULL;
}

int history_get(const struct tui *tui, uint64_t id, int direction, uint32_t *samples, int max)
{
	const struct history *history = id == HISTORY_HOST ? &tui->host_history : find(tui, id);
	uint64_t frame = tui->model.frame, nr;
	int i;

	if (!history)
		return 0;
	nr = frame - history->first + 1;
	if (nr > SAMPLES)
		nr = SAMPLES;
	if (nr > (uint64_t)max)
		nr = (uint64_t)max;
	for (i = 0; i < (int)nr; i++)
		samples[i] = history->samples[direction][(frame - nr + 1 + (uint64_t)i) % SAMPLES];
	return (int)nr;
}

int history_sum(const struct tui *tui, uint64_t id, uint32_t *samples, int max)
{
	uint32_t shared[SAMPLES];
	int i, nr;

	max = max < SAMPLES ? max : SAMPLES;
	nr = history_get(tui, id, 0, samples, max);
	history_get(tui, id, 1, shared, max);
	for (i = 0; i < nr; i++)
		samples[i] += shared[i] < UINT32_MAX - samples[i] ? shared[i]
								  : UINT32_MAX - samples[i];
	return nr;
}

void history_free(struct tui *tui)
{
	size_t i;

	for (i = 0; i < tui->nr_histories; i++)
		free(tui->histories[i]);
	free(tui->histories);
	tui->histories = NULL;
	tui->nr_histories = 0;
}

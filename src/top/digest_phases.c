// SPDX-License-Identifier: GPL-2.0-only
/* The part of a digest about what guests' conversions spent their time on. */
#include <errno.h>
#include <stdlib.h>

#include "digest_inner.h"

static void add_slow(struct digest *digest, const struct digest_vm *vm, uint64_t time_ns,
		     const struct model_slow *slow)
{
	struct digest_slow *list = digest->slowest;
	uint64_t ns = slow->now.ns[GMEM_PHASE_total];
	unsigned int at = 0, i;

	/* A conversion stays among the slowest for many frames. */
	for (i = 0; i < digest->nr_slowest; i++) {
		if (list[i].vm == vm && slow_is_same(&list[i].slow, slow))
			return;
		at += list[i].slow.now.ns[GMEM_PHASE_total] >= ns;
	}
	if (at == DIGEST_SLOWEST)
		return;
	digest->nr_slowest += digest->nr_slowest < DIGEST_SLOWEST;
	for (i = digest->nr_slowest - 1; i > at; i--)
		list[i] = list[i - 1];
	list[at] = (struct digest_slow){ time_ns, vm, *slow };
}

int digest_phases(struct digest *digest, struct digest_vm *to, const struct frames *frames,
		  const struct model *model, bool count)
{
	struct digest_vm *vms[] = { to, &digest->host };
	struct model_slow slow[GMEM_SLOWEST];
	uint64_t since_ns, exit_ns;
	struct digest_phase *sum;
	struct model_phase phase;
	unsigned int p, v, nr;

	for (v = 0; v < 2; v++) {
		if (!vms[v]->phases)
			vms[v]->phases = calloc(GMEM_PHASE_MAX, sizeof(*vms[v]->phases));
		if (!vms[v]->phases)
			return -ENOMEM;
	}
	for (p = 0; p < GMEM_PHASE_MAX; p++) {
		model_vm_phase(model, to->id, p, &phase);
		for (v = 0; v < 2 && count; v++) {
			sum = &vms[v]->phases[p];
			sum->count += increase(phase.count, to->before->phase_count[p]);
			sum->sum_ns += increase(phase.sum_ns, to->before->phase_ns[p]);
			latency_add(&sum->latency, &phase.span[LAST_INTERVAL]);
		}
		to->before->phase_count[p] = phase.count;
		to->before->phase_ns[p] = phase.sum_ns;
	}
	/* Those of before the first frame are not of this digest. */
	since_ns = model->now_ns - (digest->last_ns - digest->first_ns);
	nr = model_slowest(model, to->id, slow);
	for (p = 0; p < nr; p++) {
		exit_ns = slow[p].now.exit_ns;
		if (count && (!digest->middle || exit_ns >= since_ns))
			add_slow(digest, to, frames->time_ns - (model->now_ns - exit_ns), &slow[p]);
	}
	return 0;
}

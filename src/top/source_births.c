// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel programs recorded of VMs when they were made: they may be gone by now. */
#include <errno.h>
#include <string.h>

#include "../lib/grow.h"
#include "source_inner.h"

static int take_birth(void *ctx, void *record, size_t size)
{
	struct source_bpf *s = ctx;

	if (size < sizeof(*s->births) ||
	    grow(&s->births, &s->room_births, s->nr_births + 1, sizeof(*s->births)))
		return 0;
	memcpy(&s->births[s->nr_births], record, sizeof(*s->births));
	if (s->births[s->nr_births].len <= GMEM_ARGS_MAX)
		s->nr_births++;
	return 0;
}

static const struct gmem_birth *birth_of(const struct source_bpf *s, uint64_t vm_id)
{
	size_t i;

	for (i = 0; i < s->nr_births; i++) {
		if (s->births[i].vm_id == vm_id)
			return &s->births[i];
	}
	return NULL;
}

void source_identify(struct source_bpf *s, struct sample *sample, int cgroups)
{
	const struct gmem_birth *birth;
	struct sample_vm *vm;
	struct identity *who;
	uint64_t last = 0;
	size_t i, kept = 0;

	for (i = 0; i < sample->nr_vms; i++) {
		vm = sample->vms[i];
		who = &s->taken[i]->who;
		if (!who->named || (vm->cgroup && vm->cgroup != who->named_cgroup)) {
			birth = who->named || !s->nr_births ? NULL : birth_of(s, vm->id);
			proc_identify(who, vm, birth, cgroups);
		}
		vm->identity = &who->is;
		last = vm->id > last ? vm->id : last;
	}
	for (i = 0; i < s->nr_births; i++) {
		if (s->births[i].vm_id > last)
			s->births[kept++] = s->births[i];
	}
	s->nr_births = kept;
}

int source_births_open(struct source_bpf *s)
{
	s->ring = ring_buffer__new(bpf_map__fd(s->skel->maps.gmem_births), take_birth, s, NULL);
	return s->ring ? 0 : -errno;
}

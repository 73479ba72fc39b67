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

const struct gmem_birth *source_birth(const struct source_bpf *source, uint64_t vm_id)
{
	size_t i;

	for (i = 0; i < source->nr_births; i++) {
		if (source->births[i].vm_id == vm_id)
			return &source->births[i];
	}
	return NULL;
}

void source_forget_births(struct source_bpf *source, uint64_t up_to)
{
	size_t i, kept = 0;

	for (i = 0; i < source->nr_births; i++) {
		if (source->births[i].vm_id > up_to)
			source->births[kept++] = source->births[i];
	}
	source->nr_births = kept;
}

int source_births_open(struct source_bpf *s)
{
	s->ring = ring_buffer__new(bpf_map__fd(s->skel->maps.gmem_births), take_birth, s, NULL);
	return s->ring ? 0 : -errno;
}

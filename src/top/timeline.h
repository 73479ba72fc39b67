/* SPDX-License-Identifier: GPL-2.0-only */
/* What a VM did over time, in a fixed number of slots that grow with the recording. Pure. */
#ifndef GMEM_TIMELINE_H
#define GMEM_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../bpf/abi/trace.h"

#define TIMELINE_SLOTS 60

/* Sums of what happened, and the largest values of the gauges. */
struct timeline_slot {
	uint64_t conversions, pages, ns, faults, errors;
	uint64_t private, resident, waste;
	bool seen;
};

struct timeline {
	uint64_t begin_ns, slot_ns; /* the slots begin there, and each is so long; 0: empty */
	struct timeline_slot slots[TIMELINE_SLOTS];
	struct gmem_heat *heat; /* by slot, NULL: none was recorded */
};

/**
 * timeline_at - the slot of a moment
 * @timeline: grows until the moment has a slot: pairs of slots become one
 * @begin_ns: where the first slot begins, if there is none yet
 * @ns: the moment; before @begin_ns, it is in the first slot
 *
 * Return: its index.
 */
unsigned int timeline_at(struct timeline *timeline, uint64_t begin_ns, uint64_t ns);

/* Add heat to a slot. Return: 0 or -ENOMEM. */
int timeline_heat(struct timeline *timeline, unsigned int slot, const struct gmem_heat *heat);

/* Slots up to the last one in which something was seen. */
unsigned int timeline_used(const struct timeline *timeline);

void timeline_free(struct timeline *timeline);

#endif /* GMEM_TIMELINE_H */

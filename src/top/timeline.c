// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heat.h"
#include "timeline.h"

#define FIRST_SLOT_NS 1000000000ULL

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static struct timeline_slot join(const struct timeline_slot *a, const struct timeline_slot *b)
{
	return (struct timeline_slot){
		.conversions = a->conversions + b->conversions,
		.pages = a->pages + b->pages,
		.ns = a->ns + b->ns,
		.faults = a->faults + b->faults,
		.errors = a->errors + b->errors,
		.private = larger(a->private, b->private),
		.resident = larger(a->resident, b->resident),
		.waste = larger(a->waste, b->waste),
		.seen = a->seen || b->seen,
	};
}

static void double_slots(struct timeline *timeline)
{
	struct timeline_slot *slots = timeline->slots;
	unsigned int i;

	timeline->slot_ns *= 2;
	for (i = 0; i < TIMELINE_SLOTS / 2; i++) {
		slots[i] = join(&slots[2 * i], &slots[2 * i + 1]);
		if (!timeline->heat)
			continue;
		if (i)
			timeline->heat[i] = timeline->heat[2 * i];
		heat_add(&timeline->heat[i], &timeline->heat[2 * i + 1]);
	}
	memset(slots + i, 0, (TIMELINE_SLOTS - i) * sizeof(*slots));
	if (timeline->heat)
		memset(timeline->heat + i, 0, (TIMELINE_SLOTS - i) * sizeof(*timeline->heat));
}

unsigned int timeline_at(struct timeline *timeline, uint64_t begin_ns, uint64_t ns)
{
	if (!timeline->slot_ns) {
		timeline->slot_ns = FIRST_SLOT_NS;
		timeline->begin_ns = begin_ns;
	}
	if (ns < timeline->begin_ns)
		return 0;
	while ((ns - timeline->begin_ns) / timeline->slot_ns >= TIMELINE_SLOTS)
		double_slots(timeline);
	return (unsigned int)((ns - timeline->begin_ns) / timeline->slot_ns);
}

int timeline_heat(struct timeline *timeline, unsigned int slot, const struct gmem_heat *heat)
{
	if (!timeline->heat)
		timeline->heat = calloc(TIMELINE_SLOTS, sizeof(*timeline->heat));
	if (!timeline->heat)
		return -ENOMEM;
	heat_add(&timeline->heat[slot], heat);
	return 0;
}

unsigned int timeline_used(const struct timeline *timeline)
{
	unsigned int n = TIMELINE_SLOTS;

	while (n && !timeline->slots[n - 1].seen)
		n--;
	return n;
}

void timeline_free(struct timeline *timeline)
{
	free(timeline->heat);
	timeline->heat = NULL;
}

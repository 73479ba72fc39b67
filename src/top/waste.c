// SPDX-License-Identifier: GPL-2.0-only
#include "waste.h"

static uint64_t count(uint64_t mask)
{
	return (uint64_t)__builtin_popcountll(mask);
}

void waste_count(struct waste *waste, const uint64_t *private, const uint64_t *resident,
		 const uint64_t *backing, uint64_t pages, bool both)
{
	uint64_t i, valid;

	for (i = 0; i * 64 < pages; i++) {
		valid = pages - i * 64 < 64 ? (1ULL << (pages & 63)) - 1 : ~0ULL;
		waste->private += count(private[i] & valid);
		waste->resident += count(resident[i] & valid);
		waste->backing += count(backing[i] & valid);
		if (both)
			continue;
		waste->instance += count(resident[i] & ~private[i] & valid);
		waste->shared += count(backing[i] & private[i] & valid);
	}
}

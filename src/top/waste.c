// SPDX-License-Identifier: GPL-2.0-only
#include "waste.h"

static uint64_t count(uint64_t mask)
{
	return (uint64_t)__builtin_popcountll(mask);
}

/* The bits of word @i that are of the range. */
static uint64_t valid_bits(uint64_t i, uint64_t pages)
{
	return pages - i * 64 < 64 ? (1ULL << (pages & 63)) - 1 : ~0ULL;
}

void waste_count(struct waste *waste, const uint64_t *private, const uint64_t *resident,
		 uint64_t pages, bool both)
{
	uint64_t i, valid;

	for (i = 0; i * 64 < pages; i++) {
		valid = valid_bits(i, pages);
		waste->private += count(private[i] & valid);
		waste->resident += count(resident[i] & valid);
		waste->private_resident += count(resident[i] & private[i] & valid);
		if (!both)
			waste->instance += count(resident[i] & ~private[i] & valid);
	}
}

void waste_count_backing(struct waste *waste, enum gmem_backing kind, const uint64_t *private,
			 const uint64_t *backing, uint64_t pages, bool both)
{
	uint64_t i, valid;

	for (i = 0; i * 64 < pages; i++) {
		valid = valid_bits(i, pages);
		waste->backing[kind] += count(backing[i] & valid);
		if (!both)
			waste->twice[kind] += count(backing[i] & private[i] & valid);
	}
}

uint64_t waste_sum(const uint64_t pages[GMEM_BACKING_MAX])
{
	uint64_t sum = 0;
	int kind;

	for (kind = 0; kind < GMEM_BACKING_MAX; kind++)
		sum += pages[kind];
	return sum;
}

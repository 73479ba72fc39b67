/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting in a heat map: a conversion inside one cell is one addition. Included by
 * bpf/trace/count.h only.
 */
#ifndef GMEM_TRACE_HEAT_H
#define GMEM_TRACE_HEAT_H

#include "../abi/trace.h"
#include "../kernel/types.h"

/* Make cells of 2^@to pages, which are larger. The sum of all cells stays what it is. */
static __always_inline void grow_heat(struct gmem_heat *heat, __u32 to)
{
	__u32 from = heat->shift, cell, i;
	__u64 n;

	/* With cells of one page nearly every address is above the last one, and waits. */
	*(volatile __u32 *)&heat->shift = 0;
	for (i = 0; i < GMEM_HEAT_CELLS; i++) {
		n = __sync_lock_test_and_set(&heat->pages[i], 0);
		cell = i >> ((to - from) & 31);
		/* What the compiler knows to be below the end the verifier does not. */
		barrier_var(cell);
		__sync_fetch_and_add(&heat->pages[cell & (GMEM_HEAT_CELLS - 1)], n);
	}
	*(volatile __u32 *)&heat->shift = to;
}

/* The smallest cells with which a page is below the end of the last one. */
static __always_inline __u32 shift_for(__u64 page)
{
	__u32 shift = GMEM_HEAT_MIN_SHIFT;
	int i;

	for (i = GMEM_HEAT_MIN_SHIFT; i < GMEM_HEAT_MAX_SHIFT; i++)
		shift += page >> i >= GMEM_HEAT_CELLS;
	return shift;
}

/*
 * Above the last cell, or in more than one. Few branches: each of them doubles what the verifier
 * has to follow. Not static: such a function it follows once, and not from every place that calls.
 */
__noinline int spread_heat(struct gmem_heat *heat, __u64 gfn, __u64 pages)
{
	__u64 end = gfn + pages, begin, low, high;
	__u32 shift, i;

	if (!heat)
		return 0;
	if ((end - 1) >> (heat->shift & 63) >= GMEM_HEAT_CELLS) {
		if ((end - 1) >> GMEM_HEAT_MAX_SHIFT >= GMEM_HEAT_CELLS ||
		    __sync_val_compare_and_swap(&heat->busy, 0, 1)) {
			__sync_fetch_and_add(&heat->elsewhere, pages);
			return 0;
		}
		*(volatile __u32 *)&heat->busy = shift_for(end - 1);
		shift = *(volatile __u32 *)&heat->busy;
		if (shift > heat->shift)
			grow_heat(heat, shift);
		__sync_lock_test_and_set(&heat->busy, 0);
	}
	shift = heat->shift & 63;
	for (i = 0; i < GMEM_HEAT_CELLS; i++) {
		begin = (__u64)i << shift;
		low = begin > gfn ? begin : gfn;
		begin += 1ULL << shift;
		high = begin < end ? begin : end;
		if (high > low)
			__sync_fetch_and_add(&heat->pages[i], high - low);
	}
	return 0;
}

static __always_inline void count_heat(struct gmem_heat *heat, __u64 gfn, __u64 pages)
{
	__u32 shift = heat->shift & 63;
	__u64 first = gfn >> shift;

	if (first == (gfn + pages - 1) >> shift && first < GMEM_HEAT_CELLS)
		__sync_fetch_and_add(&heat->pages[first & (GMEM_HEAT_CELLS - 1)], pages);
	else
		spread_heat(heat, gfn, pages);
}

/* Add a map to another one, and empty it. No program counts in either of them. */
static __noinline int move_heat(struct gmem_heat *to, struct gmem_heat *from)
{
	__u32 by, cell, i;

	if (!to || !from)
		return 0;
	if (from->shift > to->shift)
		grow_heat(to, from->shift);
	by = (to->shift - from->shift) & 31;
	for (i = 0; i < GMEM_HEAT_CELLS; i++) {
		cell = i >> by;
		barrier_var(cell);
		to->pages[cell & (GMEM_HEAT_CELLS - 1)] += from->pages[i];
	}
	to->elsewhere += from->elsewhere;
	__builtin_memset(from, 0, sizeof(*from));
	return 0;
}

#endif /* GMEM_TRACE_HEAT_H */

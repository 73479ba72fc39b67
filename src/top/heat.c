// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "heat.h"

static void grow(struct gmem_heat *heat, __u32 shift)
{
	__u32 by = shift - heat->shift;
	__u64 n;
	int i;

	for (i = 0; i < GMEM_HEAT_CELLS; i++) {
		n = heat->pages[i];
		heat->pages[i] = 0;
		heat->pages[by < 32 ? i >> by : 0] += n;
	}
	heat->shift = shift;
}

void heat_add(struct gmem_heat *to, const struct gmem_heat *from)
{
	struct gmem_heat other = *from;
	int i;

	if (other.shift > to->shift)
		grow(to, other.shift);
	else if (to->shift > other.shift)
		grow(&other, to->shift);
	for (i = 0; i < GMEM_HEAT_CELLS; i++)
		to->pages[i] += other.pages[i];
	to->elsewhere += other.elsewhere;
}

struct gmem_heat heat_since(const struct gmem_heat *now, const struct gmem_heat *before)
{
	struct gmem_heat since = *now, old = *before;
	int i;

	if (old.shift > since.shift) {
		memset(since.pages, 0, sizeof(since.pages));
		return since;
	}
	grow(&old, since.shift);
	for (i = 0; i < GMEM_HEAT_CELLS; i++)
		since.pages[i] -= old.pages[i] < since.pages[i] ? old.pages[i] : since.pages[i];
	since.elsewhere -= old.elsewhere < since.elsewhere ? old.elsewhere : since.elsewhere;
	return since;
}

unsigned int heat_cells(const struct gmem_heat *heat)
{
	unsigned int n = GMEM_HEAT_CELLS;

	while (n && !heat->pages[n - 1])
		n--;
	return n;
}

// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "table.h"

size_t table_position(void *const *table, size_t nr, uint64_t id)
{
	size_t low = 0, high = nr, mid;

	if (nr && *(const uint64_t *)table[nr - 1] < id)
		return nr;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (*(const uint64_t *)table[mid] < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void *table_find(void *const *table, size_t nr, uint64_t id)
{
	size_t at = table_position(table, nr, id);

	return at < nr && *(const uint64_t *)table[at] == id ? table[at] : NULL;
}

void *table_get(void ***table, size_t *nr, size_t *room, uint64_t id, size_t size)
{
	size_t at = table_position(*table, *nr, id);
	void *entry;

	if (at < *nr && *(const uint64_t *)(*table)[at] == id)
		return (*table)[at];
	if (grow(table, room, *nr + 1, sizeof(**table)))
		return NULL;
	entry = calloc(1, size);
	if (!entry)
		return NULL;
	*(uint64_t *)entry = id;
	memmove(*table + at + 1, *table + at, (*nr - at) * sizeof(**table));
	(*table)[at] = entry;
	++*nr;
	return entry;
}

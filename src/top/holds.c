// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "holds.h"

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* By instance, process, kind and place. */
static int compare(const void *a, const void *b)
{
	const struct gmem_holder *first = a, *second = b;
	int order = compare_numbers(first->inst.dev, second->inst.dev);

	if (!order)
		order = compare_numbers(first->inst.ino, second->inst.ino);
	if (!order)
		order = compare_numbers(first->tgid, second->tgid);
	if (!order)
		order = compare_numbers(first->hold, second->hold);
	if (!order)
		order = compare_numbers(first->table, second->table);
	return order ? order : compare_numbers(first->at, second->at);
}

static bool same_holder(const struct gmem_holder *a, const struct gmem_holder *b)
{
	return a->inst.dev == b->inst.dev && a->inst.ino == b->inst.ino && a->tgid == b->tgid;
}

int holds_sum(struct gmem_holder *holds, size_t nr,
	      int (*add)(void *arg, const struct sample_holder *holder), void *arg)
{
	struct sample_holder holder = { 0 };
	size_t i;
	int ret = 0;

	if (nr)
		qsort(holds, nr, sizeof(*holds), compare);
	for (i = 0; i < nr && !ret; i++) {
		if (!i || !same_holder(&holds[i - 1], &holds[i])) {
			holder = (struct sample_holder){ .ino = holds[i].inst.ino,
							 .dev = holds[i].inst.dev,
							 .tgid = holds[i].tgid };
			memcpy(holder.comm, holds[i].comm, sizeof(holder.comm));
			holder.comm[sizeof(holder.comm) - 1] = '\0';
		}
		if (!i || compare(&holds[i - 1], &holds[i])) {
			holder.fds += holds[i].hold == GMEM_HOLD_FD;
			holder.mappings += holds[i].hold == GMEM_HOLD_MAPPING;
		}
		if (i + 1 == nr || !same_holder(&holds[i], &holds[i + 1]))
			ret = add(arg, &holder);
	}
	return ret;
}

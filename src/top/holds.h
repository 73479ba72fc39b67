/* SPDX-License-Identifier: GPL-2.0-only */
/* Holders of instances, from the descriptors and mappings that the kernel's iterators list. Pure. */
#ifndef GMEM_HOLDS_H
#define GMEM_HOLDS_H

#include <stddef.h>

#include "sample.h"

/**
 * holds_sum - one holder for each process and instance
 * @holds: places that hold instances, in any order, some of them twice; sorted afterwards
 * @nr: how many
 * @add: called with each holder; what it returns, if not 0, ends the sum
 * @arg: for @add
 *
 * Threads with a table of descriptors of their own are part of their process: each place counts
 * once.
 *
 * Return: 0 or what @add returned.
 */
int holds_sum(struct gmem_holder *holds, size_t nr,
	      int (*add)(void *arg, const struct sample_holder *holder), void *arg);

#endif /* GMEM_HOLDS_H */

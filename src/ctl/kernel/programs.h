/* SPDX-License-Identifier: GPL-2.0-only */
/* The programs of a policy and of its lock: loaded, attached and pinned. */
#ifndef GMEM_CTL_KERNEL_PROGRAMS_H
#define GMEM_CTL_KERNEL_PROGRAMS_H

#include "probe.h"
#include "pins.h"

/**
 * attach_first - make the maps, attach the programs, tag the tasks that there are, publish the pins
 * @hooks: what the kernel refuses is noted there
 * @programs: which ones: bits
 * @tagged: how many tasks got their identity
 *
 * Return: 0; -EAGAIN if the kernel refuses one of the programs, which is noted in @hooks: make
 * another plan; a negative errno that has been explained.
 */
int attach_first(const struct pins *pins, struct hooks *hooks, uint64_t programs, bool dry_run,
		 unsigned int *tagged);

/**
 * attach_more - attach programs to the maps that there are
 * @replace: those that are attached too, since they were loaded when the kernel had less: the new
 * one is attached before the old one goes, and for that moment both decide
 *
 * Returns as above.
 */
int attach_more(const struct pins *pins, struct hooks *hooks, uint64_t programs, bool replace,
		bool dry_run);

/* What programs that are loaded now know of the kernel: GMEM_KNOWS_*, and back again. */
__u32 programs_know(const struct hooks *hooks);
void programs_limit(struct hooks *hooks, __u32 knows);

#endif /* GMEM_CTL_KERNEL_PROGRAMS_H */

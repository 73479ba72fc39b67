/* SPDX-License-Identifier: GPL-2.0-only */
/* The programs of a policy: loaded, attached and pinned. */
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

/* Attach programs to the maps that there are. Returns as above. */
int attach_more(const struct pins *pins, struct hooks *hooks, uint64_t programs, bool dry_run);

#endif /* GMEM_CTL_KERNEL_PROGRAMS_H */

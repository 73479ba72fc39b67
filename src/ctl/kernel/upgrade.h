/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs of this gmemctl in the place of those of another version, without a moment in which no
 * program decides, or in which a request is counted twice or not at all.
 *
 * The new programs are attached beside the old ones, on the same maps, so that for a while both
 * decide (bpf/policy/turns.h says who counts). A child proves that the new ones deny. Then they
 * count, and their links replace those of the old ones, one after the other. A gmemctl that is
 * killed meanwhile leaves both sets attached, or a mixture that is complete at each hook; the next
 * load takes the new programs away or goes on, depending on whether they had been proved.
 */
#ifndef GMEM_CTL_KERNEL_UPGRADE_H
#define GMEM_CTL_KERNEL_UPGRADE_H

#include "probe.h"
#include "store.h"

/**
 * upgrade_finish - end what a gmemctl that was killed has left
 *
 * Return: 0 or a negative errno that has been explained.
 */
int upgrade_finish(struct store *store);

/**
 * upgrade - replace the attached programs
 * @hooks: what the kernel refuses is noted there
 * @programs: which ones: bits
 * @locked: the policy is locked, and this process is its manager
 * @dry_run: only see whether the kernel takes them
 *
 * Return: 0; -EAGAIN as attach_first(); a negative errno that has been explained. After an error
 * the programs are those that were attached before.
 */
int upgrade(struct store *store, struct hooks *hooks, uint64_t programs, bool locked, bool dry_run);

#endif /* GMEM_CTL_KERNEL_UPGRADE_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Labels of instances (bpf/policy/labels.h), which only instances have that were created under a
 * policy or adopted. The kernel stores them with the inode, and takes a descriptor for the inode:
 * any place where an instance is held will do.
 */
#ifndef GMEM_CTL_KERNEL_LABELS_H
#define GMEM_CTL_KERNEL_LABELS_H

#include <stdbool.h>

#include "find.h"
#include "store.h"

/**
 * label_read - does an instance belong to the policy?
 * @place: where it is held
 * @enforce: the mode of the policy: an instance whose creation was denied in audit mode has a label
 * that counts in audit mode only
 *
 * Return: 1, 0, or a negative errno if that cannot be found out there: -EOPNOTSUPP for an instance
 * in flight in a socket and for bindings.
 */
int label_read(const struct store *store, const struct gmem_found *place, bool enforce);

/**
 * label_adopt - label the instance that a place holds: from then on it belongs to the policy
 *
 * Return: 1, or a negative errno: -ENOENT if it was closed meanwhile, -EOPNOTSUPP as above, another
 * one that has been explained.
 */
int label_adopt(const struct store *store, const struct gmem_found *place);

#endif /* GMEM_CTL_KERNEL_LABELS_H */

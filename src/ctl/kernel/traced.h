/* SPDX-License-Identifier: GPL-2.0-only */
/* Guarded processes that somebody traced before the guard was up. */
#ifndef GMEM_CTL_KERNEL_TRACED_H
#define GMEM_CTL_KERNEL_TRACED_H

#include "store.h"

/**
 * traced_forget - take the identity of guarded processes that are traced
 *
 * From then on nobody begins to trace them; who traced them before could act as they do. In audit
 * mode, and where the policy lets the guard down, they keep it. Each of them is told.
 *
 * Return: 0 or a negative errno that has been explained.
 */
int traced_forget(const struct store *store);

#endif /* GMEM_CTL_KERNEL_TRACED_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* Guarded processes that somebody traced before the guard was up. */
#ifndef GMEM_CTL_KERNEL_TRACED_H
#define GMEM_CTL_KERNEL_TRACED_H

#include "store.h"

/**
 * traced_forget - take the identity of guarded processes that are traced
 *
 * From then on nobody begins to trace them; who traced them before could act as they do. They stay
 * guarded: they may have an instance mapped. In audit mode, and where the policy allows tracing,
 * they keep their identity. Each process is reported. If there was any, the policy in force has a
 * new generation afterwards, so that no decision made before is used again.
 *
 * Return: 0 or a negative errno that has been explained.
 */
int traced_forget(struct store *store);

#endif /* GMEM_CTL_KERNEL_TRACED_H */

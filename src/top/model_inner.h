/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the model share; the rest of gmemtop knows model.h. */
#ifndef GMEM_MODEL_INNER_H
#define GMEM_MODEL_INNER_H

#include "model.h"

/* --- model_host.c: sums over all VMs --- */

/* Add what a VM did to a sum. */
void model_add_up(struct model_vm *sum, const struct model_vm *vm);

/* --- model_memory.c: bindings, holders and waste --- */

/* Tie bindings and holders to instances, and add them up per VM. Return: 0 or -ENOMEM. */
int model_memory(struct model *model);

#endif /* GMEM_MODEL_INNER_H */

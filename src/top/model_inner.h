/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the model share; the rest of gmemtop knows model.h. */
#ifndef GMEM_MODEL_INNER_H
#define GMEM_MODEL_INNER_H

#include "model.h"

/* --- model_host.c: sums over all VMs --- */

/* Add what a VM did to a sum. */
void model_add_up(struct model_vm *sum, const struct model_vm *vm);

/* VMs that ended before the first sample are the difference to those in it. */
void model_set_host(struct model *model, const struct sample_host *host);

/* --- model_memory.c: bindings, holders and waste --- */

/* Return: 0 or -ENOMEM. */
int model_memory_take(struct model *model, const struct sample *sample);

/* Tie bindings and holders to instances, and add them up per VM. Return: 0 or -ENOMEM. */
int model_memory(struct model *model);

/* --- model_ended.c --- */

/* Keep what is known of VMs that ended in this frame, or what a recording lists. */
void model_note_ends(struct model *model, const struct sample *sample);

#endif /* GMEM_MODEL_INNER_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of the model about bindings, holders and waste; for model.c, the rest is in model.h. */
#ifndef GMEM_MODEL_MEMORY_H
#define GMEM_MODEL_MEMORY_H

#include "model.h"

/* Tie bindings and holders to instances, and add them up per VM. Return: 0 or -ENOMEM. */
int model_memory(struct model *model);

#endif /* GMEM_MODEL_MEMORY_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* The forms in which batch.c writes a frame. */
#ifndef GMEM_OUT_H
#define GMEM_OUT_H

#include "batch.h"

/* As text, a terminal cannot be commanded by it. */
void out_format(struct value value, char *buf, size_t size);

/*
 * Write the first @nr VMs of batch->shown to standard output, and flush. Return: 0 or a negative
 * errno.
 */
int out_text(struct batch *batch, const struct features *f, const struct model *model, size_t nr);
int out_csv(struct batch *batch, const struct features *f, size_t nr);
int out_json(struct batch *batch, const struct features *f, struct model *model, size_t nr);

#endif /* GMEM_OUT_H */

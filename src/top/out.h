/* SPDX-License-Identifier: GPL-2.0-only */
/* The forms in which batch.c writes a frame. */
#ifndef GMEM_OUT_H
#define GMEM_OUT_H

#include <stdio.h>

#include "batch.h"

/*
 * Write the first @nr VMs of batch->shown to @out, and flush. @frames: where the frame comes from.
 * Return: 0 or a negative errno.
 */
int out_text(FILE *out, struct batch *batch, const struct frames *frames, const struct model *model,
	     size_t nr);
int out_csv(FILE *out, struct batch *batch, const struct frames *frames, const struct model *model,
	    size_t nr);
int out_json(FILE *out, struct batch *batch, const struct frames *frames, struct model *model,
	     size_t nr);

/**
 * out_json_line - the same line, without writing it
 * @line: the result, until the next call
 * @len: bytes, the newline included
 *
 * Return: 0 or -ENOMEM.
 */
int out_json_line(struct batch *batch, const struct frames *frames, struct model *model, size_t nr,
		  const char **line, size_t *len);

#endif /* GMEM_OUT_H */

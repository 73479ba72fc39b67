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

/* Members of an object: percentiles and maximum, and the histogram. @interval: NULL: unknown */
void out_durations(struct json *json, const struct latency *total, const struct latency *interval);

/**
 * out_phases - members of a VM's object: what its conversions spend their time on
 * @raw: without the last interval
 */
void out_phases(struct json *json, const struct frames *frames, const struct model *model,
		const struct model_vm *vm, bool raw);

/* The same as a table, with a line for each phase of the first @nr VMs of batch->shown. */
int out_phases_text(FILE *out, const struct batch *batch, const struct frames *frames,
		    const struct model *model, size_t nr);

#endif /* GMEM_OUT_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames as a trace in the JSON form that Perfetto and Chrome open: a process for each VM, its
 * counters as tracks, its life as a slice, and the slowest conversions of each vCPU as slices with
 * their phases.
 */
#ifndef GMEM_OUT_TRACE_H
#define GMEM_OUT_TRACE_H

#include <stdio.h>

#include "frames.h"
#include "model.h"

struct trace;

/* Return: for trace_end(); NULL: no memory. */
struct trace *trace_begin(FILE *out);

/* Add a frame, from which @model was just filled in. Return: 0 or -ENOMEM. */
int trace_frame(struct trace *trace, const struct frames *frames, const struct model *model);

/* Write what is left, and free. NULL is allowed. Return: 0 or a negative errno of writing. */
int trace_end(struct trace *trace);

#endif /* GMEM_OUT_TRACE_H */

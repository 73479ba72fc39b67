/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames as text, CSV or JSON on standard output. */
#ifndef GMEM_BATCH_H
#define GMEM_BATCH_H

#include "../lib/json.h"
#include "columns.h"
#include "frames.h"

enum batch_format {
	BATCH_TEXT,
	BATCH_CSV,
	BATCH_JSON,
};

struct batch {
	enum batch_format format;
	const struct column *columns[MAX_COLUMNS];
	unsigned int nr_columns;
	const struct column *sort;
	bool list_instances; /* JSON only, as are the lists of what is wanted */
	bool raw; /* JSON: without rates and durations of the interval, which follow from the rest */
	uint32_t want; /* enum want, beside what the columns need */
	/* Filters, 0 and NULL: none. */
	uint64_t pid;
	const char *vm_pattern, *cgroup;
	/* Its own state. */
	struct json json;
	const struct model_vm **shown;
	size_t room;
	bool header; /* something was written before */
};

/* Print one frame, and flush. Return: 0 or a negative errno, -EPIPE when the reader has gone. */
int batch_print(struct batch *batch, const struct frames *frames, struct model *model);

/**
 * batch_line - one frame as a line of JSON
 * @line: the result, until the next call
 * @len: bytes, the newline included
 *
 * Return: 0 or -ENOMEM.
 */
int batch_line(struct batch *batch, const struct frames *frames, struct model *model,
	       const char **line, size_t *len);

/* What a frame must contain: bits of enum want. */
uint32_t batch_wants(const struct batch *batch);

/* Does the VM pass the filters? The VM "other" does if anything was counted for it. */
bool batch_wanted(const struct batch *batch, const struct model_vm *vm);

void batch_free(struct batch *batch);

#endif /* GMEM_BATCH_H */

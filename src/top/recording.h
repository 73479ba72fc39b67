/* SPDX-License-Identifier: GPL-2.0-only */
/* The lines of a recording: of gmemtop record (store.h), or plain ones of gmemtop --json. */
#ifndef GMEM_RECORDING_H
#define GMEM_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/lines.h"

struct store_reader;

struct recording {
	struct store_reader *store; /* NULL: plain lines */
	struct lines lines;
	int fd; /* readable when there may be more */
};

/**
 * recording_open - a file, or "-" for plain lines on standard input
 *
 * Return: 0 or a negative errno, which has not been explained.
 */
int recording_open(struct recording *recording, const char *path);

/**
 * recording_next - the next line
 * @wait: as of lines_next()
 * @line: the line, until the next call
 * @len: its bytes
 * @complete: false for a last line that has no end
 *
 * Return: as lines_next().
 */
int recording_next(struct recording *recording, bool wait, const char **line, size_t *len,
		   bool *complete);

/* When it begins and ends. Return: false if it does not say so. */
bool recording_span(const struct recording *recording, uint64_t *first_ns, uint64_t *last_ns);

/* Go on with a line before @time_ns (CLOCK_REALTIME). Plain lines stay where they are. */
void recording_seek(struct recording *recording, uint64_t time_ns);

/* Say what of a file could not be read, if so. @path: its name */
void recording_explain(const struct recording *recording, const char *path);

void recording_close(struct recording *recording);

#endif /* GMEM_RECORDING_H */

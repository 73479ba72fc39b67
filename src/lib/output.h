/* SPDX-License-Identifier: GPL-2.0-only */
/* Standard output: what was written to it must have arrived. */
#ifndef GMEM_OUTPUT_H
#define GMEM_OUTPUT_H

/*
 * Before anything is opened: where a standard descriptor is closed, something takes its place that
 * cannot be written to, so that no text goes to a file or map that is opened later.
 */
void output_begin(void);

/**
 * output_until_stopped - do not wait for a reader for ever
 *
 * Standard output is written as before until stop_asked (stop.h) is set. From then on a reader has
 * to take something every two seconds; otherwise the write fails with ETIMEDOUT, as does every
 * later one, and output_end() explains it.
 */
void output_until_stopped(void);

/**
 * output_end - at the end of a program
 * @ret: what it ends with, an exit status or a negative errno, that of a write perhaps
 *
 * Return: its exit status, which is not 0 if not all could be written, and that is explained. That
 * nobody reads any more is no error.
 */
int output_end(int ret);

#endif /* GMEM_OUTPUT_H */

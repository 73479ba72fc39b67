/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines of a file, or of a pipe whose writer may be slow. */
#ifndef GMEM_LINES_H
#define GMEM_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct lines {
	int fd;
	char *buf;
	size_t room, start, end; /* buf[start..end) was read and not returned */
	size_t searched;	 /* bytes after start that contain no newline */
	bool at_end;
};

/**
 * lines_open - open a file or pipe for reading
 * @path: "-" is standard input
 *
 * Opening a FIFO does not wait for a writer.
 *
 * Return: 0 or a negative errno, which has not been explained.
 */
int lines_open(struct lines *lines, const char *path);

/**
 * lines_next - the next line
 * @wait: block until a line is complete, else return -EAGAIN when it is not
 * @line: the result, without its newline, until the next call
 * @complete: false for the last line of a file that does not end with a newline
 *
 * Return: 0, -ENODATA at the end, -EAGAIN, -EINTR after a signal, or another negative errno.
 */
int lines_next(struct lines *lines, bool wait, char **line, bool *complete);

void lines_close(struct lines *lines);

#endif /* GMEM_LINES_H */

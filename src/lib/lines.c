// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grow.h"
#include "lines.h"

#define READ_SIZE 65536

int lines_open(struct lines *lines, const char *path)
{
	*lines = (struct lines){ .fd = STDIN_FILENO };
	if (!strcmp(path, "-"))
		return 0;
	/* Without O_NONBLOCK, opening a FIFO would wait for its writer. */
	lines->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return lines->fd < 0 ? -errno : 0;
}

/* Return: 0, also at the end of the file, or as lines_next(). */
static int read_more(struct lines *lines, bool wait)
{
	struct pollfd input = { .fd = lines->fd, .events = POLLIN };
	ssize_t n;
	int ret;

	/* A FIFO that no writer has opened yet reads as if at its end, but is not readable. */
	ret = poll(&input, 1, wait ? -1 : 0);
	if (ret <= 0)
		return ret ? -errno : -EAGAIN;
	if (lines->start) {
		memmove(lines->buf, lines->buf + lines->start, lines->end - lines->start);
		lines->end -= lines->start;
		lines->start = 0;
	}
	/* One more byte terminates the last line. */
	if (grow(&lines->buf, &lines->room, lines->end + READ_SIZE + 1, 1))
		return -ENOMEM;
	n = read(lines->fd, lines->buf + lines->end, READ_SIZE);
	if (n < 0)
		return wait && errno == EAGAIN ? 0 : -errno;
	lines->end += (size_t)n;
	lines->at_end = !n;
	return 0;
}

int lines_next(struct lines *lines, bool wait, char **line, bool *complete)
{
	char *newline = NULL;
	int ret;

	for (;;) {
		if (lines->end > lines->start + lines->searched)
			newline = memchr(lines->buf + lines->start + lines->searched, '\n',
					 lines->end - lines->start - lines->searched);
		if (newline || lines->at_end)
			break;
		lines->searched = lines->end - lines->start;
		ret = read_more(lines, wait);
		if (ret)
			return ret;
	}
	if (lines->start == lines->end)
		return -ENODATA;
	*complete = newline;
	*line = lines->buf + lines->start;
	if (!newline)
		newline = lines->buf + lines->end;
	*newline = '\0';
	lines->start = (size_t)(newline - lines->buf) + *complete;
	lines->searched = 0;
	return 0;
}

void lines_close(struct lines *lines)
{
	if (lines->fd > STDIN_FILENO)
		close(lines->fd);
	free(lines->buf);
}

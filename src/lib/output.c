// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "exits.h"
#include "log.h"
#include "output.h"

void output_begin(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++) {
		/* The lowest number that is free is the one that was asked for. */
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			open("/dev/null", fd ? O_RDONLY : O_WRONLY);
	}
}

/* The errno of a write is lost where more was written after it. */
static bool reader_is_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&out, 1, 0) == 1 && out.revents & (POLLERR | POLLHUP);
}

int output_end(int ret)
{
	int status = ret < 0 ? (int)exit_status(ret) : ret;
	int why = fflush(stdout) ? -errno : 0;

	if (!why && !ferror(stdout))
		return status;
	if (!why && ret < 0)
		why = ret;
	if (why == -EPIPE || reader_is_gone())
		return ret == -EPIPE ? GMEM_EXIT_OK : status;
	log_error(why ?: -EIO, why ? NULL : "not all of it could be written", NULL,
		  "write to standard output");
	return status ?: GMEM_EXIT_FAILURE;
}

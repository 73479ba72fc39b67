// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "exits.h"
#include "log.h"
#include "output.h"
#include "stop.h"

#define PATIENCE_MS 2000

/* The reader took nothing for that long. */
static bool gave_up;

void output_begin(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++) {
		/* The lowest number that is free is the one that was asked for. */
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			open("/dev/null", fd ? O_RDONLY : O_WRONLY);
	}
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until there is room for PIPE_BUF bytes, which a pipe then takes without blocking. */
static bool wait_for_room(int64_t deadline)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	int64_t left = deadline - now_ms();
	int ret = 0;

	while (left > 0) {
		ret = poll(&out, 1, (int)left);
		if (ret > 0)
			return true;
		left = deadline - now_ms();
	}
	return false;
}

/* For fopencookie(): fewer bytes than @size are an error, which errno names. */
static ssize_t write_until_stopped(void *cookie, const char *buf, size_t size)
{
	int64_t deadline = 0;
	size_t done = 0, part;
	ssize_t n;

	(void)cookie;
	while (done < size) {
		part = size - done;
		if (stop_asked) {
			if (!deadline)
				deadline = now_ms() + PATIENCE_MS;
			gave_up = gave_up || !wait_for_room(deadline);
			if (gave_up) {
				errno = ETIMEDOUT;
				break;
			}
			part = part < PIPE_BUF ? part : PIPE_BUF;
		}
		n = write(STDOUT_FILENO, buf + done, part);
		if (n > 0) {
			done += (size_t)n;
			deadline = 0;
		} else if (n < 0 && errno != EINTR) {
			break;
		}
	}
	return (ssize_t)done;
}

void output_until_stopped(void)
{
	cookie_io_functions_t functions = { .write = write_until_stopped };
	FILE *out;

	fflush(stdout);
	out = fopencookie(NULL, "w", functions);
	/* Without memory it is written as it was. */
	if (!out)
		return;
	setvbuf(out, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, BUFSIZ);
	stdout = out;
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
	if (gave_up) {
		log_error(-ETIMEDOUT, "a signal came, and the reader took nothing for two seconds",
			  NULL, "write all to standard output");
		return status ?: GMEM_EXIT_FAILURE;
	}
	log_error(why ?: -EIO, why ? NULL : "not all of it could be written", NULL,
		  "write to standard output");
	return status ?: GMEM_EXIT_FAILURE;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a command and prints its cost, including the children that it waited for: one line in the
 * format of bench_ops, in nanoseconds of CPU time.
 *
 *   bench_run NAME COMMAND [ARGUMENT...]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long long ns(const struct timeval *tv)
{
	return ((unsigned long long)tv->tv_sec * 1000000 + (unsigned long long)tv->tv_usec) * 1000;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: bench_run NAME COMMAND [ARGUMENT...]\n");
		return 2;
	}
	pid = fork();
	if (!pid) {
		/* Standard output is for the line of this program. */
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
		execvp(argv[2], argv + 2);
		fprintf(stderr, "bench_run: %s: %s\n", argv[2], strerror(errno));
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return 1;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "bench_run: %s %s failed\n", argv[1], argv[2]);
		return 1;
	}
	printf("%s\t1\t%llu\t%llu\n", argv[1], ns(&usage.ru_utime) + ns(&usage.ru_stime),
	       ns(&usage.ru_utime) + ns(&usage.ru_stime));
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "log.h"
#include "namespaces.h"

/* The kernel gives the namespaces of the host these inodes (include/linux/proc_ns.h). */
static const struct {
	const char *path;
	unsigned long host;
	const char *why, *todo;
} kinds[] = {
	{ "/proc/self/ns/pid", 0xeffffffcUL,
	  "this PID namespace is not the host's, so that processes outside of it would be overlooked",
	  "run it in the host's PID namespace (nsenter -t 1 -p, or --pid=host of a container)" },
	{ "/proc/self/ns/cgroup", 0xeffffffbUL,
	  "this cgroup namespace is not the host's, so that cgroups have other paths",
	  "run it in the host's cgroup namespace (nsenter -t 1 -C, or --cgroupns=host of a "
	  "container)" },
};

/* A kernel without such namespaces has no such file. Return: 1, 0 or a negative errno. */
static int is_host(const char *path, unsigned long host)
{
	struct stat st;

	if (!stat(path, &st))
		return st.st_ino == host;
	return errno == ENOENT && !stat("/proc/self/ns", &st) ? 1 : -errno;
}

/* Do the clocks of this process show the host's times? */
static bool is_host_time(void)
{
	FILE *file = fopen("/proc/self/timens_offsets", "re");
	long long seconds, nanoseconds;
	char clock[32];
	bool same = true;

	while (file && fscanf(file, "%31s %lld %lld", clock, &seconds, &nanoseconds) == 3)
		same = same && !seconds && !nanoseconds;
	if (file)
		fclose(file);
	return same;
}

int namespaces_check(const char *what)
{
	size_t i;
	int ret;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		ret = is_host(kinds[i].path, kinds[i].host);
		if (ret < 0)
			return log_error(ret, NULL, "mount -t proc proc /proc", "%s: look at %s",
					 what, kinds[i].path);
		if (!ret)
			return log_error(-EOPNOTSUPP, kinds[i].why, kinds[i].todo, "%s", what);
	}
	if (!is_host_time())
		return log_error(-EOPNOTSUPP,
				 "this time namespace has other times than the host, so that the "
				 "times of events would be wrong",
				 "run it in the host's time namespace", "%s", what);
	return 0;
}

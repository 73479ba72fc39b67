// SPDX-License-Identifier: GPL-2.0-only
/* What this host knows of a user, an executable, a process. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fsverity.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolve.h"
#include "who.h"

/* The digest that the kernel measured for a file, if it has one. */
static void measure_verity(const char *path, struct who *who)
{
	union {
		struct fsverity_digest head;
		__u8 all[sizeof(struct fsverity_digest) + GMEM_DIGEST_SIZE];
	} measured = { .head.digest_size = GMEM_DIGEST_SIZE };
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	if (!ioctl(fd, FS_IOC_MEASURE_VERITY, &measured)) {
		memset(&who->verity, 0, sizeof(who->verity));
		who->verity.kind = GMEM_BY_VERITY;
		who->verity.algorithm = measured.head.digest_algorithm;
		who->verity.size = measured.head.digest_size;
		memcpy(who->verity.digest, measured.all + sizeof(measured.head),
		       measured.head.digest_size);
		who->has_verity = true;
	}
	close(fd);
}

static void look_at_exe(const char *path, struct who *who)
{
	int ret = resolve_exe(path, &who->exe_identity);

	who->has_exe_identity = !ret;
	who->exe_untrusted_fs = ret == EXE_MADE_UP;
	if (!ret)
		measure_verity(path, who);
}

const struct who_lookup who_of_host = { .user = resolve_user, .exe = look_at_exe };

static int read_uid(unsigned int pid, char *uid, size_t size)
{
	char path[64], line[256];
	unsigned int effective;
	int ret = -ESRCH;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	status = fopen(path, "re");
	if (!status)
		return errno == ENOENT ? -ESRCH : -errno;
	while (ret && fgets(line, sizeof(line), status)) {
		/* Real, effective: the policy goes by the second. */
		if (sscanf(line, "Uid: %*u %u", &effective) == 1) {
			snprintf(uid, size, "%u", effective);
			ret = 0;
		}
	}
	fclose(status);
	return ret;
}

static int read_cgroup(unsigned int pid, char *cgroup, size_t size)
{
	char path[64], line[4096 + 8];
	int ret = -ENOENT;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (ret && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::", 3) && strlen(line + 3) < size) {
			memcpy(cgroup, line + 3, strlen(line + 3) + 1);
			ret = 0;
		}
	}
	fclose(file);
	return ret;
}

/* As has_host_root() in bpf/policy/identity.h, as far as user space can see it, and as it is now. */
static enum gmem_root root_of(unsigned int pid)
{
	struct stat own, host;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/root", pid);
	/* Without rights over process 1 its root is taken to be gmemctl's. */
	if (stat(path, &own) || (stat("/proc/1/root", &host) && stat("/", &host)) ||
	    own.st_dev != host.st_dev || own.st_ino != host.st_ino)
		return GMEM_ROOT_other;
	return GMEM_ROOT_host;
}

int who_of_process(unsigned int pid, struct who_process *process)
{
	struct request_error error;
	struct who *who = &process->who;
	struct who_text text = { 0 };
	char link[64];
	ssize_t len;
	int ret;

	memset(process, 0, sizeof(*process));
	ret = read_uid(pid, process->uid, sizeof(process->uid));
	if (ret)
		return ret;
	text.uid = process->uid;
	/* Without cgroup2 it is in none. */
	if (!read_cgroup(pid, process->cgroup, sizeof(process->cgroup)))
		text.cgroup = process->cgroup;
	ret = who_parse(&text, &who_of_host, who, &error);
	if (ret)
		return ret;
	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	len = readlink(link, process->exe, sizeof(process->exe) - 1);
	if (len < 0)
		return -errno;
	who->exe = process->exe;
	who->root = root_of(pid);
	/* By the link itself: the path may have another file by now. */
	look_at_exe(link, who);
	return 0;
}

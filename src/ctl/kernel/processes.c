// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "processes.h"

bool process_is_gone(int error)
{
	return error == ESRCH || error == ENOENT;
}

int numbers_each(const char *path, int (*take)(unsigned int number, void *data), void *data)
{
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	dir = opendir(path);
	if (!dir)
		return process_is_gone(errno) ? 0 : -errno;
	while (!ret && (entry = readdir(dir))) {
		if (isdigit((unsigned char)*entry->d_name))
			ret = take((unsigned int)strtoul(entry->d_name, NULL, 10), data);
	}
	closedir(dir);
	return ret;
}

int process_tag(const struct store *store, unsigned int pid, struct gmem_tag *tag)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0), ret = 1;

	if (fd < 0)
		return process_is_gone(errno) ? 0 : -errno;
	if (bpf_map_lookup_elem(store->fd[MAP_tags], &fd, tag))
		ret = process_is_gone(errno) ? 0 : -errno;
	close(fd);
	return ret;
}

int process_set_tag(const struct store *store, unsigned int pid, const struct gmem_tag *tag)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0), ret = 0;

	if (fd < 0)
		return process_is_gone(errno) ? 0 : -errno;
	if (bpf_map_update_elem(store->fd[MAP_tags], &fd, tag, BPF_EXIST))
		ret = process_is_gone(errno) ? 0 : -errno;
	close(fd);
	return ret;
}

__u32 identity_class(const struct store *store, unsigned int slot,
		     const struct gmem_identity *identity)
{
	struct gmem_identity key = *identity;
	__u32 class;

	key.slot = slot;
	if (!key.kind || bpf_map_lookup_elem(store->fd[MAP_exes], &key, &class))
		return 0;
	return GMEM_CLASS(class);
}

char *process_comm(unsigned int pid, char comm[PROCESS_COMM])
{
	char path[64];
	FILE *file;

	snprintf(comm, PROCESS_COMM, "?");
	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	file = fopen(path, "re");
	if (file && fgets(comm, PROCESS_COMM, file))
		comm[strcspn(comm, "\n")] = '\0';
	if (file)
		fclose(file);
	return comm;
}

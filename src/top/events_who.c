// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/cgroup.h"
#include "events_who.h"
#include "model.h"
#include "proc.h"

/* Each name has one place, which the next one takes over that falls into it. */
#define PLACES 4096

/* A VM has a place by its number. */
struct vm_name {
	uint64_t id;
	bool seen; /* the VMM itself was, not only the thread that made the VM */
	uint32_t pid;
	char name[NAME_LEN];
};

/* One program in one process: with an exec, or when the pid is used again, it is another. */
struct exe {
	uint64_t start, exec;
	uint32_t pid;
	char *path;
};

/* An executable, by which that of a process is known that is gone already. */
struct exe_file {
	uint64_t ino;
	uint32_t dev, generation;
	char *path;
};

struct cgroup {
	uint64_t id;
	char *path;
};

struct who {
	int root; /* of the cgroups, negative: none */
	struct vm_name vms[PLACES];
	struct exe exes[PLACES];
	struct exe_file files[PLACES];
	struct cgroup cgroups[PLACES];
};

struct who *who_new(void)
{
	struct who *who = calloc(1, sizeof(*who));

	if (who)
		who->root = cgroup_root();
	return who;
}

void who_free(struct who *who)
{
	size_t i;

	if (!who)
		return;
	for (i = 0; i < PLACES; i++) {
		free(who->exes[i].path);
		free(who->files[i].path);
		free(who->cgroups[i].path);
	}
	if (who->root >= 0)
		close(who->root);
	free(who);
}

/* The process that a thread belongs to; the thread itself if that cannot be told any more. */
static uint32_t process_of(uint32_t tid)
{
	char line[256];
	uint32_t pid = tid;
	FILE *file;

	snprintf(line, sizeof(line), "/proc/%u/status", tid);
	file = fopen(line, "re");
	while (file && fgets(line, sizeof(line), file) && sscanf(line, "Tgid: %u", &pid) != 1)
		;
	if (file)
		fclose(file);
	return pid;
}

const char *who_vm(struct who *who, const struct gmem_event_vm *vm, uint32_t *pid)
{
	struct vm_name *place = &who->vms[vm->id % PLACES];
	struct identity identity = { 0 };
	struct sample_vm sample;

	if (!vm->id)
		return NULL;
	if (place->id != vm->id || (!place->seen && vm->comm[0])) {
		place->id = vm->id;
		place->seen = vm->comm[0];
		place->pid = place->seen ? vm->tgid : process_of(vm->tgid);
		memset(&sample, 0, sizeof(sample));
		sample.id = vm->id;
		sample.tgid = place->pid;
		memcpy(sample.comm, vm->comm, sizeof(vm->comm));
		proc_identify(&identity, &sample, NULL, who->root);
		free(identity.cgroup);
		memcpy(place->name, identity.is.name, sizeof(place->name));
	}
	*pid = place->pid;
	return place->name;
}

/* The executable's own place; its path is asked of the process if it is not known. */
static const char *exe_path(struct who *who, const struct gmem_event *e, char *buf, size_t size)
{
	struct exe_file *file = &who->files[e->exe_ino % PLACES];
	bool same = e->exe_ino && file->path && file->ino == e->exe_ino &&
		    file->dev == e->exe_dev && file->generation == e->exe_generation;
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%u/exe", e->pid);
	n = readlink(link, buf, size - 1);
	if (n <= 0)
		return same ? file->path : NULL;
	buf[n] = '\0';
	if (!same && e->exe_ino) {
		free(file->path);
		*file = (struct exe_file){ e->exe_ino, e->exe_dev, e->exe_generation, strdup(buf) };
	}
	return buf;
}

const char *who_exe(struct who *who, const struct gmem_event *e)
{
	struct exe *place = &who->exes[(e->pid ^ e->exec) % PLACES];
	char buf[PATH_MAX];
	const char *path;

	if (place->path && place->pid == e->pid && place->start == e->start &&
	    place->exec == e->exec)
		return place->path;
	path = exe_path(who, e, buf, sizeof(buf));
	if (!path)
		return NULL;
	free(place->path);
	*place = (struct exe){ e->start, e->exec, e->pid, strdup(path) };
	return place->path;
}

const char *who_cgroup(struct who *who, const struct gmem_event *e)
{
	struct cgroup *place = &who->cgroups[e->cgroup % PLACES];
	char path[PATH_MAX];

	if (place->path && place->id == e->cgroup)
		return place->path;
	if (who->root < 0 || cgroup_path(who->root, e->cgroup, path, sizeof(path)))
		return NULL;
	free(place->path);
	place->path = strdup(path);
	place->id = e->cgroup;
	return place->path;
}
